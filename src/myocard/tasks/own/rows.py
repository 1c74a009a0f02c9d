"""Rows of spreadsheets: text in any usual encoding, workbooks, Parquet."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import openpyxl
import pyarrow.types
from pyarrow.parquet import read_table

from myocard.errors import InputError
from myocard.files import tables
from myocard.tasks.own.words import folded, plain

_Read = TypeVar("_Read")
Cell = str | float | date
"""Cell of a table: text, a number with a fraction, or a day; whole numbers are text."""
Rows = list[tuple[int, list[Cell]]]
"""Rows with their lines in the file, from 1; in Parquet, 0 is the names of the columns."""


def cell(value: Any) -> Cell:
    """Return a value of a workbook or of Parquet; blank where there is none."""
    if value is None or value != value:
        return ""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (float, Decimal)):
        return str(int(value)) if value == value // 1 else float(value)
    if isinstance(value, date):
        return value.date() if isinstance(value, datetime) else value
    return str(value)


def text_rows(text: str, separator: str) -> Rows:
    """Cut a text into rows of cells, with one blank for several.

    Raises:
        ValueError: When quotes are not closed, or not as they should be.
    """
    return [
        (line, [cell(value) for value in row]) for line, row in tables.text_rows(text, separator)
    ]


def workbook_rows(path: Path, sheet: str | None) -> Rows:
    """Read the rows of a sheet of a workbook, all of one length.

    Raises:
        InputError: When it is no workbook, or it is open which sheet is meant.
    """
    found = {name: rows for name, rows in _sheets(path).items() if _is_filled(rows)}
    if sheet is not None and sheet not in found:
        raise InputError(f"{path}: no sheet {sheet!r} with content; it has {', '.join(found)}")
    if sheet is None and len(found) != 1:
        listed = ", ".join(found) or "nothing"
        raise InputError(f"{path}: one sheet is read, and it has {listed}; name it with --sheet")
    rows = next(iter(found.values())) if sheet is None else found[sheet]
    width = max(len(row) for _, row in rows)
    return [(line, row + [""] * (width - len(row))) for line, row in rows]


def _sheets(path: Path) -> dict[str, Rows]:
    with warnings.catch_warnings():
        # It warns of parts that are not read, such as drop-down lists.
        warnings.simplefilter("ignore")
        return _reading(path, lambda: _open_sheets(path))


def _open_sheets(path: Path) -> dict[str, Rows]:
    with path.open("rb") as file:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        sheets = {}
        for sheet in workbook.worksheets:
            sheet.reset_dimensions()  # Some programs state less than there is.
            values = enumerate(sheet.iter_rows(values_only=True), start=1)
            sheets[sheet.title] = [(line, [cell(value) for value in row]) for line, row in values]
        return sheets


def _is_filled(rows: Rows) -> bool:
    return any(value != "" for _, row in rows for value in row)


def parquet_rows(path: Path, columns: Sequence[str]) -> Rows:
    """Read the rows of a Parquet file; columns of lists, structs or bytes are left out.

    Raises:
        InputError: When it is none, or such a column is the only one that fits one of ``columns``.
    """
    table = _reading(path, lambda: read_table(path))
    kinds = dict(zip(table.column_names, table.schema.types, strict=True))
    flat = [name for name, kind in kinds.items() if not _holds_parts(kind)]
    lost = {folded(name) for name in columns} - {folded(name) for name in flat}
    for name, kind in kinds.items():
        if folded(name) in lost:
            raise InputError(
                f"{path}: column {name} holds {kind}, and a cell is one text, number or date; make "
                "lists of classes a column each of 0 and 1, or texts such as a|b (--list-separator)"
            )
    values: Iterable[tuple[Any, ...]] = zip(
        *(table.column(name).to_pylist() for name in flat), strict=True
    )
    rows = enumerate(([cell(value) for value in row] for row in values), start=1)
    return [(0, [cell(name) for name in flat]), *rows]


def _holds_parts(kind: pyarrow.DataType) -> bool:
    tests = (pyarrow.types.is_nested, pyarrow.types.is_binary, pyarrow.types.is_large_binary,
             pyarrow.types.is_fixed_size_binary, pyarrow.types.is_binary_view)  # fmt: skip
    return any(test(kind) for test in tests)


def _reading(path: Path, read: Callable[[], _Read]) -> _Read:
    try:
        return read()
    # openpyxl, zipfile and PyArrow raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table ({error})") from error
