"""Code systems and class lists, kept as data files beside this module.

A label is written ``scheme:code``: ``scp:AFIB`` (PTB-XL), ``snomed:164889003`` (Challenge),
``chapman:AFIB`` (Chapman's rhythms), ``chapman-beat:RBBB`` (its conditions). A bare acronym is
never enough: AF is atrial flutter in Chapman's files and fibrillation in the Challenge's.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

from myocard.errors import InputError

# Without the marks by which people divide codes.
_CODE = re.compile(r"""([^\s:,;|\[\](){}'"]+):([^:,;|\[\]{}'"\t\n]+)""")


@cache
def table(name: str) -> tuple[Mapping[str, str], ...]:
    """Read the rows of the data file ``name``, such as ``ptbxl_scp.csv``."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


SCHEMES = {row["scheme"]: row["file"] for row in table("schemes.csv")}
"""Data file of each scheme that has a table."""


@cache
def scheme(name: str) -> Mapping[str, Mapping[str, str]]:
    """Read the rows of scheme ``name`` by code; empty for a scheme without a table."""
    rows = table(SCHEMES[name]) if name in SCHEMES else ()
    return {row["code"]: row for row in rows}


def known(code: str) -> bool:
    """Tell if ``code`` is in its scheme's table; every code of a scheme without a table is."""
    name, _, value = code.partition(":")
    return name not in SCHEMES or value in scheme(name)


def unknown(codes: Iterable[Sequence[str]]) -> Counter[str]:
    """Count the records of each code that its scheme's table does not know."""
    found = Counter(code for each in codes for code in set(each))
    return Counter({code: count for code, count in found.items() if not known(code)})


def parse_codes(cell: str) -> tuple[str, ...]:
    """Read the codes (``scheme:code``) of a cell that ``;`` divides; schemes may be in any case.

    Raises:
        InputError: For a code without a scheme, or several that something else divides.
    """
    found = []
    for code in filter(None, map(str.strip, cell.split(";"))):
        if not all(code.partition(":")):
            raise InputError(f"code {code!r} names no scheme; write own:{code} or scp:{code}")
        parts = _CODE.fullmatch(code)
        if parts is None:
            raise InputError(f"codes {code!r}: divide codes by ';', as own:sick;own:old")
        found.append(f"{parts[1].lower()}:{parts[2]}")
    return tuple(dict.fromkeys(found))
