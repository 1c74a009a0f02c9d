"""Tables on disk."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from myocard.errors import InputError


def read_csv_table(path: Path, **how: Any) -> pd.DataFrame:
    """Read a table of comma-separated columns, as ``pandas.read_csv`` does with ``how``.

    Raises:
        ValueError: Also when rows are longer than the first one, whose columns pandas would shift.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False, **how)
        except pd.errors.ParserWarning as warning:
            raise ValueError("rows are longer than the first row; name every column") from warning


def read_parquet(path: Path, columns: Iterable[str], fix: str) -> pd.DataFrame:
    """Read the table at ``path``, which has ``columns`` at least.

    Args:
        path: The file.
        columns: Columns that must be there.
        fix: Advice on a file that cannot be used, for the message.

    Raises:
        InputError: When it is no such table.
    """
    try:
        table = pd.read_parquet(path)
    # PyArrow and pandas raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table ({error}); {fix}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; {fix}")
    return table
