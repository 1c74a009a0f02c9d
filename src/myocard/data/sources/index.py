"""Tables that come with a data set, one row a record, and the files that they name."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.files.tables import SEPARATORS, TextRows, decoded, text_rows

_LOG = logging.getLogger(__name__)

Row = Mapping[str, str]
_DRIVE = re.compile(r"[A-Za-z]:")


def read_table(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    known: Sequence[str] = (),
) -> list[Row]:
    """Read the rows of a ``.csv`` or ``.xlsx``, as ``read_lines`` without the lines."""
    return [row for _, row in read_lines(path, columns, optional, known)]


def read_lines(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    known: Sequence[str] = (),
) -> list[tuple[int, Row]]:
    """Read the rows of a ``.csv`` or ``.xlsx``, each with its line; all cells as text.

    As spreadsheets write them: columns may be divided by semicolons, tabs or bars, named in other
    capitals, and in cp1252, which is logged as a warning. Blanks round cells, and empty rows, are
    left out.

    Args:
        path: The file.
        columns: Columns that must be there.
        optional: Columns that labels do not need: made, empty, where the table lacks them, which is
            logged as a warning.
        known: Columns that may be there or not.

    Raises:
        InputError: When the file or a column is missing, or the file is no such table.
    """
    file = in_any_case(path)
    if not file.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the data set's own folder?")
    rows = _workbook(file) if file.suffix.lower() == ".xlsx" else _text(file, columns)
    filled = [(line, row) for line, row in rows if any(row)]
    if not filled:
        raise InputError(f"{file}: an empty table")
    names = _named(filled[0][1], [*columns, *optional, *known], file)
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{file}: no column {', '.join(missing)}; it has {', '.join(names[:8])}")
    absent = [column for column in optional if column not in names]
    if absent:
        _LOG.warning("%s: no column %s; left empty", file, ", ".join(absent))
    made = dict.fromkeys(absent, "")
    return [
        (line, dict(zip(names, _even(row, names, line, file), strict=True)) | made)
        for line, row in filled[1:]
    ]


def _workbook(path: Path) -> TextRows:
    import pandas as pd

    try:
        frame = pd.read_excel(path, dtype=str, keep_default_na=False, header=None)
    # openpyxl, zipfile and pandas raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table: {error}") from error
    rows = frame.itertuples(index=False, name=None)
    return [(line, [str(cell).strip() for cell in row]) for line, row in enumerate(rows, start=1)]


def _text(path: Path, columns: Sequence[str]) -> TextRows:
    """Cut a text by the separator that finds most of ``columns`` in its first row."""
    text, encoding = decoded(path)
    if encoding == "cp1252":
        _LOG.warning("%s: no UTF-8; read as cp1252 (Western Windows)", path)
    first = next(filter(str.strip, text.splitlines()), "")
    wanted = {column.casefold() for column in columns}

    def found(separator: str) -> int:
        return len(wanted & {name.strip(' "').casefold() for name in first.split(separator)})

    try:
        return text_rows(text, max(SEPARATORS, key=found))
    except ValueError as error:
        raise InputError(f"{path}: not a readable table: {error}") from error


def _named(names: Sequence[str], known: Sequence[str], path: Path) -> list[str]:
    """Return the names of columns, those that are known in their own capitals."""
    spelled = {column.casefold(): column for column in known}
    found = [name if name in known else spelled.get(name.casefold(), name) for name in names]
    twice = next((name for name in known if found.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {twice}; rename one")
    return found


def _even(row: list[str], names: Sequence[str], line: int, path: Path) -> list[str]:
    """Return a row of as many cells as there are columns; cells that lack at its end are empty."""
    width = len(names)
    # An index, as pandas writes it, has no name, and is none of the columns that were cut in two.
    nameless = [cell for name, cell in zip(names[1:], row[1:], strict=False) if not name]
    if any(row[width:]) or any(nameless):
        raise InputError(
            f"{path}: line {line} is longer than the first row; name every column, and quote cells "
            "that hold the separator"
        )
    return row[:width] + [""] * (width - len(row))


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Find all files in and under ``folder``, in order; links to folders are followed once.

    The suffix may be in any case.
    """
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        found += [Path(place) / name for name in names if name.lower().endswith(suffix)]
    return sorted(found)


def member(folder: Path, name: str) -> Path:
    """Return the path of the file that a table calls ``name``, in or below ``folder``.

    Raises:
        InputError: For a name that leads out of the folder.
    """
    if "\\" in name and "\0" not in name and not (folder / name).exists():
        name = name.replace("\\", "/")  # The table was written on Windows.
    parts = Path(name).parts
    outside = Path(name).is_absolute() or ".." in parts or _DRIVE.match(name)
    if not name or "\0" in name or outside or len(name) > 1000:
        raise InputError(f"{folder}: a table names {name!r}, a file outside this folder")
    return folder / name
