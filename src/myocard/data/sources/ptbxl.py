"""PTB-XL (Wagner et al. 2020, physionet.org/content/ptb-xl), in its published layout."""

import ast
from functools import partial
from pathlib import Path
from typing import Any

from myocard.data.formats.wfdb import read_wfdb
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, member, number, read_table
from myocard.errors import InputError

_INDEX = "ptbxl_database.csv"
_COLUMNS = ("ecg_id", "patient_id", "age", "sex", "site", "device", "scp_codes", "strat_fold")
_FILE_OF_RATE = {100: "filename_lr", 500: "filename_hr"}


def entries(folder: Path, *, rate: int) -> list[Entry]:
    """All records of the table, at 100 or 500 Hz.

    Codes are all keys of ``scp_codes``, whatever their likelihood: form and rhythm statements have
    none and carry 0, so that a threshold would delete every rhythm.

    Raises:
        InputError: When the table or a column is missing, or a row is broken.
    """
    file = _FILE_OF_RATE[rate]
    table = read_table(folder / _INDEX, [*_COLUMNS, file])
    rows = table[[*_COLUMNS, file]].to_dict("records")
    return [_entry(folder, row, row[file]) for row in rows]


def _entry(folder: Path, row: dict[Any, str], file: str) -> Entry:
    try:
        path = member(folder, f"{file}.hea")
        return Entry(
            id=str(int(row["ecg_id"])),
            path=path,
            read=partial(read_wfdb, path),
            patient=str(int(float(row["patient_id"]))),
            fold=int(row["strat_fold"]),
            codes=tuple(f"scp:{code}" for code in dict(ast.literal_eval(row["scp_codes"]))),
            age=age(row["age"]),
            sex={"0": "M", "1": "F"}.get(row["sex"]),
            site=None if number(row["site"]) is None else str(int(float(row["site"]))),
            device=row["device"] or None,
        )
    except (
        ValueError,
        OverflowError,
        SyntaxError,
        TypeError,
        MemoryError,
        RecursionError,
    ) as error:
        raise InputError(
            f"{folder / _INDEX}: row of ecg_id {row['ecg_id']} is broken: {error}"
        ) from error
