"""Colours and style of every figure, and figures as SVG that is the same for the same numbers."""

import functools
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import ParamSpec, TypeVar

import matplotlib
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Canvas

# Okabe and Ito's palette, which people of every colour vision can tell apart.
BLUE, VERMILION, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#B5579A", "#56B4E9"
INK, GREY, HAIRLINE = "#22262b", "#8b9097", "#d9dce0"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, SKY, INK)
LESS_TO_MORE = LinearSegmentedColormap.from_list("less to more", (BLUE, "white", VERMILION))

_STYLE = "myocard.plot.figures"
_P = ParamSpec("_P")
_R = TypeVar("_R")


@contextmanager
def canvas_of(width: float, height: float) -> Iterator[Canvas]:
    """A canvas of this size in inches, in the report's style within a ``with`` block.

    No window system is asked for.
    """
    with style.context(_STYLE):
        yield Canvas(figsize=(width, height), layout="constrained")


def tick_layers(axes: Axes, layers: Sequence[int], names: Sequence[str] | None) -> None:
    """Tick layers by their names, or by their numbers where they have none of their own."""
    if names is None:
        axes.set_xticks(layers)
        axes.set_xlabel("Layer (0: embedding)")
    else:
        axes.set_xticks(layers, [names[layer] for layer in layers])
        axes.tick_params("x", rotation=90)
        axes.set_xlabel("Layer")


def to_svg(canvas: Canvas, name: str, description: str) -> str:
    """An ``<svg>`` element that can stand in a page beside others.

    Ids are prefixed by ``name``: matplotlib gives equal ids to equal parts of different figures.
    """
    file = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with style.context(_STYLE):
        canvas.savefig(file, format="svg", metadata=nothing, transparent=True)
    svg = file.getvalue()
    prefix = re.sub(r"[^\w-]+", "-", name)
    svg = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{prefix}-", svg[svg.index("<svg") :])
    label = f'<svg role="img" aria-label="{escape(description)}"'
    return svg.replace("<svg", label, 1)


def styled(draw: Callable[_P, _R]) -> Callable[_P, _R]:
    """Draw in the one style, whatever the caller's settings are."""

    @functools.wraps(draw)
    def drawn(*args: _P.args, **named: _P.kwargs) -> _R:
        with style.context(_STYLE):
            axes = draw(*args, **named)
            interactive = matplotlib.is_interactive()
        # A notebook's backend, which starts with the first figure, sets this; the style's end would
        # take it back, and later figures would not be shown.
        matplotlib.interactive(interactive)
        return axes

    return drawn
