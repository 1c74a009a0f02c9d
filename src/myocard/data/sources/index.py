"""Tables that come with a data set: one row a record."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from myocard.errors import InputError


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The table at ``path`` (``.csv`` or ``.xlsx``), all cells as text, empty where missing.

    Args:
        path: The file.
        columns: Columns that must be there.

    Raises:
        InputError: When the file or a column is missing, or the file is no such table.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; is {path.parent} the data set's own folder?")
    read = pd.read_excel if path.suffix == ".xlsx" else pd.read_csv
    try:
        frame = read(path, dtype=str, keep_default_na=False)
    # openpyxl, zipfile and pandas raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table: {error}") from error
    frame = frame.rename(columns=str)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; use the table as published")
    return frame


def number(cell: str) -> float | None:
    """The number in a cell, or None where there is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def age(cell: str) -> float | None:
    """Years, or None where the cell holds no number or, as some sources write it, -1."""
    value = number(cell)
    return value if value is not None and value >= 0 else None


def sex(cell: str) -> str | None:
    """F or M from ``Female``, ``MALE``, ``f`` and the like."""
    return {"f": "F", "female": "F", "m": "M", "male": "M"}.get(cell.strip().lower())


def member(folder: Path, name: str) -> Path:
    """The file that a table calls ``name``, which may be in a folder below ``folder`` only.

    Raises:
        InputError: For a name that leads out of the folder.
    """
    parts = Path(name).parts
    if not name or "\0" in name or Path(name).is_absolute() or ".." in parts or len(name) > 1000:
        raise InputError(f"{folder}: a table names {name!r}, a file outside this folder")
    return folder / name
