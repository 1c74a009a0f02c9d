"""Vendors' folders as lists of entries."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from myocard.data.sources import challenge, chapman, cinc2011, code15, cpsc2018, ludb, ptbxl
from myocard.data.sources import folder as own_folder
from myocard.data.sources.entry import Entry
from myocard.errors import InputError

SOURCES: Mapping[str, Callable[[Path], list[Entry]]] = {
    "ptbxl-100": partial(ptbxl.entries, rate=100),
    "ptbxl-500": partial(ptbxl.entries, rate=500),
    "chapman": chapman.entries,
    "ecg-arrhythmia": partial(challenge.entries, below="WFDBRecords"),
    "challenge": challenge.entries,
    "ludb": ludb.entries,
    "cinc2011": cinc2011.entries,
    "cpsc2018": cpsc2018.entries,
    "code15": code15.entries,
    "folder": own_folder.entries,
}


def dataset(source: str, folder: Path) -> str:
    """The data set behind a source: a record has one id in it, whatever form it is read in.

    One's own folders are a data set each, named as they are.
    """
    if source == "folder":
        return f"folder {folder.resolve().name}"
    return "ptbxl" if source.startswith("ptbxl-") else source


def entries(source: str, folder: str | Path) -> list[Entry]:
    """The records of ``folder``, read as ``source`` lays them out.

    Raises:
        InputError: For an unknown source, a missing folder, an index that is missing or broken, a
            folder without records, or an id that comes twice.
    """
    if source not in SOURCES:
        raise InputError(f"unknown source {source!r}; the sources are {', '.join(SOURCES)}")
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = SOURCES[source](folder)
    if not found:
        raise InputError(f"{folder}: no record of source {source}")
    name, count = Counter(entry.id for entry in found).most_common(1)[0]
    if count > 1:
        raise InputError(f"{folder}: {count} records are called {name}")
    return found
