"""Simulation of a twelve-lead ECG from a seed and a number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import atria, dipole
from myocard.simulation.cycles import Cycle, cycles, delineated
from myocard.simulation.dipole import Array, Waves
from myocard.simulation.findings import SINUS
from myocard.simulation.morphology import heart, lead_vectors
from myocard.simulation.noise import noise
from myocard.simulation.people import visit
from myocard.simulation.rhythm import Beats, beats
from myocard.simulation.sites import Site, site_named
from myocard.simulation.streams import stream
from myocard.waves import Delineation


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulated:
    """A simulated ECG and the truth about it.

    Attributes:
        record: Twelve leads in canonical order, mV.
        findings: SCP codes of everything it shows, the rhythm first; NORM if nothing is abnormal.
        age: Age in years.
        sex: ``"F"`` or ``"M"``.
        patient: Name of the patient, unique within a seed and site.
        site: Name of the hospital.
        device: Name of the electrocardiograph.
        heart_rate: Beats per minute, from the mean time between beats.
        atrial_rate: Atrial beats per minute; flutter waves in flutter.
        beats: Times of the QRS complexes (s).
        pr: Time from the onset of P to that of QRS (s); None where no P waves lead the beats.
        qrs: Width of the QRS complex (s), premature ventricular beats aside.
        qt: QT interval (s).
        qrs_axis: Axis of the QRS complex in the frontal plane (degrees; 0 left, 90 to the feet).
        t_axis: Axis of the T wave.
        delineation: Extents of P, QRS and T; the heart's, so that all leads have the same.
    """

    record: Record
    findings: tuple[str, ...]
    age: float
    sex: str
    patient: str
    site: str
    device: str
    heart_rate: float
    atrial_rate: float
    beats: tuple[float, ...]
    pr: float | None
    qrs: float
    qt: float
    qrs_axis: float
    t_axis: float
    delineation: Delineation


def simulate(
    seed: int, index: int, *, rate: float = 500.0, seconds: float = 10.0, site: str = "A"
) -> Simulated:
    """Simulate one ECG.

    Record ``index`` of a seed and site is always the same, whichever others are made, and a higher
    rate samples the same heart more often.

    Args:
        seed: Seed of patients, visits and signals.
        index: Number of the record, from 0.
        rate: Samples per second (Hz), at least 50.
        seconds: Length (s), at least 2.5.
        site: ``"A"`` or ``"B"``, see ``SITES``.

    Raises:
        InputError: For a rate, length or site that cannot be simulated.
    """
    if rate < 50 or seconds < 2.5:
        raise InputError(f"{seconds:g} s at {rate:g} Hz; simulate at least 2.5 s at 50 Hz")
    hospital = site_named(site)
    drawn = visit(seed, index, site=site)
    timing = stream(seed, site, "rhythm", index)
    ectopy = next((code for code in ("PVC", "PAC") if code in drawn.findings), None)
    pulse = beats(drawn.rhythm, ectopy, seconds, hospital.pace, timing)
    body = heart(drawn.findings, drawn.sex, stream(seed, site, "anatomy", drawn.patient))
    qt = body.shape.qt_corrected * pulse.cycle(seconds) ** (1 / 3)
    shown = cycles(body, pulse, drawn, qt)
    waves = dipole.low_passed(_waves(shown, pulse, timing), hospital.band[1])
    time = np.arange(round(seconds * rate)) / rate
    vector = dipole.vectorcardiogram(waves, len(time), rate)
    vector += _atrial_waves(drawn.rhythm, pulse, time, timing)
    signal = _recorded(vector, rate, hospital, stream(seed, site, "noise", index))
    shape = body.shape
    return Simulated(
        record=Record(signal, float(rate), LEADS),
        findings=drawn.findings,
        age=drawn.age,
        sex=drawn.sex,
        patient=str(drawn.patient),
        site=site,
        device=hospital.device,
        heart_rate=60 / pulse.cycle(seconds),
        atrial_rate=60 * pulse.atrial_rate,
        beats=tuple(map(float, pulse.within(seconds))),
        pr=shape.pr if drawn.rhythm in SINUS else None,
        qrs=shape.qrs.offset - shape.qrs.onset,
        qt=qt,
        qrs_axis=_axis(shape.qrs.vector.sum(axis=0)),
        t_axis=_axis(shape.t),
        delineation=delineated(shown, seconds),
    )


def _waves(found: Sequence[Cycle], pulse: Beats, rng: Generator) -> Waves:
    """Draw all waves of the record, at their times, but for atrial fibrillation and flutter."""
    breath, phase = rng.uniform(0.15, 0.35), rng.uniform(0, 2 * np.pi)
    sizes = 1 + rng.uniform(0.0, 0.06) * np.sin(2 * np.pi * breath * pulse.at + phase)
    return dipole.joined([x.waves.repeated(x.at[x.shown], sizes[x.shown]) for x in found])


def _atrial_waves(rhythm: str, pulse: Beats, time: Array, rng: Generator) -> Array:
    """Draw ``(3, samples)`` of fibrillation or flutter (mV), zero in other rhythms."""
    if rhythm == "AFIB":
        return atria.fibrillation(time, rng)
    if rhythm == "AFLT":
        return atria.flutter(time, pulse.atrial_rate, rng)
    return np.zeros((3, len(time)))


def _recorded(vector: Array, rate: float, site: Site, rng: Generator) -> np.ndarray:
    """Record a dipole: ``(12, samples)`` in mV.

    Noise enters at the independent leads, so that the limb leads' laws hold.
    """
    vectors = lead_vectors(rng)
    gain = site.gain * np.exp(rng.normal(0, 0.05))
    clean = vectors @ vector
    return dipole.twelve_leads(
        gain * (clean + noise((len(clean), clean.shape[1]), rate, site, rng))
    )


def _axis(vector: Array) -> float:
    return float(np.rad2deg(np.arctan2(vector[1], vector[0])))
