"""One record on ECG paper as SVG in millimetres: its rows, curves and squares."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.record import Record
from myocard.report.scale import MM_A_MILLIVOLT, MM_A_SECOND, unit_of
from myocard.results.explanation import Attribution

LEFT, RIGHT, TOP, AXIS = 12.0, 3.0, 2.0, 7.0
"""Room for the calibration pulse, at the right edge, above the rows, and for the axis, in mm."""
STEPS = 1000
"""Steps of a curve in what 10 mm stand for: a µV each, in mV."""
DARKEST = 0.7
"""Opacity of the square that counts most."""
_LOWEST, _HIGHEST, _CLEAR = 15, 50, 6
"""Least and most height of a row, and what of it stays clear, in mm."""


class Row(NamedTuple):
    """One lead.

    Attributes:
        lead: Its name.
        top: Upper edge of its row.
        height: Height of its row.
        zero: The row's zero line below its upper edge.
        path: Its curve: samples to the right, ``STEPS`` downwards.
        least: Its least value; None where there is none.
        most: Its largest.
    """

    lead: str
    top: float
    height: int
    zero: int
    path: str
    least: float | None
    most: float | None


class Square(NamedTuple):
    """One square of a map: left edge and width in mm, ``for`` or ``against``, opacity."""

    left: float
    width: float
    kind: str
    opacity: float


@dataclass(frozen=True)
class Sheet:
    """A record on paper.

    Attributes:
        rows: Its leads.
        rate: Samples per second (Hz).
        seconds: Its length.
        start: Seconds of the recording before it.
        unit: ``mV``, or ``SD`` where 10 mm are a standard deviation.
    """

    rows: tuple[Row, ...]
    rate: float
    seconds: float
    start: float
    unit: str

    @classmethod
    def of(cls, record: Record) -> "Sheet":
        """Draw a record."""
        rows, top = [], TOP
        for lead, values in zip(record.leads, record.signal / unit_of(record), strict=True):
            row = _row(lead, values, top)
            rows.append(row)
            top += row.height
        unit = "mV" if record.unit == "mV" else "SD"
        return cls(tuple(rows), record.rate, record.seconds, record.start, unit)

    @property
    def width(self) -> float:
        return round(LEFT + MM_A_SECOND * self.seconds + RIGHT, 3)

    @property
    def height(self) -> float:
        return TOP + sum(row.height for row in self.rows) + AXIS

    @property
    def scale(self) -> tuple[float, float]:
        """Millimetres of a sample, and of a step."""
        return MM_A_SECOND / self.rate, MM_A_MILLIVOLT / STEPS

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the place of every second, and its name."""
        first = ceil(round(self.start, 6))
        for second in range(first, int(self.start + self.seconds) + 1):
            yield LEFT + MM_A_SECOND * (second - self.start), f"{second} s"


def squares_of(attribution: Attribution) -> dict[str, list[Square]]:
    """The squares of each lead, shaded by the gradients of the first output."""
    edges, values = LEFT + MM_A_SECOND * attribution.edges, attribution.gradients[0]
    most = float(np.abs(values).max()) or 1.0
    found = {}
    for lead, row in zip(attribution.leads, values.tolist(), strict=True):
        places = zip(edges[:-1].tolist(), edges[1:].tolist(), row, strict=True)
        found[lead] = [
            Square(
                round(a, 3),
                round(b - a, 3),
                "for" if value > 0 else "against",
                round(DARKEST * abs(value) / most, 3),
            )
            for a, b, value in places
        ]
    return found


def _row(lead: str, values: NDArray[np.float32], top: float) -> Row:
    finite = values[np.isfinite(values)]
    least, most = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    up = ceil(MM_A_MILLIVOLT * min(max(float(most), 1), 5))
    down = ceil(max(-MM_A_MILLIVOLT * max(float(least), -5), 2))
    height = min(max(5 * ceil((up + down + _CLEAR) / 5), _LOWEST), _HIGHEST)
    zero = round((height + up - down) / 2)
    known = (float(least), float(most)) if finite.size else (None, None)
    return Row(lead, top, height, zero, path_of(values), *known)


def path_of(values: NDArray[np.float32]) -> str:
    """Write a curve as the ``d`` of a path: ``M`` and the first sample of each run, then steps.

    Values that are not finite are gaps.
    """
    known = np.isfinite(values)
    heights = -np.round(np.where(known, values, 0) * STEPS).astype(int)
    bounds = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]])))
    parts = []
    for start, stop in bounds.reshape(-1, 2):
        run = heights[start:stop]
        steps = " ".join(f"1{d}" if d < 0 else f"1 {d}" for d in np.diff(run).tolist())
        parts.append(f"M{start} {run[0]}l{steps}" if steps else f"M{start} {run[0]}h0")
    return "".join(parts)
