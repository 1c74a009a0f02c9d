"""Quality by layer, and loss by step."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from myocard.errors import InputError
from myocard.report.comparisons import Group, Section
from myocard.report.drawing import (
    BLUE,
    GREEN,
    GREY,
    HAIRLINE,
    INK,
    PURPLE,
    VERMILION,
    Figure,
    style,
    to_svg,
)
from myocard.report.runs import Run

_LINES = {
    "ppa": ("PPA", GREEN, (0, (5, 2))),
    "scalar-mix": ("scalar mix", PURPLE, (0, (1, 1.5))),
    "pma": ("PMA", VERMILION, "solid"),
}
_WIDTH, _HEIGHT = 5.4, 3.3


def layer_curves(section: Section) -> list[Figure]:
    """A figure for each pretrained encoder and head, random weights beside it, on one scale."""
    drawn = [group for group in section.groups if group.layers and not group.random]
    alone = [group for group in section.groups if group.layers and group.random]
    tables = {group.label: curve(group) for group in section.groups if group.layers}
    if not tables:
        return []
    limits = _limits(tables.values())
    return [
        _layer_figure(section, group, _counterparts(group, alone), tables, limits)
        for group in drawn or alone
    ]


def curve(group: Group) -> pd.DataFrame:
    """Macro AUROC by layer, and of the readouts that use no single layer."""
    named: list[tuple[str, int | None, Run]]
    named = [("layer", layer, run) for layer, run in sorted(group.layers.items())]
    named += [(name, None, run) for name, run in group.runs.items() if name in ("last", *_LINES)]
    lines = []
    for readout, layer, run in named:
        value, low, high = _macro(run, group)
        known: dict[str, Any] = {"encoder": group.label, "readout": readout, "layer": layer}
        chosen = readout == "layer" and layer == group.best_layer
        lines.append(known | {"auroc": value, "low": low, "high": high, "best": chosen})
    return pd.DataFrame(lines).astype({"auroc": float, "low": float, "high": float})


def loss_curve(log: Path, place: str, name: str) -> Figure:
    """The losses of one ``log.jsonl``."""
    table = _read_log(log)
    with style():
        canvas = Canvas(figsize=(_WIDTH, 2.5), layout="constrained")
        axes = canvas.subplots()
        axes.plot(table["step"], table["loss"], color=BLUE, lw=1.2)
        axes.set(xlabel="Step", ylabel="Loss")
        axes.set_xlim(left=0)
        axes.grid(axis="y")
        svg = to_svg(canvas, name, f"Loss by step, {place}")
    last = table.iloc[-1]
    caption = f"{place}: loss by step; {last['loss']:.4f} at step {int(last['step'])}, the last."
    return Figure(name, caption, svg, table)


def _read_log(log: Path) -> pd.DataFrame:
    try:
        table = pd.DataFrame([json.loads(line) for line in log.read_text().splitlines()])
        return table.dropna(subset=["step", "loss"])
    except (ValueError, KeyError) as error:
        raise InputError(
            f'{log}: not a log; each line is a JSON object with "step" and "loss"'
        ) from error


def _macro(run: Run, group: Group) -> tuple[float | None, float | None, float | None]:
    metrics = run.states.metrics(group.split)
    if metrics is None:
        return None, None, None
    macro = metrics.auroc.macro
    return macro.value, macro.low, macro.high


def _counterparts(group: Group, alone: Sequence[Group]) -> list[Group]:
    """The random encoders of ``group``'s depth, under its head."""
    depth = group.first.states.encoder.layers
    return [
        other
        for other in alone
        if other.head == group.head
        and other is not group
        and other.first.states.encoder.layers == depth
    ]


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
) -> Figure:
    name = f"{section.name}-layers-{section.groups.index(group) + 1}"
    with style():
        canvas = Canvas(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        axes = canvas.subplots()
        for other in random:
            _draw_layers(axes, tables[other.label], GREY, "random weights")
        _draw_layers(axes, tables[group.label], BLUE, "one layer")
        _mark(axes, tables[group.label], group)
        axes.set_ylim(*limits)
        _draw_lines(axes, tables[group.label])
        axes.set(xlabel="Layer (0: embedding)", ylabel="Macro AUROC")
        axes.set_title(group.label)
        axes.set_xticks(sorted(group.layers))
        axes.grid(axis="y")
        canvas.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.2)
        svg = to_svg(canvas, name, f"Macro AUROC by layer, {group.label}")
    numbers = pd.concat([tables[each.label] for each in (group, *random)])
    return Figure(name, _caption(section, group, random), svg, numbers)


def _caption(section: Section, group: Group, random: Sequence[Group]) -> str:
    beside = (
        "grey, the same encoder with random weights"
        if random
        else "no random encoder of this depth and head was given"
    )
    return (
        f"{group.label}, on {section.split}. Blue, a {group.head} head on each single layer; "
        f"{beside}. Bands: 95 % intervals. Lines across: readouts that use every layer."
    )


def _draw_layers(axes: Axes, table: pd.DataFrame, colour: str, label: str) -> None:
    single = table[table["readout"] == "layer"]
    layers = single["layer"].astype(float)
    axes.fill_between(layers, single["low"], single["high"], color=colour, alpha=0.16, lw=0)
    axes.plot(layers, single["auroc"], color=colour, marker="o", ms=3.5, label=label)


def _mark(axes: Axes, table: pd.DataFrame, group: Group) -> None:
    best = table[table["best"]]
    axes.plot(
        best["layer"], best["auroc"], "o", ms=10, mfc="none", mec=INK, mew=1.2,
        label="best on validation",
    )  # fmt: skip
    last = table[table["readout"] == "last"]
    if len(last):
        axes.plot(
            max(group.layers), last["auroc"].iloc[0], "D", ms=6, mfc="white", mec=INK, mew=1.2,
            label="last layer", zorder=5,
        )  # fmt: skip


def _draw_lines(axes: Axes, table: pd.DataFrame) -> None:
    """The readouts over all layers as lines across, named at their right ends."""
    across = table[table["readout"].isin(_LINES)].dropna(subset="auroc").sort_values("auroc")
    low, high = axes.get_ylim()
    gap, free = 0.065 * (high - low), -float("inf")
    right = axes.get_xlim()[1]
    for readout, value in zip(across["readout"], across["auroc"], strict=True):
        name, colour, dashes = _LINES[readout]
        free = max(value, free + gap)
        axes.axhline(value, color=colour, linestyle=dashes, lw=1.3, zorder=1)
        axes.annotate(
            name, (right, value), (right, free), color=colour, va="center", ha="left",
            annotation_clip=False, fontsize=8.5, xycoords="data",
        )  # fmt: skip
    axes.set_xlim(right=right)
    axes.spines["bottom"].set_color(HAIRLINE if across.empty else GREY)
