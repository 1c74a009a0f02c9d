"""Facts in an SCP-ECG file: the patient's and the recorder's (section 1), and what was found."""

from collections.abc import Iterator, Mapping
from struct import unpack, unpack_from

from myocard.data.formats.patient import told_apart
from myocard.record import Facts

_HEADER, _MEASUREMENTS, _REPORT = 1, 7, 8
_AGE, _BIRTH, _SEX, _DEVICE, _DATE, _TIME, _END = 4, 5, 8, 14, 25, 26, 255
# Text by tag that could tell who the patient is, where or by whom the ECG was taken.
_IDENTIFIERS = {0: "last_name", 1: "first_name", 2: "patient_id", 3: "second_last_name"}
_IDENTIFIERS |= {16: "institution", 17: "analysing_institution", 18: "department"}
_IDENTIFIERS |= {20: "referring_physician", 21: "confirming_physician", 22: "technician"}
_IDENTIFIERS |= {23: "room", 30: "free_text", 31: "sequence_number"}
# Units in a year, by their code.
_PER_YEAR = {1: 1.0, 2: 12.0, 3: 365.25 / 7, 4: 365.25, 5: 365.25 * 24}
# "Not computed", "not found" and "rejected" are 29997 to 29999; an axis is undefined from 999 on.
_UNKNOWN, _NO_AXIS = 29997, 360


def facts_of(sections: Mapping[int, bytes], assumed: tuple[str, ...]) -> Facts:
    """Gather what the sections 1, 7 and 8 say."""
    tags: dict[int, bytes] = {}
    for tag, value in _tags(sections.get(_HEADER, b"")):
        tags.setdefault(tag, value)
    identifiers = {name: _text(tags.get(tag, b"")) for tag, name in _IDENTIFIERS.items()}
    identifiers["birth_date"] = _date(tags.get(_BIRTH, b"")) or ""
    date, time = _date(tags.get(_DATE, b"")), tags.get(_TIME, b"")
    clock = "{:02d}:{:02d}:{:02d}".format(*time) if len(time) == 3 else ""
    texts = _statements(sections.get(_REPORT, b""))
    # Texts that were blanked out say nothing.
    statements, signature = told_apart(text for text in texts if text.strip("Xx "))
    named = {name: value for name, value in identifiers.items() if value}
    return Facts(
        patient=named.get("patient_id"),
        age=_age(tags.get(_AGE, b"")),
        sex={b"\1": "M", b"\2": "F"}.get(tags.get(_SEX, b"")),
        device=_device(tags.get(_DEVICE, b"")),
        date=date and f"{date} {clock}".strip(),
        statements=statements,
        measurements=_measurements(sections.get(_MEASUREMENTS, b"")),
        identifiers=named | signature,
        assumed=assumed,
    )


def _tags(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and value of each field, up to the end or to the first that is cut off."""
    place = 0
    while place + 3 <= len(body) and body[place] != _END:
        tag, size = unpack_from("<BH", body, place)
        value = body[place + 3 : place + 3 + size]
        if len(value) == size:
            yield tag, value
        place += 3 + size


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1").strip()


def _age(field: bytes) -> float | None:
    if len(field) != 3:
        return None
    value, unit = unpack("<HB", field)
    return value / _PER_YEAR[unit] if unit in _PER_YEAR else None


def _date(field: bytes) -> str | None:
    if len(field) != 4:
        return None
    year, month, day = unpack("<HBB", field)
    return f"{year:04d}-{month:02d}-{day:02d}" if year and month and day else None


def _device(field: bytes) -> str | None:
    """Read maker and model: the model at byte 8, the maker as the last of five texts."""
    texts = field[36:].split(b"\0")
    maker = _text(texts[4]) if len(texts) > 4 else ""
    return f"{maker} {_text(field[8:14])}".strip() or None


def _statements(body: bytes) -> Iterator[str]:
    """Yield the texts of section 8."""
    place = 9
    for _ in range(body[8] if len(body) > 8 else 0):
        if place + 3 > len(body):
            return
        (size,) = unpack_from("<H", body, place + 1)
        yield _text(body[place + 3 : place + 3 + size])
        place += 3 + size


def _measurements(body: bytes) -> dict[str, float]:
    """Read the first beat of section 7, in ms and degrees."""
    if len(body) < 22 or not body[0]:
        return {}
    rr, p_on, _, qrs_on, qrs_off, t_off = unpack_from("<H2x5H", body, 2)
    p_axis, qrs_axis, t_axis = unpack_from("<3h", body, 16)
    axes = {"p_axis_deg": p_axis, "qrs_axis_deg": qrs_axis, "t_axis_deg": t_axis}
    spans = {"pr_ms": (p_on, qrs_on), "qrs_ms": (qrs_on, qrs_off), "qt_ms": (qrs_on, t_off)}
    found = {"rr_ms": float(rr)} if 0 < rr < _UNKNOWN else {}
    found |= {name: float(off - on) for name, (on, off) in spans.items() if on < off < _UNKNOWN}
    return found | {name: float(axis) for name, axis in axes.items() if abs(axis) <= _NO_AXIS}
