"""Gains on the last layer: paired differences with their intervals."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from myocard.errors import InputError
from myocard.plot.canvas import BLUE, GREY, INK, styled
from myocard.plot.panels import one_or_all, panels
from myocard.results.compare.comparisons import Group, Section, sections
from myocard.results.saved import SavedRun

Gains = Sequence[tuple[Group, pd.DataFrame]]


@styled
def gains(runs: Iterable[SavedRun], ax: Any = None) -> Any:
    """Draw the paired difference of every readout to the last layer of its encoder; a panel a task.

    Lines are 95 % intervals of differences on the same resamples of patients; encoders with random
    weights are grey.

    Args:
        runs: Runs, as ``myocard.load_runs`` finds them.
        ax: Axes to draw on, an array of as many as there are tasks, or None for a new figure.

    Returns:
        The axes, or an array of them where there are several tasks.

    Raises:
        InputError: When no encoder has its last layer and another readout on the same records.
    """
    found = [(section, rows) for section in sections(runs) if (rows := gains_of(section))]
    if not found:
        raise InputError("no run can be held against the last layer; probe with `last` and others")
    axes = panels(len(found), ax, 7.2, max(map(height, (rows for _, rows in found))))
    for each, (section, rows) in zip(axes, found, strict=True):
        draw_gains(each, section, rows)
        if len(found) > 1:
            each.set_title(f"{section.task}, {section.source}")
    return one_or_all(axes)


def gains_of(section: Section) -> Gains:
    """Differences of each group's readouts to its last layer, where there are any."""
    return [(group, table) for group in section.groups if len(table := _numbers(group))]


def height(found: Gains) -> float:
    """Height in inches of a figure of these rows."""
    return 0.21 * sum(len(table) + 1.4 for _, table in found) + 0.6


def draw_gains(axes: Axes, section: Section, found: Gains) -> None:
    """Draw the groups one below the other, each under its name."""
    ticks: dict[float, str] = {}
    for group, table in found:
        _draw(axes, group, table, ticks)
    axes.axvline(0, color=INK, lw=0.8, zorder=1)
    axes.set_ylim(max(ticks) + 0.6, -0.7)
    axes.set_yticks(list(ticks), list(ticks.values()))
    headings = {group.label for group, _ in found}
    for tick in axes.get_yticklabels():
        tick.set_fontweight("bold" if tick.get_text() in headings else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"Gain on the last layer: {section.metric}")
    axes.grid(axis="x")


def _numbers(group: Group) -> pd.DataFrame:
    compared = [(row.label, row.against_last) for row in group.rows() if row.against_last]
    known = {"encoder": group.label}
    return pd.DataFrame([known | {"readout": name} | found._asdict() for name, found in compared])


def _draw(axes: Axes, group: Group, table: pd.DataFrame, ticks: dict[float, str]) -> None:
    """Draw one encoder's readouts below what ``ticks`` holds, and add their names to it."""
    colour = GREY if group.random else BLUE
    top = max(ticks) + 1.4 if ticks else 0.0
    ticks[top] = group.label
    for place, line in enumerate(table.to_dict("records"), start=1):
        y = top + place
        ticks[y] = line["readout"]
        axes.plot([line["low"], line["high"]], [y, y], color=colour, solid_capstyle="butt")
        axes.plot(line["difference"], y, "o", color=colour, ms=4.5)
