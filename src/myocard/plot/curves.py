"""Quality by layer: of each encoder, and of several over relative depth."""

from collections.abc import Iterable, Sequence
from itertools import cycle, product
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from myocard.errors import InputError
from myocard.plot.canvas import (
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    HAIRLINE,
    INK,
    PURPLE,
    VERMILION,
    styled,
    tick_layers,
)
from myocard.plot.panels import key, one_or_all, panels
from myocard.results.compare.comparisons import Group, Section, sections
from myocard.results.saved import SavedRun

_LINES = {
    "ppa": ("PPA", GREEN, (0, (5, 2))),
    "scalar-mix": ("scalar mix", PURPLE, (0, (1, 1.5))),
    "pma": ("PMA", VERMILION, "solid"),
}
_DASHES = ("solid", (0, (4, 2)), (0, (1, 1.5)))

Limits = tuple[float, float]


@styled
def layer_curve(runs: Iterable[SavedRun], ax: Any = None) -> Any:
    """Draw the leading metric of every single layer, and of readouts of all layers.

    A panel for each task, encoder and head; encoders with random weights stand in grey beside those
    of their architecture. Bands are 95 % intervals over patients. The ring marks the layer that is
    best on *validation*, the diamond the last one, lines across the mixtures.

    Args:
        runs: Runs, as ``myocard.load_runs`` finds them.
        ax: Axes to draw on, an array of as many as there are panels, or None for a new figure.

    Returns:
        The axes, or an array of them where there are several panels.

    Raises:
        InputError: When no run reads a single layer.
    """
    found = [
        (section, group, random)
        for section in sections(runs)
        for group, random in beside_random(layered(section))
    ]
    _require(found)
    axes = panels(len(found), ax, 5.4, 3.3)
    limits = {
        section.name: limits_of(curve(group) for group in layered(section)) for section, *_ in found
    }
    for each, (section, group, random) in zip(axes, found, strict=True):
        draw_curve(each, section, group, random, limits[section.name])
        each.set_title(group.label if len(limits) == 1 else f"{section.name}: {group.label}")
    key(axes, ax, ncols=4, handlelength=1.4, columnspacing=1.2)
    return one_or_all(axes)


@styled
def relative_depth(runs: Iterable[SavedRun], ax: Any = None) -> Any:
    """Draw the leading metric of all encoders over relative depth, 0 to 1; a panel a task.

    Args:
        runs: Runs, as ``myocard.load_runs`` finds them.
        ax: Axes to draw on, an array of as many as there are tasks, or None for a new figure.

    Returns:
        The axes, or an array of them where there are several tasks.

    Raises:
        InputError: When no run reads a single layer.
    """
    found = [(section, groups) for section in sections(runs) if (groups := layered(section))]
    _require(found)
    axes = panels(len(found), ax, 5.4, 3.3 + 0.15 * max(len(groups) for _, groups in found))
    for each, (section, groups) in zip(axes, found, strict=True):
        draw_depth(each, section, groups)
        each.set_title(f"{section.task}, {section.source}")
    key(axes, ax, fontsize=8)
    return one_or_all(axes)


def layered(section: Section) -> list[Group]:
    """The groups that have single layers."""
    return [group for group in section.groups if group.layers]


def beside_random(groups: Sequence[Group]) -> list[tuple[Group, list[Group]]]:
    """The pretrained groups, each with those of random weights that are like it under its head.

    Random ones by themselves, where there are no others.
    """
    alone = [group for group in groups if group.random]

    def kind(each: Group) -> tuple[object, ...]:
        return each.head, *each.first.info.encoder.architecture

    return [
        (group, [other for other in alone if kind(other) == kind(group) and other is not group])
        for group in [each for each in groups if not each.random] or alone
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


def limits_of(tables: Iterable[pd.DataFrame]) -> Limits:
    """The ends of a scale on which all curves are seen."""
    everything = pd.concat(tables)
    low, high = everything["low"].min(), everything["high"].max()
    margin = 0.06 * (high - low)
    return float(low - margin), float(high + margin)


def draw_curve(
    axes: Axes, section: Section, group: Group, random: Sequence[Group], limits: Limits
) -> None:
    """Draw one group, and random weights behind it."""
    table = curve(group)
    for other in random:
        _draw_layers(axes, curve(other), GREY, "random weights")
    _draw_layers(axes, table, BLUE, "one layer")
    _mark(axes, table, group)
    axes.set_ylim(*limits)
    _draw_lines(axes, table)
    axes.set_ylabel(section.metric)
    axes.set_title(group.label)
    tick_layers(axes, sorted(group.layers), group.first.info.encoder.layer_names)
    axes.grid(axis="y")


def draw_depth(axes: Axes, section: Section, groups: Sequence[Group]) -> None:
    """Draw the layers of several groups over relative depth."""
    for group, (colour, dashes) in zip(groups, marks(), strict=False):
        own = curve(group).query("readout == 'layer'")
        axes.plot(
            own["layer"].astype(float) / deepest(group), own["score"], color=colour, ls=dashes,
            marker="o", ms=2.5, lw=1.3, label=group.label,
        )  # fmt: skip
    axes.set(xlabel="Relative depth (0: first state)", ylabel=section.metric)
    axes.grid(axis="y")


def marks() -> Iterable[tuple[str, Any]]:
    """Colours and dashes that tell lines apart."""
    return cycle((colour, dashes) for dashes, colour in product(_DASHES, COLOURS))


def deepest(group: Group) -> int:
    return max(max(group.layers), 1)


def _require(found: Sequence[Any]) -> None:
    if not found:
        raise InputError(
            "no run reads a single layer; probe with the readout `layers` among others"
        )


def _draw_layers(axes: Axes, table: pd.DataFrame, colour: str, label: str) -> None:
    single = table[table["readout"] == "layer"]
    layers = single["layer"].astype(float)
    axes.fill_between(layers, single["low"], single["high"], color=colour, alpha=0.16, lw=0)
    axes.plot(layers, single["score"], color=colour, marker="o", ms=3.5, label=label)


def _mark(axes: Axes, table: pd.DataFrame, group: Group) -> None:
    best = table[table["best"]]
    axes.plot(
        best["layer"], best["score"], "o", ms=10, mfc="none", mec=INK, mew=1.2,
        label="best on validation",
    )  # fmt: skip
    last = table[table["readout"] == "last"]
    if len(last):
        axes.plot(
            max(group.layers), last["score"].iloc[0], "D", ms=6, mfc="white", mec=INK,
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
    axes.spines["bottom"].set_color(HAIRLINE if across.empty else GREY)
