"""Facts in a DICOM waveform object: the patient's, the recorder's, and its annotations."""

import re
from collections.abc import Iterator, Sequence

from myocard.data.formats.dicom_elements import Item, items_of, number_of, text_of
from myocard.data.formats.patient import moment, told_apart
from myocard.record import Facts

_NOTES, _CONCEPT, _UNITS, _VALUE, _TEXT = 0x0040B020, 0x0040A043, 0x004008EA, 0x0040A30A, 0x00700006
_CODE, _MEANING = 0x00080100, 0x00080104
_AGE, _SEX, _MAKER, _MODEL = 0x00101010, 0x00100040, 0x00080070, 0x00081090
_ACQUIRED, _STUDY_DATE = 0x0008002A, 0x00080020
_CHARACTER_SET = 0x00080005
SEQUENCES = (_NOTES, _CONCEPT, _UNITS)
"""Tags of the sequences that facts stand in."""

_IDENTIFIERS = {
    "accession_number": 0x00080050,
    "institution": 0x00080080,
    "institution_address": 0x00080081,
    "referring_physician": 0x00080090,
    "station": 0x00081010,
    "reading_physician": 0x00081060,
    "operator": 0x00081070,
    "patient_name": 0x00100010,
    "patient_id": 0x00100020,
    "birth_date": 0x00100030,
    "other_patient_ids": 0x00101000,
    "other_patient_names": 0x00101001,
    "address": 0x00101040,
    "telephone": 0x00102154,
    "patient_comments": 0x00104000,
    "device_serial_number": 0x00181000,
    "study_uid": 0x0020000D,
    "study_id": 0x00200010,
    "instance_uid": 0x00080018,
    "requesting_physician": 0x00321032,
    "admission_id": 0x00380010,
    "location": 0x00380300,
}
_AGE_FIELD = re.compile(r"([0-9]{1,3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
# SCP-ECG's codes as DICOM writes them, and those of ISO/IEEE 11073-10102 (PS3.16, CID 3689).
_MEASUREMENTS = {
    **dict.fromkeys(("5.10.2.1-3", "2:16000"), ("rr_ms", "ms")),
    **dict.fromkeys(("5.13.5-7", "2:15872"), ("pr_ms", "ms")),
    **dict.fromkeys(("5.13.5-9", "2:16156"), ("qrs_ms", "ms")),
    **dict.fromkeys(("5.13.5-11", "2:16160"), ("qt_ms", "ms")),
    "5.10.2.5-5": ("qtc_ms", "ms"),
    "5.10.3-11": ("p_axis_deg", "deg"),
    "5.10.3-13": ("qrs_axis_deg", "deg"),
    "5.10.3-15": ("t_axis_deg", "deg"),
}
# PS3.3, C.12.1.1.2. Sets that change inside a text (ISO 2022) are not decoded.
_ENCODINGS = {"": "ascii", "ISO_IR 6": "ascii", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
_ENCODINGS |= {"ISO_IR 101": "iso8859-2", "ISO_IR 109": "iso8859-3", "ISO_IR 110": "iso8859-4"}
_ENCODINGS |= {"ISO_IR 144": "iso8859-5", "ISO_IR 127": "iso8859-6", "ISO_IR 126": "iso8859-7"}
_ENCODINGS |= {"ISO_IR 138": "iso8859-8", "ISO_IR 148": "iso8859-9", "ISO_IR 166": "tis-620"}
_ENCODINGS |= {"ISO_IR 13": "shift_jis", "GB18030": "gb18030", "GBK": "gbk"}


def facts_of(content: Item, assumed: tuple[str, ...]) -> Facts:
    """Gather what a file says beside its waveforms."""
    encoding = _ENCODINGS.get(text_of(content, _CHARACTER_SET), "ascii")
    identifiers = {name: text_of(content, tag, encoding) for name, tag in _IDENTIFIERS.items()}
    device = f"{text_of(content, _MAKER, encoding)} {text_of(content, _MODEL, encoding)}"
    notes = items_of(content, _NOTES)
    texts = [text_of(note, _TEXT, encoding) for note in notes]
    # Texts that were blanked out say nothing.
    statements, signature = told_apart(text for text in texts if text.strip("Xx "))
    named = {name: value for name, value in identifiers.items() if value}
    return Facts(
        patient=named.get("patient_id"),
        age=_age(text_of(content, _AGE)),
        sex={"F": "F", "M": "M"}.get(text_of(content, _SEX)),
        device=device.strip() or None,
        date=moment(text_of(content, _ACQUIRED) or text_of(content, _STUDY_DATE)),
        statements=statements,
        measurements=dict(_measured(notes)),
        identifiers=named | signature,
        assumed=assumed,
    )


def code_of(item: Item, tag: int) -> tuple[str, str]:
    """Return code and meaning in the first item of a sequence, empty where there is none."""
    codes = items_of(item, tag)
    return (text_of(codes[0], _CODE), text_of(codes[0], _MEANING)) if codes else ("", "")


def _age(text: str) -> float | None:
    found = _AGE_FIELD.fullmatch(text)
    return int(found[1]) / _PER_YEAR[found[2]] if found else None


def _measured(notes: Sequence[Item]) -> Iterator[tuple[str, float]]:
    """Yield name and value of the measurements whose code and unit are known."""
    for note in notes:
        name, unit = _MEASUREMENTS.get(code_of(note, _CONCEPT)[0], ("", ""))
        if name and _VALUE in note and code_of(note, _UNITS)[0] == unit:
            yield name, number_of(note, _VALUE)
