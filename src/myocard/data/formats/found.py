"""Content of a file, and what tells its format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.record import Facts

HEAD = 8192
"""Bytes at a file's beginning that tell its format."""
BLOCK = 1 << 17
"""Samples of every lead that are read and converted at a time."""


@dataclass(frozen=True)
class Stored:
    """A signal that stays in its file until some of it is asked for.

    Attributes:
        shape: Leads, and samples of each.
        cut: Reads ``(leads, samples)`` from a first sample on and before another. Where these are
            all, it compares them with the file's checksum.
        check: Compares all samples, a block at a time; does nothing where there is no checksum.
    """

    shape: tuple[int, int]
    cut: Callable[[int, int], NDArray[np.floating]]
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Found:
    """Content of a file and its own statements about it.

    Attributes:
        signal: Two-dimensional numbers, either axis for the leads; or one that stays in its file.
        rate: Samples per second (Hz), or None where the file does not say.
        leads: Names of the rows or columns, or None.
        unit: Unit of the values, or one for each row or column, or None.
        facts: Statements about patient and recording.
        stated: Units that the file states where the reader has converted the values from them.
    """

    signal: NDArray[Any] | Stored
    rate: float | None = None
    leads: tuple[str, ...] | None = None
    unit: str | tuple[str, ...] | None = None
    facts: Facts = Facts()
    stated: tuple[str, ...] = ()

    def stored(self, leads: int) -> Stored:
        """Return the signal with so many leads as its rows, if it has as many."""
        signal = self.signal
        if isinstance(signal, Stored):
            return signal
        rows = signal if signal.shape[0] == leads else signal.T
        return Stored(rows.shape, lambda start, stop: rows[:, start:stop])


@dataclass(frozen=True)
class Format:
    """A format that tells itself.

    Attributes:
        name: Its name, for people.
        starts: Tells whether a file begins so, from its first ``HEAD`` bytes.
        read: Reads a file. Raises ``InputError`` for one that is broken or holds no ECG that can be
            read for certain.
    """

    name: str
    starts: Callable[[bytes], bool]
    read: Callable[[Path], Found]
