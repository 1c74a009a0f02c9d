"""Reconstructions by a masked autoencoder, on ECG paper."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.plot.canvas import INK, VERMILION, canvas_of, to_svg
from myocard.report.drawing import Figure
from myocard.report.words import NOTES

_PAPER, _PAPER_FINE, _HIDDEN = "#f0c9c0", "#f9e6e1", "#e3e7ec"
_INCHES_A_SECOND, _INCHES_A_LEAD = 25 / 25.4, 0.55


def reconstruction(path: Path, place: str, name: str) -> Figure:
    """Every lead of one ``reconstruction.npz``, the hidden patches shaded.

    Raises:
        InputError: When an array is missing or of another shape.
    """
    arrays = _read(path)
    original, rate = arrays["original"], float(arrays["rate"])
    hidden = np.isnan(arrays["masked"])
    seconds = np.arange(original.shape[1]) / rate
    leads = [str(lead) for lead in arrays["leads"]]
    size = (seconds[-1] * _INCHES_A_SECOND + 0.7, _INCHES_A_LEAD * (len(leads) + 0.6) + 0.4)
    with canvas_of(*size) as canvas:
        axes = canvas.subplots()
        # All but the tallest peaks stay within half a lead's strip.
        step = 2 * float(np.nanquantile(np.abs(original), 0.99)) or 1.0
        _paper(axes, seconds[-1] + 1 / rate, len(leads))
        for row, lead in enumerate(leads):
            filled = np.where(hidden[row], arrays["reconstruction"][row], np.nan) / step - row
            _shade(axes, seconds[1], hidden[row], row)
            axes.plot(seconds, original[row] / step - row, color=INK, lw=0.8, zorder=2)
            axes.plot(seconds, filled, color=VERMILION, lw=1.1, zorder=3)
            axes.text(-0.08, -row, lead, ha="right", va="center", fontsize=9, fontweight="bold")
    svg = to_svg(canvas, name, f"Reconstruction of masked patches, {place}")
    caption = NOTES["reconstruction"].format(place=place, hidden=f"{hidden.mean():.0%}")
    numbers = {
        "lead": np.repeat(leads, len(seconds)),
        "seconds": np.tile(seconds, len(leads)),
        "original": original.ravel(),
        "reconstruction": arrays["reconstruction"].ravel(),
        "hidden": hidden.ravel(),
    }
    return Figure(name, caption, svg, pd.DataFrame(numbers))


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


def _read(path: Path) -> dict[str, NDArray[Any]]:
    names = ("original", "masked", "reconstruction", "rate", "leads")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: needs the arrays {', '.join(names)} ({error})") from error
    shape = arrays["original"].shape
    if any(arrays[name].shape != shape for name in names[:3]) or shape[0] != len(arrays["leads"]):
        raise InputError(f"{path}: original, masked and reconstruction are (leads, samples) alike")
    return arrays
