"""Measures of every layer of an encoder, under the curve of its probes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from myocard.metrics.outcomes import NAMES
from myocard.plot.canvas import BLUE, GREY, HAIRLINE, INK, canvas_of, tick_layers, to_svg
from myocard.report.blocks import Chapter, Definitions, Fold, Gallery, Words
from myocard.report.drawing import Figure
from myocard.report.topics.theory import ALIGNMENT, MEASURES
from myocard.report.words import NOTES
from myocard.results.layers import LAYERS, LayerMeasures, Point
from myocard.results.saved import find_files


def chapters(paths: Sequence[Path]) -> list[Chapter]:
    """The chapter of measures, if there are any."""
    figures = layer_figures(paths)
    if not figures:
        return []
    terms = [(measure.label, measure.theory) for measure in MEASURES]
    terms.append(("Alignment of layers (linear CKA)", ALIGNMENT))
    words = Words(NOTES["layers"])
    fold = Fold("What is measured, and the theory that it comes from", [Definitions(terms)])
    return [Chapter("layers", "Why the middle?", [words, Gallery(figures), fold])]


def layer_figures(paths: Sequence[Path]) -> list[Figure]:
    """Two figures for each pretrained encoder, random weights beside it: measures, alignment.

    Raises:
        InputError: When a ``layers.json`` is not of the schema.
    """
    found = [LayerMeasures.read(file.parent) for file, _ in find_files(paths, LAYERS)]
    trained = [each for each in found if not each.encoder.random]
    figures = []
    for place, each in enumerate(trained or found, start=1):
        others = [x for x in found if x.encoder.random and x is not each]
        alike = [x for x in others if _ground(x) == _ground(each)]
        figures += [_measures(each, alike, place), _alignment([each, *alike[:1]], place)]
    return figures


def _label(found: LayerMeasures) -> str:
    weights = "random weights" if found.encoder.random else "pretrained"
    return f"{found.encoder.name}, {weights}"


def _ground(found: LayerMeasures) -> tuple[Any, ...]:
    """The fields in which two measures that can be compared agree."""
    kind = found.encoder.architecture
    return found.hashes.store, found.task, found.labels, found.split, found.leads, kind


def _measures(measured: LayerMeasures, random: Sequence[LayerMeasures], place: int) -> Figure:
    name = f"layer-measures-{place}"
    drawn = [measure for measure in MEASURES if measure.key in measured.measures]
    heights = [2.2 if measure.key == "probe" else 1.0 for measure in drawn]
    with canvas_of(5.4, 0.82 * sum(heights) + 0.6) as canvas:
        panels = canvas.subplots(len(drawn), sharex=True, height_ratios=heights, squeeze=False)
        for axes, measure in zip(panels[:, 0], drawn, strict=True):
            for other in random:
                _draw(axes, other.measures[measure.key], GREY, "random weights")
            _draw(axes, measured.measures[measure.key], BLUE, "pretrained")
            axes.set_title(measure.label, fontsize=8.5, pad=3)
            unit = NAMES[measured.metric] if measure.key == "probe" else measure.unit
            axes.set_ylabel(unit, fontsize=8)
            axes.axvline(measured.best_layer, color=INK, lw=0.8, ls=(0, (1, 2)), zorder=0)
            axes.grid(axis="y")
        panels[0, 0].legend(*_once(panels[0, 0]), loc="lower right", ncols=2, fontsize=8)
        layers = range(len(measured.alignment))
        tick_layers(panels[-1, 0], layers, measured.encoder.layer_names)
        canvas.align_ylabels()
    svg = to_svg(canvas, name, f"Measures of every layer, {_label(measured)}")
    lines = [
        {"encoder": _label(each), "measure": key} | point.model_dump()
        for each in (measured, *random)
        for key, points in each.measures.items()
        for point in points
    ]
    return Figure(name, _caption(measured, random), svg, pd.DataFrame(lines))


def _draw(axes: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    layers = [point.layer for point in points]
    low, high = ([getattr(point, end) for point in points] for end in ("low", "high"))
    axes.fill_between(layers, low, high, color=colour, alpha=0.18, lw=0)
    axes.plot(
        layers, [point.value for point in points], color=colour, marker="o", ms=2.6, lw=1.3,
        label=label,
    )  # fmt: skip


def _once(axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels, each label once, the last drawn first."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    return list(named.values())[::-1], list(named)[::-1]


def _caption(measured: LayerMeasures, random: Sequence[LayerMeasures]) -> str:
    beside = "grey, with random weights" if random else "no random encoder was measured beside it"
    records = {"train": measured.records["train"], "scored": measured.records[measured.split]}
    stated = {"task": measured.task, "source": measured.source, "split": measured.split}
    return NOTES["measures"].format(encoder=_label(measured), beside=beside, **stated, **records)


def _alignment(found: Sequence[LayerMeasures], place: int) -> Figure:
    name, first = f"alignment-{place}", found[0]
    layers = np.arange(len(first.alignment) + 1) - 0.5
    with canvas_of(5.4, 3.1) as canvas:
        panels = canvas.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, each in zip(panels, found, strict=True):
            image = axes.pcolormesh(layers, layers, each.alignment, cmap="cividis", vmin=0, vmax=1)
            axes.set_title("random weights" if each.encoder.random else "pretrained")
            axes.set(aspect="equal", xlabel="Layer")
            axes.spines[:].set_visible(False)
            axes.tick_params(color=HAIRLINE)
        panels[0].set_ylabel("Layer")
        bar = canvas.colorbar(image, ax=list(panels), pad=0.02, fraction=0.05, shrink=0.8)
        bar.set_label("Linear CKA")
        bar.outline.set_visible(False)
    svg = to_svg(canvas, name, f"Alignment of layers, {_label(first)}")
    caption = NOTES["alignment"].format(encoder=_label(first), train=first.records["train"])
    lines = [
        {"encoder": _label(each), "layer": row, "other": column, "cka": value}
        for each in found
        for row, values in enumerate(each.alignment)
        for column, value in enumerate(values)
    ]
    return Figure(name, caption, svg, pd.DataFrame(lines))
