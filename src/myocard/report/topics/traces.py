"""Reconstructions by a masked autoencoder, on ECG paper."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.plot.canvas import canvas_of, to_svg
from myocard.plot.traces import draw_reconstruction, size_of
from myocard.report.drawing import Figure
from myocard.report.words import NOTES


def reconstruction(path: Path, place: str, name: str) -> Figure:
    """Every lead of one ``reconstruction.npz``, the hidden patches shaded.

    Raises:
        InputError: When an array is missing or of another shape.
    """
    arrays = _read(path)
    with canvas_of(*size_of(arrays)) as canvas:
        draw_reconstruction(canvas.subplots(), arrays)
    svg = to_svg(canvas, name, f"Reconstruction of masked patches, {place}")
    original, hidden = arrays["original"], np.isnan(arrays["masked"])
    caption = NOTES["reconstruction"].format(place=place, hidden=f"{hidden.mean():.0%}")
    numbers = {
        "lead": np.repeat([str(lead) for lead in arrays["leads"]], original.shape[1]),
        "seconds": np.tile(np.arange(original.shape[1]) / float(arrays["rate"]), len(original)),
        "original": original.ravel(),
        "reconstruction": arrays["reconstruction"].ravel(),
        "hidden": hidden.ravel(),
    }
    return Figure(name, caption, svg, pd.DataFrame(numbers))


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
