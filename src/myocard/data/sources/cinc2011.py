"""PhysioNet/CinC Challenge 2011, set-a: whether an ECG is fit for interpretation."""

from functools import partial
from pathlib import Path

from myocard.data.formats.reading import read
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_table
from myocard.errors import InputError

_INDEX = "labels.csv"


def entries(folder: Path) -> list[Entry]:
    """List the records of ``labels.csv`` (record, quality) or of the published ``RECORDS-…`` lists.

    Signals come from the WFDB files, which name their leads. The text files of the set name none,
    and hold aVF before aVL. Every record is a patient of its own.

    Raises:
        InputError: When both kinds of lists are missing, or ``labels.csv`` lacks a column.
    """
    if (folder / _INDEX).is_file():
        rows = read_table(folder / _INDEX, ["record", "quality"])
        qualities = [(row["record"], row["quality"]) for row in rows]
    else:
        qualities = _lists(folder)
    found = []
    for record, quality in qualities:
        path, codes = member(folder, f"{record}.hea"), (f"cinc2011:{quality}",)
        reader = partial(read, path)
        found.append(Entry(id=record, path=path, read=reader, patient=record, codes=codes))
    return found


def _lists(folder: Path) -> list[tuple[str, str]]:
    paths = {quality: folder / f"RECORDS-{quality}" for quality in ("acceptable", "unacceptable")}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise InputError(f"{folder}: neither {_INDEX} nor {', '.join(missing)} in it")
    return [
        (record, quality)
        for quality, path in paths.items()
        for record in path.read_text(encoding="utf-8", errors="replace").split()
    ]
