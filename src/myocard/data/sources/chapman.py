"""Chapman-Shaoxing in its figshare layout (Zheng et al. 2020): microvolts at 500 Hz."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from myocard.data.cells import age, sex, warn_of_lost
from myocard.data.formats.arrays import read_mat
from myocard.data.formats.columns import read_csv
from myocard.data.formats.joining import joined
from myocard.data.sources.entry import Entry
from myocard.data.sources.index import read_table
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record

_LOG = logging.getLogger(__name__)

_INDEX = "Diagnostics.xlsx"
# Raw before denoised: the encoder states its own filter.
_FOLDERS = {"ECGData": ".csv", "ECGDataDenoised": ".csv", "ECGDataDenoisedMat": ".mat"}


def entries(folder: Path) -> list[Entry]:
    """List the records of ``Diagnostics.xlsx`` that have a file in ``folder``.

    The table covers all 10,646 records, a folder often only some of them: rows without a file are
    left out, and their number is logged as a warning. Codes are ``chapman:`` with the rhythm and
    ``chapman-beat:`` with each condition. Every record is a patient of its own.

    Raises:
        InputError: When the table, a column or all of the signal folders are missing.
    """
    name = next((name for name in _FOLDERS if (folder / name).is_dir()), None)
    if name is None:
        raise InputError(f"{folder}: none of {', '.join(_FOLDERS)} in it; unpack one of them there")
    columns, optional = ["FileName", "Rhythm", "Beat"], ["PatientAge", "Gender"]
    rows = read_table(folder / _INDEX, columns, optional)
    files = {
        path.stem: path
        for path in sorted((folder / name).iterdir())
        if path.suffix.lower() == _FOLDERS[name]
    }
    warn_of_lost(folder / _INDEX, rows, {"PatientAge": age, "Gender": sex})
    found = [_entry(files[row["FileName"]], row) for row in rows if row["FileName"] in files]
    if len(found) < len(rows):
        _LOG.warning(
            "%s: %d of %d records of %s have no file in %s and are left out",
            folder, len(rows) - len(found), len(rows), _INDEX, name,
        )  # fmt: skip
    return found


def _entry(path: Path, row: Mapping[str, str]) -> Entry:
    codes = [f"chapman:{row['Rhythm'].strip()}"] if row["Rhythm"].strip() else []
    codes += [f"chapman-beat:{code}" for code in row["Beat"].split() if code != "NONE"]
    return Entry(
        id=path.stem,
        path=path,
        read=partial(read, path),
        patient=path.stem,
        codes=tuple(dict.fromkeys(codes)),
        age=age(row["PatientAge"]),
        sex=sex(row["Gender"]),
    )


def read(path: Path, rename: Mapping[str, str] | None = None) -> Record:
    """Read one record; raw files name their leads, denoised ones keep the canonical order."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    found = read_csv(path) if path.suffix.lower() == ".csv" else read_mat(path)
    leads = LEADS if found.leads is None else None
    return joined(found, path, 500.0, leads, "uV", rename).whole()
