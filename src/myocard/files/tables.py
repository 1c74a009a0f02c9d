"""Tables on disk."""

import csv
import warnings
from collections.abc import Iterable
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from myocard.errors import InputError

# Readers of signals import this module, and should not wait for pandas.
if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""Separators of the columns of a text."""
TextRows = list[tuple[int, list[str]]]
"""Rows of cells without blanks around them, each with its line in the file, from 1."""


def decoded(path: Path) -> tuple[str, str]:
    """Return the text of a file and the name of its encoding.

    Raises:
        InputError: When it is no text.
    """
    content = path.read_bytes()
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if marked else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text, encoding
    raise InputError(f"{path}: no text in UTF-8, UTF-16 or cp1252; save it as UTF-8")


def text_rows(text: str, separator: str) -> TextRows:
    """Cut a text into rows of cells.

    Raises:
        ValueError: When quotes are not closed, or not as they should be.
    """
    # A blank before a quote would make it a part of the cell.
    reader = csv.reader(
        StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    rows: TextRows = []
    line = 1
    try:
        for row in reader:
            rows.append((line, [value.strip() for value in row]))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from error
    return rows


def read_csv_table(path: Path | StringIO, **how: Any) -> "pd.DataFrame":
    """Read a table of comma-separated columns, as ``pandas.read_csv`` does with ``how``.

    Raises:
        ValueError: Also when rows are longer than the first one, whose columns pandas would shift.
    """
    import pandas as pd

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, index_col=False, **how)
        except pd.errors.ParserWarning as warning:
            raise ValueError("rows are longer than the first row; name every column") from warning


def read_parquet(
    path: Path, columns: Iterable[str], fix: str, content: bytes | None = None
) -> "pd.DataFrame":
    """Read the table at ``path``, which has ``columns`` at least.

    Args:
        path: The file.
        columns: Columns that must be there.
        fix: Advice on a file that cannot be used, for the message.
        content: Its content, where it has been read.

    Raises:
        InputError: When it is no such table.
    """
    import pandas as pd

    try:
        table = pd.read_parquet(path if content is None else BytesIO(content))
    # PyArrow and pandas raise errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable table ({error}); {fix}") from error
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; {fix}")
    return table
