"""Reconstructions by a masked autoencoder, on ECG paper."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from myocard.plot.canvas import INK, VERMILION

_PAPER, _PAPER_FINE, _HIDDEN = "#f0c9c0", "#f9e6e1", "#e3e7ec"
_INCHES_A_SECOND, _INCHES_A_LEAD = 25 / 25.4, 0.55

Arrays = Mapping[str, NDArray[Any]]
"""What ``reconstruction.npz`` holds: ``original``, ``masked`` (NaN where hidden) and
``reconstruction``, ``(leads, samples)`` each; ``rate`` in Hz; ``leads``."""


def size_of(arrays: Arrays) -> tuple[float, float]:
    """Width and height in inches of a drawing of a reconstruction."""
    seconds = (arrays["original"].shape[1] - 1) / float(arrays["rate"])
    return seconds * _INCHES_A_SECOND + 0.7, _INCHES_A_LEAD * (len(arrays["leads"]) + 0.6) + 0.4


def draw_reconstruction(axes: Axes, arrays: Arrays) -> None:
    """Draw every lead, the hidden patches shaded and filled in by the model."""
    original, rate = arrays["original"], float(arrays["rate"])
    hidden = np.isnan(arrays["masked"])
    seconds = np.arange(original.shape[1]) / rate
    leads = [str(lead) for lead in arrays["leads"]]
    # All but the tallest peaks stay within half a lead's strip.
    step = 2 * float(np.nanquantile(np.abs(original), 0.99)) or 1.0
    _paper(axes, seconds[-1] + 1 / rate, len(leads))
    for row, lead in enumerate(leads):
        filled = np.where(hidden[row], arrays["reconstruction"][row], np.nan) / step - row
        _shade(axes, seconds[1], hidden[row], row)
        axes.plot(seconds, original[row] / step - row, color=INK, lw=0.8, zorder=2)
        axes.plot(seconds, filled, color=VERMILION, lw=1.1, zorder=3)
        axes.text(-0.08, -row, lead, ha="right", va="center", fontsize=9, fontweight="bold")


def _shade(axes: Axes, step: float, hidden: NDArray[np.bool_], row: int) -> None:
    """Shade the hidden samples, which are ``step`` seconds apart."""
    edges = np.flatnonzero(np.diff(hidden, prepend=False, append=False)).reshape(-1, 2)
    spans = [(start * step, (stop - start) * step) for start, stop in edges]
    axes.broken_barh(spans, (-row - 0.5, 1), color=_HIDDEN, lw=0, zorder=0.2)


def _paper(axes: Axes, seconds: float, leads: int) -> None:
    axes.set_xlim(0, seconds)
    axes.set_ylim(0.4 - leads, 1)
    axes.set_xticks(np.arange(0, seconds + 1e-6, 0.2), labels=[])
    axes.set_xticks(np.arange(0, seconds + 1e-6, 0.04), minor=True)
    # No unit is known of a standardised signal: across, the paper is ruled in squares.
    square = 0.2 * _INCHES_A_SECOND / _INCHES_A_LEAD
    axes.set_yticks(np.arange(0.4 - leads, 1, square), labels=[])
    axes.set_yticks(np.arange(0.4 - leads, 1, square / 5), minor=True)
    axes.tick_params(which="both", length=0)
    axes.grid(which="minor", color=_PAPER_FINE, lw=0.35)
    axes.grid(which="major", color=_PAPER, lw=0.6)
    axes.spines[:].set_visible(False)
    for second in range(int(seconds) + 1):
        axes.text(second, 0.35 - leads, f"{second} s", va="top", ha="center", fontsize=8)
