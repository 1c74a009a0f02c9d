"""Signals in one array or in several, of which windows are cut in the same way."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Integers = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Shards:
    """Arrays one behind the other, none of which is read before it is asked for.

    Attributes:
        arrays: Each ``(records, leads, samples)``.
        rows: Of all their records, counted through, those that are to be seen.
    """

    arrays: "Sequence[Integers | Shards]"
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.rows), *self.arrays[0].shape[1:]


def cut(
    signals: Integers | Shards,
    rows: NDArray[np.integer],
    leads: NDArray[np.integer],
    starts: NDArray[np.integer],
    samples: int,
) -> Integers:
    """``(rows, leads, samples)``: of each row, what lies behind its place in ``starts``."""
    if not isinstance(signals, Shards):
        # A lead's samples lie side by side: each window is copied once, lead by lead.
        return sliding_window_view(signals, samples, axis=-1)[rows[:, None], leads, starts[:, None]]
    ends = np.cumsum([array.shape[0] for array in signals.arrays])
    places = signals.rows[rows]
    found = np.empty((len(rows), len(leads), samples), np.int16)
    which = np.searchsorted(ends, places, side="right")
    for number in np.unique(which):
        array, own = signals.arrays[number], which == number
        inside = places[own] - ends[number] + array.shape[0]
        found[own] = cut(array, inside, leads, starts[own], samples)
    return found
