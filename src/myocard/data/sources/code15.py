"""CODE-15 % (Ribeiro et al. 2021): tracings in HDF5 as published, or a MATLAB file a record."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from myocard.data.cells import age, number, patient, warn_of_lost
from myocard.data.formats.hdf5 import read_row
from myocard.data.formats.joining import joined
from myocard.data.formats.reading import read
from myocard.data.labels import scheme
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import member, read_table
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.leads import LEADS
from myocard.record import Record

_LOG = logging.getLogger(__name__)

_INDEX = "meta.csv"
_PUBLISHED = "exams.csv"
_RATE = 400.0
_SEXES = {"false": "F", "true": "M"}


def entries(folder: Path) -> list[Entry]:
    """List the records of ``exams.csv``, as published, or of ``meta.csv``.

    Columns ``1dAVb`` … ``AF`` hold True or False. ``exams.csv`` (zenodo.org/records/4916206) names
    the HDF5 file of each record, which holds the ids ``exam_id`` and the signals ``tracings``;
    records of files that are not there are left out, and their number is logged as a warning.
    ``meta.csv`` names a MATLAB file for each.

    Raises:
        InputError: When both tables or a column are missing, or a row has no rate.
    """
    if in_any_case(folder / _PUBLISHED).is_file():
        return _published(folder)
    columns = ["exam_id", "patient_id", "save_file", "sample_rate", *scheme("code15")]
    try:
        rows = read_table(folder / _INDEX, columns, optional=["age", "is_male"])
    except InputError as error:
        raise InputError(f"{error} (and no {_PUBLISHED}, the published table)") from error
    _warn(folder / _INDEX, rows)
    return [_entry(folder, row) for row in rows]


def _published(folder: Path) -> list[Entry]:
    columns = ["exam_id", "patient_id", "trace_file", *scheme("code15")]
    rows = read_table(folder / _PUBLISHED, columns, optional=["age", "is_male"])
    there = {name for name in {row["trace_file"] for row in rows} if member(folder, name).is_file()}
    listed = [row for row in rows if row["trace_file"] in there]
    if len(listed) < len(rows):
        told = "%s: %d of %d records lie in files that are not there and are left out"
        _LOG.warning(told, folder / _PUBLISHED, len(rows) - len(listed), len(rows))
    _warn(folder / _PUBLISHED, listed)
    found = []
    for row in listed:
        path = member(folder, row["trace_file"])
        found.append(_described(row, path, partial(read_exam, path, row["exam_id"])))
    return found


def _entry(folder: Path, row: Mapping[str, str]) -> Entry:
    rate = number(row["sample_rate"])
    if rate is None:
        raise InputError(f"{folder / _INDEX}: exam {row['exam_id']} has no sample_rate")
    path = member(folder, row["save_file"])
    return _described(row, path, partial(read_without_padding, path, rate))


def _described(row: Mapping[str, str], path: Path, reader: Callable[[], Record]) -> Entry:
    return Entry(
        id=row["exam_id"],
        path=path,
        read=reader,
        patient=patient(row["patient_id"]),
        codes=tuple(f"code15:{name}" for name in scheme("code15") if row[name] == "True"),
        age=age(row["age"]),
        sex=_sex(row["is_male"]),
    )


def _sex(cell: str) -> str | None:
    return _SEXES.get(cell.lower())


def _warn(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    warn_of_lost(path, rows, {"age": age, "is_male": _sex})


def read_exam(path: Path, exam: str, rename: Mapping[str, str] | None = None) -> Record:
    """Read one record of a published file at 400 Hz, as ``read_without_padding``."""
    found = read_row(path, "tracings", "exam_id", exam)
    return _without_padding(joined(found, path, _RATE, LEADS, "NU", rename).whole())


def read_without_padding(
    path: Path, rate: float, rename: Mapping[str, str] | None = None
) -> Record:
    """Read one record of 7 or 10 s, without a unit.

    The authors' code gives the scale as 1e-4 V, which makes the beats 0.2 mV high; read as
    millivolts they are twice those of PTB-XL, CPSC and Georgia. So no voltage is claimed.

    CODE centres its traces in windows of 4096 samples and fills up with zeros, so zeros in all
    leads at either end are no signal and are cut off. A record of zeros only stays as it is.
    """
    return _without_padding(read(path, rate=rate, leads=LEADS, unit="NU", rename=rename))


def _without_padding(record: Record) -> Record:
    filled = np.flatnonzero(record.signal.any(axis=0))
    if not filled.size:
        return record
    signal = np.ascontiguousarray(record.signal[:, filled[0] : filled[-1] + 1])
    return Record(signal, record.rate, record.leads, record.unit)
