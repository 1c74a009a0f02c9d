"""PTB-XL (Wagner et al. 2020, physionet.org/content/ptb-xl), in its published layout."""

import ast
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from myocard.data.cells import age, fold, number, patient, warn_of_lost
from myocard.data.formats.reading import read
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_table
from myocard.errors import InputError

_INDEX = "ptbxl_database.csv"
_COLUMNS = ("ecg_id", "patient_id", "scp_codes", "strat_fold")
_OPTIONAL = ("age", "sex", "site", "device")
_FILE_OF_RATE = {100: "filename_lr", 500: "filename_hr"}
_SEXES = {"0": "M", "1": "F", "0.0": "M", "1.0": "F"}
_MOST_FOLDS = 1000
_BROKEN = (
    InputError,
    ValueError,
    OverflowError,
    SyntaxError,
    TypeError,
    MemoryError,
    RecursionError,
)


def entries(folder: Path, *, rate: int) -> list[Entry]:
    """List all records of the table, at 100 or 500 Hz.

    Codes are all keys of ``scp_codes``, whatever their likelihood: form and rhythm statements have
    none and carry 0, so that a threshold would delete every rhythm.

    Age, sex, site and device may be missing from the table.

    Raises:
        InputError: When the table or another column is missing, or a row is broken.
    """
    file = _FILE_OF_RATE[rate]
    rows = read_table(folder / _INDEX, [*_COLUMNS, file], _OPTIONAL)
    warn_of_lost(folder / _INDEX, rows, {"age": age, "sex": _SEXES.get})
    return [_entry(folder, row, row[file]) for row in rows]


def _entry(folder: Path, row: Mapping[str, str], file: str) -> Entry:
    try:
        given = fold(row["strat_fold"], most=_MOST_FOLDS)
        if given is None:
            raise InputError("no strat_fold")
        path = member(folder, f"{file}.hea")
        return Entry(
            id=str(int(patient(row["ecg_id"]))),
            path=path,
            read=partial(read, path),
            patient=str(int(patient(row["patient_id"]))),
            fold=given,
            codes=tuple(f"scp:{code}" for code in dict(ast.literal_eval(row["scp_codes"]))),
            age=age(row["age"]),
            sex=_SEXES.get(row["sex"]),
            site=None if number(row["site"]) is None else str(int(float(row["site"]))),
            device=row["device"] or None,
        )
    except _BROKEN as error:
        where = f"{folder / _INDEX}: row of ecg_id {row['ecg_id']}"
        raise InputError(f"{where} is broken: {error}") from error
