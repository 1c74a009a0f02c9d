"""Records whose labels are comments of their WFDB headers."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from myocard.data.cells import age, sex, warn_of_lost
from myocard.data.formats.reading import read
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.sources.entry import Entry
from myocard.errors import InputError

Codes = tuple[str, ...]


def read_headers(
    root: Path, paths: Iterable[Path], line: str, codes_of: Callable[[Header], Codes | None]
) -> list[Entry]:
    """List the records at ``paths``, each as a patient of its own.

    A record whose header cannot be read is listed without codes, and fails when it is read. Records
    of one name in several folders are told apart by their path from ``root``.

    Args:
        root: The folder that a message names, in which the paths are.
        paths: Headers.
        line: The comment that holds the labels.
        codes_of: Reads the codes from a header; None where that line is missing.

    Raises:
        InputError: When none of the headers that can be read has the line.
    """
    found, readable, facts = [], [], []
    paths = list(paths)
    counts = Counter(path.stem for path in paths)
    for path in paths:
        try:
            header = read_header(path)
            readable.append(codes_of(header))
            codes = readable[-1] or ()
        except InputError:
            header, codes = Header(0, None, (), (), ()), ()  # Reading the record raises it again.
        told = {name: header.comment(name) or "" for name in ("age", "sex")}
        facts.append(told)
        alone = counts[path.stem] == 1
        name = path.stem if alone else path.relative_to(root).with_suffix("").as_posix()
        entry = Entry(
            id=name,
            path=path,
            read=partial(read, path),
            patient=name,
            codes=codes,
            age=age(told["age"]),
            sex=sex(told["sex"]),
        )
        found.append(entry)
    warn_of_lost(root, facts, {"age": age, "sex": sex})
    if readable and all(codes is None for codes in readable):
        raise InputError(f"{root}: none of {len(readable)} headers has a line #{line}")
    return found
