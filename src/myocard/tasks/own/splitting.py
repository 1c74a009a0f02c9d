"""Folds 1 to 10 of labelled records, each patient whole: 1–8 train, 9 validates, 10 tests."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.folds import assign_folds
from myocard.errors import InputError
from myocard.outcomes import Outcome
from myocard.recipe import Split
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.words import folded

TRAIN, VALIDATION, TEST = 8, 9, 10
"""The last fold that trains, and those that validate and test."""
_WORDS = {
    "train": 0,
    "validation": VALIDATION,
    "val": VALIDATION,
    "valid": VALIDATION,
    "test": TEST,
}
_STARTS = (0.8, 0.9)
"""Shares of the patients before validation and before test."""
_QUANTILES = (0.2, 0.4, 0.6, 0.8)
Draw = Callable[[NDArray[np.bool_], int], NDArray[np.int64]]
"""Function that draws folds from 1 to a number for some of the rows, by patient."""


class Folds(NamedTuple):
    """Folds of rows.

    Attributes:
        folds: ``(rows,)``, from 1 to 10; 0 for rows that are left out.
        reasons: ``(rows,)``: why a row is left out; empty where it is not.
    """

    folds: NDArray[np.int64]
    reasons: NDArray[np.object_]


def split(
    rows: pd.DataFrame, targets: NDArray[np.float64], settings: OwnTaskSettings, where: str
) -> Folds:
    """Give each row a fold.

    Args:
        rows: A row for each labelled record; the index is the line. Columns are patient, and as the
            split needs them fold (the store's), date, site, and split (cells).
        targets: ``(rows, outputs)``, by which made folds are stratified.
        settings: The split, which is not None.
        where: The table, for messages.

    Raises:
        InputError: When a column puts a patient into two folds, holds other words, or a split would
            be empty.
    """
    found = _folds(rows, targets, settings, where)
    _require_filled(found.folds, settings.split, where)
    return found


def _folds(
    rows: pd.DataFrame, targets: NDArray[np.float64], settings: OwnTaskSettings, where: str
) -> Folds:
    strata = _strata(targets, settings.outcome)

    def draw(chosen: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
        codes = [strata[row] for row in np.flatnonzero(chosen)]
        patients = rows["patient"][chosen].tolist()
        return np.array(assign_folds(patients, codes, count, settings.seed), dtype=np.int64)

    if settings.split == "made":
        return _whole(draw(np.ones(len(rows), dtype=bool), TEST))
    if settings.split == "date":
        return _by_date(rows, draw, where)
    if settings.split == "site":
        return _by_site(rows, draw, settings.test_site, where)
    if settings.split == "store":
        folds = rows["fold"].to_numpy(np.int64)
        _require_whole(rows, folds, f"{where}: the store's folds")
        return _whole(folds)
    return _whole(_by_column(rows, draw, f"{where}: column {settings.split}"))


def _require_filled(folds: NDArray[np.int64], way: str | None, where: str) -> None:
    """Refuse a split without a record: models are trained, chosen and tested."""
    for name, members in Split().model_dump().items():
        if not np.isin(folds, members).any():
            told = f"fold {members[0]}" if len(members) == 1 else f"folds 1 to {TRAIN}"
            raise InputError(
                f"{where}: no labelled record is left for {name} ({told}) by the split {way}; "
                "label such records, or choose another with --split, such as made"
            )


def _whole(folds: NDArray[np.int64]) -> Folds:
    return Folds(folds, np.full(len(folds), "", dtype=object))


def _strata(targets: NDArray[np.float64], outcome: Outcome) -> list[list[str]]:
    """Name the strata that each row is in; an unknown target is in none."""
    if outcome in ("any", "one"):
        return [
            [f"{output}: {value:g}" for output, value in enumerate(row) if not math.isnan(value)]
            for row in targets.tolist()
        ]
    sizes = np.abs(targets[:, 0]) if outcome == "time" else targets[:, 0]
    seen = targets[:, 0] > 0 if outcome == "time" else np.ones(len(targets), dtype=bool)
    parts = np.searchsorted(np.quantile(sizes, _QUANTILES), sizes)
    return [[f"{part} {event}"] for part, event in zip(parts, seen, strict=True)]


def _by_date(rows: pd.DataFrame, draw: Draw, where: str) -> Folds:
    """Split patients by their first record's date; a patient's later records may lie outside."""
    first = rows.groupby("patient")["date"].transform("min")
    of_patients = rows.groupby("patient")["date"].min().sort_values().to_numpy()
    starts = of_patients[[int(share * len(of_patients)) for share in _STARTS]]
    part = np.searchsorted(starts, first.to_numpy(), side="right")
    if len(set(part)) < 3:
        raise InputError(
            f"{where}: its dates do not divide {len(of_patients)} patients into train, validation "
            "and test; choose another split"
        )
    outside = np.searchsorted(starts, rows["date"].to_numpy(), side="right") != part
    folds = part + TRAIN
    folds[part == 0] = draw(part == 0, TRAIN)
    return Folds(
        np.where(outside, 0, folds),
        np.where(outside, "after the period of its patient's split", "").astype(object),
    )


def _by_site(rows: pd.DataFrame, draw: Draw, test: tuple[str, ...], where: str) -> Folds:
    """Test the patients of some sites; their records at others are left out."""
    sites = sorted(set(rows["site"]))
    unknown = [site for site in test if site not in sites]
    there = rows["site"].isin(test)
    tested = there.groupby(rows["patient"]).transform("any").to_numpy()
    if unknown or tested.all():
        listed = ", ".join(sites[:10])
        told = f"no site {unknown[0]!r}" if unknown else "no patient is left to train on"
        raise InputError(f"{where}: {told}; the sites are {listed}: choose others with --test-site")
    folds = np.full(len(rows), TEST)
    folds[~tested] = draw(~tested, VALIDATION)
    elsewhere = tested & ~there.to_numpy()
    return Folds(
        np.where(elsewhere, 0, folds),
        np.where(elsewhere, "at another site than that which tests its patient", "").astype(object),
    )


def _by_column(rows: pd.DataFrame, draw: Draw, where: str) -> NDArray[np.int64]:
    words = rows["split"].map(folded)
    numbered = {str(fold): fold for fold in range(1, TEST + 1)}
    folds = words.map(_WORDS | numbered)
    if folds.isna().any():
        line = folds.index[folds.isna()][0]
        raise InputError(
            f"{where}: {rows['split'][line]!r} (line {line}) is no split; write train, validation "
            "or test, or folds from 1 to 10"
        )
    found = folds.to_numpy().astype(np.int64)
    _require_whole(rows, found, where)
    train = found == 0
    found[train] = draw(train, TRAIN)
    return found


def _require_whole(rows: pd.DataFrame, folds: NDArray[np.int64], where: str) -> None:
    """Refuse a patient in two folds."""
    first = pd.Series(folds, rows.index).groupby(rows["patient"]).transform("first")
    apart = np.flatnonzero(folds != first)
    if len(apart):
        patient = rows["patient"].iloc[apart[0]]
        lines = rows.index[rows["patient"] == patient][:1].tolist() + [rows.index[apart[0]]]
        several = rows["patient"].iloc[apart].nunique()
        raise InputError(
            f"{where}: patient {patient} is in two splits (lines {lines[0]} and {lines[1]}; "
            f"{several} such patients); correct them, or split by patient with --split made"
        )
