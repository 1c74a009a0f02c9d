"""Code systems and class lists, kept as data files beside this module.

A label is written ``scheme:code``: ``scp:AFIB`` (PTB-XL), ``snomed:164889003`` (Challenge),
``chapman:AFIB`` (Chapman's rhythms), ``chapman-beat:RBBB`` (its conditions). A bare acronym is
never enough: AF is atrial flutter in Chapman's files and fibrillation in the Challenge's.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

SCHEMES = {
    "scp": "ptbxl_scp.csv",
    "snomed": "snomed.csv",
    "chapman": "chapman_rhythm.csv",
    "chapman-beat": "chapman_condition.csv",
    "ludb": "ludb_superclass.csv",
    "cinc2011": "cinc2011_quality.csv",
    "cpsc2018": "cpsc2018.csv",
    "code15": "code15.csv",
}


@cache
def table(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of the data file ``name``, such as ``ptbxl_scp.csv``."""
    text = files(__name__).joinpath(name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(text.splitlines()))


@cache
def scheme(name: str) -> Mapping[str, Mapping[str, str]]:
    """The rows of scheme ``name`` by code; empty for a scheme without a table."""
    rows = table(SCHEMES[name]) if name in SCHEMES else ()
    return {row["code"]: row for row in rows}


def known(code: str) -> bool:
    """Whether ``code`` is in its scheme's table; every code of a scheme without a table is."""
    name, _, value = code.partition(":")
    return name not in SCHEMES or value in scheme(name)
