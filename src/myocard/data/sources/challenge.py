"""PhysioNet/CinC Challenges 2020 and 2021, and ecg-arrhythmia: SNOMED CT codes in WFDB headers."""

from functools import partial
from pathlib import Path

from myocard.data.formats.wfdb import read_wfdb
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, sex
from myocard.errors import InputError


def entries(folder: Path, *, below: str = ".") -> list[Entry]:
    """All records in and under ``folder / below``.

    No patients are published, so each record counts as one of its own; the Challenge's copies of
    PTB-XL (``HR…``) are no exception and must not be mixed with PTB-XL itself. A record whose
    header cannot be read is listed without codes, and fails when it is read.

    Raises:
        InputError: When the folder is missing.
    """
    root = folder / below
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; is {folder} the data set's own?")
    return [_entry(path) for path in sorted(root.rglob("*.hea"))]


def _entry(path: Path) -> Entry:
    header = _header(path)
    return Entry(
        id=path.stem,
        path=path,
        read=partial(read_wfdb, path),
        patient=path.stem,
        codes=_codes(header.comment("Dx")) if header else (),
        age=age(header.comment("Age") or "") if header else None,
        sex=sex(header.comment("Sex") or "") if header else None,
    )


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except InputError:
        return None  # Reading the record raises it again, with a name on it.


def _codes(cell: str | None) -> tuple[str, ...]:
    codes = (code.strip() for code in (cell or "").split(","))
    return tuple(dict.fromkeys(f"snomed:{code}" for code in codes if code.isdigit()))
