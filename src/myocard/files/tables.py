"""Tables on disk."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from myocard.errors import InputError


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
