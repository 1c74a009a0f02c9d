"""ISHNE Holter records: a header with a checksum, then 16-bit samples of all leads in turn.

Format: Badilini, "The ISHNE Holter Standard Output File Format", Ann Noninvasive Electrocardiol
3(3), 1998.
"""

from binascii import crc_hqx
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Format, Found
from myocard.data.formats.limb_leads import assumption
from myocard.data.formats.refusals import naming
from myocard.data.formats.scaling import in_millivolts
from myocard.errors import InputError
from myocard.record import Facts

_MAGIC = b"ISHNE1.0"
_HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("checksum", "<u2"),
        ("extra_size", "<i4"),
        ("samples", "<i4"),
        ("extra_offset", "<i4"),
        ("signal_offset", "<i4"),
        ("version", "<i2"),
        ("first_name", "S40"),
        ("last_name", "S40"),
        ("patient_id", "S20"),
        ("sex", "<i2"),
        ("race", "<i2"),
        ("birth_date", "<i2", 3),
        ("recorded", "<i2", 3),
        ("written", "<i2", 3),
        ("began", "<i2", 3),
        ("leads", "<i2"),
        ("lead_codes", "<i2", 12),
        ("qualities", "<i2", 12),
        ("nanovolts", "<i2", 12),
        ("pacemaker", "<i2"),
        ("recorder", "S40"),
        ("rate", "<i2"),
        ("proprietary", "S80"),
        ("copyright", "S80"),
        ("reserved", "S88"),
    ]
)
_CHECKED_FROM = 10
_MOST_LEADS = 12
_NAMES = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
_LEADS = dict(enumerate(("X", "Y", "Z", *_NAMES, "ES", "AS", "AI"), start=2))


def read_ishne(path: Path) -> Found:
    """Read an ISHNE record. Its signal is rounded once, to float32.

    Raises:
        InputError: Where the checksum is wrong, or the header says other than the bytes there are.
    """
    with naming(path):
        header = _header(path)
        leads = int(header["leads"])
        samples = _samples(path, header)
        offset = int(header["signal_offset"])

        def integers(start: int, stop: int) -> NDArray[np.int16]:
            count, begin = (stop - start) * leads, offset + 2 * start * leads
            return np.fromfile(path, "<i2", count, offset=begin).reshape(-1, leads).T

        codes = header["lead_codes"][:leads].tolist()
        names = [_LEADS.get(code, f"lead of code {code}") for code in codes]
        scales = [(nanovolts / 1e6, 0.0) for nanovolts in header["nanovolts"][:leads].tolist()]
        signal, all_leads, computed = in_millivolts(integers, samples, scales, names)
        facts = _facts(header, assumption(computed))
        return Found(signal, float(header["rate"]), all_leads, "mV", facts)


def _header(path: Path) -> np.void:
    """Read the header and check it against its checksum, which covers both of its blocks."""
    with path.open("rb") as file:
        content = file.read(_HEADER.itemsize)
        if len(content) < _HEADER.itemsize:
            raise InputError("ends inside its header; export it again")
        header: np.void = np.frombuffer(content, _HEADER)[0]
        end = _HEADER.itemsize + int(header["extra_size"])
        if not _HEADER.itemsize <= end <= header["signal_offset"] <= path.stat().st_size:
            raise InputError("its header's blocks overlap or lie outside the file; export it again")
        content += file.read(int(header["extra_size"]))
    if crc_hqx(content[_CHECKED_FROM:], 0xFFFF) != header["checksum"]:
        raise InputError("its header is not what its checksum says; export it again")
    return header


def _samples(path: Path, header: np.void) -> int:
    """Return the samples of a lead, once counts and sizes are what the bytes there are say.

    Programs write the samples of one lead into the header, or those of all.
    """
    leads = int(header["leads"])
    if not 0 < leads <= _MOST_LEADS or header["rate"] < 1:
        raise InputError(f"{leads} leads at {header['rate']} Hz are no ISHNE record")
    if (header["nanovolts"][:leads] < 1).any():
        raise InputError("a lead without a resolution (nV per step); export it again")
    size = path.stat().st_size - int(header["signal_offset"])
    samples, rest = divmod(size, 2 * leads)
    if rest or not samples or header["samples"] not in (samples, samples * leads):
        raise InputError(
            f"its header says {header['samples']} samples, its {size} bytes of {leads} leads are "
            f"{size / 2 / leads:g} each; fetch it again"
        )
    return samples


def _facts(header: np.void, assumed: tuple[str, ...]) -> Facts:
    identifiers = {
        "first_name": _text(header["first_name"]),
        "last_name": _text(header["last_name"]),
        "patient_id": _text(header["patient_id"]),
        "birth_date": _date(header["birth_date"]) or "",
    }
    date, began = _date(header["recorded"]), header["began"].tolist()
    time = ":".join(f"{number:02d}" for number in began)
    return Facts(
        patient=_text(header["patient_id"]) or None,
        sex={1: "M", 2: "F"}.get(int(header["sex"])),
        device=_text(header["recorder"]) or None,
        date=date and f"{date} {time}",
        identifiers={name: value for name, value in identifiers.items() if value},
        assumed=assumed,
    )


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1").strip()


def _date(field: Any) -> str | None:
    day, month, year = field.tolist()
    return f"{year:04d}-{month:02d}-{day:02d}" if day > 0 and month > 0 and year > 0 else None


ISHNE = Format("ISHNE Holter", lambda head: head.startswith(_MAGIC), read_ishne)
