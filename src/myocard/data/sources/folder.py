"""A folder of your own records, in any readable format, with a table of their labels."""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from myocard.data.formats.reading import read
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, member, number, read_table, sex
from myocard.errors import InputError

_INDEX = "labels.csv"
_OPTIONAL = ("fold", "age", "sex", "site", "device", "rate", "leads", "unit")


def entries(folder: Path) -> list[Entry]:
    """List the records of ``labels.csv``.

    Its columns are ``file``, ``patient`` (empty where unknown) and ``codes`` (``scheme:code``,
    several divided by ``;``), and where known ``fold``, ``age``, ``sex``, ``site`` and ``device``.
    Files that do not say so themselves need ``rate`` (Hz), ``leads`` (divided by blanks or ``;``)
    and ``unit`` (mV, uV, V or NU).

    Raises:
        InputError: When the table or a column is missing, or a cell is broken.
    """
    path = folder / _INDEX
    found = []
    for line, row in enumerate(read_table(path, ["file", "patient", "codes"]), start=2):
        try:
            found.append(_entry(folder, {**dict.fromkeys(_OPTIONAL, ""), **row}))
        except InputError as error:
            raise InputError(f"{path}: line {line}: {error}") from error
    return found


def _entry(folder: Path, row: Mapping[str, str]) -> Entry:
    path = member(folder, row["file"])
    leads = tuple(re.split(r"[;,\s]+", row["leads"].strip())) if row["leads"].strip() else None
    rate = _number(row, "rate")
    fold = _number(row, "fold")
    if fold is not None and fold not in range(1, 11):
        raise InputError(f"fold {row['fold']!r}: give a whole number from 1 to 10")
    return Entry(
        id=row["file"],
        path=path,
        read=partial(read, path, rate=rate, leads=leads, unit=row["unit"].strip() or None),
        patient=row["patient"].strip() or row["file"],
        fold=None if fold is None else int(fold),
        codes=_codes(row["codes"]),
        age=age(row["age"]),
        sex=sex(row["sex"]),
        site=row["site"] or None,
        device=row["device"] or None,
    )


def _codes(cell: str) -> tuple[str, ...]:
    codes = [code.strip() for code in cell.split(";") if code.strip()]
    bare = [code for code in codes if not all(code.partition(":"))]
    if bare:
        raise InputError(f"code {bare[0]!r} names no scheme; write own:{bare[0]} or scp:{bare[0]}")
    return tuple(dict.fromkeys(codes))


def _number(row: Mapping[str, str], column: str) -> float | None:
    value = number(row[column])
    if value is None and row[column].strip():
        raise InputError(f"{column} {row[column]!r} is no number")
    return value
