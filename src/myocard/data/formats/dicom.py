"""DICOM waveforms (PS3.3, C.10.9): 12-lead, general and ambulatory ECGs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats import dicom_facts
from myocard.data.formats.dicom_elements import (
    Item,
    bytes_of,
    integer_of,
    items_of,
    number_of,
    read_elements,
    text_of,
)
from myocard.data.formats.found import Format, Found, Stored
from myocard.data.formats.lead_codes import LEAD_CODES
from myocard.data.formats.limb_leads import COMPUTED, assumption, with_limb_leads
from myocard.data.formats.refusals import naming
from myocard.errors import InputError
from myocard.leads import LEADS, canonical
from myocard.record import FASTEST

_GROUPS, _CHANNELS, _SOURCE, _UNITS = 0x54000100, 0x003A0200, 0x003A0208, 0x003A0211
_ORIGINALITY, _NUMBER_OF_CHANNELS, _SAMPLES, _RATE = 0x003A0004, 0x003A0005, 0x003A0010, 0x003A001A
_BITS, _INTERPRETATION, _PADDING, _DATA = 0x54001004, 0x54001006, 0x5400100A, 0x54001010
_LABEL, _SENSITIVITY, _CORRECTION, _BASELINE = 0x003A0203, 0x003A0210, 0x003A0212, 0x003A0213
_TIME_SKEW, _SAMPLE_SKEW = 0x003A0214, 0x003A0215
_SEQUENCES = (_GROUPS, _CHANNELS, _SOURCE, _UNITS, *dicom_facts.SEQUENCES)

_STORED = {"SB": "<i1", "UB": "<u1", "SS": "<i2", "US": "<u2", "SL": "<i4", "UL": "<u4"}
_PER_MILLIVOLT = {"nV": 1e6, "uV": 1e3, "mV": 1.0, "V": 1e-3}
_SCP_CODES, _MDC_CODES = "5.6.3-9-", "2:"


def begins_dicom(head: bytes) -> bool:
    return head[128:132] == b"DICM"


def read_dicom(path: Path) -> Found:
    """Read the recorded ECG of a DICOM waveform object, never its median beats.

    Raises:
        InputError: For a broken file, or one without one certain ECG.
    """
    with naming(path):
        content = read_elements(path.read_bytes(), _SEQUENCES)
        group, names, assumed = _recorded(items_of(content, _GROUPS))
        channels, rate = items_of(group, _CHANNELS), number_of(group, _RATE)
        if not 1 <= rate <= FASTEST:
            raise InputError(f"a rate of {rate:g} Hz; export it again")
        _check_skew(channels, rate)
        signal, leads, computed = _millivolts(group, channels, names)
        facts = dicom_facts.facts_of(content, assumption(computed) + assumed)
        return Found(signal, rate, leads, "mV", facts)


def _recorded(groups: Sequence[Item]) -> tuple[Item, list[str], tuple[str, ...]]:
    """Choose the group that was recorded, not derived: it, its leads, and what was assumed."""
    originals = [group for group in groups if text_of(group, _ORIGINALITY) == "ORIGINAL"]
    named = [(group, [*map(_name, items_of(group, _CHANNELS))]) for group in originals]
    found = [(group, names) for group, names in named if _told(names)]
    if not found:
        raise InputError(
            f"no recorded ECG among its {len(groups)} groups of waveforms; export the ECG itself"
        )
    if len(found) == 1:
        return *found[0], ()
    whole = [(group, names) for group, names in found if _told(names) == {*LEADS}]
    if len(whole) != 1:
        held = "; ".join(", ".join(names) for _, names in found)
        raise InputError(
            f"{len(found)} groups of recorded waveforms ({held}), which are not joined; "
            "export the continuous ECG alone"
        )
    return *whole[0], (f"the one of {len(found)} groups that holds the twelve leads",)


def _told(names: Sequence[str]) -> set[str]:
    """Return those of the twelve leads that leads of these names hold or tell."""
    held = {lead for lead in map(canonical, names) if lead}
    return held | {*COMPUTED} if {"I", "II"} <= held else held


def _name(channel: Item) -> str:
    """Return a channel's lead, by its code; where that is unknown, its words."""
    code, words = dicom_facts.code_of(channel, _SOURCE)
    words = words or text_of(channel, _LABEL)
    said = words.removeprefix("Lead ").partition("(")[0].strip()
    number = code.removeprefix(_SCP_CODES).removeprefix(_MDC_CODES)
    coded = LEAD_CODES.get(int(number[:9])) if number != code and number.isdecimal() else None
    if coded and canonical(said) and canonical(said) != coded:
        raise InputError(f"a lead with the code of {coded} and the name {words}; correct one")
    return coded or said or f"lead of code {code}"


def _millivolts(
    group: Item, channels: Sequence[Item], names: Sequence[str]
) -> tuple[Stored, tuple[str, ...], tuple[str, ...]]:
    """Scale a group's integers, and compute the limb leads that are missing, as asked for.

    Returns:
        The signal in mV, the names of its rows, and those that were computed.
    """
    stored = _integers(group, len(channels))
    steps, baselines, units = np.array([*map(_scale, channels)]).T
    padding = _padding(group, stored.dtype)
    _, leads, computed = with_limb_leads(np.empty((len(names), 0)), names)

    def cut(start: int, stop: int) -> NDArray[np.float64]:
        part = stored[start:stop]
        columns: NDArray[np.float64] = part * steps + baselines
        columns /= units
        if padding is not None:
            columns[part == padding] = np.nan
        return with_limb_leads(columns.T, names)[0]

    return Stored((len(leads), len(stored)), cut), leads, computed


def _integers(group: Item, channels: int) -> NDArray[Any]:
    """Return ``(samples, channels)`` as stored, once their number is that of the bytes."""
    interpretation = text_of(group, _INTERPRETATION)
    if interpretation not in _STORED:
        raise InputError(
            f"samples stored as {interpretation or 'nothing known'}, which is not read"
        )
    kind = np.dtype(_STORED[interpretation])
    samples, data = integer_of(group, _SAMPLES), bytes_of(group, _DATA)
    stated = integer_of(group, _NUMBER_OF_CHANNELS), integer_of(group, _BITS)
    size = samples * channels * kind.itemsize
    # An odd number of bytes is followed by one more.
    if stated != (channels, 8 * kind.itemsize) or not size or len(data) != size + size % 2:
        raise InputError(
            f"{samples} samples of {channels} channels promised, {len(data)} bytes there; "
            "fetch it again"
        )
    return np.frombuffer(data, kind, samples * channels).reshape(samples, channels)


def _scale(channel: Item) -> tuple[float, float, float]:
    """Return unit per step, unit at 0, and units per millivolt."""
    unit, _ = dicom_facts.code_of(channel, _UNITS)
    step = number_of(channel, _SENSITIVITY) * number_of(channel, _CORRECTION, missing=1)
    baseline = number_of(channel, _BASELINE)
    if unit not in _PER_MILLIVOLT or not step or not np.isfinite([step, baseline]).all():
        raise InputError(f"a lead of {step:g} {unit or '(no unit)'} per step, which is no voltage")
    return step, baseline, _PER_MILLIVOLT[unit]


def _padding(group: Item, kind: np.dtype[Any]) -> int | None:
    """Return the integer that marks missing samples: a limit of its kind.

    Others, such as the 0 that some programs write, are samples as well.
    """
    value = bytes_of(group, _PADDING)
    if len(value) < kind.itemsize:
        return None
    padding, limits = int(np.frombuffer(value, kind, 1)[0]), np.iinfo(kind)
    return padding if padding in (limits.min, limits.max) else None


def _check_skew(channels: Sequence[Item], rate: float) -> None:
    """Refuse leads that were sampled a sample or more apart."""
    skews = [
        number_of(channel, _SAMPLE_SKEW) + number_of(channel, _TIME_SKEW) * rate
        for channel in channels
    ]
    if not max(skews) - min(skews) < 1:
        raise InputError("leads sampled at different times, which are not shifted; export it again")


DICOM = Format("DICOM waveform", begins_dicom, read_dicom)
