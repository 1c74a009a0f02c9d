"""Signals in one array or in several, of which windows are cut in the same way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from myocard.data.remote_signals import RemoteSignals

Integers = NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Shards:
    """Arrays one behind the other, none of which is read before it is asked for.

    Attributes:
        arrays: Each ``(records, leads, samples)``.
        rows: Numbers of the records to read, counted through all arrays.
    """

    arrays: "Sequence[Integers | RemoteSignals | Shards]"
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.rows), *self.arrays[0].shape[1:]


def cut(
    signals: Integers | RemoteSignals | Shards,
    rows: NDArray[np.integer],
    leads: NDArray[np.integer],
    starts: NDArray[np.integer],
    samples: int,
) -> Integers:
    """Cut ``(rows, leads, samples)``: of each row, the window from its place in ``starts``."""
    if isinstance(signals, RemoteSignals):
        signals.bring(rows)
        signals = signals.array
    if not isinstance(signals, Shards):
        # A lead's samples lie side by side: each window is copied once, lead by lead.
        return sliding_window_view(signals, samples, axis=-1)[rows[:, None], leads, starts[:, None]]
    found = np.empty((len(rows), len(leads), samples), np.int16)
    lengths = [array.shape[0] for array in signals.arrays]
    for number, own, inside in located(lengths, signals.rows[rows]):
        found[own] = cut(signals.arrays[number], inside, leads, starts[own], samples)
    return found


def located(
    lengths: Sequence[int], places: NDArray[np.integer]
) -> Iterator[tuple[int, NDArray[np.bool_], NDArray[np.integer]]]:
    """Find places in arrays of ``lengths`` that lie one behind the other.

    Yields:
        The number of each array that is read, a mask of the places in it, and these places counted
        from its start.
    """
    ends = np.cumsum(lengths)
    which = np.searchsorted(ends, places, side="right")
    for number in np.unique(which):
        own = which == number
        yield number, own, places[own] - (ends[number] - lengths[number])
