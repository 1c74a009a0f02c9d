"""Boundaries of waves by layer: where P, QRS and T are read best, and how near the truth."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from myocard.metrics.boundaries import BOUNDARIES, EVENTS, TOLERANCES
from myocard.metrics.summary import Estimate
from myocard.plot.canvas import BLUE, INK, PURPLE, VERMILION, canvas_of, to_svg
from myocard.report.blocks import Block, Chapter, Gallery, Tabulated, Words
from myocard.report.drawing import Figure
from myocard.report.table import Table, estimate, prefixed, signed
from myocard.report.words import NOTES
from myocard.results.delineation import DELINEATION, MEAN, Accuracy, DelineationMeasures
from myocard.results.saved import find_files

_COLOURS = dict(zip(TOLERANCES, (PURPLE, BLUE, VERMILION), strict=True))


def chapters(paths: Sequence[Path]) -> list[Chapter]:
    """The chapter of delineations, if there are any.

    Raises:
        InputError: When a ``delineation.json`` is not of the schema.
    """
    found = [DelineationMeasures.read(file.parent) for file, _ in find_files(paths, DELINEATION)]
    trained = [each for each in found if not each.encoder.random]
    blocks: list[Block] = [Words(NOTES["delineation"])]
    for place, each in enumerate(trained or found, start=1):
        random = [x for x in found if x is not each and x.encoder.random and _alike(x, each)]
        blocks += [
            Gallery([_overall(each, random, place), _boundaries(each, random, place)]),
            Words(_gain(each), "facts"),
            Tabulated(_table(each, place)),
        ]
    return [Chapter("delineation", "Where waves begin and end", blocks)] if found else []


def _alike(one: DelineationMeasures, other: DelineationMeasures) -> bool:
    """Tell whether two are of the same records, truth, and depth."""
    grounds = [(x.hashes.store, x.waves, x.split, x.leads, x.encoder.layers) for x in (one, other)]
    return grounds[0] == grounds[1]


def _overall(
    found: DelineationMeasures, random: Sequence[DelineationMeasures], place: int
) -> Figure:
    name = f"delineation-{place}"
    with canvas_of(5.4, 3.6) as canvas:
        axes = canvas.subplots()
        _draw(axes, found, random, MEAN)
        axes.set_title("All boundaries")
        axes.set_ylabel("F1, mean of six boundaries")
        axes.set_xlabel("Layer (0: embedding)")
        axes.legend(loc="lower right", ncols=2, fontsize=8)
    svg = to_svg(canvas, name, f"F1 of all boundaries by layer, {found.encoder.name}")
    return Figure(name, _caption("delineation_layers", found, random), svg, _numbers(found, random))


def _boundaries(
    found: DelineationMeasures, random: Sequence[DelineationMeasures], place: int
) -> Figure:
    name = f"delineation-boundaries-{place}"
    with canvas_of(5.4, 3.6) as canvas:
        panels = canvas.subplots(2, 3, sharex=True, sharey=True)
        for axes, event in zip(panels.T.flat, BOUNDARIES, strict=True):
            _draw(axes, found, random, event)
            axes.set_title(event, fontsize=8.5, pad=3)
        canvas.supxlabel("Layer (0: embedding)", fontsize=9)
        canvas.supylabel("F1", fontsize=9)
    svg = to_svg(canvas, name, f"F1 of each boundary by layer, {found.encoder.name}")
    caption = _caption("delineation_boundaries", found, random)
    return Figure(name, caption, svg, _numbers(found, random))


def _draw(
    axes: Axes, found: DelineationMeasures, random: Sequence[DelineationMeasures], event: str
) -> None:
    for tolerance, colour in _COLOURS.items():
        layers, values, low, high = _curve(found, event, tolerance).to_numpy().T
        axes.fill_between(layers, low, high, color=colour, alpha=0.15, lw=0)
        axes.plot(layers, values, color=colour, marker="o", ms=2.6, lw=1.3, label=f"{tolerance} ms")
    for other in random:
        for tolerance, colour in _COLOURS.items():
            layers, values, *_ = _curve(other, event, tolerance).to_numpy().T
            label = f"{tolerance} ms, random weights"
            axes.plot(layers, values, color=colour, lw=1.0, ls=(0, (4, 2)), label=label)
    axes.axvline(found.best_layer, color=INK, lw=0.8, ls=(0, (1, 2)), zorder=0)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")


def _curve(found: DelineationMeasures, event: str, tolerance: int) -> pd.DataFrame:
    """F1 of an event by layer; layers where it has no value are left out."""
    points = [x for x in found.accuracy if (x.event, x.tolerance) == (event, tolerance)]
    rows = [(x.layer, x.f1.value, x.f1.low, x.f1.high) for x in points if x.f1.value is not None]
    return pd.DataFrame(rows, columns=["layer", "f1", "low", "high"])


def _numbers(found: DelineationMeasures, random: Sequence[DelineationMeasures]) -> pd.DataFrame:
    return pd.concat(
        [
            _curve(each, event, tolerance).assign(
                encoder=each.encoder.name, event=event, tolerance=tolerance
            )
            for each in (found, *random)
            for event in (MEAN, *BOUNDARIES)
            for tolerance in TOLERANCES
        ],
        ignore_index=True,
    )


def _caption(name: str, found: DelineationMeasures, random: Sequence[DelineationMeasures]) -> str:
    beside = "dashed, with random weights" if random else "no random encoder was read beside it"
    return NOTES[name].format(
        encoder=found.encoder.name, source=found.source, split=found.split, beside=beside,
        train=found.records["train"], scored=found.records[found.split], choice=found.choice,
    )  # fmt: skip


def _gain(found: DelineationMeasures) -> str:
    gains = ", ".join(
        f"{signed(each.difference, each.low, each.high)} within {each.tolerance} ms"
        for each in found.gains
    )
    last = max(each.layer for each in found.accuracy)
    return NOTES["delineation_gain"].format(best=found.best_layer, last=last, gains=gains)


def _table(found: DelineationMeasures, place: int) -> Table:
    """The findings of the best layer, a line for each event."""
    at = {(x.event, x.tolerance): x for x in found.accuracy if x.layer == found.best_layer}
    shown: list[dict[str, str]] = []
    numbers: list[dict[str, object]] = []
    for event in EVENTS:
        widest = at[event, max(TOLERANCES)]
        scores: dict[str, Estimate | None] = {
            f"F1, {each} ms": at[event, each].f1 for each in TOLERANCES
        }
        scores |= {"Sensitivity": widest.sensitivity, "Predictive value": widest.predictive_value}
        cells = {name: estimate(score) for name, score in scores.items()}
        shown.append({"Boundary": event} | cells | {"Error, mean ± SD [ms]": _error(widest)})
        numbers.append({"event": event, "waves": widest.waves, "layer": widest.layer})
        for name, score in (scores | {"mean": widest.error_mean, "sd": widest.error_sd}).items():
            numbers[-1] |= prefixed(name, score)
    caption = NOTES["delineation_table"].format(layer=found.best_layer, encoder=found.encoder.name)
    name = f"delineation-{place}"
    return Table(name, caption, pd.DataFrame(shown), pd.DataFrame(numbers), grouped=False)


def _error(found: Accuracy) -> str:
    mean, sd = found.error_mean, found.error_sd
    if mean is None or sd is None or mean.value is None or sd.value is None:
        return "–"
    return f"{mean.value:+.0f} ± {sd.value:.0f}".replace("-", "−")
