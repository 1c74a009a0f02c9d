"""Cells of tables, as people and programs write them."""

import logging
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from myocard.errors import InputError

_LOG = logging.getLogger(__name__)

_WORDS_OF_SEX = {
    "F": "f female fem w woman weiblich frau femme feminin féminin mujer femenino feminino girl",
    "M": "m male masc man mann männlich maennlich homme masculin hombre masculino boy",
}
_SEXES = {word: sex for sex, words in _WORDS_OF_SEX.items() for word in words.split()}
_NOTHING = frozenset(
    ("u", "unk", "unknown", "o", "other", "na", "n/a", "n.a.", "nan", "<na>", "none", "null", "nil",
     "missing", "-", "--", ".", "?", "-1", "-1.0")
)  # fmt: skip
"""Words, in any case, of a cell that says nothing."""

_UNITS_OF_AGE = {
    1.0: "y yr yrs year years a j jahr jahre an ans año años ano anos",
    12.0: "m mo month months monat monate mois",
    365.25 / 7: "w wk week weeks woche wochen",
    365.25: "d day days tag tage",
}
_IN_A_YEAR = {word: count for count, words in _UNITS_OF_AGE.items() for word in words.split()}
# As in DICOM (067Y), with a decimal comma, or in words.
_AGE = re.compile(r"([0-9]{1,4}(?:[.,][0-9]+)?)\s*([^\W\d]*)\.?", re.IGNORECASE)
# PTB-XL's code for ages above 89.
_OLDEST = 300
# Three digits behind a comma may be thousands.
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})")


def number(cell: str) -> float | None:
    """Read the number in a cell; None where there is none."""
    text = cell.strip()
    try:
        value = float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text) else text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def fold(cell: str, *, least: int = 1, most: int = 10) -> int | None:
    """Read a fold; None where the cell is empty.

    Raises:
        InputError: For what is no whole number from ``least`` to ``most``.
    """
    if not cell.strip():
        return None
    value = number(cell)
    if value is None or value not in range(least, most + 1):
        raise InputError(f"fold {cell!r}: give a whole number from {least} to {most}")
    return int(value)


def age(cell: str) -> float | None:
    """Read years, as in ``71``, ``63,5``, ``067Y`` or ``18 months``; None where there are none."""
    found = _AGE.fullmatch(cell.strip())
    per_year = _IN_A_YEAR.get(found[2].lower() or "y") if found else None
    if found is None or per_year is None:
        return None
    value = float(found[1].replace(",", ".")) / per_year
    return value if value <= _OLDEST else None


def sex(cell: str) -> str | None:
    """Read F or M from ``Female``, ``MALE``, ``w``, ``Mann`` and the like; None from all else.

    Numbers are not read: 1 is a man in some tables and a woman in others.
    """
    return _SEXES.get(cell.strip().lower())


def is_nothing(cell: str) -> bool:
    """Tell whether a cell is empty or a word that says nothing."""
    return not cell.strip() or cell.strip().lower() in _NOTHING


def patient(cell: str) -> str:
    """Read a patient's name; a number that was written as 7.0 is 7."""
    text = cell.strip()
    value = number(text) if re.fullmatch(r"[0-9]+\.0+|[0-9.]+[eE]\+?[0-9]+", text) else None
    exact = value is not None and value.is_integer() and value < 2**53
    return str(int(value)) if exact and value is not None else text


def warn_of_lost(
    where: Path,
    rows: Sequence[Mapping[str, str]],
    readers: Mapping[str, Callable[[str], object | None]],
) -> None:
    """Log a warning of each column with cells that say something and were not understood.

    Args:
        where: The table or folder, for the message.
        rows: Cells by column.
        readers: The function by which each column is read.
    """
    for column, read in readers.items():
        cells = Counter(row[column].strip() for row in rows)
        lost = {
            cell: count
            for cell, count in cells.items()
            if not is_nothing(cell) and read(cell) is None
        }
        if lost:
            shown = ", ".join(f"{cell!r} ({count})" for cell, count in [*lost.items()][:5])
            more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
            _LOG.warning(
                "%s: %s of %d records not understood and left empty: %s%s",
                where, column, sum(lost.values()), shown, more,
            )  # fmt: skip
