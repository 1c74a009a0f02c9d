"""Integers of long records as millivolts, a block at a time, so that a day fits in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.limb_leads import with_limb_leads

_BLOCK = 1 << 16


def in_millivolts(
    rows: Sequence[NDArray[np.integer[Any]]] | NDArray[np.integer[Any]],
    scales: Sequence[tuple[float, float]],
    leads: Sequence[str],
) -> tuple[NDArray[np.float32], tuple[str, ...], tuple[str, ...]]:
    """Scale rows of integers, and compute the limb leads that are missing.

    A day of three leads at 200 Hz takes 415 MB in float64. So products are formed in float64 and
    rounded once, to the float32 that a record holds.

    Args:
        rows: ``(samples,)`` integers of each lead; they may lie in a file.
        scales: Millivolts per integer and at 0, of each lead.
        leads: Names of the rows.

    Returns:
        ``(leads, samples)`` mV, the names of its rows, and those that were computed.
    """
    samples = len(rows[0])
    _, names, computed = with_limb_leads(np.empty((len(leads), 0)), leads)
    signal = np.empty((len(names), samples), np.float32)
    steps, zeros = np.array(scales).T[:, :, None]
    for start in range(0, samples, _BLOCK):
        part = slice(start, start + _BLOCK)
        block = np.stack([row[part] for row in rows]) * steps + zeros
        signal[:, part] = with_limb_leads(block, leads)[0]
    return signal, names, computed
