"""From a seed and a number to a twelve-lead ECG."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import atria
from myocard.simulation.dipole import (
    Array,
    Waves,
    joined,
    low_passed,
    twelve_leads,
    vectorcardiogram,
)
from myocard.simulation.findings import SINUS
from myocard.simulation.morphology import Heart, heart, lead_vectors
from myocard.simulation.noise import noise
from myocard.simulation.people import Visit, visit
from myocard.simulation.rhythm import Beats, beats
from myocard.simulation.sites import Site, site_named
from myocard.simulation.streams import stream


@dataclass(frozen=True, eq=False)
class Simulated:
    """A simulated ECG and the truth about it.

    Attributes:
        record: Twelve leads in canonical order, mV.
        findings: SCP codes of what it shows, the rhythm first; NORM where nothing is abnormal.
        age: In years.
        sex: ``"F"`` or ``"M"``.
        patient: Shared by the records of one patient; unique within a seed and site.
        site: Name of the hospital.
        device: What recorded it.
        heart_rate: Beats per minute, from the mean time between beats.
        atrial_rate: Atrial beats per minute; flutter waves in flutter.
        beats: Times of the QRS complexes (s).
        qrs: Width of the QRS complex (s), of premature ventricular beats not.
        qt: QT interval (s).
        qrs_axis: Of the QRS complex in the frontal plane (degrees, 0 to the left, 90 to the feet).
        t_axis: Of the T wave.
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
    qrs: float
    qt: float
    qrs_axis: float
    t_axis: float


def simulate(
    seed: int, index: int, *, rate: float = 500.0, seconds: float = 10.0, site: str = "A"
) -> Simulated:
    """Simulate one ECG.

    Record ``index`` of a seed and site is always the same, whichever others are made, and a higher
    rate samples the same heart more often.

    Args:
        seed: Number of the world.
        index: Number of the record, from 0.
        rate: Samples per second (Hz), at least 50.
        seconds: Length, at least 2.5.
        site: ``"A"`` or ``"B"``, see ``SITES``.

    Raises:
        InputError: For a rate, length or site that cannot be simulated.
    """
    if rate < 50 or seconds < 2.5:
        raise InputError(f"{seconds:g} s at {rate:g} Hz; simulate at least 2.5 s at 50 Hz")
    hospital = site_named(site)
    who = visit(seed, index, site=site)
    timing = stream(seed, site, "rhythm", index)
    ectopy = next((code for code in ("PVC", "PAC") if code in who.findings), None)
    pulse = beats(who.rhythm, ectopy, seconds, hospital.pace, timing)
    body = heart(who.findings, who.sex, stream(seed, site, "anatomy", who.patient))
    qt = body.shape.qt_corrected * pulse.cycle(seconds) ** (1 / 3)
    waves = low_passed(_waves(body, pulse, who, qt, timing), hospital.band[1])
    time = np.arange(round(seconds * rate)) / rate
    dipole = vectorcardiogram(waves, len(time), rate) + _atrial_waves(
        who.rhythm, pulse, time, timing
    )
    signal = _recorded(dipole, rate, hospital, stream(seed, site, "noise", index))
    shape = body.shape
    return Simulated(
        record=Record(signal, float(rate), LEADS),
        findings=who.findings,
        age=who.age,
        sex=who.sex,
        patient=str(who.patient),
        site=site,
        device=hospital.device,
        heart_rate=60 / pulse.cycle(seconds),
        atrial_rate=60 * pulse.atrial_rate,
        beats=tuple(map(float, pulse.within(seconds))),
        qrs=shape.offset - shape.onset,
        qt=qt,
        qrs_axis=_axis(shape.qrs.vector.sum(axis=0)),
        t_axis=_axis(shape.t),
    )


def _waves(body: Heart, pulse: Beats, who: Visit, qt: float, rng: Generator) -> Waves:
    """Every wave of the record, at its time."""
    breath, phase = rng.uniform(0.15, 0.35), rng.uniform(0, 2 * np.pi)
    sizes = 1 + rng.uniform(0.0, 0.06) * np.sin(2 * np.pi * breath * pulse.at + phase)
    early, ventricular = pulse.premature, "PVC" in who.findings
    own = ~early if ventricular else np.ones_like(early)
    parts = [body.ventricles(qt).repeated(pulse.at[own], sizes[own])]
    if ventricular:
        parts.append(body.ectopic.repeated(pulse.at[early], sizes[early]))
    if who.rhythm in SINUS:
        p_onset = pulse.at + body.shape.onset - body.shape.pr
        parts.append(body.p.repeated(p_onset[~early], sizes[~early]))
        if not ventricular:
            parts.append(body.ectopic_p.repeated(p_onset[early] + 0.02, sizes[early]))
    return joined(parts)


def _atrial_waves(rhythm: str, pulse: Beats, time: Array, rng: Generator) -> Array:
    """``(3, samples)`` of fibrillation or flutter (mV), zero in other rhythms."""
    if rhythm == "AFIB":
        return atria.fibrillation(time, rng)
    if rhythm == "AFLT":
        return atria.flutter(time, pulse.atrial_rate, rng)
    return np.zeros((3, len(time)))


def _recorded(dipole: Array, rate: float, site: Site, rng: Generator) -> np.ndarray:
    """``(12, samples)`` in mV. Noise enters the electrodes, so the limb leads' laws survive it."""
    vectors = lead_vectors(rng)
    gain = site.gain * np.exp(rng.normal(0, 0.05))
    clean = vectors @ dipole
    return twelve_leads(gain * (clean + noise((len(clean), clean.shape[1]), rate, site, rng)))


def _axis(vector: Array) -> float:
    return float(np.rad2deg(np.arctan2(vector[1], vector[0])))
