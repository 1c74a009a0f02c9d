"""Code systems and class lists, kept as data files beside this module.

A label is written ``scheme:code``: ``scp:AFIB`` (PTB-XL), ``snomed:164889003`` (Challenge),
``chapman:AFIB`` (Chapman's rhythms), ``chapman-beat:RBBB`` (its conditions). A bare acronym is
never enough: AF is atrial flutter in Chapman's files and fibrillation in the Challenge's.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


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
