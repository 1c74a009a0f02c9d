"""Records whose labels are comments of their WFDB headers."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from myocard.data.formats.wfdb import read_wfdb
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, sex
from myocard.errors import InputError

Codes = tuple[str, ...]


def read_headers(
    root: Path, paths: Iterable[Path], line: str, codes_of: Callable[[Header], Codes | None]
) -> list[Entry]:
    """List the records at ``paths``, each as a patient of its own.

    A record whose header cannot be read is listed without codes, and fails when it is read.

    Args:
        root: The folder that a message names.
        paths: Headers.
        line: The comment that holds the labels.
        codes_of: Reads the codes from a header; None where that line is missing.

    Raises:
        InputError: When none of the headers that can be read has the line.
    """
    found, readable = [], []
    for path in paths:
        try:
            header = read_header(path)
            readable.append(codes_of(header))
            codes = readable[-1] or ()
        except InputError:
            header, codes = Header(0, None, (), (), ()), ()  # Reading the record raises it again.
        entry = Entry(
            id=path.stem,
            path=path,
            read=partial(read_wfdb, path),
            patient=path.stem,
            codes=codes,
            age=age(header.comment("age") or ""),
            sex=sex(header.comment("sex") or ""),
        )
        found.append(entry)
    if readable and all(codes is None for codes in readable):
        raise InputError(f"{root}: none of {len(readable)} headers has a line #{line}")
    return found
