"""Integers in a file as millivolts, of which only those that are asked for are read."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Stored
from myocard.data.formats.limb_leads import with_limb_leads


def in_millivolts(
    read: Callable[[int, int], NDArray[np.integer[Any]]],
    samples: int,
    scales: Sequence[tuple[float, float]],
    leads: Sequence[str],
) -> tuple[Stored, tuple[str, ...], tuple[str, ...]]:
    """Scale integers, and compute the limb leads that are missing.

    Products are formed in float64 and rounded once, to the float32 that a record holds.

    Args:
        read: Reads ``(leads, samples)`` integers from a first sample on and before another.
        samples: Those of each lead.
        scales: Millivolts per integer and at 0, of each lead.
        leads: Names of the rows.

    Returns:
        The signal in mV, the names of its rows, and those that were computed.
    """
    _, names, computed = with_limb_leads(np.empty((len(leads), 0)), leads)
    steps, zeros = np.array(scales).T[:, :, None]

    def cut(start: int, stop: int) -> NDArray[np.float32]:
        return with_limb_leads(read(start, stop) * steps + zeros, leads)[0].astype(np.float32)

    return Stored((len(names), samples), cut), names, computed
