"""China Physiological Signal Challenge 2018: MATLAB files at 500 Hz with a table of nine labels."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from myocard.data.cells import age, patient, warn_of_lost
from myocard.data.formats.reading import read
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_table
from myocard.leads import LEADS

# The reverse of PTB-XL's, as the sex inside the signal files shows.
_SEXES = {"0": "F", "1": "M", "0.0": "F", "1.0": "M"}


def entries(folder: Path) -> list[Entry]:
    """List the records of ``labels.csv``, whose columns ``AFIB`` … ``STD`` hold 0 or 1.

    Raises:
        InputError: When the table or a column is missing.
    """
    columns = ["patient_id", "filename", *scheme("cpsc2018")]
    rows = read_table(folder / "labels.csv", columns, optional=["age", "sex"])
    warn_of_lost(folder / "labels.csv", rows, {"age": age, "sex": _SEXES.get})
    return [_entry(folder, row) for row in rows]


def _entry(folder: Path, row: Mapping[str, str]) -> Entry:
    path = member(folder, f"{row['filename']}.mat")
    return Entry(
        id=row["filename"],
        path=path,
        # Millivolts, and the canonical order: III = II - I and Goldberger's identities hold.
        read=partial(read, path, rate=500.0, leads=LEADS, unit="mV"),
        patient=patient(row["patient_id"]),
        codes=tuple(f"cpsc2018:{name}" for name in scheme("cpsc2018") if row[name] == "1"),
        age=age(row["age"]),
        sex=_SEXES.get(row["sex"]),
    )
