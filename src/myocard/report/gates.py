"""Is the gate worth it? What it adds to fixed weights, and how it treats single records."""

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from scipy.special import entr

from myocard.report.comparisons import Group, Section
from myocard.report.drawing import BLUE, GREY, INK, SKY, Figure, style, to_svg
from myocard.report.names import READOUTS
from myocard.report.pairs import compare
from myocard.report.runs import Run
from myocard.report.tables import MISSING, Table, gain, p_value

_QUESTIONS = (
    ("PMA minus scalar mix", "pma", "scalar-mix"),
    ("PMA minus its mean weights, same head", "pma", "substituted"),
    ("PMA minus its mean weights, head refitted", "pma", "refitted"),
    ("PMA minus PMA with its gate left at random", "pma", "pma-frozen-gate"),
    ("PMA minus PMA whose gate reads the last layer", "pma", "pma-last"),
    ("PMA minus PMA whose gate reads the mean layer", "pma", "pma-mean"),
    ("PPA of normalised layers minus PPA", "ppa-normed", "ppa"),
    ("scalar mix of normalised layers minus scalar mix", "scalar-mix-normed", "scalar-mix"),
)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS = np.linspace(0, 1, 26)


def gates(section: Section) -> Table:
    """What a gate and its parts add, for every group that has both sides; else empty."""
    shown, numbers = [], []
    for group in section.groups:
        sides = _sides(group)
        for question, one, other in _QUESTIONS:
            found = compare(sides.get(one), sides.get(other), section.split)
            if found is not None:
                line = {"Encoder": group.label, "Comparison": question}
                shown.append(line | {"Difference [95 %]": gain(found), "p": p_value(found)})
                runs = {"run": sides[one].place, "against_run": sides[other].place}
                numbers.append({k.lower(): v for k, v in line.items()} | vars(found) | runs)
    return Table(
        f"{section.name}-gate",
        "What the gate adds. Its mean weights are those of the training records, given to every "
        "record: under PMA's own head, or under one trained anew for them.",
        pd.DataFrame(shown),
        pd.DataFrame(numbers),
        grouped=True,
    )


def departures(section: Section) -> Table:
    """How far every gate is from a static mix, by number."""
    shown, numbers = [], []
    for group, readout, run in _gated(section):
        stated = run.states.layer_weights
        if stated is None or stated.entropy is None:
            continue
        spread, twins = stated.entropy, run.states.static_twins
        label = READOUTS.get(readout, readout)
        areas = {name: each.get(group.split) for name, each in twins.items()}
        shown.append(
            {
                "Encoder": group.label,
                "Readout": label,
                "Entropy / log L": f"{spread.share:.2f}",
                "KL to the mean [nats]": _shown(stated.divergence),
                "Between records": _shown(stated.between_records),
                "AUROC of its mean, same head": _shown(areas.get("substituted")),
                "AUROC of its mean, refitted": _shown(areas.get("refitted")),
            }
        )
        numbers.append(
            {"encoder": group.label, "readout": label, "entropy": spread.mean}
            | {"entropy_share": spread.share, "divergence": stated.divergence}
            | {"between_records": stated.between_records, "run": run.place}
            | {f"auroc_{name}": area for name, area in areas.items()}
        )
    return Table(
        f"{section.name}-gate-departures",
        "How far gates are from a static mix. Entropy of a record's weights: 0 for one layer, "
        "log L for equal shares. KL of a record's weights to their mean: 0 if all have the same. "
        "Between records: the part of the squared distance from equal shares that goes when every "
        "record gets the mean.",
        pd.DataFrame(shown),
        pd.DataFrame(numbers),
        grouped=True,
    )


def records(section: Section) -> list[Figure]:
    """For each group with gates: the weights of records by layer, and their entropy."""
    figures = []
    for place, group in enumerate(section.groups, start=1):
        tables = {
            READOUTS.get(readout, readout): table
            for _, readout, run in _gated(section, group)
            if (table := run.weights(group.split)) is not None and len(table)
        }
        if tables:
            figures += [
                _bands(section, group, tables, place),
                _entropies(section, group, tables, place),
            ]
    return figures


def _gated(section: Section, only: Group | None = None) -> list[tuple[Group, str, Run]]:
    groups = section.groups if only is None else (only,)
    return [
        (group, readout, run)
        for group in groups
        for readout, run in group.runs.items()
        if run.states.static_twins
    ]


def _sides(group: Group) -> dict[str, Run]:
    """The group's runs, and PMA's static twins."""
    pma = group.runs.get("pma")
    twins = {} if pma is None else {name: pma.twin(name) for name in pma.states.static_twins}
    return {**group.runs, **twins}


def _bands(section: Section, group: Group, tables: dict[str, pd.DataFrame], place: int) -> Figure:
    numbers = pd.DataFrame(
        [
            {"readout": label, "layer": layer, "mean": weights.mean()}
            | {f"q{round(100 * q):02d}": weights.quantile(q) for q in _QUANTILES}
            for label, table in tables.items()
            for layer, weights in table.items()
        ]
    )

    def draw(axes: Axes, label: str) -> None:
        mine = numbers[(numbers["readout"] == label) & (numbers["layer"] > 0)]
        axes.vlines(mine["layer"], mine["q05"], mine["q95"], color=SKY, lw=3)
        axes.vlines(mine["layer"], mine["q25"], mine["q75"], color=BLUE, lw=6)
        axes.plot(mine["layer"], mine["q50"], "_", color="white", ms=7, mew=1.6)
        axes.plot(mine["layer"], mine["mean"], "D", color=INK, ms=3)
        axes.axhline(1 / len(mine), color=GREY, lw=0.8, ls=(0, (4, 3)), zorder=0)
        axes.set_ylim(0, 1.05 * numbers["q95"].max())
        axes.set_xticks(mine["layer"])

    name = f"{section.name}-gate-weights-{place}"
    svg = _panels(tables, draw, "Layer", "Weight", name, f"Weights over records, {group.label}")
    caption = (
        f"{group.label}, on {group.split}: the weight that records give each layer. Thick: the "
        "middle half of the records; thin: from 5 to 95 %; gap: median; diamond: mean; dashed: "
        "equal shares. Bars without height are a static mix. Every record counts once a seed."
    )
    return Figure(name, caption, svg, numbers)


def _entropies(
    section: Section, group: Group, tables: dict[str, pd.DataFrame], place: int
) -> Figure:
    counts = {}
    for label, table in tables.items():
        blocks = table.shape[1] - 1
        shares = entr(table.to_numpy()).sum(axis=1) / math.log(max(blocks, 2))
        counts[label] = np.histogram(shares.clip(0, 1), _BINS)[0] / len(table)
    numbers = pd.DataFrame(counts).assign(low=_BINS[:-1], high=_BINS[1:])

    def draw(axes: Axes, label: str) -> None:
        axes.stairs(counts[label], _BINS, fill=True, color=BLUE, alpha=0.85)
        axes.set_ylim(0, None)
        axes.set_xlim(0, 1)

    name = f"{section.name}-gate-entropy-{place}"
    axis = "Entropy of a record's weights, as a share of log L"
    svg = _panels(tables, draw, axis, "Share of records", name, f"Entropy, {group.label}")
    caption = (
        f"{group.label}, on {group.split}: how many layers a record reads at once. At 0 a single "
        "one, at 1 all alike. Every record counts once a seed."
    )
    return Figure(name, caption, svg, numbers[["low", "high", *counts]])


def _panels(
    labels: dict[str, pd.DataFrame],
    draw: Callable[[Axes, str], None],
    x: str,
    y: str,
    name: str,
    description: str,
) -> str:
    """One panel a readout, one above the other."""
    with style():
        canvas = Canvas(figsize=(5.4, 1.45 * len(labels) + 0.5), layout="constrained")
        panels = canvas.subplots(len(labels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, label in zip(panels, labels, strict=True):
            draw(axes, label)
            axes.set_title(label)
            axes.grid(axis="y")
            axes.set_axisbelow(True)
        panels[-1].set_xlabel(x)
        canvas.supylabel(y, fontsize=9)
        return to_svg(canvas, name, description)


def _shown(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"
