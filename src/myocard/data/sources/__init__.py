"""Vendors' folders as lists of entries."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from myocard.data.sources import (
    challenge,
    chapman,
    cinc2011,
    code15,
    cpsc2018,
    ludb,
    mitdb,
    ptbxl,
)
from myocard.data.sources import files as own_files
from myocard.data.sources import folder as own_folder
from myocard.data.sources.entry import Entry
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.files.step import read_inputs

_LOG = logging.getLogger(__name__)

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
    "mitdb": mitdb.entries,
    "folder": own_folder.entries,
    "files": own_files.entries,
}

PUBLISHED = {"ptbxl", *SOURCES} - {"folder", "files"}
"""Data sets whose ids and patients are public."""

_SIGNS = {
    "ptbxl_database.csv": "ptbxl-100 and ptbxl-500",
    "Diagnostics.xlsx": "chapman",
    "WFDBRecords": "ecg-arrhythmia",
    "RECORDS-acceptable": "cinc2011",
    "ludb.csv": "ludb",
    "exams.csv": "code15",
    "meta.csv": "code15",
    "mitdbdir": "mitdb",
    "labels.csv": "folder, cinc2011 and cpsc2018",
}
"""The file or folder by which each layout is known."""


def dataset(source: str, folder: Path) -> str:
    """Return the data set behind a source: a record has one id in it, whatever form it is read in.

    One's own folders are a data set each, named as they are, and so are simulated records.
    """
    drawn = _simulation(folder)
    if drawn is not None:
        return simulated(*drawn)
    if source in ("folder", "files"):
        return f"folder {folder.resolve().name}"
    return "ptbxl" if source.startswith("ptbxl-") else source


def simulated(layout: str, site: str, seed: int) -> str:
    """Return the data set of records that `myocard simulate` drew."""
    return f"simulated {layout}, site {site}, seed {seed}"


def _simulation(folder: Path) -> tuple[str, str, int] | None:
    """Layout, site and seed of a folder that `myocard simulate` made."""
    try:
        stated = read_inputs(folder)
        return stated["layout"], stated["site"], stated["seed"]
    except (InputError, KeyError):
        return None


def entries(source: str, folder: str | Path) -> list[Entry]:
    """List the records of ``folder``, read as ``source`` lays them out.

    Raises:
        InputError: For an unknown source, a missing folder, or a folder that does not fit the
            source: an index that is missing or broken, no records, none of the files that the index
            names, or an id that comes twice.
    """
    if source not in SOURCES:
        raise InputError(f"unknown source {source!r}; the sources are {', '.join(SOURCES)}")
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    try:
        found = SOURCES[source](folder)
    except InputError as error:
        raise InputError(f"{error}; {_content(folder, source)}") from error
    if not found:
        raise InputError(f"{folder}: no record of source {source}; {_content(folder, source)}")
    name, count = Counter(entry.id for entry in found).most_common(1)[0]
    if count > 1:
        files = ", ".join(
            str(entry.path.relative_to(folder)) for entry in found if entry.id == name
        )
        raise InputError(f"{folder}: {count} records are called {name}: {files}; name each once")
    _tell_alike(found, folder)
    if not any(in_any_case(entry.path).exists() for entry in found):
        missing = found[0].path.relative_to(folder)
        raise InputError(
            f"{folder}: none of the {len(found)} files of source {source} is there, such as "
            f"{missing}; {_content(folder, source)}"
        )
    return found


def _tell_alike(found: list[Entry], folder: Path) -> None:
    """Log a warning of patients who differ in capitals or in zeros before a number alone."""
    patients = sorted({entry.patient for entry in found if entry.patient not in (None, entry.id)})
    spelled: dict[str, list[str]] = defaultdict(list)
    for patient in patients:
        spelled[patient.casefold().lstrip("0")].append(patient)
    alike = [names for names in spelled.values() if len(names) > 1]
    if alike:
        told = "%s: patients %s are kept apart (%d such); write a patient's name alike if it is one"
        _LOG.warning(told, folder, " and ".join(map(repr, alike[0])), len(alike))


def _content(folder: Path, source: str) -> str:
    """Say what ``folder`` holds, and which other sources it may be."""
    names = sorted(path.name for path in folder.iterdir())
    others = {sign: sources for sign, sources in _SIGNS.items() if source not in sources}
    fits = [f"{sign} is a sign of {others[sign]}" for sign in others if sign in names]
    more = ", …" if len(names) > 6 else ""
    held = f"{folder} holds {', '.join(names[:6])}{more}" if names else f"{folder} is empty"
    return "; ".join([held, *fits])
