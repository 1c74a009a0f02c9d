"""Schiller XML (SEMA's ``SchillerEDI``): for each lead whole numbers between commas.

Format: elements as SEMA 2.64 names them in an export of an AT-110.
"""

from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import sex
from myocard.data.formats.fields import (
    check_stated,
    integers,
    millivolts,
    number,
    numbers_among,
)
from myocard.data.formats.found import Format, Found
from myocard.data.formats.patient import moment, told_apart
from myocard.data.formats.rhythm import found_rhythm
from myocard.data.formats.xml import begins_with, only, reader, text_at, texts_at
from myocard.errors import InputError
from myocard.record import Facts

_RHYTHMS = ("ECG_RHYTHMS", "ECG_RHYTHM")
_READABLE = {"channelconfiguration": "ECG_STANDARD", "resolution/samplerate/exponent": "1"}
_MEASUREMENTS = {
    "HR": "rate_bpm",
    "PQ": "pr_ms",
    "QRS": "qrs_ms",
    "QT": "qt_ms",
    "QTC": "qtc_ms",
    "AXIS_P": "p_axis_deg",
    "AXIS_QRS": "qrs_axis_deg",
    "AXIS_T": "t_axis_deg",
}
_IDENTIFIERS = tuple(f"patdata/{name}" for name in ("id", "lastname", "firstname", "birthdate"))
_HARDWARE = "examdescript/aquiringdevice/hardware"


def _found(root: Element) -> Found:
    waves = root.findall("eventdata/event/wavedata")
    rhythm = only([each for each in waves if text_at(each, "type") in _RHYTHMS], "ECG_RHYTHMS")
    for path, readable in _READABLE.items():
        stated = text_at(rhythm, path) or readable
        if stated != readable:
            raise InputError(f"{path} is {stated[:40]!r}; readable is {readable}")
    rate = number(text_at(rhythm, "resolution/samplerate/value"), "samplerate")
    step = millivolts(
        number(text_at(rhythm, "resolution/yres/unitperbit"), "unitperbit"),
        text_at(rhythm, "resolution/yres/units"),
    )
    channels = rhythm.findall("channel")
    leads = [text_at(channel, "name") for channel in channels]
    return found_rhythm(leads, [_row(each, step) for each in channels], rate, _facts(root))


def _row(channel: Element, step: float) -> NDArray[np.floating[Any]]:
    """Read the samples of a lead, in mV."""
    lead = f"lead {text_at(channel, 'name')[:40]}"
    kind = text_at(channel, "datastype")
    if kind != "COMMASEPARATE":
        raise InputError(f"{lead} of datastype {kind[:40]!r}; readable is COMMASEPARATE")
    samples = integers(text_at(channel, "data"), lead, ",")
    check_stated(text_at(channel, "samplecount"), samples.size, f"samplecount of {lead}")
    return samples * step


def _facts(root: Element) -> Facts:
    measured = {
        _MEASUREMENTS.get(text_at(each, "name"), ""): text_at(each, "value")
        for each in root.iterfind("eventdata/event/annotation_global")
    }
    measured.pop("", None)
    statements, signature = told_apart(
        line
        for each in root.iterfind("eventdata/event/textdata")
        if text_at(each, "type") == "INTERPRETATION"
        for line in text_at(each, "textdata").splitlines()
    )
    date = texts_at(root, "examdescript/startdatetime/date", "examdescript/startdatetime/time")
    device = texts_at(root, f"{_HARDWARE}/vendor", f"{_HARDWARE}/model")
    return Facts(
        patient=text_at(root, "patdata/id") or None,
        sex=sex(text_at(root, "patdata/gender")),
        device=" ".join(device.values()) or None,
        date=moment(" ".join(date.values())),
        statements=statements,
        measurements=numbers_among(measured),
        identifiers=texts_at(root, *_IDENTIFIERS) | signature,
    )


SCHILLER = Format(
    "Schiller XML",
    begins_with("com.xiriuz.sema.xml.schillerEDI.SchillerEDI"),
    reader(_found),
)
