"""Philips Sierra XML (``restingecgdata``), versions 1.03 to 1.04.02, of PageWriter and MRx carts.

Format: Philips' SierraECG.xsd and PhilipsECG.xsd, as files name their elements; samples and limb
leads after sierra-ecg-tools (Watford).
"""

from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import sex
from myocard.data.formats import xli
from myocard.data.formats.fields import (
    base64_bytes,
    check_stated,
    millivolts,
    number,
    whole,
)
from myocard.data.formats.found import Format, Found
from myocard.data.formats.limb_leads import COMPUTED
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
from myocard.leads import LEADS, canonical
from myocard.record import Facts

_VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
_STANDARD_LEADS = ("STD-12", "10-WIRE")
_READABLE = {
    "dataencoding": "Base64",
    "compression": "XLI",
    "compressmethod": "XLI",
    "compressflag": "True",
    "bitspersample": "16",
    "nbitspersample": "16",
    "signaloffset": "0",
    "signalsigned": "True",
}
_MOST_LEADS = 16
_MEASUREMENTS = {
    "heartrate": "rate_bpm",
    "meanprint": "pr_ms",
    "print": "pr_ms",
    "meanqrsdur": "qrs_ms",
    "qrsdur": "qrs_ms",
    "meanqtint": "qt_ms",
    "qtint": "qt_ms",
    "meanqtc": "qtc_ms",
    "qtcb": "qtc_ms",
    "pfrontaxis": "p_axis_deg",
    "qrsfrontaxis": "qrs_axis_deg",
    "tfrontaxis": "t_axis_deg",
}
_PATIENT = "patient/generalpatientdata"
_NUMBERS = ("patientid", "uniquepatientid", "MRN")
_IDENTIFIERS = (
    *(f"{_PATIENT}/{name}" for name in _NUMBERS),
    f"{_PATIENT}/dateofbirth",
    f"{_PATIENT}/age/dateofbirth",
    f"{_PATIENT}/name/lastname",
    f"{_PATIENT}/name/firstname",
    f"{_PATIENT}/name/middlename",
)
_AGES = ("years", "months", "weeks", "days", "hours")


def _found(root: Element) -> Found:
    version = text_at(root, "documentinfo/documentversion")
    if version not in _VERSIONS:
        raise InputError(f"version {version[:40]!r} of Sierra; known are {', '.join(_VERSIONS)}")
    signals = only(root.findall("dataacquisition/signalcharacteristics"), "signalcharacteristics")
    waveforms = only(root.findall("waveforms/parsedwaveforms"), "parsedwaveforms")
    stated = {each.tag: (each.text or "").strip() for each in signals}
    stated |= {f"@{name}": text.strip() for name, text in waveforms.attrib.items()}
    _check_readable(stated)
    rate = _agreed(stated, "samplingrate", "@samplespersecond")
    # Version 1.03 has the first, later ones the others.
    step = millivolts(_agreed(stated, "signalresolution", "resolution", "@resolution"), "uV")
    leads, samples = _leads(stated), _samples(stated, rate)
    content = base64_bytes(waveforms.text or "", "parsedwaveforms")
    rows = _restored(dict(zip(leads, xli.decoded(content, len(leads), samples), strict=True)))
    return found_rhythm(leads, [row * step for row in rows.values()], rate, _facts(root))


def _check_readable(stated: Mapping[str, str]) -> None:
    if "XLI" not in (stated.get("@compression"), stated.get("@compressmethod")):
        raise InputError("its samples are not compressed by XLI; export the file as the cart does")
    for field, text in stated.items():
        readable = _READABLE.get(field.lstrip("@"))
        if readable and text and text.lower() != readable.lower():
            raise InputError(f"{field} is {text[:40]!r}; readable is {readable}")


def _agreed(stated: Mapping[str, str], *fields: str) -> float:
    """Read a number that may stand in two fields, which must agree."""
    numbers = {number(stated[field], field) for field in fields if stated.get(field)}
    if len(numbers) != 1 or min(numbers) <= 0:
        found = " and ".join(f"{each:g}" for each in sorted(numbers)) or "nothing"
        raise InputError(f"{' or '.join(fields)} says {found}; one positive number is expected")
    return numbers.pop()


def _samples(stated: Mapping[str, str], rate: float) -> int:
    milliseconds = number(stated.get("@durationperchannel", ""), "durationperchannel")
    samples = milliseconds * rate / 1000
    if samples < 2 or not samples.is_integer():
        raise InputError(f"{milliseconds:g} ms at {rate:g} Hz are no length of a cart's record")
    return int(samples)


def _leads(stated: Mapping[str, str]) -> list[str]:
    labels = stated.get("@leadlabels", "").split()
    if labels:
        count = whole(stated.get("@numberofleads", ""), "numberofleads")
        labels = labels[:count] if 0 < count <= len(labels) else []
    elif (stated.get("acquisitiontype") or stated.get("leadset")) in _STANDARD_LEADS:
        check_stated(stated.get("numberchannelsvalid", ""), len(LEADS), "numberchannelsvalid")
        labels = list(LEADS)
    if not 0 < len(labels) <= _MOST_LEADS or len(set(labels)) < len(labels):
        raise InputError(f"{len(labels)} names of leads; 1 to 16 different ones are expected")
    return [canonical(label) or label for label in labels]


def _restored(rows: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """Restore III and the augmented leads, which are stored as residuals."""
    residual = [lead for lead in COMPUTED if lead in rows]
    if residual and not {"I", "II", "III"} <= rows.keys():
        raise InputError(f"{', '.join(residual)} need leads I, II and III; export all of them")
    if not residual:
        return rows
    first, second = rows["I"], rows["II"]
    third = second - first - rows["III"]
    # Halves are rounded down.
    predicted = {
        "aVR": -((first + second) >> 1),
        "aVL": (first - third) >> 1,
        "aVF": (second + third) >> 1,
    }
    augmented = {lead: predicted[lead] - rows[lead] for lead in predicted if lead in rows}
    return rows | {"III": third} | augmented


def _facts(root: Element) -> Facts:
    numbers = (text_at(root, f"{_PATIENT}/{name}") for name in _NUMBERS)
    ages = [age_in_years(text_at(root, f"{_PATIENT}/age/{unit}"), unit)[0] for unit in _AGES]
    stated = [age for age in ages if age is not None]
    date = [attribute_at(root, "dataacquisition", name) for name in ("date", "time")]
    statements, signature = told_apart(
        (each.text or "")
        for each in root.iterfind("interpretations/interpretation/statement/leftstatement")
    )
    # The first in version 1.03, the second in later ones.
    groups = ("interpretationmeasurements", "globalmeasurements")
    measured: dict[str, float] = {}
    for group in groups:
        measured |= measured_at(root, f"interpretations/interpretation/{group}", _MEASUREMENTS)
    return Facts(
        patient=next(filter(None, numbers), None),
        age=sum(stated) if stated else None,
        sex=sex(text_at(root, f"{_PATIENT}/sex")),
        device=text_at(root, "dataacquisition/machine") or None,
        date=moment(" ".join(filter(None, date))),
        statements=statements,
        measurements=measured,
        identifiers=texts_at(root, *_IDENTIFIERS) | signature,
    )


SIERRA = Format("Philips Sierra XML", begins_with("restingecgdata"), reader(_found))
