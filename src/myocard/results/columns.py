"""Columns of predictions, read as ``myocard task`` reads those of labels."""

import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from myocard.errors import InputError
from myocard.files.tables import read_parquet
from myocard.outcomes import CLASSES, Outcome
from myocard.tasks.own.rows import cell
from myocard.tasks.own.settings import MISSING
from myocard.tasks.own.spreadsheet import read_spreadsheet
from myocard.tasks.own.values import (
    answers,
    known,
    measures,
    numbers,
    read_known,
    text,
    uses_commas,
)

LOG = logging.getLogger(__name__)
UNNAMED: Mapping[Outcome, str] = {
    "any": "positive",
    "one": "positive",
    "number": "number",
    "time": "time",
}
"""The one output of columns that are called ``score`` and ``target``."""
FIX = "give a table with the columns id, score:CLASS and target:CLASS"
_NAMED = re.compile(r"(score|target|event)(?:[:_](.+))?")
_WORDS = ("id", "patient", "split", "seed")

Reals = NDArray[np.float64]


class Asked(NamedTuple):
    """Reading of a table: what its columns mean.

    Attributes:
        outcome: Kind of their targets.
        traits: Columns to read where they are there.
        decimal: Decimal mark; None takes it from the cells.
    """

    outcome: Outcome = "any"
    traits: tuple[str, ...] = ()
    decimal: Literal[".", ","] | None = None


def read_table(file: Path, asked: Asked) -> pd.DataFrame:
    """Read a table with a column ``id``: a Parquet file, or a spreadsheet.

    Returns:
        Text in ids, patients, splits, seeds and traits, None where nothing is said; cells as they
        are in ``score:OUTPUT``, ``target:OUTPUT`` and ``event:OUTPUT``. The index is the line.

    Raises:
        InputError: When it is no such table, an id is missing, or two columns are of one name.
    """

    def wanted(name: str) -> bool:
        return name in (*_WORDS, *asked.traits) or _NAMED.fullmatch(name) is not None

    if not file.is_file():
        raise InputError(f"{file}: no such file; {FIX}")
    if file.suffix == ".parquet":
        table = read_parquet(file, ("id",), FIX)
        table = table[[column for column in table if wanted(str(column))]]
        table.index = pd.RangeIndex(1, len(table) + 1)
    else:
        sheet = read_spreadsheet(file, ("id",), more=wanted)
        table = sheet.cells
        for sentence in sheet.told:
            LOG.info("%s: %s", file, sentence)
    words = [name for name in (*_WORDS, *asked.traits) if name in table]
    table = table.assign(**{name: _words(table[name]) for name in words})
    for name in ("id", "seed"):
        if name in table and table[name].isna().any():
            raise InputError(f"{file}: {table[name].isna().sum()} rows have no {name}")
    return _canonical(table, asked.outcome, file)


def _canonical(table: pd.DataFrame, outcome: Outcome, file: Path) -> pd.DataFrame:
    """The table with columns called ``score:OUTPUT``, ``target:OUTPUT`` and ``event:OUTPUT``."""
    matches = {name: _NAMED.fullmatch(name) for name in map(str, table)}
    names = {name: f"{m[1]}:{m[2] or UNNAMED[outcome]}" for name, m in matches.items() if m}
    twice = [name for name in names if [*names.values()].count(names[name]) > 1]
    if twice:
        raise InputError(f"{file}: {' and '.join(twice)} name one output; leave one out")
    return table.rename(columns=names)


def read_told(rows: pd.DataFrame, outputs: Sequence[str], asked: Asked, file: Path) -> pd.DataFrame:
    """Read what a table tells of its records.

    Args:
        rows: The table.
        outputs: Those whose targets are read.
        asked: What is asked of it.
        file: Its path, for messages.

    Returns:
        A row for each id: targets and events, patient, traits; those that are there.

    Raises:
        InputError: When a cell cannot be read, or rows of one id differ.
    """
    timed = [f"event:{name}" for name in outputs if f"event:{name}" in rows]
    if timed and asked.outcome != "time":
        raise InputError(f"{file}: {timed[0]} is of a time; say --kind time, or leave it out")
    target = _flags if asked.outcome in CLASSES else _numbers
    found: dict[str, pd.Series | Reals] = {"id": rows["id"]}
    for name in outputs:
        for column, read in ((f"target:{name}", target), (f"event:{name}", _flags)):
            if column in rows:
                found[column] = read(rows, column, asked, file)
    for name in ("patient", *asked.traits):
        if name in rows:
            found[name] = _numbers(rows, name, asked, file) if name == "age" else rows[name]
    return _by_record(pd.DataFrame(found), file)


def read_scores(rows: pd.DataFrame, outputs: Sequence[str], asked: Asked, file: Path) -> Reals:
    """Read the scores of outputs, ``(rows, outputs)``.

    Raises:
        InputError: When one is no number, or missing.
    """
    columns = [f"score:{name}" for name in outputs]
    scores = np.column_stack([_numbers(rows, column, asked, file) for column in columns])
    bad = ~np.isfinite(scores)
    if bad.any():
        record, k = np.argwhere(bad)[0]
        raise InputError(
            f"{file}: {bad.sum()} scores are missing or infinite, such as {columns[k]} of "
            f"{rows['id'].iloc[record]}; every model must score every record"
        )
    if any(uses_commas(rows[name]) for name in columns if not is_numeric_dtype(rows[name])):
        LOG.info("%s: commas are decimal", file)
    return scores


def _words(column: pd.Series) -> pd.Series:
    cells = _cells(column)
    return cells.map(text).where(known(cells, MISSING), None)


def _cells(column: pd.Series) -> pd.Series:
    # Plain objects: pandas takes ten times as long to hand out a cell of its own text type.
    told = column.astype(object).where(column.notna(), None)
    return pd.Series([cell(each) for each in told], told.index, dtype=object, name=column.name)


def _numbers(rows: pd.DataFrame, name: str, asked: Asked, file: Path) -> Reals:
    column = rows[name]
    if is_numeric_dtype(column):
        return column.to_numpy(float, na_value=np.nan)
    # A score may be of any size: a risk, or a probability near 0.
    read_cells = numbers if name.startswith("score:") else measures

    def read(cells: pd.Series, where: str) -> Reals:
        return read_cells(cells, where, asked.decimal)

    return read_known(_cells(column), MISSING, str(file), read)


def _flags(rows: pd.DataFrame, name: str, asked: Asked, file: Path) -> Reals:
    fix = (
        "1, 0, or a blank where it is unknown; of numbers and times, say so with --kind"
        if asked.outcome in CLASSES
        else "1 where the event was seen, 0 where it was not"
    )

    def read(cells: pd.Series, _: str) -> Reals:
        found = answers(cells)
        wrong = np.isnan(found)
        if wrong.any():
            line = cells.index[wrong][0]
            told = f"{name} of record {rows['id'][line]} is {text(cells[line])!r}"
            raise InputError(f"{file}: {told}; give {fix}")
        return found

    return read_known(_cells(rows[name]), MISSING, str(file), read)


def _by_record(rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Gather one row for each id, blanks filled from its other rows.

    Raises:
        InputError: When rows of one id differ.
    """
    grouped = rows.groupby("id")
    for column, counts in grouped.nunique().items():
        if (counts > 1).any():
            raise InputError(f"{file}: {column} of {counts.idxmax()} differs from row to row")
    return grouped.first()
