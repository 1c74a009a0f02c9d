"""HL7 annotated ECG (``AnnotatedECG``): for each lead whole numbers with a scale and an origin.

Format: HL7 aECG Implementation Guide (Brown and Badilini, 2005) of ANSI/HL7 V3 ECG, R1-2004.
"""

import math
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import sex
from myocard.data.formats.fields import integers, millivolts, number, numbers_among
from myocard.data.formats.found import Format, Found
from myocard.data.formats.patient import age_in_years, moment, told_apart
from myocard.data.formats.rhythm import found_rhythm
from myocard.data.formats.xml import attribute_at, begins_with, only, reader, text_at
from myocard.errors import InputError
from myocard.record import Facts

_LEAD, _TIME = "MDC_ECG_LEAD_", "TIME_"
_PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000}
_SHORTEST = 1e-6
_STATEMENTS = tuple(
    f"MDC_ECG_INTERPRETATION_{kind}" for kind in ("STATEMENT", "SUMMARY", "COMMENT")
)
_MEASUREMENTS = {
    ("MDC_ECG_HEART_RATE", "bpm"): "rate_bpm",
    ("MDC_ECG_TIME_PD_PR", "ms"): "pr_ms",
    ("MDC_ECG_TIME_PD_QRS", "ms"): "qrs_ms",
    ("MDC_ECG_TIME_PD_QT", "ms"): "qt_ms",
    ("MDC_ECG_TIME_PD_QTc", "ms"): "qtc_ms",
    ("MDC_ECG_ANGLE_P_FRONT", "deg"): "p_axis_deg",
    ("MDC_ECG_ANGLE_QRS_FRONT", "deg"): "qrs_axis_deg",
    ("MDC_ECG_ANGLE_T_FRONT", "deg"): "t_axis_deg",
}
# Age that a subject reports in a trial, by LOINC; the demographics of the format have no age.
_REPORTED_AGE = "21612-7"
_SUBJECT = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject"
_PERSON = f"{_SUBJECT}/subjectDemographicPerson"


def _found(root: Element) -> Found:
    series = [each for each in root.iterfind("component/series") if _code(each) == "RHYTHM"]
    rhythm = only(series, "series of code RHYTHM")
    sequences = only(rhythm.findall("component/sequenceSet"), "sets of sequences")
    values: dict[str, Element] = {}
    for sequence in sequences.iterfind("component/sequence"):
        code = _code(sequence)
        if code in values:
            raise InputError(f"two sequences of code {code[:40]!r}; export the file again")
        values[code] = only(sequence.findall("value"), f"values of {code[:40]!r}")
    times = [value for code, value in values.items() if code.startswith(_TIME)]
    rate, assumed = _rate(only(times, "sequences of time"))
    signals = {
        code.removeprefix(_LEAD): _row(value, code)
        for code, value in values.items()
        if code.startswith(_LEAD)
    }
    facts = _facts(root, rhythm, assumed)
    return found_rhythm(tuple(signals), list(signals.values()), rate, facts)


def _code(element: Element) -> str:
    return attribute_at(element, "code", "code")


def _rate(time: Element) -> tuple[float, tuple[str, ...]]:
    """Return the rate (Hz): the one whole rate that the increment is rounded from, if it is one."""
    text, unit = (attribute_at(time, "increment", name) for name in ("value", "unit"))
    seconds = number(text, "the increment of time") / _PER_SECOND.get(unit, math.inf)
    if not _SHORTEST <= seconds <= 1:
        raise InputError(
            f"samples {text[:40]} {unit[:40]!r} apart; known are s, ms and us, 1 us to 1 s"
        )
    increment = Decimal(text) / _PER_SECOND[unit]
    exact = 1 / increment
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal((0, (5,), exponent - 1)) / _PER_SECOND[unit]
    whole = math.floor(1 / (increment - half))
    if exact % 1 == 0 or whole != math.ceil(1 / (increment + half)):
        return float(exact), ()
    return float(whole), (f"{whole} Hz taken for samples {text} {unit} apart",)


def _row(value: Element, code: str) -> NDArray[np.floating[Any]]:
    """Read the samples of a lead, in mV."""
    kind = value.get("xsi:type", "SLIST_PQ")
    if kind != "SLIST_PQ":
        raise InputError(f"{code} is of type {kind[:40]!r}; readable is SLIST_PQ")
    origin, scale = (
        millivolts(
            number(attribute_at(value, name, "value"), f"{code}'s {name}"),
            attribute_at(value, name, "unit"),
        )
        for name in ("origin", "scale")
    )
    return origin + scale * integers(text_at(value, "digits"), code)


def _facts(root: Element, rhythm: Element, assumed: tuple[str, ...]) -> Facts:
    age, left_out = age_in_years(
        text_at(root, f"{_PERSON}/Age"), attribute_at(root, f"{_PERSON}/Age", "unit")
    )
    device = "author/seriesAuthor/manufacturedSeriesDevice/manufacturerModelName"
    dates = (attribute_at(root, f"effectiveTime/{name}", "value") for name in ("low", "center"))
    statements, signature = told_apart(
        text_at(each, "value") for each in rhythm.iter("annotation") if _code(each) in _STATEMENTS
    )
    identifiers = _identifiers(root)
    return Facts(
        patient=identifiers.get("PatientID") or identifiers.get("id"),
        age=age,
        sex=sex(attribute_at(root, f"{_PERSON}/administrativeGenderCode", "code")),
        device=text_at(rhythm, device) or None,
        date=moment(next(filter(None, dates), "")),
        statements=statements,
        measurements=_measured(root, rhythm),
        identifiers=identifiers | signature,
        assumed=(*assumed, *left_out),
    )


def _measured(root: Element, rhythm: Element) -> dict[str, float]:
    """Return measurements of the whole record; those of single beats lie deeper."""
    texts = {}
    for each in rhythm.iterfind("subjectOf/annotationSet/component/annotation"):
        name = _MEASUREMENTS.get((_code(each), attribute_at(each, "value", "unit")))
        if name:
            texts[name] = attribute_at(each, "value", "value")
    for each in root.iterfind("controlVariable/relatedObservation"):
        if (_code(each), attribute_at(each, "value", "unit")) == (_REPORTED_AGE, "a"):
            texts["reported_age_years"] = attribute_at(each, "value", "value")
    return numbers_among(texts)


def _identifiers(root: Element) -> dict[str, str]:
    names = (text for each in root.iterfind(f"{_PERSON}/name") for text in each.itertext())
    found = {
        "id": attribute_at(root, f"{_SUBJECT}/id", "extension"),
        "name": " ".join(" ".join(names).split()),
        "birthTime": attribute_at(root, f"{_PERSON}/birthTime", "value"),
        "PatientID": text_at(root, f"{_PERSON}/PatientID"),
        "SecondPatientID": text_at(root, f"{_PERSON}/SecondPatientID"),
    }
    return {name: text for name, text in found.items() if text}


AECG = Format("HL7 aECG", begins_with("AnnotatedECG"), reader(_found))
