"""Tables that come with a data set, one row a record, and the cells in them."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from myocard.errors import InputError
from myocard.files.tables import read_csv_table

_LOG = logging.getLogger(__name__)


def read_table(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> list[Mapping[str, str]]:
    """Read the rows of a ``.csv`` or ``.xlsx``, all cells as text, empty where missing.

    Args:
        path: The file.
        columns: Columns that must be there.
        optional: Columns that labels do not need: made, empty, where the table lacks them, which is
            logged as a warning.

    Raises:
        InputError: When the file or a column is missing, or the file is no such table.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the data set's own folder?")
    read = pd.read_excel if path.suffix == ".xlsx" else read_csv_table
    try:
        frame = read(path, dtype=str, keep_default_na=False)
    # openpyxl, zipfile and pandas raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table: {error}") from error
    frame = frame.rename(columns=str)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        has = ", ".join(frame.columns[:8])
        raise InputError(f"{path}: no column {', '.join(missing)}; it has {has}")
    absent = [column for column in optional if column not in frame.columns]
    if absent:
        _LOG.warning("%s: no column %s; left empty", path, ", ".join(absent))
    rows = frame.assign(**dict.fromkeys(absent, "")).itertuples(index=False, name=None)
    return [dict(zip([*frame.columns, *absent], row, strict=True)) for row in rows]


def files_below(folder: Path, suffix: str) -> list[Path]:
    """Find all files in and under ``folder``, in order; links to folders are followed once."""
    found, seen = [], set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        found += [Path(place) / name for name in names if name.endswith(suffix)]
    return sorted(found)


def number(cell: str) -> float | None:
    """Read the number in a cell; None where there is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def age(cell: str) -> float | None:
    """Read years; None where the cell holds no number or, as some sources write it, -1."""
    value = number(cell)
    return value if value is not None and value >= 0 else None


def sex(cell: str) -> str | None:
    """Read F or M from ``Female``, ``MALE``, ``f`` and the like."""
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(cell.strip().lower())


def member(folder: Path, name: str) -> Path:
    """Return the path of the file that a table calls ``name``, in or below ``folder``.

    Raises:
        InputError: For a name that leads out of the folder.
    """
    parts = Path(name).parts
    if not name or "\0" in name or Path(name).is_absolute() or ".." in parts or len(name) > 1000:
        raise InputError(f"{folder}: a table names {name!r}, a file outside this folder")
    return folder / name
