"""CODE-15 % (Ribeiro et al. 2021) as single MATLAB files with a table of six labels."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from myocard.data.formats.reading import read
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import age, member, number, read_table
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record

_INDEX = "meta.csv"


def entries(folder: Path) -> list[Entry]:
    """List the records of ``meta.csv``, whose columns ``1dAVb`` … ``AF`` hold True or False.

    Raises:
        InputError: When the table or a column is missing, or a row has no rate.
    """
    columns = ["exam_id", "patient_id", "save_file", "sample_rate", *scheme("code15")]
    rows = read_table(folder / _INDEX, columns, optional=["age", "is_male"])
    return [_entry(folder, row) for row in rows]


def _entry(folder: Path, row: Mapping[str, str]) -> Entry:
    rate = number(row["sample_rate"])
    if rate is None:
        raise InputError(f"{folder / _INDEX}: exam {row['exam_id']} has no sample_rate")
    path = member(folder, row["save_file"])
    return Entry(
        id=row["exam_id"],
        path=path,
        read=partial(read_without_padding, path, rate),
        patient=row["patient_id"],
        codes=tuple(f"code15:{name}" for name in scheme("code15") if row[name] == "True"),
        age=age(row["age"]),
        sex={"False": "F", "True": "M"}.get(row["is_male"]),
    )


def read_without_padding(path: Path, rate: float) -> Record:
    """Read one record of 7 or 10 s, without a unit.

    The authors' code gives the scale as 1e-4 V, which makes the beats 0.2 mV high; read as
    millivolts they are twice those of PTB-XL, CPSC and Georgia. So no voltage is claimed.

    CODE centres its traces in windows of 4096 samples and fills up with zeros, so zeros in all
    leads at either end are no signal and are cut off. A record of zeros only stays as it is.
    """
    record = read(path, rate=rate, leads=LEADS, unit="NU")
    filled = np.flatnonzero(record.signal.any(axis=0))
    if not filled.size:
        return record
    signal = np.ascontiguousarray(record.signal[:, filled[0] : filled[-1] + 1])
    return Record(signal, record.rate, record.leads, record.unit)
