"""Patients, their visits, and their findings."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from myocard.simulation.findings import CONDITIONS, FINDINGS, RHYTHMS, SINUS, TRANSIENT, possible
from myocard.simulation.sites import Site, site_named
from myocard.simulation.streams import stream

_BLOCK = 10


@dataclass(frozen=True)
class Visit:
    """One record before its signal is made.

    Attributes:
        patient: Number of the patient, from 0.
        age: Age in years.
        sex: ``"F"`` or ``"M"``.
        rhythm: SCP code of the rhythm.
        findings: SCP codes of everything the record shows, the rhythm first; NORM at the end of a
            sinus rhythm of any pace without a condition.
    """

    patient: int
    age: float
    sex: str
    rhythm: str
    findings: tuple[str, ...]


def visit(seed: int, index: int, *, site: str) -> Visit:
    """Draw the patient and the findings of record ``index``."""
    hospital = site_named(site)
    patient = _patient_of(seed, index, site=site)
    rng = stream(seed, site, "patient", patient)
    rhythm = str(rng.choice(list(RHYTHMS), p=[hospital.rhythms[code] for code in RHYTHMS]))
    lasting = _draw((rhythm,), hospital, rng, transient=False)
    findings = _draw(lasting, hospital, stream(seed, site, "visit", index), transient=True)
    mean, deviation = hospital.age
    mean += sum(FINDINGS[code].ageing for code in lasting)
    age = float(np.clip(np.round(rng.normal(mean, deviation)), 18, 95))
    sex = str(rng.choice(["F", "M"]))
    normal = ("NORM",) if SINUS.issuperset(findings) else ()
    return Visit(patient, age, sex, rhythm, findings + normal)


def _patient_of(seed: int, index: int, *, site: str) -> int:
    """Return the number of the patient of a record.

    Among ten records in a row, nine are of new patients and one, the last, is of one of those nine
    who comes back.
    """
    block, place = divmod(index, _BLOCK)
    if place == _BLOCK - 1:
        place = int(stream(seed, site, "return", block).integers(_BLOCK - 1))
    return block * (_BLOCK - 1) + place


def _draw(
    present: tuple[str, ...], site: Site, rng: Generator, *, transient: bool
) -> tuple[str, ...]:
    """Return ``present`` and the conditions that are drawn in addition."""
    for code in CONDITIONS:
        if (code in TRANSIENT) is not transient:
            continue
        if rng.random() < site.conditions[code] and possible(code, present):
            present = (*present, code)
    return present
