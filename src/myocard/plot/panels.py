"""Axes to draw on, those that are given or new ones, and the key of what is drawn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

Panels = NDArray[np.object_]
"""Axes of matplotlib, ``(panels,)``."""


def panels(
    count: int, ax: Any, width: float, height: float, *, across: int = 1, **shared: Any
) -> Panels:
    """The axes to draw on: those that are given, or panels of a new figure of pyplot's.

    Args:
        count: Number of panels.
        ax: Axes, an array of them, or None for a new figure.
        width: Width of a panel in inches.
        height: Its height.
        across: Panels side by side.
        shared: What ``subplots`` takes besides, such as ``sharex``.

    Raises:
        InputError: When as many axes are not given.
    """
    if ax is not None:
        given = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
        if len(given) != count:
            raise InputError(f"{count} panels and {len(given)} axes; give as many, or none")
        return given
    from matplotlib import pyplot

    down = -(-count // across)
    size = (width * min(across, count), height * down)
    figure, grid = pyplot.subplots(
        down, min(across, count), figsize=size, layout="constrained", squeeze=False, **shared
    )
    for spare in grid.ravel()[count:]:
        spare.remove()
    return grid.ravel()[:count]


def one_or_all(axes: Panels) -> Any:
    """The axes where there is one, else the array."""
    return axes[0] if len(axes) == 1 else axes


def key(axes: Panels, ax: Any, **layout: Any) -> None:
    """Explain the marks: below a figure of our own, within axes that were given.

    Args:
        axes: The axes that were drawn on.
        ax: Those that were given, or None.
        layout: What ``legend`` takes besides.
    """
    named = {
        label: handle
        for each in axes
        for handle, label in zip(*each.get_legend_handles_labels(), strict=True)
    }
    if ax is None:
        axes[0].figure.legend(named.values(), named.keys(), loc="outside lower center", **layout)
    else:
        axes[0].legend(named.values(), named.keys(), fontsize=8)
