"""MIT-BIH Arrhythmia Database (Moody and Mark 2001, physionet.org/content/mitdb).

Records of half an hour, mostly of the leads MLII and V1, some of V2, V4 or V5. Annotations are of
beats and of stretches of a rhythm, so that no record has a code.
"""

from functools import partial
from pathlib import Path

from myocard.data.cells import age, sex
from myocard.data.formats.reading import read
from myocard.data.formats.wfdb import HEADER
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.sources.entry import Entry
from myocard.errors import InputError

_LEAD = "MLII"
_SAME_PATIENT = {"202": "201"}


def entries(folder: Path) -> list[Entry]:
    """List the records in ``folder``, and none of the excerpts below it.

    Records 201 and 202 are of one patient, every other is of its own. A record whose header cannot
    be read is listed without age and sex, and fails when it is read.

    Raises:
        InputError: When no header that can be read has a lead MLII.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() == HEADER)
    headers = [_header(path) for path in paths]
    readable = [header for header in headers if header]
    if readable and _LEAD not in {each.name for header in readable for each in header.signals}:
        raise InputError(f"{folder}: none of {len(readable)} headers has a lead {_LEAD}")
    return [_entry(path, header) for path, header in zip(paths, headers, strict=True)]


def _header(path: Path) -> Header | None:
    try:
        return read_header(path)
    except InputError:
        return None  # Reading the record raises it again.


def _entry(path: Path, header: Header | None) -> Entry:
    # The first comment begins with age and sex: 69 M 1085 1629 x1.
    facts = header.comments[0].split() if header and header.comments else []
    years, letter = facts[:2] if len(facts) > 1 else ("", "")
    return Entry(
        id=path.stem,
        path=path,
        read=partial(read, path),
        patient=_SAME_PATIENT.get(path.stem, path.stem),
        age=age(years),
        sex=sex(letter),
    )
