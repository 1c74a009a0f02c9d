"""Who is recorded: patients, their visits, and what they have."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from myocard.simulation.findings import CONDITIONS, RHYTHMS, TRANSIENT, possible, with_normal
from myocard.simulation.sites import Site, site_named
from myocard.simulation.streams import stream

_BLOCK = 10

# Years that a finding adds to the mean age of those who have it.
_AGEING = {
    "AFIB": 10.0,
    "AFLT": 6.0,
    "CLBBB": 7.0,
    "CRBBB": 5.0,
    "AMI": 5.0,
    "IMI": 5.0,
    "LVH": 4.0,
    "1AVB": 5.0,
    "SARRH": -12.0,
    "STACH": -4.0,
}


@dataclass(frozen=True)
class Visit:
    """One record before its signal is made.

    Attributes:
        patient: Number of the patient, from 0.
        age: In years.
        sex: ``"F"`` or ``"M"``.
        rhythm: SCP code of the rhythm.
        findings: SCP codes of everything the record shows, the rhythm first.
    """

    patient: int
    age: float
    sex: str
    rhythm: str
    findings: tuple[str, ...]


def patient_of(seed: int, index: int, *, site: str) -> int:
    """Number of the patient of a record.

    Of ten records in a row, nine are of new patients and one, the last, is of one of those nine
    who comes back.
    """
    block, place = divmod(index, _BLOCK)
    if place == _BLOCK - 1:
        place = int(stream(seed, site, "return", block).integers(_BLOCK - 1))
    return block * (_BLOCK - 1) + place


def visit(seed: int, index: int, *, site: str) -> Visit:
    """Who record ``index`` is of, and what it shows."""
    hospital = site_named(site)
    patient = patient_of(seed, index, site=site)
    rng = stream(seed, site, "patient", patient)
    rhythm = str(rng.choice(list(RHYTHMS), p=[hospital.rhythms[code] for code in RHYTHMS]))
    lasting = _draw((rhythm,), hospital, rng, transient=False)
    findings = _draw(lasting, hospital, stream(seed, site, "visit", index), transient=True)
    mean, deviation = hospital.age
    mean += sum(_AGEING.get(code, 0.0) for code in lasting)
    age = float(np.clip(np.round(rng.normal(mean, deviation)), 18, 95))
    sex = str(rng.choice(["F", "M"]))
    return Visit(patient, age, sex, rhythm, with_normal(findings))


def _draw(
    present: tuple[str, ...], site: Site, rng: Generator, *, transient: bool
) -> tuple[str, ...]:
    """``present`` and the conditions that chance adds to it."""
    for code in CONDITIONS:
        if (code in TRANSIENT) is not transient:
            continue
        if rng.random() < site.conditions[code] and possible(code, present):
            present = (*present, code)
    return present
