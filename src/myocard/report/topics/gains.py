"""The gain of every readout on the last layer, drawn."""

import pandas as pd
from matplotlib.axes import Axes

from myocard.report.blocks import Block, galleries
from myocard.report.compare.comparisons import Group, Section
from myocard.report.drawing import BLUE, GREY, INK, Figure, canvas_of, to_svg
from myocard.report.words import NOTES


def blocks(section: Section) -> list[Block]:
    """The figure of gains, where there is any."""
    return galleries(gains(section))


def gains(section: Section) -> list[Figure]:
    """One figure of all paired differences to the last layer; none where there is no difference."""
    found = [(group, table) for group in section.groups if len(table := _numbers(group))]
    if not found:
        return []
    name = f"{section.name}-gains"
    lines = sum(len(table) + 1.4 for _, table in found)
    with canvas_of(6.4, 0.21 * lines + 0.6) as canvas:
        axes = canvas.subplots()
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
    svg = to_svg(canvas, name, f"Gain on the last layer, {section.task}")
    numbers = pd.concat([table for _, table in found])
    return [Figure(name, NOTES["gains"].format(split=section.split), svg, numbers)]


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
