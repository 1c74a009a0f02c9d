"""PhysioNet/CinC Challenges 2020 and 2021, and ecg-arrhythmia: SNOMED CT codes in WFDB headers."""

import re
from pathlib import Path

from myocard.data.formats.wfdb_header import Header
from myocard.data.sources.entry import Entry
from myocard.data.sources.headers import read_headers
from myocard.data.sources.index import files_below
from myocard.errors import InputError

# Names in the first headers of the Challenge 2020 for CPSC 2018, and the codes of the later ones.
_CPSC = {
    "Normal": "426783006",
    "AF": "164889003",
    "I-AVB": "270492004",
    "LBBB": "164909002",
    "RBBB": "59118001",
    "PAC": "284470004",
    "PVC": "164884008",
    "STD": "429622005",
    "STE": "164931005",
}
_NOTHING = ("", "Unknown")


def entries(folder: Path, *, below: str = ".") -> list[Entry]:
    """List all records in and under ``folder / below``.

    No patients are published, so each record counts as one of its own; the Challenge's copies of
    PTB-XL (``HR…``) are no exception and must not be mixed with PTB-XL itself. A record whose
    header cannot be read is listed without codes, and fails when it is read.

    Raises:
        InputError: When the folder is missing, or no header has a line ``#Dx``.
    """
    root = folder / below
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    return read_headers(root, files_below(root, ".hea"), "Dx", _codes)


def _codes(header: Header) -> tuple[str, ...] | None:
    cell = header.comment("Dx")
    if cell is None:
        return None
    codes = (code for code in re.split(r"[,;|\s]+", cell) if code not in _NOTHING)
    return tuple(dict.fromkeys(f"snomed:{_CPSC.get(code, code)}" for code in codes))
