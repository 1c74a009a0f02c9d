"""Figures as text, for pages and notebooks."""

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from myocard.plot.canvas import to_svg

_DRAWN = count(1)


def inline(draw: Callable[[], Any], description: str) -> str:
    """The figure that ``draw`` makes, as an ``<svg>`` element.

    Args:
        draw: Draws on a figure of its own and returns its axes.
        description: What it shows, for those who cannot see it.
    """
    from matplotlib import pyplot

    figure = np.atleast_1d(np.asarray(draw(), dtype=object)).ravel()[0].figure
    # A notebook draws open figures once more.
    pyplot.close(figure)
    # Ids are unlike in all figures of a notebook.
    return to_svg(figure, f"figure-{next(_DRAWN)}", description)
