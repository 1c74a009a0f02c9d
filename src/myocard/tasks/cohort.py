"""Cohorts: the records that a task is trained, chosen and tested on, and their targets."""

import logging
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.leaks import recognise, refuse
from myocard.errors import InputError
from myocard.outcomes import CLASSES, Outcome
from myocard.recipe import Evaluation, Split
from myocard.tasks.registry import task as task_named
from myocard.tasks.task import Task

_LOG = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
_PAIRS = (("train", "validation"), ("train", "test"), ("validation", "test"))
TRAITS = ("sex", "age", "site", "device")


@dataclass(frozen=True, eq=False, kw_only=True)
class Cohort:
    """The records of a task, split.

    Attributes:
        task: Its name.
        labels: Hash of its labels, where they do not come with the records.
        source: The data set of its records.
        classes: The classes that are kept.
        left_out: The others, each with the reason.
        outcome: Kind of its outputs.
        targets: ``(records, outputs)``, for all records of the table, as ``myocard.outcomes`` has
            them; numbers are standardised as ``scale`` says.
        unit: Unit of numbers or times.
        scale: Mean and deviation of each output among the training records, ``(2, outputs)``, where
            they are numbers.
        rows: Positions in the table of each split's records.
        ids: Ids of all records of the table.
        patients: Patients of all records of the table.
        folds: Folds of each split.
        copies_dropped: Count of each split's records that were dropped as copies of another's.
        traits: The ``TRAITS`` that the table has, of all its records.
    """

    task: str
    labels: str | None = None
    source: str
    classes: tuple[str, ...]
    left_out: dict[str, str]
    outcome: Outcome
    targets: NDArray[np.float64]
    scale: NDArray[np.float64] | None = None
    unit: str | None = None
    rows: dict[str, NDArray[np.int64]]
    ids: NDArray[np.object_]
    patients: NDArray[np.object_]
    folds: dict[str, tuple[int, ...]]
    copies_dropped: dict[str, int] = field(default_factory=dict)
    traits: dict[str, NDArray[Any]] = field(default_factory=dict)

    def in_units(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Targets or scores ``(…, outputs)`` in the unit of the labels."""
        return values if self.scale is None else values * self.scale[1] + self.scale[0]

    def groups(self, split: str) -> NDArray[np.object_] | None:
        """Each record's patient, where some patient of the split has several records."""
        patients = self.patients[self.rows[split]]
        return patients if len(set(patients)) < len(patients) else None

    def training_rows(self, fraction: float, seed: int) -> NDArray[np.int64]:
        """A share of the training records, drawn patient by patient.

        A smaller share lies within a larger one of the same seed; the last patient may be cut
        short, so that every seed trains on as many records.
        """
        rows = self.rows["train"]
        count = max(2, round(fraction * len(rows)))  # batch norm needs two
        if count >= len(rows):
            return rows
        patients = self.patients[rows]
        order = np.random.default_rng(seed).permutation(np.unique(patients))
        place = dict(zip(order, range(len(order)), strict=True))
        places = [place[patient] for patient in patients]
        return np.sort(rows[np.argsort(places, kind="stable")[:count]])


def assemble(
    records: pd.DataFrame,
    task: Task,
    split: Split,
    *,
    known: pd.Series,
    min_positives: int = 1,
    copies: Literal["refuse", "drop"] = "refuse",
) -> Cohort:
    """Assemble the cohort of ``task`` among ``records``, and refuse leaks.

    A class with fewer than ``min_positives`` positives, or without a negative, in any of the splits
    is left out: it could not be trained, chosen or scored. This looks at labels of the test
    folds, never at scores.

    Args:
        records: With the columns source, id, patient, sha256, fingerprint, fold and codes, and
            those of ``TRAITS`` that are known.
        task: The task.
        split: The purpose of each fold.
        known: Words that say how each record is known to the encoder; empty where it is not
            (``PretrainedOn.known``, or ``nothing_known`` for a model without an encoder).
        min_positives: Fewest positives in each split that keep a class.
        copies: Treatment of records that two splits hold: refuse the task, or drop them from train,
            and from validation where test has them.

    Raises:
        InputError: When a patient is in two splits, or a waveform that is not dropped, no class is
            left (or one, where classes exclude each other), or the encoder was trained on a record
            of the validation or test folds.
    """
    targets, keep, fold, patients = task.label(records)
    ids = records["id"].to_numpy(dtype=object)
    folds = {name: getattr(split, name) for name in SPLITS}
    rows = {name: np.flatnonzero(keep & np.isin(fold, folds[name])) for name in SPLITS}
    if not keep.any():
        codes = sorted({code for some in records["codes"] for code in some})
        told = f"the store has {', '.join(codes[:5])}{', …' if len(codes) > 5 else ''}"
        raise InputError(
            f"task {task.name}: no record has a label that it reads; "
            f"{told if codes else 'the store has no labels'}; choose another task"
        )
    _tell_unused(task, fold[keep], split)
    _refuse_shared_patients(patients, rows)
    words = known.to_numpy(dtype=object)
    for name in ("validation", "test"):
        fix = "pretrain without them; `myocard audit leak` lists them all"
        refuse(ids[rows[name]], words[rows[name]], model="encoder", split=name, fix=fix)
    before = rows
    if copies == "drop":
        rows = _without_copies(records, before)
    else:
        _refuse_copies(records, rows)
    dropped = {name: len(before[name]) - len(rows[name]) for name in SPLITS}
    left_out = _too_rare(targets, rows, task.classes, task.outcome, min_positives)
    kept = [name not in left_out for name in task.classes]
    if sum(kept) < (2 if task.outcome == "one" else 1):
        raise _too_few(task, rows, min_positives)
    targets = targets[:, kept]
    labelled = are_labelled(targets, task.outcome)
    rows = {name: which[labelled[which]] for name, which in rows.items()}
    numbers = task.outcome == "number"
    scale = _scale_of(targets[rows["train"]]) if numbers else None
    return Cohort(
        task=task.name,
        labels=task.hash,
        source=" and ".join(sorted(set(records["source"]))),
        classes=tuple(np.array(task.classes)[kept].tolist()),
        left_out=left_out,
        outcome=task.outcome,
        targets=targets if scale is None else (targets - scale[0]) / scale[1],
        scale=scale,
        unit=task.unit,
        rows=rows,
        ids=ids,
        patients=patients,
        folds=folds,
        copies_dropped=dropped,
        traits={name: records[name].to_numpy() for name in TRAITS if name in records},
    )


def assemble_for(recipe: Evaluation, records: pd.DataFrame, known: pd.Series) -> Cohort:
    """Assemble the cohort of a recipe's task and folds, as ``assemble``."""
    return assemble(
        records,
        task_named(recipe.task),
        recipe.split,
        known=known,
        min_positives=recipe.min_positives,
        copies=recipe.copies,
    )


def are_labelled(targets: NDArray[np.float64], outcome: Outcome) -> NDArray[np.bool_]:
    """Tell which records have a label left: a class, where one excludes the others."""
    told = targets == 1 if outcome == "one" else ~np.isnan(targets)
    return np.asarray(told.any(axis=1))


def _scale_of(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean and deviation of each output, ``(2, outputs)``."""
    return np.stack([np.nanmean(targets, axis=0), np.nanstd(targets, axis=0)])


def _refuse_shared_patients(
    patients: NDArray[np.object_], rows: dict[str, NDArray[np.int64]]
) -> None:
    found = {name: set(patients[which]) for name, which in rows.items()}
    for one, other in _PAIRS:
        shared = found[one] & found[other]
        if shared:
            raise InputError(
                f"patient {min(shared)} is in {one} and in {other} ({len(shared)} such patients); "
                "split by patient"
            )


def _tell_unused(task: Task, folds: NDArray[np.int64], split: Split) -> None:
    """Log a warning of folds that serve no purpose."""
    used = [fold for name in SPLITS for fold in getattr(split, name)]
    unused = folds[~np.isin(folds, used)]
    if len(unused):
        numbers = ", ".join(map(str, np.unique(unused)[:20]))
        told = "%s: %d records of fold %s are in no split and not used; see [split] of the recipe"
        _LOG.warning(told, task.name, len(unused), numbers)


def _without_copies(
    records: pd.DataFrame, rows: dict[str, NDArray[np.int64]]
) -> dict[str, NDArray[np.int64]]:
    """Drop the records of each split that a later one holds under any name."""
    kept = dict(rows)
    for one, other in _PAIRS:
        copies = recognise(records.iloc[kept[other]], records.iloc[kept[one]])
        kept[one] = np.delete(kept[one], copies["row"])
    return kept


def _refuse_copies(records: pd.DataFrame, rows: dict[str, NDArray[np.int64]]) -> None:
    for one, other in _PAIRS:
        here = records.iloc[rows[other]]
        copies = recognise(records.iloc[rows[one]], here)
        if len(copies):
            row = int(copies["row"].iloc[0])
            source, known, how = copies.loc[0, ["source", "id", "how"]]
            raise InputError(
                f"{here['id'].iloc[row]} of {here['source'].iloc[row]} is in {other}, and has the "
                f"{how} {known} of {source} in {one} ({len(copies)} such records); put both "
                "into one fold, or drop such records from "
                f'{one}: copies = "drop" in the recipe (--set \'copies = "drop"\')'
            )


def _too_few(task: Task, rows: dict[str, NDArray[np.int64]], fewest: int) -> InputError:
    """The error of a task of which too few outputs can be trained, chosen and scored."""
    sizes = ", ".join(f"{name} {len(which)} records" for name, which in rows.items())
    wanted = {"number": "outputs have two values", "time": f"outputs have {fewest} events"}.get(
        task.outcome, f"classes have {fewest} positives and a negative"
    )
    return InputError(
        f"task {task.name}: too few {wanted} in each of {sizes}; lower min_positives or choose "
        "other folds"
    )


def _too_rare(
    targets: NDArray[np.float64],
    rows: dict[str, NDArray[np.int64]],
    outputs: tuple[str, ...],
    outcome: Outcome,
    fewest: int,
) -> dict[str, str]:
    """Outputs that a split tells too little of to train, choose or score them, each with why."""
    reasons: dict[str, str] = {}
    for split, which in rows.items():
        for name, told in zip(outputs, targets[which].T, strict=True):
            known = told[~np.isnan(told)]
            why = too_little(known, outcome, fewest)
            if why:
                reasons.setdefault(name, f"{why} in {split}")
    return reasons


def too_little(known: NDArray[np.float64], outcome: Outcome, fewest: int) -> str:
    """Words for what the known targets of an output lack; empty if nothing."""
    if outcome == "number":
        return "" if len(set(known.tolist())) > 1 else f"{len(set(known.tolist()))} distinct values"
    positives = int((known > 0).sum())
    if positives < max(fewest, 1):
        return f"{positives} {'positives' if outcome in CLASSES else 'events'}"
    return "no negative" if outcome in CLASSES and positives == len(known) else ""
