"""Vendors' folders as lists of entries."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from myocard.data.sources import ptbxl
from myocard.data.sources.entry import Entry
from myocard.errors import InputError

SOURCES: Mapping[str, Callable[[Path], list[Entry]]] = {
    "ptbxl-100": partial(ptbxl.entries, rate=100),
    "ptbxl-500": partial(ptbxl.entries, rate=500),
}


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
