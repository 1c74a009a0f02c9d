"""The records that people's embeddings are of: a store's, or a table of their own.

A table needs the column ``id``. It may have ``patient``, ``source``, ``fold`` or ``split`` (train,
val, test), ``codes`` (``scheme:code``, divided by ``;``), ``age``, ``sex``, ``site`` and
``device``.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_list_like

from myocard.data.cells import age, fold, patient, sex, warn_of_lost
from myocard.data.folds import assign_folds
from myocard.data.labels import parse_codes
from myocard.data.sources.index import read_table
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.manifest import STORE
from myocard.files.tables import read_parquet
from myocard.tasks.own.settings import MISSING
from myocard.tasks.own.values import known
from myocard.tasks.own.words import folded
from myocard.tasks.task import patients_of

LOG = logging.getLogger(__name__)
FOLDS = {"train": 1, "validation": 9, "valid": 9, "val": 9, "test": 10}
"""Folds of splits, by which the default ``Split`` trains, validates and tests."""
_TRAITS: dict[str, Callable[[str], float | str | None]] = {
    "age": age,
    "sex": sex,
    "site": lambda cell: cell or None,
    "device": lambda cell: cell or None,
}
COLUMNS = ("id", "patient", "source", "fold", "split", "codes", *_TRAITS)
_SOURCE = "own"
_NO_FINGERPRINT = "-" * 128


class Records(NamedTuple):
    """Records that embeddings are of.

    Attributes:
        place: The folder or file that tells of them.
        table: A row for each, with the columns of a store that do not tell of signals.
        key: Hash of the table; a store's own, so that embeddings are compared with encoders there.
        has_folds: True if somebody told the folds; False if they were made here.
    """

    place: Path
    table: pd.DataFrame
    key: str
    has_folds: bool = True


def read_records(place: Path) -> Records:
    """Read the records of a store's folder, or of a table: ``.csv``, ``.xlsx`` or ``.parquet``.

    Raises:
        InputError: When it is neither, or a cell is missing or broken.
    """
    if (place / STORE.file).exists():
        store = Store.open(place)
        return Records(place, store.records.drop(columns=["scale", "flags"]), store.key)
    if not place.exists():
        raise InputError(f"{place}: no such file or folder; give a store or a table")
    if place.is_dir():
        raise InputError(f"{place}: a folder that is no store; give a store or a table")
    if place.suffix == ".parquet":
        table = read_parquet(place, ["id"], "give a table with a row for each record")
    else:
        table = pd.DataFrame(read_table(place, ["id"], known=COLUMNS))
    unread = [str(name) for name in table if name not in COLUMNS]
    for name in unread:
        if folded(name) in COLUMNS:
            raise InputError(f"{place}: column {name!r}; write it as {folded(name)!r}")
    if unread:
        LOG.info("%s: not read: column %s", place, ", ".join(unread))
    return completed(table, place)


def completed(table: pd.DataFrame, where: Path) -> Records:
    """Return the records of a table of people's own, and tell what it leaves open.

    Raises:
        InputError: When there is no row, an id, patient or fold is missing or broken, or a record
            is there twice.
    """
    if table.empty:
        raise InputError(f"{where}: no rows; give one for each record")
    named = [name for name in COLUMNS if name in table and name != "codes"]
    cells = {name: _cells(table[name], where) for name in named}
    for name in {"id", "patient", "source", "fold", "split"} & cells.keys():
        blank = np.flatnonzero(~known(pd.Series(cells[name]), MISSING))
        if len(blank):
            raise InputError(
                f"{where}: no {name} in row {blank[0] + 1} ({cells[name][blank[0]]!r}); fill it in"
            )
    ids = cells["id"]
    records = pd.DataFrame(
        {
            "id": ids,
            "patient": [patient(cell) for cell in cells.get("patient", ids)],
            "source": cells.get("source", _SOURCE),
            "codes": _codes(table, where),
        }
    )
    again = records["id"][records.duplicated(["source", "id"])]
    if len(again):
        raise InputError(f"{where}: record {again.iloc[0]} is there twice; drop one of the rows")
    if "patient" not in cells:
        LOG.info("%s: no column patient: each record counts as a patient of its own", where)
    records["fold"] = _folds(cells, records, where)
    facts = {name: cells[name] for name in ("age", "sex") if name in cells}
    told = [dict(zip(facts, each, strict=True)) for each in zip(*facts.values(), strict=True)]
    warn_of_lost(where, told, {name: _TRAITS[name] for name in facts})
    for name in [name for name in _TRAITS if name in cells]:
        read = [_TRAITS[name](cell) for cell in cells[name]]
        records[name] = np.array(read, float if name == "age" else object)
    unknown = "no waveform of " + records["source"] + " " + records["id"]
    records = records.assign(sha256=unknown, fingerprint=_NO_FINGERPRINT)
    rows = records.itertuples(index=False, name=None)
    key = hashlib.sha256(json.dumps([*rows], default=list).encode()).hexdigest()
    return Records(where, records, key, has_folds=bool({"fold", "split"} & cells.keys()))


def in_order(given: Records, ids: Sequence[str], where: Path) -> Records:
    """Return records in the order of the ``ids`` in the file ``where``.

    Raises:
        InputError: When one is without the other, or is there twice.
    """
    records = given.table
    places = pd.Series(range(len(records)), records["id"].to_numpy(object))
    if not len(set(ids)) == len(ids) or len(set(places.index)) < len(records):
        raise InputError(f"{where}: an id is there twice; give one embedding for each record")
    lost, spare = set(ids) - set(places.index), set(places.index) - set(ids)
    if lost or spare:
        raise InputError(
            f"{where}: {len(lost)} ids are not among the records, and {len(spare)} records have no "
            f"embedding ({min(lost | spare)!r}); give one embedding for each record"
        )
    table = records.iloc[places[list(ids)].to_numpy()].reset_index(drop=True)
    return given._replace(table=table)


def _cells(column: pd.Series, where: Path) -> NDArray[np.object_]:
    """Read the cells of a column as texts."""
    for row, cell in enumerate(column, start=1):
        if is_list_like(cell) or isinstance(cell, bytes):
            raise InputError(
                f"{where}: {column.name} {cell!r} in row {row}; write a word or number"
            )
    return np.array([_text(cell) for cell in column], object)


def _folds(
    cells: Mapping[str, NDArray[np.object_]], records: pd.DataFrame, where: Path
) -> Sequence[int]:
    """Read folds, or those of splits, or make them."""
    if {"fold", "split"} <= cells.keys():
        raise InputError(f"{where}: has both fold and split; drop one of the columns")
    if "fold" in cells:
        try:
            read = [fold(cell) for cell in cells["fold"]]
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        return [number for number in read if number is not None]
    if "split" in cells:
        words = [word.lower() for word in cells["split"]]
        others = sorted(set(words) - FOLDS.keys())
        if others:
            raise InputError(f"{where}: split {others[0]!r}; write {', '.join(FOLDS)}")
        return [FOLDS[word] for word in words]
    LOG.info("%s: no column fold or split: folds 1 to 10 are made, by patient", where)
    return assign_folds(patients_of(records).tolist(), records["codes"].tolist())


def _codes(table: pd.DataFrame, where: Path) -> list[list[str]]:
    """Read each record's codes, from a list or from a text that ``;`` divides."""
    if "codes" not in table:
        return [[] for _ in range(len(table))]
    lists = [cell if is_list_like(cell) else [cell] for cell in table["codes"]]
    cells = [";".join(map(_text, codes)) for codes in lists]
    try:
        return [list(parse_codes(cell)) for cell in cells]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _text(cell: object) -> str:
    return "" if cell is None or cell is pd.NA or cell != cell else str(cell).strip()
