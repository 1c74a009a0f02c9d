"""Quality by layer."""

from collections.abc import Sequence

import pandas as pd

from myocard.plot.canvas import canvas_of, to_svg
from myocard.plot.curves import Limits, beside_random, curve, draw_curve, layered, limits_of
from myocard.report.blocks import Block, galleries, headed
from myocard.report.drawing import Figure
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section


def blocks(section: Section) -> list[Block]:
    """The layer curves under a heading."""
    return headed("Quality by layer", galleries(layer_curves(section)))


def layer_curves(section: Section) -> list[Figure]:
    """A figure for each pretrained encoder and head, random weights beside it, on one scale."""
    groups = layered(section)
    if not groups:
        return []
    limits = limits_of(map(curve, groups))
    return [_figure(section, *pair, limits) for pair in beside_random(groups)]


def _figure(section: Section, group: Group, random: Sequence[Group], limits: Limits) -> Figure:
    name = section.stem("layers", group)
    with canvas_of(5.4, 3.3) as canvas:
        draw_curve(canvas.subplots(), section, group, random, limits)
        canvas.legend(loc="outside lower center", ncols=4, handlelength=1.4, columnspacing=1.2)
    svg = to_svg(canvas, name, f"{section.metric} by layer, {group.label}")
    beside = "no random encoder of its architecture and this head was given"
    if random:
        beside = "grey, the same encoder with random weights"
    stated = {"group": group.label, "split": section.split, "head": group.head, "beside": beside}
    numbers = pd.concat([curve(each) for each in (group, *random)])
    ends = group.first.info.encoder.ends
    caption = " ".join(filter(None, [NOTES["layer_curve"].format(**stated), ends]))
    return Figure(name, caption, svg, numbers)
