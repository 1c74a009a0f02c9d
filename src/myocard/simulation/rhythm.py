"""The times of the beats."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from myocard.simulation.dipole import Array

# Beats per minute between which a rhythm's mean rate is drawn.
_RANGES = {
    "SR": (62.0, 95.0),
    "SBRAD": (40.0, 55.0),
    "STACH": (104.0, 150.0),
    "SARRH": (54.0, 92.0),
    "AFIB": (58.0, 155.0),
}
# Breathing lengthens and shortens the cycles of the sinus node by this fraction (low, high);
# sinus arrhythmia means cycles that differ by some 120 ms and more.
_BREATHING = {
    "SR": (0.005, 0.065),
    "SBRAD": (0.005, 0.065),
    "STACH": (0.002, 0.015),
    "SARRH": (0.06, 0.2),
}
_REFRACTORY = 0.3
# Beats are made from before the record's start until after its end, so that no wave is cut off.
_MARGIN = 2.0


@dataclass(frozen=True)
class Beats:
    """The beats of one record.

    Attributes:
        at: ``(beats,)`` times of ventricular activation (s), from before 0 to after the end.
        premature: ``(beats,)`` true for the premature ones.
        atrial_rate: Flutter waves or sinus beats per second (Hz).
    """

    at: Array
    premature: NDArray[np.bool_]
    atrial_rate: float

    def within(self, seconds: float) -> Array:
        """Return the times from 0 to the end of the record (s)."""
        return self.at[(self.at >= 0) & (self.at < seconds)]

    def cycle(self, seconds: float) -> float:
        """Return the mean time between beats of the record (s)."""
        return float(np.diff(self.within(seconds)).mean())


def beats(
    rhythm: str, ectopy: str | None, seconds: float, pace: tuple[float, float], rng: Generator
) -> Beats:
    """Draw the beats of a record.

    Args:
        rhythm: SCP code of the rhythm.
        ectopy: ``"PVC"`` or ``"PAC"`` for premature beats, or None.
        seconds: Length of the record (s).
        pace: Shape of the beta distribution of the heart rate over its range.
        rng: Random numbers to draw from.
    """
    if rhythm == "AFLT":
        regular, atrial_rate = _flutter(seconds, rng)
    else:
        low, high = _RANGES[rhythm]
        cycle = 60 / (low + (high - low) * rng.beta(*pace))
        count = int((seconds + 2 * _MARGIN) / (0.7 * cycle)) + 2
        if rhythm == "AFIB":
            fractions = _fibrillating(count, rng)
        else:
            fractions = _breathing(count, cycle, _BREATHING[rhythm], rng)
        regular = _from(cycle, np.maximum(cycle * fractions, _REFRACTORY), rng)
        atrial_rate = 1 / cycle
    if ectopy is None:
        return Beats(regular, np.zeros(len(regular), dtype=bool), atrial_rate)
    chosen = _some(regular, seconds, rng)
    at = (_ventricular if ectopy == "PVC" else _atrial)(regular, chosen, rng)
    return Beats(at, np.isin(np.arange(len(at)), chosen), atrial_rate)


def _from(cycle: float, intervals: Array, rng: Generator) -> Array:
    return -_MARGIN + cycle * rng.random() + np.cumsum(intervals)


def _breathing(count: int, cycle: float, depths: tuple[float, float], rng: Generator) -> Array:
    """Draw cycles of the sinus node, as fractions of the mean one: they follow respiration."""
    breath, phase = rng.uniform(0.17, 0.32), rng.uniform(0, 2 * np.pi)
    time = cycle * np.arange(count)
    wave = np.sin(2 * np.pi * breath * time + phase)
    return 1 + rng.uniform(*depths) * wave + rng.normal(0, 0.008, count)


def _fibrillating(count: int, rng: Generator) -> Array:
    """Draw cycles of fibrillation, as fractions of the mean one: independent of each other."""
    spread = rng.uniform(0.1, 0.28)
    return np.exp(spread * rng.standard_normal(count) - spread**2 / 2)


def _flutter(seconds: float, rng: Generator) -> tuple[Array, float]:
    """Draw beats and the rate of flutter waves, of which each second, third or fourth conducts."""
    atrial_rate = rng.uniform(4.2, 5.4)
    cycle = rng.choice([2, 3, 4], p=[0.45, 0.2, 0.35]) / atrial_rate
    count = int((seconds + 2 * _MARGIN) / cycle) + 2
    return _from(cycle, cycle * (1 + rng.normal(0, 0.004, count)), rng), float(atrial_rate)


def _some(at: Array, seconds: float, rng: Generator) -> NDArray[np.int64]:
    """Draw the indices of one to three beats in the record, none next to another."""
    before = np.roll(at, 1)
    inside = np.flatnonzero((before > 0.1) & (before < at) & (at < seconds - 0.3))
    order = rng.permutation(inside if len(inside) else [int(np.abs(at - seconds / 2).argmin())])
    wanted = 1 + min(2, int(rng.poisson(0.7)), len(inside) // 6)
    chosen: list[int] = []
    for beat in order:
        if len(chosen) < wanted and all(abs(beat - other) > 2 for other in chosen):
            chosen.append(int(beat))
    return np.sort(np.array(chosen, dtype=np.int64))


def _ventricular(at: Array, chosen: NDArray[np.int64], rng: Generator) -> Array:
    """Move beats forward; the next stays, as the sinus node goes on (compensatory pause)."""
    early = at.copy()
    gap = at[chosen] - at[chosen - 1]
    coupling = np.maximum(rng.uniform(0.52, 0.76, len(chosen)) * gap, np.minimum(0.34, 0.9 * gap))
    early[chosen] = at[chosen - 1] + coupling
    return early


def _atrial(at: Array, chosen: NDArray[np.int64], rng: Generator) -> Array:
    """Move beats forward and those behind with them, as the sinus node is reset."""
    intervals = np.diff(at, prepend=at[0])
    lost = (1 - rng.uniform(0.6, 0.85, len(chosen))) * intervals[chosen]
    intervals[chosen] -= lost
    intervals[chosen + 1] += 0.2 * lost
    return at[0] + np.cumsum(intervals)
