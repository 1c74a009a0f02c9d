"""Gates: their gain on fixed weights, and the weights that they give single records."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.special import entr

from myocard.plot.canvas import BLUE, canvas_of, to_svg
from myocard.plot.weights import draw_weights, quantiles
from myocard.report.blocks import Block, Heading, galleries, table_blocks
from myocard.report.drawing import Figure
from myocard.report.table import Table, differences, number, table_of
from myocard.report.words import NOTES, read_words
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.names import label_of
from myocard.results.compare.pairs import paired
from myocard.results.saved import SavedRun

_QUESTIONS: dict[str, list[str]] = read_words("gates")
_BINS = np.linspace(0, 1, 26)


def blocks(section: Section) -> list[Block]:
    """Tables and figures of what gates add, where a section has gates."""
    table = table_blocks(gates(section))
    if not table:
        return []
    departed = table_blocks(departures(section))
    return [Heading("Is the gate worth it?"), *table, *departed, *galleries(records(section))]


def gates(section: Section) -> Table:
    """Differences that a gate and its parts make, for every group that has both sides."""
    candidates = (
        ({"Encoder": group.label, "Comparison": question}, sides.get(one), sides.get(other))
        for group, sides in ((group, _sides(group)) for group in section.groups)
        for question, (one, other) in _QUESTIONS.items()
    )
    pairs = paired(candidates, section.split)
    return differences(f"{section.name}-gate", NOTES["gates"], pairs)


def departures(section: Section) -> Table:
    """The distance of every gate from a static mix, by number."""
    shown, numbers = [], []
    for group in section.groups:
        for run in _gated(group):
            stated = run.info.layer_weights
            if stated is None or stated.entropy is None:
                continue
            spread, label = stated.entropy, label_of(run)
            scores = {
                name: each.get(group.split) for name, each in run.info.static_mixtures.items()
            }
            shown.append(
                {
                    "Encoder": group.label,
                    "Readout": label,
                    "Entropy / log L": f"{spread.share:.2f}",
                    "KL to the mean [nats]": number(stated.divergence),
                    "Between records": number(stated.between_records),
                    "Score of its mean, same head": number(scores.get("substituted")),
                    "Score of its mean, refitted": number(scores.get("refitted")),
                }
            )
            numbers.append(
                {"encoder": group.label, "readout": label, "entropy": spread.mean}
                | {"entropy_share": spread.share, "divergence": stated.divergence}
                | {"between_records": stated.between_records, "run": run.place}
                | {f"score_{name}": each for name, each in scores.items()}
            )
    return table_of(f"{section.name}-gate-departures", NOTES["departures"], shown, numbers)


def records(section: Section) -> list[Figure]:
    """For each group with gates: the weights of records by layer, and their entropy."""
    figures = []
    for group in section.groups:
        read = {label_of(run): run.layer_weights(group.split) for run in _gated(group)}
        tables = {label: table for label, table in read.items() if table is not None and len(table)}
        if tables:
            figures += [_bands(section, group, tables), _entropies(section, group, tables)]
    return figures


def _gated(group: Group) -> Iterator[SavedRun]:
    return (run for run in group.runs.values() if run.info.static_mixtures)


def _sides(group: Group) -> dict[str, SavedRun]:
    """The group's runs, and PMA with its static mixtures."""
    pma = group.runs.get("pma")
    names = pma.info.static_mixtures if pma else ()
    return group.runs | {name: pma.with_static_mixture(name) for name in names if pma}


def _bands(section: Section, group: Group, tables: dict[str, pd.DataFrame]) -> Figure:
    found = {label: quantiles(table) for label, table in tables.items()}
    numbers = pd.concat([each.assign(readout=label) for label, each in found.items()])
    numbers = numbers[["readout", *found[next(iter(found))]]]

    def draw(axes: Axes, label: str) -> None:
        draw_weights(axes, found[label])
        axes.set_ylim(0, 1.05 * numbers["q95"].max())

    name = section.stem("gate-weights", group)
    description = f"Weights over records, {group.label}"
    svg = _panels(name, description, [*tables], draw, "Layer", "Weight")
    caption = NOTES["gate_weights"].format(group=group.label, split=group.split)
    return Figure(name, caption, svg, numbers)


def _entropies(section: Section, group: Group, tables: dict[str, pd.DataFrame]) -> Figure:
    counts = {}
    for label, table in tables.items():
        blocks = table.shape[1] - 1
        shares = entr(table.to_numpy()).sum(axis=1) / math.log(max(blocks, 2))
        counts[label] = np.histogram(shares.clip(0, 1), _BINS)[0] / len(table)
    numbers = pd.DataFrame({"low": _BINS[:-1], "high": _BINS[1:]} | counts)

    def draw(axes: Axes, label: str) -> None:
        axes.stairs(counts[label], _BINS, fill=True, color=BLUE, alpha=0.85)
        axes.set_ylim(0, None)
        axes.set_xlim(0, 1)

    name, x = (
        section.stem("gate-entropy", group),
        "Entropy of a record's weights, as a share of log L",
    )
    svg = _panels(name, f"Entropy, {group.label}", [*tables], draw, x, "Share of records")
    caption = NOTES["gate_entropy"].format(group=group.label, split=group.split)
    return Figure(name, caption, svg, numbers)


def _panels(
    name: str,
    description: str,
    labels: list[str],
    draw: Callable[[Axes, str], None],
    x: str,
    y: str,
) -> str:
    """One panel a readout, one above the other."""
    with canvas_of(5.4, 1.45 * len(labels) + 0.5) as canvas:
        panels = canvas.subplots(len(labels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, label in zip(panels, labels, strict=True):
            draw(axes, label)
            axes.set_title(label)
            axes.grid(axis="y")
            axes.set_axisbelow(True)
        panels[-1].set_xlabel(x)
        canvas.supylabel(y, fontsize=9)
    return to_svg(canvas, name, description)
