"""Waves of a lead: the kind, onset and offset of each, by which a lead is delineated."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNKNOWN, NONE, P, QRS, T = range(-1, 4)
WAVES = {"P": P, "QRS": QRS, "T": T}

Kinds = NDArray[np.int8]
Times = NDArray[np.float64]


class Delineation(NamedTuple):
    """Extents of a lead's waves, one behind the other; between two of them there is no wave.

    Attributes:
        kind: ``(waves,)`` kinds among ``WAVES``; UNKNOWN for a stretch that nobody looked at.
        onset: ``(waves,)`` first moments (s).
        offset: ``(waves,)`` last moments (s).
    """

    kind: Kinds
    onset: Times
    offset: Times

    def chosen(self, mask: NDArray[np.bool_]) -> "Delineation":
        """Return some of the waves."""
        return Delineation(self.kind[mask], self.onset[mask], self.offset[mask])

    def earlier(self, seconds: float) -> "Delineation":
        """Return the same on a clock that starts ``seconds`` later."""
        return Delineation(self.kind, self.onset - seconds, self.offset - seconds)

    def within(self, seconds: float) -> "Delineation":
        """Return the waves of a window from 0 to ``seconds``; a boundary beyond it is infinite."""
        kind, onset, offset = self.chosen((self.offset > 0) & (self.onset < seconds))
        onset = np.where(onset > 0, onset, -np.inf)
        return Delineation(kind, onset, np.where(offset < seconds, offset, np.inf))

    def labels(self, samples: int, rate: float) -> Kinds:
        """Return the kind of each sample; sample k is at k / rate seconds."""
        time = np.arange(samples) / rate
        place = np.searchsorted(self.onset, time, side="right") - 1
        found = np.full(samples, NONE, np.int8)
        behind = place >= 0
        inside = behind.copy()
        inside[behind] = time[behind] <= self.offset[place[behind]]
        found[inside] = self.kind[place[inside]]
        return found


OfLeads = Mapping[str, Delineation]
"""Delineations by lead; a lead that is not in it was not looked at."""


def nothing_known() -> Delineation:
    """Return the delineation of a lead that nobody looked at."""
    return Delineation(np.array([UNKNOWN], np.int8), np.array([-np.inf]), np.array([np.inf]))


def apart(kind: Kinds, onset: Times, offset: Times) -> Delineation:
    """Order waves by onset, and end what overlaps.

    A wave that begins within a QRS complex begins when that has ended; another wave ends when the
    next begins. A wave of which nothing is left is dropped.
    """
    found: list[list[float]] = []
    for place in np.argsort(onset, kind="stable"):
        wave = [kind[place], onset[place], offset[place]]
        if found and wave[1] < found[-1][2]:
            wave[1] = found[-1][2] if found[-1][0] == QRS else max(wave[1], found[-1][1])
            found[-1][2] = wave[1]
        if wave[1] < wave[2]:
            found.append(wave)
    kinds, onsets, offsets = np.array(found, float).reshape(-1, 3).T
    return Delineation(kinds.astype(np.int8), onsets, offsets).chosen(offsets > onsets)
