"""A folder of your own records, in any readable format, with a table of their labels."""

import logging
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from myocard.data.cells import age, fold, number, patient, sex, warn_of_lost
from myocard.data.formats.joining import parse_rename
from myocard.data.formats.reading import read
from myocard.data.labels import parse_codes
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_lines
from myocard.data.sources.listing import record_files
from myocard.errors import InputError
from myocard.files.names import in_any_case

_LOG = logging.getLogger(__name__)
_INDEX = "labels.csv"
_COLUMNS = ("file", "patient", "codes")
_OPTIONAL = ("fold", "age", "sex", "site", "device", "rate", "leads", "unit", "rename")


def entries(folder: Path) -> list[Entry]:
    """List the records of ``labels.csv``.

    Its columns are ``file``, ``patient`` (empty: as the file says) and ``codes`` (``scheme:code``,
    several divided by ``;``), and where known ``fold``, ``age``, ``sex``, ``site`` and ``device``.
    Files that do not say so themselves need ``rate`` (Hz), ``leads`` (divided by blanks or ``;``)
    and ``unit`` (mV, uV, V or NU). ``rename`` says which lead a signal is (``MLII=II;ECG 2=V1``).

    Raises:
        InputError: When the table or a column is missing, or a cell is broken.
    """
    path = folder / _INDEX
    found, rows = [], []
    for line, cells in read_lines(path, _COLUMNS, known=_OPTIONAL):
        row = {**dict.fromkeys(_OPTIONAL, ""), **cells}
        rows.append(row)
        try:
            found.append(_entry(folder, row))
        except InputError as error:
            raise InputError(f"{path}: line {line}: {error}") from error
    warn_of_lost(path, rows, {"age": age, "sex": sex})
    _tell_unlisted(folder, found)
    return found


def _tell_unlisted(folder: Path, found: list[Entry]) -> None:
    """Log a warning of ECGs that the table does not name; a header and its signals are one."""
    named = {in_any_case(entry.path).with_suffix("") for entry in found}
    files, _ = record_files([folder], without=[folder / _INDEX])
    others = [path for path in files if path.with_suffix("") not in named]
    if others:
        told = "%s: files without a row in %s, left out: %d, such as %s"
        _LOG.warning(told, folder, _INDEX, len(others), others[0].relative_to(folder))


def _entry(folder: Path, row: Mapping[str, str]) -> Entry:
    path = member(folder, row["file"])
    name = path.relative_to(folder).as_posix()
    leads = tuple(re.split(r"[;,\s]+", row["leads"])) if row["leads"] else None
    rate = number(row["rate"])
    if rate is None and row["rate"]:
        raise InputError(f"rate {row['rate']!r} is no number")
    return Entry(
        id=name,
        path=path,
        read=partial(
            read,
            path,
            rate=rate,
            leads=leads,
            unit=row["unit"] or None,
            rename=parse_rename(row["rename"].split(";")),
        ),
        patient=patient(row["patient"]) or None,
        fold=fold(row["fold"]),
        codes=parse_codes(row["codes"]),
        age=age(row["age"]),
        sex=sex(row["sex"]),
        site=row["site"] or None,
        device=row["device"] or None,
    )
