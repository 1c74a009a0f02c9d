"""Days in cells: ISO dates, and others whose order a cell of the column proves."""

import re
from datetime import date, datetime

import pandas as pd

from myocard.errors import InputError
from myocard.tasks.own.rows import Cell
from myocard.tasks.own.values import text

_TIME = r"(?:[T ,]+\d{1,2}:\d{2}.*)?"
_MONTH, _DAY = r"(\d{2}|\d(?=[-/.]))", r"(\d{2}|(?<=[-/.])\d)"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.]?){_MONTH}\2{_DAY}{_TIME}", re.ASCII)
_YEAR_LAST = re.compile(rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_TIME}", re.ASCII)


def days(cells: pd.Series, where: str, form: str | None = None) -> list[date]:
    """Read days, whose order some cell must prove by a number above 12 where the year is last.

    Args:
        cells: Known cells; the index is the line.
        where: Place of the column, for messages.
        form: Form of all texts, as ``strptime`` takes it; by default as described.

    Raises:
        InputError: When a cell is no date, both orders are proven, or none is.
    """
    day_first = False if form is not None else _is_day_first(cells, where)
    read = [(line, _day(cell, day_first, form)) for line, cell in _listed(cells)]
    wrong = [line for line, value in read if value is None]
    if wrong:
        told = f" of the form {form}" if form else ""
        shown = text(cells.loc[wrong[0]])
        raise InputError(
            f"{where}: {shown!r} (line {wrong[0]}) is no date{told} ({len(wrong)} such cells); "
            "write 2024-01-31, or say how with --date-format, such as %d.%m.%y"
        )
    return [value for _, value in read if value is not None]


def _listed(cells: pd.Series) -> list[tuple[int, Cell]]:
    return list(zip(cells.index.tolist(), cells.tolist(), strict=True))


def _is_day_first(cells: pd.Series, where: str) -> bool:
    """Tell the order in which day and month stand before a year."""
    found = [(line, _YEAR_LAST.fullmatch(text(cell))) for line, cell in _listed(cells)]
    pairs = [(line, int(match[1]), int(match[2])) for line, match in found if match]
    day_first = [line for line, first, _ in pairs if first > 12]
    month_first = [line for line, _, second in pairs if second > 12]
    if day_first and month_first:
        raise InputError(
            f"{where}: the day stands first in line {day_first[0]} ({len(day_first)} such cells) "
            f"and the month in line {month_first[0]} ({len(month_first)}); write them alike"
        )
    if pairs and not day_first and not month_first:
        line = pairs[0][0]
        raise InputError(
            f"{where}: day and month cannot be told apart, as in line {line} "
            f"({text(cells.loc[line])!r}); say which with --date-format %d/%m/%Y or %m/%d/%Y"
        )
    return bool(day_first)


def _day(cell: Cell, day_first: bool, form: str | None) -> date | None:
    if isinstance(cell, date):
        return cell
    words = text(cell)
    try:
        if form is not None:
            return datetime.strptime(words, form).date()
        if match := _YEAR_FIRST.fullmatch(words):
            return date(int(match[1]), int(match[3]), int(match[4]))
        if match := _YEAR_LAST.fullmatch(words):
            first, second = int(match[1]), int(match[2])
            month, day = (second, first) if day_first else (first, second)
            return date(int(match[3]), month, day)
    except ValueError:
        pass
    return None
