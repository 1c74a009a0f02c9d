"""What every readout gains on the last layer, drawn."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from myocard.report.comparisons import Group, Section
from myocard.report.drawing import BLUE, GREY, INK, Figure, style, to_svg


def gains(section: Section) -> list[Figure]:
    """One figure of all paired differences to the last layer; none where there is no difference."""
    found = [(group, table) for group in section.groups if len(table := _numbers(group))]
    if not found:
        return []
    name = f"{section.name}-gains"
    lines = sum(len(table) + 1.4 for _, table in found)
    with style():
        canvas = Canvas(figsize=(6.4, 0.21 * lines + 0.6), layout="constrained")
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
        axes.set_xlabel("Gain in macro AUROC on the last layer")
        axes.grid(axis="x")
        svg = to_svg(canvas, name, f"Gain on the last layer, {section.task}")
    caption = (
        f"What reading otherwise gains on reading the last layer, on {section.split}: paired "
        "differences with 95 % intervals. An interval across the line at 0 leaves the sign open."
    )
    return [Figure(name, caption, svg, pd.concat([table for _, table in found]))]


def _numbers(group: Group) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"encoder": group.label, "readout": row.label, **vars(row.against_last)}
            for row in group.rows()
            if row.against_last is not None
        ]
    )


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
