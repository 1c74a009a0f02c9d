"""Columns of a spreadsheet, found by their names; nothing about the file is guessed silently."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myocard.errors import InputError
from myocard.files.tables import SEPARATORS, decoded
from myocard.tasks.own.rows import Cell, Rows, parquet_rows, text_rows, workbook_rows
from myocard.tasks.own.words import folded, plain

TEXT = (".csv", ".tsv", ".txt")
_TOP = 20
"""Rows among which the names of the columns are looked for."""


@dataclass(frozen=True, eq=False)
class Spreadsheet:
    """The columns that were asked for.

    Attributes:
        cells: A column each, named as asked; the index is the line in the file.
        blank: Number of rows without any content.
        told: Sentences on what was recognised.
    """

    cells: pd.DataFrame
    blank: int
    told: tuple[str, ...]


def read_spreadsheet(
    path: Path,
    columns: Sequence[str],
    *,
    sheet: str | None = None,
    more: Callable[[str], bool] = lambda _: False,
) -> Spreadsheet:
    """Read ``columns`` of a ``.csv``, ``.tsv``, ``.txt``, ``.xlsx`` or ``.parquet``.

    The names of the columns are the first row that holds all of ``columns``. The separator of a
    text is the one by which there is such a row.

    Args:
        path: The file.
        columns: Columns that must be there.
        sheet: Sheet of a workbook that has several.
        more: Function of a name: True for further columns to read where they are there.

    Raises:
        InputError: When the file cannot be read, has no sheets though one is named, a column is
            missing or there twice, or rows have other numbers of cells than there are columns.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if sheet is not None and suffix in (*TEXT, ".parquet"):
        raise InputError(f"{path}: has no sheets; leave --sheet {sheet} out, or give a workbook")
    if suffix in TEXT:
        rows, told = _separated(path, columns)
    elif suffix == ".xlsx":
        rows, told = workbook_rows(path, sheet), []
    elif suffix == ".parquet":
        rows, told = parquet_rows(path, columns), []
    else:
        raise InputError(f"{path}: save it as {', '.join(TEXT)}, .xlsx or .parquet")
    top = _header(rows, columns)
    if top is None:
        raise InputError(f"{path}: {_lacking(rows, columns)}")
    line, names = rows[top]
    if top:
        told.append(f"the names of the columns are in line {line}; what stands above is not read")
    others = [str(name) for name in names if name not in ("", *columns) and more(str(name))]
    places = {column: _place(path, names, column) for column in (*columns, *others)}
    told += [
        f"column {names[place]!r} is taken for {column!r}"
        for column, place in places.items()
        if names[place] != column
    ]
    filled = [(line, row) for line, row in rows[top + 1 :] if any(cell != "" for cell in row)]
    cells = pd.DataFrame(
        {column: [row[place] for _, row in filled] for column, place in places.items()},
        index=pd.Index([line for line, _ in filled], dtype="int64", name="line"),
        dtype=object,
    )
    return Spreadsheet(cells, len(rows) - top - 1 - len(filled), tuple(told))


def _separated(path: Path, columns: Sequence[str]) -> tuple[Rows, list[str]]:
    """Cut a text by the separator that yields all columns."""
    text, encoding = decoded(path)
    cut: dict[str, Rows] = {}
    broken = ""
    for separator in SEPARATORS:
        try:
            cut[separator] = text_rows(text, separator)
        except ValueError as error:
            broken = f"; {error}"
    fitting = [separator for separator, rows in cut.items() if _header(rows, columns) is not None]
    if not fitting:
        rows = max(cut.values(), key=lambda rows: _found(rows, columns), default=[])
        raise InputError(f"{path}: {_lacking(rows, columns)}{broken}")
    if len(fitting) > 1:
        fits = " and ".join(SEPARATORS[separator] for separator in fitting)
        raise InputError(f"{path}: {fits} divide the columns alike; save it as .xlsx")
    rows = cut[fitting[0]]
    _require_even(path, rows[_header(rows, columns) or 0 :])
    told = [f"columns are divided by {SEPARATORS[fitting[0]]}"]
    if encoding == "cp1252":
        told.append("the text is no UTF-8 and was read as cp1252 (Western Windows)")
    return rows, told


def _require_even(path: Path, rows: Rows) -> None:
    """Refuse rows of more or fewer cells than there are names, the first row."""
    (_, names), *others = rows
    named = len(names)
    for line, row in others:
        if any(row) and (len(row) < named or any(row[named:])):
            raise InputError(
                f"{path}: line {line} has {len(row)} cells, and there are {named} columns; quote "
                "cells that hold the separator, such as a decimal comma"
            )
        for place, name in enumerate(names[1:], start=1):
            if name == "" and row[place : place + 1] not in ([""], []):
                raise InputError(
                    f"{path}: line {line} holds {row[place]!r} in column {place + 1}, which has no "
                    "name; name it, or quote cells that hold the separator"
                )


def _header(rows: Rows, columns: Sequence[str]) -> int | None:
    """Return the place of the first row that holds all ``columns``."""
    tops = (
        place
        for place, (_, row) in enumerate(rows[:_TOP])
        if all(_places(row, column) for column in columns)
    )
    return next(tops, None)


def _places(names: Sequence[Cell], column: str) -> list[int]:
    """Return where a column is: by its name, else by its name in other capitals or encoding."""
    wanted, alike = plain(column), folded(column)
    exact = [place for place, name in enumerate(names) if name == wanted]
    return exact or [place for place, name in enumerate(names) if folded(str(name)) == alike]


def _place(path: Path, names: Sequence[Cell], column: str) -> int:
    places = _places(names, column)
    if len(places) > 1:
        called = ", ".join(repr(names[place]) for place in places)
        raise InputError(f"{path}: {len(places)} columns fit {column!r}: {called}; rename them")
    return places[0]


def _found(rows: Rows, columns: Sequence[str]) -> tuple[int, int]:
    names = _first(rows)
    return sum(bool(_places(names, column)) for column in columns), len(names)


def _first(rows: Rows) -> list[Cell]:
    return next((row for _, row in rows if any(row)), [])


def _lacking(rows: Rows, columns: Sequence[str]) -> str:
    names = [str(name) for name in _first(rows) if name != ""]
    missing = [column for column in columns if not _places(names, column)]
    has = f"it has {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else "is empty"
    return f"no column {', '.join(missing or columns)}; {has}"
