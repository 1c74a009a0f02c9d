"""Faults that the values of a readable record tell: empty and clipped leads, units, exchanges.

All is judged by samples from all over the record, so that an hour costs what ten seconds do. The
limits below were chosen on one half of the real records at hand and hold on the other
(docs/experiments/quality.py, docs/data.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from myocard.data.electrodes import INDEPENDENT, exchanged_electrodes, exchanged_leads
from myocard.record import Record

Samples = NDArray[np.float32]

# 25 a second of a record of ten: two in every QRS complex.
_SAMPLES = 256
_LAG = 0.04  # s, in which a QRS complex rises or falls

# Leads of electrodes that are off hold up to 5 values at hand (CinC 2011), and a beat of 0.1 mV in
# steps of 5 µV has 20. Each must come several times, or the record is too short to tell.
FEW_VALUES = 8

# At most 2.4 % of an unclipped lead at hand is its largest or least value (PTB-XL's record 292).
CLIPPED_SHARE = 0.03

# Changes within 40 ms (mV) that one sample in 25 exceeds, and with it three of four leads: a wrong
# unit scales all leads and beats, but no pacemaker's spike, jump of the baseline or bad electrode.
_EXCEEDED_BY = 0.04
_QUIETER = 0.25
USUAL = (0.1, 3.0)
HIGHEST = 8.0  # of noise, at hand: 6.3

# Values near the largest float32 are told of, and need no warning.
_LARGE = np.errstate(over="ignore", invalid="ignore")

_CALLED = {3: " (uV called mV, mV called V)", -3: " (mV called uV, V called mV)"}


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Samples from all over a record.

    Attributes:
        leads: Names of the rows.
        unit: That of the record.
        values: ``(leads, ≤ 256)`` samples.
        changes: ``(leads, ≤ 256)`` changes within 40 ms of each, but at the end.
    """

    leads: tuple[str, ...]
    unit: str
    values: Samples
    changes: Samples

    @classmethod
    @_LARGE
    def of(cls, record: Record) -> "Excerpt":
        """Cut it out of a record that has samples, all of them finite."""
        signal, step = record.signal, -(-record.signal.shape[1] // _SAMPLES)
        later = signal[:, max(1, round(_LAG * record.rate)) :: step]
        values = np.ascontiguousarray(signal[:, ::step])
        return cls(record.leads, record.unit, values, later - values[:, : later.shape[1]])

    def select(self, leads: Sequence[str]) -> "Excerpt":
        """Return the excerpt of ``leads`` alone."""
        if tuple(leads) == self.leads:
            return self
        rows = [self.leads.index(lead) for lead in leads]
        return Excerpt(tuple(leads), self.unit, self.values[rows], self.changes[rows])

    @cached_property
    def live(self) -> "Excerpt":
        """The excerpt of all leads but empty ones."""
        return self.select([lead for lead in self.leads if lead not in self.empty])

    @cached_property
    def empty(self) -> tuple[str, ...]:
        """Leads that are constant or hold a converter's last bits."""
        steps = (self._ordered[:, 1:] != self._ordered[:, :-1]).sum(axis=1)
        few = min(FEW_VALUES, self.values.shape[1] // FEW_VALUES)
        return self._names(steps < max(few, 1))

    @property
    def clipped(self) -> tuple[str, ...]:
        """Leads that stay at their largest or least value, but for empty ones."""
        ordered, few = self._ordered, int(CLIPPED_SHARE * self.values.shape[1])
        stays = (ordered[:, few] == ordered[:, 0]) | (ordered[:, -1 - few] == ordered[:, -1])
        return tuple(lead for lead in self._names(stays) if lead not in self.empty)

    @cached_property
    def _ordered(self) -> Samples:
        return np.sort(self.values, axis=1)

    def _names(self, marked: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(lead for lead, is_so in zip(self.leads, marked, strict=True) if is_so)

    @property
    def swing(self) -> float | None:
        """Change that is compared with ``USUAL``; None of what has no voltage, or is too short."""
        changes = self.live.changes
        if self.unit != "mV" or not changes.size:
            return None
        sizes = np.abs(changes)
        place = sizes.shape[1] - 1 - int(_EXCEEDED_BY * sizes.shape[1])
        each = np.sort(np.partition(sizes, place, axis=1)[:, place])
        return float(each[int(_QUIETER * len(each))])


@_LARGE
def faults_of(excerpt: Excerpt) -> list[tuple[str, str]]:
    """Return reason and detail of all that is wrong, but for empty leads."""
    return [*_amplitude_faults(excerpt), *_exchange_faults(excerpt)]


def _amplitude_faults(excerpt: Excerpt) -> Iterator[tuple[str, str]]:
    """Tell of values that stay at a limit, or that a heart does not reach."""
    if excerpt.clipped:
        yield "saturated", f"in {', '.join(excerpt.clipped)}"
    swing, (least, most) = excerpt.swing, USUAL
    if swing is None or least <= swing <= most:
        return
    told = f"beats rise by {swing:.2g} mV in 40 ms, where {least:g} to {most:g} are usual"
    powers = [n for n in (*range(1, 7), *range(-1, -7, -1)) if least <= swing / 10.0**n <= most]
    usual = " or ".join(f"{10.0**-n:g}{_CALLED.get(n, '')}" for n in powers)
    reason = "wrong_unit" if swing > HIGHEST else "amplitude"
    yield reason, f"{told}, as they would be times {usual}" if usual else told


def _exchange_faults(excerpt: Excerpt) -> Iterator[tuple[str, str]]:
    """Tell of leads or electrodes that seem to be exchanged or inverted."""
    if excerpt.unit != "mV":
        return
    live = excerpt.live
    told = exchanged_leads(live.values, live.leads)
    if told:
        yield "limb_leads", told
    elif set(INDEPENDENT) <= set(live.leads):
        eight = live.select(INDEPENDENT)
        told = exchanged_electrodes(eight.values, eight.changes)
        if told:
            yield "electrodes", told
