"""Rows of a table as labels of a store's records; each row that is none has a reason."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from myocard.errors import InputError
from myocard.tasks.own.dates import days
from myocard.tasks.own.matching import Matches, match, require_found
from myocard.tasks.own.rows import cell
from myocard.tasks.own.settings import MISSING, NO_PATIENTS, OwnTaskSettings
from myocard.tasks.own.splitting import TEST, split
from myocard.tasks.own.spreadsheet import Spreadsheet
from myocard.tasks.own.targets import Targets, read_targets
from myocard.tasks.own.values import known, text
from myocard.tasks.own.words import require_apart


class Labels(NamedTuple):
    """All rows of a table, and the records that they label.

    Attributes:
        rows: A row for each of the table, by its line: id, record (its place, or -1), reason (empty
            if it labels the record), detail, patient, fold, and where known date and site.
        targets: Targets of all rows.
        matches: Records of the different ids.
        told: Sentences on what was recognised.
    """

    rows: pd.DataFrame
    targets: Targets
    matches: Matches
    told: tuple[str, ...]


def label_records(
    sheet: Spreadsheet, records: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> Labels:
    """Find the record, patient and fold of each row.

    Args:
        sheet: The columns of the settings.
        records: Id, source, patient, and where known fold and site of a store's records.
        settings: Meaning of the columns, and the split.
        where: The table, for messages.

    Raises:
        InputError: When cells cannot be read, too few ids have a record, or patients, dates, sites
            or splits are missing or contradict each other.
    """
    targets = read_targets(sheet.cells, settings, where)
    rows = pd.DataFrame({"id": sheet.cells[settings.id].map(text), "reason": "", "detail": ""})
    _leave_out(rows, ~known(sheet.cells[settings.id], MISSING), "no id")
    ids = rows["id"][rows["reason"] == ""].drop_duplicates().tolist()
    _leave_out_repeated(rows, sheet.cells, targets, settings)
    names = [str(name) for name in records["id"]]
    matches = match(ids, names)
    fix = "is this the column of ids, and this the store?"
    require_found(ids, names, matches.records, settings.unmatched, where=where, fix=fix)
    of_id = dict(zip(ids, matches.records.tolist(), strict=True))
    rows["record"] = [of_id.get(name, -1) for name in rows["id"]]
    ambiguous = {name for name, is_so in zip(ids, matches.ambiguous, strict=True) if is_so}
    _leave_out(rows, rows["id"].isin(ambiguous), "ambiguous")
    _leave_out(rows, rows["record"] < 0, "no record")
    _leave_out(rows, targets.impossible, "time not above 0")
    _leave_out(rows, np.isnan(targets.values).all(axis=1), "no label")
    _describe(rows, sheet.cells, records, settings, where)
    told = _give_folds(rows, sheet.cells, targets, records, settings, where)
    return Labels(rows, targets, matches, (*sheet.told, *targets.told, told))


def _leave_out(rows: pd.DataFrame, chosen: ArrayLike, reason: str) -> None:
    """Give rows that are still in a reason to be left out."""
    rows.loc[np.asarray(chosen, dtype=bool) & (rows["reason"] == ""), "reason"] = reason


def _leave_out_repeated(
    rows: pd.DataFrame, cells: pd.DataFrame, targets: Targets, settings: OwnTaskSettings
) -> None:
    """Keep the first of rows that say the same of one id; leave out all if they do not."""
    labels = map(str, targets.values.tolist())
    read = (settings.id, *settings.target, settings.event)
    others = [cells[name].map(text) for name in settings.columns if name not in read]
    said = [*zip(labels, *others, strict=True)]
    by_id = pd.Series(said, rows.index).groupby(rows["id"])
    lines = rows.index.to_series().groupby(rows["id"])
    repeated = lines.transform("size") > 1
    first = lines.transform("first")
    contrary = repeated & (by_id.transform("nunique") > 1)
    again = repeated & ~contrary & (rows.index != first)
    with_id = rows["reason"] == ""
    rows.loc[again & with_id, "detail"] = "says the same as line " + first.astype(str)
    rows.loc[contrary & with_id, "detail"] = "first in line " + first.astype(str)
    _leave_out(rows, contrary, "contradictory")
    _leave_out(rows, again, "repeated")


def _describe(
    rows: pd.DataFrame,
    cells: pd.DataFrame,
    records: pd.DataFrame,
    settings: OwnTaskSettings,
    where: str,
) -> None:
    """Add patient, date and site of each row."""
    rows["patient"] = _patients(rows, cells, records, settings, where)
    _leave_out(rows, rows["patient"] == "", "no patient")
    if settings.date is not None:
        dated = known(cells[settings.date], MISSING)
        place = f"{where}: column {settings.date}"
        found = days(cells[settings.date][dated], place, settings.date_format)
        rows["date"] = pd.to_datetime(pd.Series(found, rows.index[dated])).reindex(rows.index)
    if settings.site is not None:
        rows["site"] = _words(cells[settings.site])
        require_apart(rows["site"], f"{where}: column {settings.site}")
    elif "site" in records:
        rows["site"] = _words(_of_records(rows, records["site"]))


def _patients(
    rows: pd.DataFrame,
    cells: pd.DataFrame,
    records: pd.DataFrame,
    settings: OwnTaskSettings,
    where: str,
) -> pd.Series:
    """Return each row's patient; empty where nobody knows."""
    if settings.patient_column is not None:
        return _words(cells[settings.patient_column])
    if settings.patient == NO_PATIENTS:
        own = records["id"]
    elif "patient" not in records or (records["patient"] == records["id"]).all():
        raise InputError(
            f"{where}: neither table nor store knows patients; name their column with --patient, "
            f"or say --patient {NO_PATIENTS} if each record is a person"
        )
    else:
        own = records["patient"]
    patients = _words(_of_records(rows, own))
    sources = _words(_of_records(rows, records["source"]))
    return (sources + " " + patients).str.strip().where(patients != "", "")


def _of_records(rows: pd.DataFrame, column: pd.Series) -> pd.Series:
    """Return what the store's table says of each row's record; None without one."""
    values = [*column.tolist(), None]
    return pd.Series([values[record] for record in rows["record"]], rows.index, dtype=object)


def _words(column: pd.Series) -> pd.Series:
    """Return texts; empty where the cell says nothing."""
    written = column.where(column.notna(), "").map(cell).map(text).astype(object)
    return written.where(known(written, MISSING), "")


def _give_folds(
    rows: pd.DataFrame,
    cells: pd.DataFrame,
    targets: Targets,
    records: pd.DataFrame,
    settings: OwnTaskSettings,
    where: str,
) -> str:
    """Add each row's fold; return a sentence that says where it is from."""
    folded = "fold" in records and records["fold"].isin(range(1, TEST + 1)).all()
    way = settings.split or ("store" if folded else "made")
    if way == "store" and not folded:
        raise InputError(f"{where}: the store has no folds from 1 to {TEST}; say --split made")
    needed = {"date": "date", "site": "site"}.get(way)
    if settings.split_column is not None:
        rows["split"], needed = _words(cells[settings.split_column]), "split"
    if way == "store":
        rows["fold"] = _of_records(rows, records["fold"])
    if needed is not None and needed not in rows:
        raise InputError(f"{where}: the store knows no {needed}; name a column with --{needed}")
    if needed is not None:
        _leave_out(rows, rows[needed].isna() | (rows[needed] == ""), f"no {needed}")
    kept = (rows["reason"] == "").to_numpy()
    if not kept.any():
        counts = ", ".join(f"{n} {why}" for why, n in rows["reason"].value_counts().items())
        raise InputError(f"{where}: no row is left ({counts})")
    asked = settings.model_copy(update={"split": way})
    found = split(rows[kept], targets.values[kept], asked, where)
    folds = np.zeros(len(rows), dtype=np.int64)
    folds[kept] = found.folds
    rows["fold"] = folds
    rows.loc[kept, "reason"] = found.reasons
    return _TOLD.get(way, f"folds are those of column {way!r}")


_TOLD = {
    "store": "folds are the store's",
    "made": "folds are made at random, by patient",
    "date": "folds are made by date: earlier patients train, later ones test",
    "site": "folds are made by site",
}


def place_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Return the positions of the rows that label a record, in the order of the records."""
    kept = np.flatnonzero(rows["reason"] == "")
    return kept[np.argsort(rows["record"].to_numpy()[kept])]
