"""GE CardioSoft XML (``CardiologyXML``): for each lead whole numbers between commas.

Format: elements as exports of CardioSoft 6 and of UK Biobank name them.
"""

from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import sex
from myocard.data.formats.fields import check_stated, integers, millivolts, number
from myocard.data.formats.found import Format, Found
from myocard.data.formats.patient import age_in_years, moment, told_apart
from myocard.data.formats.rhythm import found_rhythm
from myocard.data.formats.xml import (
    attribute_at,
    begins_with,
    measured_at,
    only,
    reader,
    text_at,
    texts_at,
)
from myocard.errors import InputError
from myocard.record import Facts

_MEASUREMENTS = {
    "VentricularRate": "rate_bpm",
    "PQInterval": "pr_ms",
    "QRSDuration": "qrs_ms",
    "QTInterval": "qt_ms",
    "QTCInterval": "qtc_ms",
    "PAxis": "p_axis_deg",
    "RAxis": "qrs_axis_deg",
    "TAxis": "t_axis_deg",
}
_IDENTIFIERS = (
    "PatientInfo/PID",
    "PatientInfo/Name/FamilyName",
    "PatientInfo/Name/GivenName",
    "UID/DICOMStudyUID",
)


def _found(root: Element) -> Found:
    """Read the strip. Full disclosures are stored in orders that differ between versions."""
    strips = root.findall("StripData") + root.findall("Strip/StripData")
    strip = only(strips, "strips (StripData)")
    rate = number(_in_unit(strip, "SampleRate", "Hz"), "SampleRate")
    step = millivolts(number(_in_unit(strip, "Resolution", "uVperLsb"), "Resolution"), "uV")
    waveforms = strip.findall("WaveformData")
    check_stated(text_at(strip, "NumberOfLeads"), len(waveforms), "NumberOfLeads")
    leads = [each.get("lead", "") for each in waveforms]
    rows = [_row(each, strip, step) for each in waveforms]
    return found_rhythm(leads, rows, rate, _facts(root))


def _in_unit(strip: Element, name: str, unit: str) -> str:
    element = only(strip.findall(name), f"{name}s of the strip")
    stated = element.get("units", "")
    if stated.strip().lower() != unit.lower():
        raise InputError(f"{name} in {stated[:40]!r}; readable is {unit}")
    return element.text or ""


def _row(waveform: Element, strip: Element, step: float) -> NDArray[np.floating[Any]]:
    """Read the samples of a lead, in mV."""
    lead = f"lead {waveform.get('lead', '')[:40]}"
    samples = integers(waveform.text or "", lead, ",")
    count = text_at(strip, "ChannelSampleCountTotal")
    check_stated(count, samples.size, f"ChannelSampleCountTotal for {lead}")
    return samples * step


def _facts(root: Element) -> Facts:
    age, assumed = age_in_years(
        text_at(root, "PatientInfo/Age"), attribute_at(root, "PatientInfo/Age", "units")
    )
    if root.find("FullDisclosure") is not None:
        assumed = (
            *assumed,
            "full disclosure left out: versions differ in the order of its samples",
        )
    born = _joined(root, "PatientInfo/BirthDateTime", "-", ("Year", "Month", "Day"))
    born_on = {"BirthDateTime": born} if born else {}
    day = _joined(root, "ObservationDateTime", "-", ("Year", "Month", "Day"))
    time = _joined(root, "ObservationDateTime", ":", ("Hour", "Minute", "Second"))
    # A conclusion is a diagnosis that someone confirmed.
    statements, signature = told_apart(
        each.text or ""
        for each in root.findall("Interpretation/Conclusion/ConclusionText")
        or root.findall("Interpretation/Diagnosis/DiagnosisText")
    )
    return Facts(
        patient=text_at(root, "PatientInfo/PID") or None,
        age=age,
        sex=sex(text_at(root, "PatientInfo/Gender")),
        device=text_at(root, "ClinicalInfo/DeviceInfo/Desc") or None,
        date=moment(f"{day} {time}"),
        statements=statements,
        measurements=measured_at(root, "RestingECGMeasurements", _MEASUREMENTS),
        identifiers=texts_at(root, *_IDENTIFIERS) | born_on | signature,
        assumed=assumed,
    )


def _joined(root: Element, path: str, mark: str, parts: tuple[str, ...]) -> str:
    return mark.join(texts_at(root, *(f"{path}/{part}" for part in parts)).values())


CARDIOSOFT = Format("GE CardioSoft XML", begins_with("CardiologyXML"), reader(_found))
