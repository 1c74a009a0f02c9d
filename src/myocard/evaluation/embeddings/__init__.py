"""Embeddings that people computed elsewhere, as features like those of an encoder run here."""

import logging
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from myocard.errors import InputError
from myocard.evaluation.embeddings.arrays import files_in, kind_of
from myocard.evaluation.embeddings.parquet import records_said
from myocard.evaluation.embeddings.records import (
    COLUMNS,
    Records,
    completed,
    in_order,
    read_records,
)
from myocard.evaluation.embeddings.splits import has_splits, import_splits
from myocard.evaluation.embeddings.states import Embeddings, keep
from myocard.evaluation.features import Features

LOG = logging.getLogger(__name__)


class Imported(NamedTuple):
    """Features, and the folder of the task that their labels make, where they have some."""

    features: list[Features]
    task: Path | None = None


def import_embeddings(
    place: Path,
    out: Path,
    *,
    records: Path | None = None,
    name: str | None = None,
    pretrained_on: tuple[str, ...] = (),
) -> Imported:
    """Make features of people's embeddings, or keep those that were made from the same files.

    Args:
        place: A folder or file. ``.npy`` or ``.npz``: ``(records, width)`` for each layer, or
            ``(records, layers, width)``. Parquet: a row a record, or a row for each record and
            ``layer``; ``id``, and numbers in a column each or in one of lists. The first of several
            layers stands for the encoder's embedding, which mixtures leave out. Or a set of
            ``splits.py``.
        out: The folder in which ``features/NAME`` is made, by the rule of ``files/step.py``.
        records: A store's folder, or a table; by default ``records.csv`` beside the arrays. Rows
            are in the order of the arrays; those of Parquet are matched by id.
        name: Name of the encoder; that of the folder or file by default.
        pretrained_on: Names of the data sets that the encoder was pretrained on, if known.

    Raises:
        InputError: When a file is broken or holds no embeddings, or they do not fit the records.
    """
    if has_splits(place):
        if (records, name) != (None, None):
            raise InputError(
                f"{place}: its files name models and records; leave --name and --records out"
            )
        return Imported(*import_splits(place, out, pretrained_on))
    files = files_in(place)
    called = name or (place.stem if place.is_file() else place.absolute().name)
    if not re.fullmatch(r"\w[\w.-]*", called):
        raise InputError(f"{place}: no name for an encoder: {called!r}; give another with --name")
    given = Embeddings(place, [files], _records(place, files, records), pretrained_on)
    return Imported([keep(given, out / "features" / called)])


def records_of(place: Path) -> pd.DataFrame:
    """Read the records that embeddings are of, for a task of their labels.

    Args:
        place: As ``import_embeddings`` takes it, or the table of their records alone.

    Returns:
        The columns of a store's table that do not tell of signals; without folds where nobody told
        them.

    Raises:
        InputError: When the records are not told or broken, or the embeddings come with labels.
    """
    if has_splits(place):
        raise InputError(
            f"{place}: comes with labels, of which `myocard probe --embeddings` makes a task"
        )
    if place.is_file() and kind_of(place) == ".parquet":
        found = completed(records_said(place), place)
    elif kind_of(place) in (".csv", ".xlsx"):
        found = read_records(place)
    else:
        found = _records(place, files_in(place), None)
    return found.table if found.has_folds else found.table.drop(columns="fold")


def _records(place: Path, files: list[Path], given: Path | None) -> Records:
    """Find the records of embeddings."""
    beside = files[0].parent / "records.csv"
    listed = given or (beside if beside.exists() else None)
    if kind_of(files[0]) != ".parquet":
        if listed is None:
            raise InputError(
                f"{place}: arrays name no records; put records.csv (id, patient, fold …) beside "
                "them, in their order, or give --records"
            )
        return read_records(listed)
    said = records_said(files[0])
    if listed is None:
        return completed(said, files[0])
    unread = [name for name in said if name in COLUMNS[1:]]
    if unread:
        LOG.info("%s: not read: column %s; %s tells", files[0], ", ".join(unread), listed)
    return in_order(read_records(listed), [str(name) for name in said["id"]], files[0])
