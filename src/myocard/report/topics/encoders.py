"""All encoders of a section side by side: layers by relative depth, and what a record costs."""

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from myocard.plot.canvas import canvas_of, to_svg
from myocard.plot.curves import deepest, draw_depth, marks
from myocard.report.blocks import Block, galleries, headed, table_blocks
from myocard.report.drawing import Figure
from myocard.report.table import MISSING, Table, estimate, number, prefixed, table_of
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.names import READOUTS, named_layer
from myocard.results.run import BEST_LAYER
from myocard.results.saved import SavedRun

_MIXTURES = ("ppa", "scalar-mix", "class-mix", "gated-mix", "pma", "alf", "concat")


def blocks(section: Section) -> list[Block]:
    """The figure and the table of encoders that had every layer probed, where there are several."""
    groups = [group for group in section.groups if group.layers]
    if len({group.first.info.encoder.name for group in groups}) < 2:
        return []
    found = galleries([figure(section, groups)]) + table_blocks(table(section, groups))
    return headed("All encoders", found)


def figure(section: Section, groups: Sequence[Group]) -> Figure:
    """Leading metric by relative depth; and the last and best layer over the cost of a record."""
    numbers = pd.DataFrame([line for group in groups for line in _lines(group)])
    costed = bool(numbers["seconds"].notna().any())
    with canvas_of(8.0 if costed else 5.4, 3.6) as canvas:
        panels = canvas.subplots(1, 1 + costed, sharey=True, squeeze=False)[0]
        draw_depth(panels[0], section, groups)
        if costed:
            for group, (colour, _) in zip(groups, marks(), strict=False):
                _draw_cost(panels[1], numbers[numbers["encoder"] == group.label], colour)
            panels[1].set(xlabel="Seconds a record", xscale="log")
            panels[1].grid(axis="y")
        canvas.legend(loc="outside lower center", ncols=2, fontsize=8)
    name = f"{section.name}-all-encoders"
    svg = to_svg(canvas, name, f"{section.metric} of all encoders by relative depth")
    return Figure(name, NOTES["all_encoders"].format(split=section.split), svg, numbers)


def table(section: Section, groups: Sequence[Group]) -> Table:
    """Last layer, best layer, best mixture and cost of every encoder."""
    shown, numbers = [], []
    for group in groups:
        last, layer, mixture = group.runs.get("last"), _best_layer(group), _best_mixture(group)
        info = group.first.info
        encoder, cost = info.encoder, info.encoding_seconds
        shown.append(
            {
                "Encoder": group.label,
                "Layers × width": f"{max(group.layers)} × {encoder.width or 'several'}",
                "Last layer [95 %]": _scored(group, last),
                "Best layer [95 %]": _scored(group, layer, _named(layer)),
                "Best mixture [95 %]": _scored(group, mixture, _named(mixture)),
                "Seconds a record": MISSING if cost is None else number(cost),
            }
        )
        line: dict[str, object] = {"encoder": group.label, "seconds": cost}
        for what, run in {"last": last, "best_layer": layer, "mixture": mixture}.items():
            line |= prefixed(what, None if run is None else group.score(run))
            line[f"{what}_run"] = None if run is None else run.place
        numbers.append(line)
    name = f"{section.name}-all-encoders-table"
    return table_of(name, "Encoders side by side.", shown, numbers)


def _lines(group: Group) -> list[dict[str, object]]:
    return [
        {"encoder": group.label, "layer": layer, "depth": layer / deepest(group)}
        | {"seconds": run.info.encoding_seconds}
        | prefixed("score", group.score(run))
        for layer, run in sorted(group.layers.items())
    ]


def _draw_cost(axes: Axes, own: pd.DataFrame, colour: str) -> None:
    """The last layer as a diamond, the highest as a dot, a line between them."""
    cost = own["seconds"].iloc[0]
    last, best = own["score"].iloc[-1], own["score"].max()
    axes.plot([cost, cost], [last, best], color=colour, lw=1)
    axes.plot(cost, last, "D", color=colour, mfc="white", ms=5)
    axes.plot(cost, best, "o", color=colour, ms=5)


def _best_layer(group: Group) -> SavedRun | None:
    if BEST_LAYER in group.runs:
        return group.runs[BEST_LAYER]
    return None if group.best_layer is None else group.layers[group.best_layer]


def _best_mixture(group: Group) -> SavedRun | None:
    """The mixture that is best on validation; of cross-fitted ones the solved scalar mix."""
    mixtures = [run for name, run in group.runs.items() if name in _MIXTURES]
    if any(run.info.rotations for run in mixtures):
        return group.runs.get("scalar-mix")
    return max(
        mixtures, key=lambda run: run.info.validation.main.macro.value or -math.inf, default=None
    )


def _named(run: SavedRun | None) -> str:
    if run is None or run.info.readout == BEST_LAYER:
        return ""
    layer = run.info.layer
    if layer is not None:
        return f"{named_layer(run.info.encoder, layer)}: "
    return f"{READOUTS.get(run.info.readout)}: "


def _scored(group: Group, run: SavedRun | None, name: str = "") -> str:
    return MISSING if run is None else name + estimate(group.score(run))
