"""CSV files: columns of numbers, one a lead."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Found
from myocard.data.formats.matrices import checked
from myocard.errors import InputError
from myocard.files.tables import SEPARATORS, decoded, read_csv_table

# So many numbers in a row count by no chance.
_NO_CHANCE = 6
_LAST_CHEST_LEAD = 9
_TIMES = ("time", "t", "time (s)", "time_s", "seconds", "sec", "s", "time (ms)", "time_ms", "ms")
# Of an ECG (Hz); what lies between tells seconds from milliseconds.
_SLOWEST, _FASTEST = 50, 20_000
_UNEVEN = 0.1
# A file may hold samples as columns; pandas takes a second for so many.
_MOST_COLUMNS = 20_000
_MOST_CHARACTERS, _ANYWAY = 32, 1000


def read_csv(path: Path) -> Found:
    """Read columns, one a lead, with or without a first row of their names.

    They may be divided by semicolons, tabs or bars, with decimal commas. A column of times tells
    the rate.
    """
    try:
        text, _ = decoded(path)
        lines = text.lstrip().split("\n", 2)
        separator = next((each for each in SEPARATORS if each != "," and each in lines[0]), ",")
        decimal = "," if separator != "," and "," in text else "."
        if decimal == ",":
            lines = [line.replace(",", ".") for line in lines]
        names = [name.strip().strip('"') for name in lines[0].split(separator)]
        _check_width(text, len(names))
        heading = _is_heading(names, lines[1] if len(lines) > 1 else "")
        how = {"sep": separator, "decimal": decimal, "dtype": float}
        frame = read_csv_table(StringIO(text), header=0 if heading else None, **how)
    # pandas' own errors are ValueErrors.
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of numbers: {error}") from error
    signal = checked(frame.to_numpy(), path)
    if not heading:
        return Found(signal)
    # pandas writes the numbers of the rows under no name.
    if names[0] == "" and np.array_equal(signal[:, 0], np.arange(len(signal))):
        names, signal = names[1:], checked(signal[:, 1:], path)
    if _are_numbers_of_columns(names):
        return Found(signal)
    return Found(signal.T, _rate_among(names, signal), tuple(names))


def _rate_among(names: Sequence[str], signal: NDArray[Any]) -> float | None:
    """Return the rate (Hz) that a column of times tells, in seconds or milliseconds."""
    for name, times in zip(names, signal.T, strict=True):
        if name.lower() not in _TIMES or len(times) < _NO_CHANCE:
            continue
        step = float(times[-1] - times[0]) / (len(times) - 1)
        if not step > 0:
            continue
        even = np.abs(np.diff(times) - step).max() < _UNEVEN * step
        rates = [rate for rate in (1 / step, 1000 / step) if _SLOWEST <= rate <= _FASTEST]
        if even and len(rates) == 1:
            return float(round(rates[0], 6))
    return None


def _check_width(text: str, columns: int) -> None:
    """Refuse what keeps pandas busy: too many columns, or a row far longer than the first one.

    Raises:
        ValueError: Saying which.
    """
    if columns > _MOST_COLUMNS:
        raise ValueError(f"{columns} columns; write one a lead, its samples in rows")
    width = _MOST_CHARACTERS * columns + _ANYWAY
    # A row of twice the width has a stretch of the width without its end.
    if any(text.find("\n", at, at + width) < 0 for at in range(0, len(text) - width, width)):
        raise ValueError("rows are longer than the first row; name every column")


def _is_heading(names: Sequence[str], below: str) -> bool:
    """Tell whether a first row names the columns.

    Raises:
        ValueError: When it may be either.
    """
    if not all(map(_is_number, names)):
        return True
    if not _are_numbers_of_columns([name for name in names if name]):
        return False
    if len(names) >= _NO_CHANCE:
        return True
    whole = all(name.isdigit() for name in names if name)
    if whole and "." not in below:
        raise ValueError(
            f"its first row, {', '.join(names)}, is a sample or numbers the columns; put a row "
            "with the leads' names in its place, or above it"
        )
    return whole


def _are_numbers_of_columns(names: Sequence[str]) -> bool:
    """Tell whether names only count: 0, 1, 2 … as pandas writes them, or R's V1 to V12."""
    counts = [number for number in map(_number_of, names) if number is not None]
    if len(names) > _LAST_CHEST_LEAD and [*names] == [f"V{n + 1}" for n in range(len(names))]:
        return True
    return len(counts) == len(names) > 0 and counts in (
        [*range(len(names))],
        [*range(1, len(names) + 1)],
    )


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _number_of(name: str) -> float | None:
    return float(name) if name and _is_number(name) else None
