"""Forest plots: differences of pairs of models, with their intervals."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from myocard.metrics.outcomes import NAMES
from myocard.metrics.verdicts import Verdict
from myocard.plot.canvas import BLUE, GREY, HAIRLINE, INK, VERMILION, canvas_of, to_svg
from myocard.report.drawing import Figure
from myocard.report.predictions import tables
from myocard.report.words import NOTES
from myocard.results.comparison import Comparison, Contrast

_MARKS: dict[Verdict, tuple[str, str]] = {
    "supported": (BLUE, "D"),
    "contradicted": (VERMILION, "s"),
    "unresolved": (INK, "o"),
}
_ACROSS = 4
"""Plots side by side."""

Plots = dict[str, Sequence[Contrast]]
"""Contrasts of each plot under its title, a row each; rows of all plots have the same labels."""


def overall(comparison: Comparison) -> Figure:
    """Differences of every pair under the leading measure, and each that can be tested."""
    contrasts = tables.headline(comparison)
    by_measure: Plots = {
        name: [each for each in contrasts if each.measure == name]
        for name in dict.fromkeys(each.measure for each in contrasts)
    }
    leading = next(iter(by_measure))
    plots = {
        NAMES[name]: some
        for name, some in by_measure.items()
        if name == leading or any(each.verdict != "untestable" for each in some)
    }
    pairs = [f"{each.model}\n− {each.against}" for each in by_measure[leading]]
    numbers = tables.differences(comparison).numbers
    return _figure("comparison", NOTES["forest"], plots, pairs, numbers)


def classes(comparison: Comparison) -> Figure | None:
    """Differences of every output under the leading measure; none for one output."""
    contrasts = tables.by_class(comparison)
    if not contrasts:
        return None
    leading = contrasts[0].measure
    plots: Plots = {
        pair: [e for e in contrasts if tables.pair_of(e) == pair and e.measure == leading]
        for pair in dict.fromkeys(map(tables.pair_of, contrasts))
    }
    caption = NOTES["forest_classes"].format(measure=NAMES[leading])
    numbers = tables.class_differences(comparison).numbers
    return _figure("classes", caption, plots, comparison.classes, numbers)


def _figure(
    name: str, caption: str, plots: Plots, labels: Sequence[str], numbers: pd.DataFrame
) -> Figure:
    across = min(_ACROSS, len(plots))
    down = -(-len(plots) // across)
    height = 0.7 + down * (0.75 + 0.16 * sum(label.count("\n") + 1.4 for label in labels))
    one_measure = len({each.measure for some in plots.values() for each in some}) == 1
    with canvas_of(1.4 + 2.1 * across, height) as canvas:
        grid = canvas.subplots(down, across, sharey=True, sharex=one_measure, squeeze=False).ravel()
        for axes, (title, contrasts) in zip(grid, plots.items(), strict=False):
            _draw(axes, contrasts)
            axes.set_title(title)
        for axes in grid[len(plots) :]:
            axes.remove()
        grid[0].set_yticks(range(len(labels)), labels)
        grid[0].set_ylim(len(labels) - 0.5, -0.5)
        drawn = {each.verdict for contrasts in plots.values() for each in contrasts}
        canvas.legend(handles=_legend(drawn), loc="outside lower center", ncols=4)
    svg = to_svg(canvas, name, "Differences of models with their intervals")
    return Figure(name, caption, svg, numbers)


def _draw(axes: Axes, contrasts: Sequence[Contrast]) -> None:
    axes.axvline(0, color=GREY, lw=0.8, zorder=0)
    axes.grid(axis="x")
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    for row, each in enumerate(contrasts):
        test = each.test
        if test is None:
            axes.text(0, row, each.verdict, color=GREY, ha="center", va="center", fontsize=8,
                      backgroundcolor="white")  # fmt: skip
            continue
        colour, marker = _MARKS[each.verdict]
        reach = (-test.detectable, test.detectable)
        axes.fill_betweenx(
            (row - 0.3, row + 0.3), *reach, color=HAIRLINE, alpha=0.6, lw=0, zorder=-1
        )
        axes.plot((test.low, test.high), (row, row), color=colour, lw=1.8)
        axes.plot([test.difference], [row], marker, color=colour, ms=4.5)


def _legend(drawn: set[Verdict]) -> list[Line2D]:
    marks = [
        Line2D([], [], color=colour, marker=marker, ms=4.5, lw=1.8, label=name)
        for name, (colour, marker) in _MARKS.items()
        if name in drawn
    ]
    return [*marks, Line2D([], [], color=HAIRLINE, lw=7, label="below 80 % power")]
