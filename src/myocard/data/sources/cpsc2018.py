"""China Physiological Signal Challenge 2018: MATLAB files at 500 Hz with a table of nine labels."""

from functools import partial
from pathlib import Path
from typing import Any

from myocard.data.formats.reading import read
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, member, read_table
from myocard.leads import LEADS

_INDEX = "labels.csv"


def entries(folder: Path) -> list[Entry]:
    """The records of ``labels.csv``, whose columns ``AFIB`` … ``STD`` hold 0 or 1.

    Raises:
        InputError: When the table or a column is missing.
    """
    classes = list(scheme("cpsc2018"))
    table = read_table(folder / _INDEX, ["patient_id", "filename", "age", "sex", *classes])
    return [_entry(folder, row, classes) for row in table.to_dict("records")]


def _entry(folder: Path, row: dict[Any, str], classes: list[str]) -> Entry:
    path = member(folder, f"{row['filename']}.mat")
    return Entry(
        id=row["filename"],
        path=path,
        # Millivolts, and the canonical order: III = II - I and Goldberger's identities hold.
        read=partial(read, path, rate=500.0, leads=LEADS, unit="mV"),
        patient=row["patient_id"],
        codes=tuple(f"cpsc2018:{name}" for name in classes if row[name] == "1"),
        age=age(row["age"]),
        # The reverse of PTB-XL's, as the sex inside the signal files shows.
        sex={"0": "F", "1": "M"}.get(row["sex"]),
    )
