"""The ECG among the arrays of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

_SHOWN = 8


def ecg_among(found: Mapping[str, Any], path: Path) -> str:
    """Return the name of the ECG among arrays: ``signal``, or the only matrix, or the only row.

    Raises:
        InputError: When there is none or it is open which; the message names them.
    """
    if "signal" in found:
        return "signal"
    matrices = [
        name for name, array in found.items() if len(array.shape) == 2 and min(array.shape) > 1
    ]
    rows = [name for name, array in found.items() if len(array.shape) == 2]
    chosen = matrices or rows
    if len(chosen) == 1:
        return chosen[0]
    raise InputError(
        f"{path}: {len(chosen)} matrices of numbers in it, where one is read: {listed(found)}; "
        "leave the ECG's alone, leads × samples, or in HDF5 call it 'signal'"
    )


def listed(found: Mapping[str, Any]) -> str:
    """Tell names and shapes of arrays."""
    shown = [
        f"{name} ({' × '.join(map(str, array.shape)) or 'one value'})"
        for name, array in [*found.items()][:_SHOWN]
    ]
    return ", ".join(shown) or "nothing"


def checked(signal: Any, path: Path) -> NDArray[Any]:
    array = np.asarray(signal)
    if array.ndim != 2 or array.dtype.kind not in "iuf" or array.size == 0:
        raise InputError(f"{path}: {array.dtype} of shape {array.shape}, not leads × samples")
    return array
