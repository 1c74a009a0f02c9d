"""Content of a file, and what tells its format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from myocard.record import Facts

HEAD = 8192
"""Bytes at a file's beginning that tell its format."""


@dataclass(frozen=True)
class Found:
    """Content of a file and its own statements about it.

    Attributes:
        signal: Two-dimensional numbers, either axis for the leads.
        rate: Samples per second (Hz), or None where the file does not say.
        leads: Names of the rows or columns, or None.
        unit: Unit of the values, or one for each row or column, or None.
        facts: Statements about patient and recording.
        stated: Units that the file states where the reader has converted the values from them.
    """

    signal: NDArray[Any]
    rate: float | None = None
    leads: tuple[str, ...] | None = None
    unit: str | tuple[str, ...] | None = None
    facts: Facts = Facts()
    stated: tuple[str, ...] = ()


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
