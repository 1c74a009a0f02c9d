"""Quality by layer."""

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.axes import Axes

from myocard.report import drawing
from myocard.report.blocks import Block, galleries, headed
from myocard.report.compare.comparisons import Group, Section
from myocard.report.words import NOTES
from myocard.results.saved import SavedRun

_LINES = {
    "ppa": ("PPA", drawing.GREEN, (0, (5, 2))),
    "scalar-mix": ("scalar mix", drawing.PURPLE, (0, (1, 1.5))),
    "pma": ("PMA", drawing.VERMILION, "solid"),
}


def blocks(section: Section) -> list[Block]:
    """The layer curves under a heading."""
    return headed("Quality by layer", galleries(layer_curves(section)))


def layer_curves(section: Section) -> list[drawing.Figure]:
    """A figure for each pretrained encoder and head, random weights beside it, on one scale."""
    layered = [group for group in section.groups if group.layers]
    tables = {group.label: curve(group) for group in layered}
    if not tables:
        return []
    alone = [group for group in layered if group.random]
    limits = _limits(tables.values())
    return [
        _layer_figure(section, group, _counterparts(group, alone), tables, limits)
        for group in [each for each in layered if not each.random] or alone
    ]


def curve(group: Group) -> pd.DataFrame:
    """Leading metric by layer, and of the readouts that use no single layer."""
    named: list[tuple[str, int | None, SavedRun]]
    named = [("layer", layer, run) for layer, run in sorted(group.layers.items())]
    named += [(name, None, run) for name, run in group.runs.items() if name in ("last", *_LINES)]
    lines = []
    for readout, layer, run in named:
        macro = group.score(run)
        ends = (macro.value, macro.low, macro.high) if macro else (None, None, None)
        line: dict[str, object] = {"encoder": group.label, "readout": readout, "layer": layer}
        line |= zip(("score", "low", "high"), ends, strict=True)
        lines.append(line | {"best": readout == "layer" and layer == group.best_layer})
    return pd.DataFrame(lines).astype({"score": float, "low": float, "high": float})


def _counterparts(group: Group, alone: Sequence[Group]) -> list[Group]:
    """The random encoders of ``group``'s architecture, under its head."""

    def kind(each: Group) -> tuple[object, ...]:
        return each.head, *each.first.info.encoder.architecture

    return [other for other in alone if kind(other) == kind(group) and other is not group]


def _limits(tables: Iterable[pd.DataFrame]) -> tuple[float, float]:
    everything = pd.concat(tables)
    low, high = everything["low"].min(), everything["high"].max()
    margin = 0.06 * (high - low)
    return float(low - margin), float(high + margin)


def _layer_figure(
    section: Section,
    group: Group,
    random: Sequence[Group],
    tables: dict[str, pd.DataFrame],
    limits: tuple[float, float],
) -> drawing.Figure:
    name, encoder = section.stem("layers", group), group.first.info.encoder
    with drawing.canvas_of(5.4, 3.3) as canvas:
        axes = canvas.subplots()
        for other in random:
            _draw_layers(axes, tables[other.label], drawing.GREY, "random weights")
        _draw_layers(axes, tables[group.label], drawing.BLUE, "one layer")
        _mark(axes, tables[group.label], group)
        axes.set_ylim(*limits)
        _draw_lines(axes, tables[group.label])
        axes.set_ylabel(section.metric)
        axes.set_title(group.label)
        drawing.tick_layers(axes, sorted(group.layers), encoder.layer_names)
        axes.grid(axis="y")
        canvas.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.2)
    svg = drawing.to_svg(canvas, name, f"{section.metric} by layer, {group.label}")
    beside = "no random encoder of its architecture and this head was given"
    if random:
        beside = "grey, the same encoder with random weights"
    stated = {"group": group.label, "split": section.split, "head": group.head, "beside": beside}
    numbers = pd.concat([tables[each.label] for each in (group, *random)])
    caption = " ".join(filter(None, [NOTES["layer_curve"].format(**stated), encoder.ends]))
    return drawing.Figure(name, caption, svg, numbers)


def _draw_layers(axes: Axes, table: pd.DataFrame, colour: str, label: str) -> None:
    single = table[table["readout"] == "layer"]
    layers = single["layer"].astype(float)
    axes.fill_between(layers, single["low"], single["high"], color=colour, alpha=0.16, lw=0)
    axes.plot(layers, single["score"], color=colour, marker="o", ms=3.5, label=label)


def _mark(axes: Axes, table: pd.DataFrame, group: Group) -> None:
    best = table[table["best"]]
    axes.plot(
        best["layer"], best["score"], "o", ms=10, mfc="none", mec=drawing.INK, mew=1.2,
        label="best on validation",
    )  # fmt: skip
    last = table[table["readout"] == "last"]
    if len(last):
        axes.plot(
            max(group.layers), last["score"].iloc[0], "D", ms=6, mfc="white", mec=drawing.INK,
            mew=1.2, label="last layer", zorder=5,
        )  # fmt: skip


def _draw_lines(axes: Axes, table: pd.DataFrame) -> None:
    """The readouts over all layers as lines across, named at their right ends."""
    across = table[table["readout"].isin(_LINES)].dropna(subset="score").sort_values("score")
    low, high = axes.get_ylim()
    gap, free = 0.065 * (high - low), -float("inf")
    right = axes.get_xlim()[1]
    for readout, value in zip(across["readout"], across["score"], strict=True):
        name, colour, dashes = _LINES[readout]
        free = max(value, free + gap)
        axes.axhline(value, color=colour, linestyle=dashes, lw=1.3, zorder=1)
        axes.annotate(
            name, (right, value), (right, free), color=colour, va="center", ha="left",
            annotation_clip=False, fontsize=8.5, xycoords="data",
        )  # fmt: skip
    axes.set_xlim(right=right)
    axes.spines["bottom"].set_color(drawing.HAIRLINE if across.empty else drawing.GREY)
