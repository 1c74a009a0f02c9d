"""Record that need not be in memory: what is known of it, and any span of its samples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import BLOCK
from myocard.record import Facts, Record


class Extremes(NamedTuple):
    """Values of each lead, ``(leads,)``.

    Attributes:
        least: The least finite one; infinity where there is none.
        most: The largest finite one; minus infinity where there is none.
        finite: True if all values are.
    """

    least: NDArray[np.float32]
    most: NDArray[np.float32]
    finite: NDArray[np.bool_]


@dataclass(frozen=True)
class Recording:
    """A record of any length.

    Attributes:
        samples: Samples of each lead.
        rate: Samples per second (Hz).
        leads: Canonical names of its leads, in their order.
        unit: ``"mV"``, or ``"NU"`` for one without a voltage.
        facts: Statements of its file.
        cut: Reads the record from a first sample on and before another, into memory of its own.
        check: Compares all samples with the checksum of its file, a block at a time.
    """

    samples: int
    rate: float
    leads: tuple[str, ...]
    unit: str
    facts: Facts
    cut: Callable[[int, int], Record]
    check: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, record: Record) -> "Recording":
        """Give a record in memory the same form; what is cut out of it shares its memory."""

        def cut(start: int, stop: int) -> Record:
            return replace(record, signal=record.signal[:, start:stop], start=start / record.rate)

        about = record.rate, record.leads, record.unit, record.facts
        return cls(record.signal.shape[1], *about, cut)

    @property
    def seconds(self) -> float:
        return self.samples / self.rate

    def blocks(self) -> Iterator[Record]:
        """Yield it in order, ``BLOCK`` samples at a time.

        Raises:
            WrongChecksum: Before any, when its samples are not those of its file's checksum.
        """
        if self.samples > BLOCK:
            self.check()
        for start in range(0, max(self.samples, 1), BLOCK):
            yield self.cut(start, min(start + BLOCK, self.samples))

    def whole(self) -> Record:
        """Read all of it, in the memory that it takes and that of a block."""
        if self.samples <= BLOCK:
            return self.cut(0, self.samples)
        signal = np.empty((len(self.leads), self.samples), np.float32)
        start = 0
        for block in self.blocks():
            stop = start + block.signal.shape[1]
            signal[:, start:stop] = block.signal
            start = stop
        return Record(signal, self.rate, self.leads, self.unit, self.facts)

    def extremes(self) -> Extremes:
        """Look at all values, a block at a time."""
        found = []
        for block in self.blocks():
            known = np.isfinite(block.signal)
            least = block.signal.min(axis=1, where=known, initial=np.inf)
            most = block.signal.max(axis=1, where=known, initial=-np.inf)
            found.append(Extremes(least, most, np.all(known, axis=1)))
        least, most, finite = zip(*found, strict=True)
        return Extremes(np.min(least, axis=0), np.max(most, axis=0), np.all(finite, axis=0))
