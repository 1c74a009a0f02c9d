"""Arrays on disk."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import open_memmap

from myocard.errors import InputError


def read_mapped(path: Path, fix: str, mode: Literal["r", "c"] = "r") -> "np.memmap[Any, Any]":
    """Open a NumPy array that stays on disk, read-only or copied where it is written.

    Raises:
        InputError: When the file is none, or shorter than it says.
    """
    try:
        return open_memmap(path, mode=mode)
    # A broken header is parsed as Python, which tells of that in many ways.
    except Exception as error:
        raise InputError(f"{path}: not a readable array ({error}); {fix}") from error
