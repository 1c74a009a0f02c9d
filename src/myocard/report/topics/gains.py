"""The gain of every readout on the last layer, drawn."""

import pandas as pd

from myocard.plot.canvas import canvas_of, to_svg
from myocard.plot.forest import draw_gains, gains_of, height
from myocard.report.blocks import Block, galleries
from myocard.report.drawing import Figure
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Section


def blocks(section: Section) -> list[Block]:
    """The figure of gains, where there is any."""
    return galleries(gains(section))


def gains(section: Section) -> list[Figure]:
    """One figure of all paired differences to the last layer; none where there is no difference."""
    found = gains_of(section)
    if not found:
        return []
    name = f"{section.name}-gains"
    with canvas_of(6.4, height(found)) as canvas:
        draw_gains(canvas.subplots(), section, found)
    svg = to_svg(canvas, name, f"Gain on the last layer, {section.task}")
    numbers = pd.concat([table for _, table in found])
    return [Figure(name, NOTES["gains"].format(split=section.split), svg, numbers)]
