"""PhysioNet/CinC Challenge 2011, set-a: whether an ECG is fit for interpretation."""

from functools import partial
from pathlib import Path

from myocard.data.formats.wfdb import read_wfdb
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_table
from myocard.errors import InputError

_INDEX = "labels.csv"
_QUALITIES = ("acceptable", "unacceptable")


def entries(folder: Path) -> list[Entry]:
    """The records of ``labels.csv`` (record, quality) or of the published ``RECORDS-…`` lists.

    Signals come from the WFDB files, which name their leads. The text files of the set name none,
    and hold aVF before aVL. Every record is a patient of its own.

    Raises:
        InputError: When both kinds of lists are missing, or ``labels.csv`` lacks a column.
    """
    qualities = _table(folder) if (folder / _INDEX).is_file() else _lists(folder)
    return [
        Entry(
            id=record,
            path=member(folder, f"{record}.hea"),
            read=partial(read_wfdb, member(folder, f"{record}.hea")),
            patient=record,
            codes=(f"cinc2011:{quality}",),
        )
        for record, quality in qualities
    ]


def _table(folder: Path) -> list[tuple[str, str]]:
    table = read_table(folder / _INDEX, ["record", "quality"])
    return list(zip(table["record"], table["quality"], strict=True))


def _lists(folder: Path) -> list[tuple[str, str]]:
    paths = {quality: folder / f"RECORDS-{quality}" for quality in _QUALITIES}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise InputError(f"{folder}: neither {_INDEX} nor {', '.join(missing)} in it")
    return [
        (record, quality)
        for quality, path in paths.items()
        for record in path.read_text(encoding="utf-8", errors="replace").split()
    ]
