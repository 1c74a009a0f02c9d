"""Age, dates and statements in one form, whatever a format calls them."""

import re
from collections.abc import Iterable
from datetime import datetime

from myocard.data.formats.fields import number
from myocard.errors import InputError

# The short names are those of UCUM, which HL7 takes its units from.
_PER_YEAR = {
    "years": 1.0,
    "a": 1.0,
    "months": 12.0,
    "mo": 12.0,
    "weeks": 365.25 / 7,
    "wk": 365.25 / 7,
    "days": 365.25,
    "d": 365.25,
    "hours": 24 * 365.25,
    "h": 24 * 365.25,
}
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[ T]?(\d\d)(\d\d)(\d\d)?\S*)?")
_DIGITS = re.compile(r"\d+")
_FIRST_YEAR = 85
_SIGNED_BY = re.compile(
    r"\b(?:confirmed|referred|reviewed|overread|read|edited|signed|interpreted)\s+by\b", re.I
)


def age_in_years(text: str, unit: str) -> tuple[float | None, tuple[str, ...]]:
    """Read an age.

    Returns:
        The age, None where ``text`` is empty or ``unit`` is; and a sentence about an age that was
        left out for want of a unit.

    Raises:
        InputError: When the age is no number or its unit is unknown.
    """
    if not text.strip():
        return None, ()
    age, unit = number(text, "the age"), unit.strip()
    if not unit:
        return None, (f"age of {age:g} left out: it has no unit",)
    if unit.lower() not in _PER_YEAR:
        known = "years, months, weeks, days and hours"
        raise InputError(f"an age of {age:g} in {unit[:40]!r}; known are {known}")
    return age / _PER_YEAR[unit.lower()], ()


def moment(text: str, order: str = "ymd") -> str | None:
    """Write a date, and the time if there is one, as ISO 8601: ``2000-01-02 12:00:00``.

    Args:
        text: With or without separators; years of two digits are 1985 to 2084, as in EDF.
        order: Order of year, month and day.

    Returns:
        The text as it is where it is no date; None where it is empty.
    """
    compact = _COMPACT.fullmatch(text.strip())
    parts = [part for part in compact.groups() if part] if compact else _DIGITS.findall(text)
    named = dict(zip(order, parts, strict=False))
    try:
        year, month, day = (int(named[each]) for each in "ymd")
        if len(named["y"]) == 2:
            year += 1900 if year >= _FIRST_YEAR else 2000
        clock = [*map(int, parts[3:6]), 0, 0, 0]
        found = datetime(year, month, day, clock[0], clock[1], clock[2])
    except (KeyError, ValueError):
        return text.strip() or None
    return found.isoformat(" ") if parts[3:] else found.date().isoformat()


def told_apart(statements: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tell statements from those that say by whom they were confirmed, which identify someone.

    Returns:
        Statements that are not empty, and the others under the name ``signature``.
    """
    found = [text for text in (" ".join(each.split()) for each in statements) if text]
    signatures = [text for text in found if _SIGNED_BY.search(text)]
    kept = tuple(text for text in found if text not in signatures)
    return kept, {"signature": "; ".join(signatures)} if signatures else {}
