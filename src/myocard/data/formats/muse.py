"""GE MUSE XML (``RestingECG``): for each lead base64 of 16-bit samples, with a checksum.

Format: elements of GE's restecg.dtd, as exports of MUSE 9 fill them.
"""

import zlib
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import sex
from myocard.data.formats.fields import (
    base64_bytes,
    check_stated,
    millivolts,
    number,
    whole,
)
from myocard.data.formats.found import Format, Found
from myocard.data.formats.patient import age_in_years, moment, told_apart
from myocard.data.formats.rhythm import found_rhythm
from myocard.data.formats.xml import begins_with, measured_at, only, reader, text_at, texts_at
from myocard.errors import InputError
from myocard.record import Facts

_CONTINUOUS = "CONTINUOUS_SAMPLES"
# Fields that would move a lead in time or level.
_ZERO = ("LeadTimeOffset", "LeadOffsetFirstSample", "FirstSampleBaseline")
_MEASUREMENTS = {
    "VentricularRate": "rate_bpm",
    "PRInterval": "pr_ms",
    "QRSDuration": "qrs_ms",
    "QTInterval": "qt_ms",
    "QTCorrected": "qtc_ms",
    "PAxis": "p_axis_deg",
    "RAxis": "qrs_axis_deg",
    "TAxis": "t_axis_deg",
}
_IDENTIFIERS = (
    "PatientDemographics/PatientID",
    "PatientDemographics/PatientLastName",
    "PatientDemographics/PatientFirstName",
    "PatientDemographics/DateofBirth",
    "TestDemographics/SecondaryID",
    "PharmaData/PharmaUniqueECGID",
)


def _found(root: Element) -> Found:
    waveforms = root.findall("Waveform")
    rhythms = [each for each in waveforms if text_at(each, "WaveformType").lower() == "rhythm"]
    rhythm = only(rhythms, "waveforms of type Rhythm")
    kind = text_at(rhythm, "SampleType") or _CONTINUOUS
    if kind != _CONTINUOUS:
        raise InputError(f"samples of type {kind[:40]!r}; export them as {_CONTINUOUS}")
    leads = rhythm.findall("LeadData")
    check_stated(text_at(rhythm, "NumberofLeads"), len(leads), "NumberofLeads")
    names = [text_at(lead, "LeadID") for lead in leads]
    rows = [_row(lead, name) for lead, name in zip(leads, names, strict=True)]
    return found_rhythm(names, rows, _rate(rhythm), _facts(root, leads))


def _rate(rhythm: Element) -> float:
    base = number(text_at(rhythm, "SampleBase"), "SampleBase")
    exponent = whole(text_at(rhythm, "SampleExponent") or "0", "SampleExponent")
    return base * float(f"1e{exponent}")


def _row(lead: Element, name: str) -> NDArray[np.floating[Any]]:
    """Decode the samples of a lead, in mV."""
    for field in _ZERO:
        if number(text_at(lead, field) or "0", field):
            raise InputError(f"lead {name} has a {field}, and leads are not shifted to fit")
    check_stated(text_at(lead, "LeadSampleSize"), 2, "LeadSampleSize")
    content = base64_bytes(text_at(lead, "WaveFormData"), f"lead {name}")
    check_stated(text_at(lead, "LeadByteCountTotal"), len(content), f"lead {name}'s byte count")
    if len(content) % 2:
        raise InputError(f"lead {name} of {len(content)} bytes, two for each sample are expected")
    samples = np.frombuffer(content, "<i2")
    count = text_at(lead, "LeadSampleCountTotal")
    check_stated(count, samples.size, f"lead {name}'s sample count")
    checksum = text_at(lead, "LeadDataCRC32")
    if checksum and checksum != str(zlib.crc32(content)):
        raise InputError(f"lead {name} is not what its checksum was made of; export it again")
    step = number(text_at(lead, "LeadAmplitudeUnitsPerBit"), "LeadAmplitudeUnitsPerBit")
    return samples * millivolts(step, text_at(lead, "LeadAmplitudeUnits"))


def _facts(root: Element, leads: list[Element]) -> Facts:
    age, assumed = age_in_years(
        text_at(root, "PatientDemographics/PatientAge"),
        text_at(root, "PatientDemographics/AgeUnits"),
    )
    off = [text_at(each, "LeadID") for each in leads if text_at(each, "LeadOff") == "TRUE"]
    if off:
        assumed = (*assumed, f"the file says that electrodes were off: {', '.join(off)}")
    date = texts_at(root, "TestDemographics/AcquisitionDate", "TestDemographics/AcquisitionTime")
    statements, signature = told_apart(_statements(root))
    return Facts(
        patient=text_at(root, "PatientDemographics/PatientID") or None,
        age=age,
        sex=sex(text_at(root, "PatientDemographics/Gender")),
        device=text_at(root, "TestDemographics/AcquisitionDevice") or None,
        date=moment(" ".join(date.values()), "mdy"),
        statements=statements,
        measurements=measured_at(root, "RestingECGMeasurements", _MEASUREMENTS),
        identifiers=texts_at(root, *_IDENTIFIERS) | signature,
        assumed=assumed,
    )


def _statements(root: Element) -> Iterator[str]:
    """Join the parts of each statement of the diagnosis in force, up to the flag of its end."""
    parts: list[str] = []
    for element in root.iterfind("Diagnosis/DiagnosisStatement"):
        parts.append(text_at(element, "StmtText"))
        if any((flag.text or "").strip() == "ENDSLINE" for flag in element.iterfind("StmtFlag")):
            yield " ".join(parts)
            parts = []
    yield " ".join(parts)


MUSE = Format("GE MUSE XML", begins_with("RestingECG"), reader(_found))
