"""Values in cells: numbers, yes or no, classes; what is ambiguous is refused, never guessed."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.tasks.own.rows import Cell
from myocard.tasks.own.words import folded, require_apart

Floats = NDArray[np.float64]
YES = frozenset({"1", "yes", "true", "positive", "y"})
NO = frozenset({"0", "no", "false", "negative", "n"})
_FLAG = re.compile(r"^([01])[.,]0+$")
_UNIT = re.compile(r"[+-]?[\d.,]+ ?((?:[^\W\d_]|[%‰°])(?!.* \d).*)")
"""Number that a unit follows."""
_LONG = 40
"""Signs of a cell that are shown."""
_SMALLEST, _LARGEST = 1e-100, 2.0**53
"""Sizes of numbers whose squares neither vanish nor overflow, and that are exact if whole."""


def _form(decimal: str, thousands: str) -> re.Pattern[str]:
    whole = rf"\d+|[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|(?={re.escape(decimal)}\d)"
    return re.compile(rf"[+-]?(?:{whole})(?:{re.escape(decimal)}\d*)?(?:[eE][+-]?\d+)?", re.ASCII)


_FORMS = {".": _form(".", ","), ",": _form(",", ".")}


def known(cells: pd.Series, missing: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which cells say something; ``missing`` are the words that do not."""
    words = frozenset(map(folded, missing))
    silent = {cell: folded(text(cell)) in words for cell in set(cells)}
    return np.array([not silent[cell] for cell in cells], dtype=bool)


def read_known(
    column: pd.Series,
    missing: Sequence[str],
    where: str,
    read: Callable[[pd.Series, str], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Read the known cells of a column; NaN for the others.

    Args:
        column: All cells.
        missing: Words that say nothing.
        where: The table, for messages.
        read: Function of the known cells and the place of the column.
    """
    told = known(column, missing)
    values = np.full(len(column), np.nan)
    values[told] = read(column[told], f"{where}: column {column.name}")
    return values


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Return classes by number where all are numbers, else by the alphabet."""
    distinct = sorted(set(names))
    try:
        return tuple(sorted(distinct, key=float))
    except ValueError:
        return tuple(distinct)


def text(cell: Cell) -> str:
    return cell if isinstance(cell, str) else str(cell)


def numbers(cells: pd.Series, where: str, decimal: str | None = None) -> Floats:
    """Read numbers, whose decimal mark must be proven by some cell, or given.

    Args:
        cells: Known cells; the index is the line.
        where: Place of the column, for messages.
        decimal: The mark; by default that which all cells fit.

    Raises:
        InputError: When a cell is no number or has a unit, both marks are in use, or neither is
            proven and they would read different numbers.
    """
    read = {mark: _read(cells, mark) for mark in (".", ",")}
    fits = {mark: ~np.isnan(values) for mark, values in read.items()}
    proofs = {mark: fits[mark] & ~fits[other] for mark, other in ((".", ","), (",", "."))}
    if decimal is not None:
        _require_numbers(cells, fits[decimal], where, f" with the decimal mark {decimal}")
        return read[decimal]
    _require_numbers(cells, fits["."] | fits[","], where)
    if proofs["."].any() and proofs[","].any():
        point, comma = _shown(cells[proofs["."]]), _shown(cells[proofs[","]])
        raise InputError(
            f"{where}: a decimal point in {point}, a decimal comma in {comma}; write them alike"
        )
    mark = "," if proofs[","].any() else "."
    if not proofs[mark].any():
        _refuse(
            cells,
            read["."] != read[","],
            where,
            "may have a mark of decimals or of thousands; say --decimal . or --decimal ,",
        )
    return read[mark]


def measures(cells: pd.Series, where: str, decimal: str | None = None) -> Floats:
    """Read numbers as ``numbers`` does, none of which is larger or smaller than what is measured.

    Raises:
        InputError: Also for a number of no such size.
    """
    values = numbers(cells, where, decimal)
    sizes = np.abs(values)
    wrong = (sizes > _LARGEST) | ((sizes > 0) & (sizes < _SMALLEST))
    span = f"{_SMALLEST:.0e} to {_LARGEST:.0e}"
    _refuse(cells, wrong, where, f"is of no size that is measured ({span}); correct it")
    return values


def _require_numbers(cells: pd.Series, fits: NDArray[np.bool_], where: str, told: str = "") -> None:
    """Refuse cells that are no numbers."""
    found = [_UNIT.fullmatch(text(cell)) for cell in cells]
    of_unit = np.array([match is not None for match in found], dtype=bool) & ~fits
    units = ", ".join(sorted({match[1] for match in found if match})[:3])
    _refuse(
        cells,
        of_unit,
        where,
        f"has a unit ({units}); write numbers alone, all in one unit, and name it with --unit",
    )
    _refuse(cells, ~fits, where, f"is no number{told}; correct it, or leave it blank")


def _read(cells: pd.Series, mark: str) -> Floats:
    return np.array([_number(cell, mark) for cell in cells], dtype=float)


def _number(cell: Cell, mark: str) -> float:
    """Return a number, or NaN where the cell holds none in this form."""
    if isinstance(cell, str) and _FORMS[mark].fullmatch(cell):
        return float(cell.replace("." if mark == "," else ",", "").replace(",", "."))
    return cell if isinstance(cell, float) else math.nan


def uses_commas(cells: pd.Series) -> bool:
    """Tell if some cell is a number by a decimal comma alone."""
    return any(math.isnan(_number(c, ".")) and not math.isnan(_number(c, ",")) for c in cells)


def flags(cells: pd.Series, where: str, positive: str | None = None) -> Floats:
    """Read 1 for yes and 0 for no.

    Args:
        cells: Known cells; the index is the line.
        where: Place of the column, for messages.
        positive: The word that is a yes in a column of two other words.

    Raises:
        InputError: For other words, all of which are listed.
    """
    read = {cell: _answer(cell) for cell in set(cells)}
    words = [read[cell] for cell in cells]
    counts = Counter(words)
    listed = ", ".join(f"{word!r} ({count})" for word, count in counts.most_common(6))
    if positive is not None:
        yes = frozenset({folded(positive)})
        if len(counts) > 2 or not yes & counts.keys():
            raise InputError(
                f"{where}: holds {listed}, not {positive!r} and one other word; name those that "
                "say nothing with --missing"
            )
    else:
        yes = YES
        if counts.keys() - YES - NO:
            fix = (
                "name the one that is positive with --positive"
                if len(counts) == 2
                else "name the positive one with --positive and those that say nothing with "
                "--missing, or ask for the kind one"
            )
            raise InputError(f"{where}: holds {listed}, not yes and no; {fix}")
    return np.array([word in yes for word in words], dtype=float)


def answers(cells: pd.Series) -> NDArray[np.float64]:
    """Read 1 for yes, 0 for no, and NaN for any other word."""
    words = [_answer(cell) for cell in cells]
    return np.array([1.0 if w in YES else 0.0 if w in NO else math.nan for w in words])


def _answer(cell: Cell) -> str:
    return _FLAG.sub(r"\1", folded(text(cell)))


_WHOLE = re.compile(r"(?<=\d)\.0+$")
"""Ending that a spreadsheet adds to a whole number."""


def class_names(cells: pd.Series, where: str) -> list[str]:
    """Read the class in each cell; ``1`` and ``1.0`` are one where all cells are numbers.

    Raises:
        InputError: When two classes differ in capitals, blanks or encoding alone.
    """
    names = [text(cell) for cell in cells]
    if not np.isnan(_read(cells, ".")).any():
        # By their digits: a code of eighteen is no longer itself as a float.
        return [_WHOLE.sub("", name) for name in names]
    require_apart(names, where)
    return names


def _refuse(cells: pd.Series, wrong: NDArray[np.bool_], where: str, what: str) -> None:
    if wrong.any():
        raise InputError(f"{where}: {_shown(cells[wrong])} {what}")


def _shown(cells: pd.Series) -> str:
    """Show some cells with their lines."""
    words = [(line, text(cell)) for line, cell in cells.iloc[:3].items()]
    shown = ", ".join(
        f"{word if len(word) <= _LONG else word[:_LONG] + '…'!r} (line {line})"
        for line, word in words
    )
    return f"{shown} and {len(cells) - 3} more" if len(cells) > 3 else shown
