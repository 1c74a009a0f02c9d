"""Probes of one data set scored on another as they are: nothing is trained or chosen there."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from myocard.data.leaks import known_as, refuse
from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.writing import write_run
from myocard.files.atomic import restore
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, is_kept, step
from myocard.models.classifier import classifiers_hash, read_classifiers
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.results.run import Hashes, Run, SplitName, TransferInfo
from myocard.tasks.cohort import Cohort, are_labelled, assemble_for, too_little
from myocard.tasks.registry import require_labels, stated, task
from myocard.tasks.task import Labelled, Task

_KEPT = (
    "kind", "encoder", "readout", "layer", "common_width", "head", "leads", "fraction", "chosen",
)  # fmt: skip
"""Fields of a probe's run that are as they were."""
_FIX = "choose other folds of the target"


def transfer(
    runs: Sequence[Path],
    trained: Features,
    target: Features,
    out: Path,
    *,
    folds: Collection[int] | None = None,
    names: tuple[str, str] | None = None,
    progress: Progress = silent,
) -> list[Path]:
    """Score the probes in ``runs`` on the records of ``target``, a run folder for each.

    Penalties and thresholds are those that were chosen where the probe was trained. Classes of
    which the target has too few are left out and named.

    Args:
        runs: Folders of probes that were trained on ``trained``.
        trained: The features that they were trained on.
        target: The same encoder's features of another data set.
        out: Each run gets the folder ``out/ENCODER/TASK/READOUT-HEAD``, by the rule of
            ``files/step.py``.
        folds: Folds of the target to score; all if not given.
        names: Names of the two stores where both are of one data set.
        progress: Called after every run.

    Raises:
        InputError: For features of another encoder or store, a run of another kind or with other
            classes than its task has, a record that encoder or probe were trained or chosen on,
            when no class is left, or for a folder that holds other runs.
    """
    info = TransferInfo(folds=None if folds is None else tuple(sorted(folds)), stores=names)
    tasks: dict[str, TransferredTask] = {}
    folders = []
    what = f"transfer {trained.encoder.name}"
    for done, folder in enumerate(runs):
        progress(what, done, len(runs))
        run = Run.read(folder)
        place = out / run.encoder.name / run.task / folder.name
        folders.append(place)
        _require_same(folder, run, trained, target)
        inputs = {
            "probe": classifiers_hash(folder),
            "encoder": run.hashes.encoder,
            "store": target.store,
            "trained_on": run.hashes.store,
            "transfer": info.model_dump(mode="json"),
            "recipe": stated(run.recipe),
        }
        require_labels(run.recipe, run.labels, folder)
        restore(place)
        if is_kept(place, inputs):
            continue
        asked = run.recipe
        key = repr((asked.task, asked.split, asked.min_positives, asked.copies))
        if key not in tasks:
            tasks[key] = transferred_task(run, trained, target, folds)
        if tasks[key].classes != run.classes:
            raise InputError(f"{folder}: its task has other classes now; probe into another folder")
        classifiers = read_classifiers(folder, target.norm, target.layers)
        _score(classifiers, run, tasks[key], info, place, inputs)
    progress(what, len(runs), len(runs))
    return folders


@dataclass(frozen=True, eq=False)
class TransferredTask:
    """A task that is trained on one data set and tested on another.

    Attributes:
        cohort: Trained and chosen on the one, tested on the other.
        classes: The classes that the probe was trained on.
        columns: The indices of the cohort's classes among them.
        states: States of the records of each split that is scored.
        trained_on: The data set that the probe was trained on.
    """

    cohort: Cohort
    classes: tuple[str, ...]
    columns: list[int]
    states: dict[SplitName, Tensor]
    trained_on: str


def transferred_task(
    run: Run, trained: Features, target: Features, folds: Collection[int] | None
) -> TransferredTask:
    """The task of a probe's run on the records of ``target``.

    Raises:
        InputError: For a leak, or when no class is shared.
    """
    predicted, fewest = task(run.recipe.task), run.recipe.min_positives
    origin = assemble_for(run.recipe, trained.records, trained.known)
    labelled = predicted.label(target.records)
    kept = labelled.kept
    if folds is not None:
        kept &= np.isin(labelled.folds, list(folds))
    records = target.records[kept]
    used = np.concatenate([origin.rows["train"], origin.rows["validation"]])
    refuse(records["id"], target.known[kept], model="encoder", split="the target", fix=_FIX)
    by_probe = known_as(trained.records.iloc[used], records)
    dropped = (by_probe != "").to_numpy() & (run.recipe.copies == "drop")
    fix = f'{_FIX}, or probe anew with copies = "drop"'
    refuse(records["id"][~dropped], by_probe[~dropped], model="probe", split="the target", fix=fix)
    kept[kept] = ~dropped
    records = target.records[kept]
    if records.empty:
        raise InputError(
            f"{target.folder}: no record is left to score ({dropped.sum()} are copies of the "
            f"probe's); {_FIX}"
        )
    some = Labelled._make(each[kept] for each in labelled)
    cohort, columns = _across(origin, trained.records, records, predicted, some, fewest)
    counts = cohort.copies_dropped | {"test": int(dropped.sum())}
    cohort = replace(cohort, copies_dropped=counts)
    test = np.flatnonzero(kept)[cohort.rows["test"] - len(trained.records)]
    states: dict[SplitName, Tensor] = {
        "validation": trained.pooled()[cohort.rows["validation"]].float(),
        "test": target.pooled()[test].float(),
    }
    return TransferredTask(cohort, origin.classes, columns, states, origin.source)


def _across(
    origin: Cohort,
    known: pd.DataFrame,
    records: pd.DataFrame,
    predicted: Task,
    labelled: Labelled,
    fewest: int,
) -> tuple[Cohort, list[int]]:
    """Give ``origin`` the test split ``records``; return it with its classes' former indices."""
    indices = [predicted.classes.index(name) for name in origin.classes]
    here = labelled.targets[:, indices]
    source = " and ".join(sorted(set(records["source"])))
    left_out, columns = dict(origin.left_out), []
    for column, (name, told) in enumerate(zip(origin.classes, here.T, strict=True)):
        why = too_little(told[~np.isnan(told)], origin.outcome, fewest)
        if why:
            left_out[name] = f"{why} of {len(records)} in {source}"
        else:
            columns.append(column)
    one = origin.outcome == "one"
    if len(columns) < (2 if one else 1):
        raise InputError(
            f"task {predicted.name}: {origin.source} and {source} share too few classes with "
            f"{fewest} positives and a negative in each; choose another task"
        )
    table = pd.concat([known, records], ignore_index=True)
    if origin.scale is not None:
        here = (here - origin.scale[0]) / origin.scale[1]
    targets = np.concatenate([origin.targets, here])[:, columns]
    rows = origin.rows | {"test": np.arange(len(known), len(table))}
    known_of = are_labelled(targets, origin.outcome)
    rows = {name: which[known_of[which]] for name, which in rows.items()}
    cohort = replace(
        origin,
        source=source,
        classes=tuple(origin.classes[column] for column in columns),
        left_out=left_out,
        targets=targets,
        scale=None if origin.scale is None else origin.scale[:, columns],
        rows=rows,
        ids=table["id"].to_numpy(dtype=object),
        patients=np.concatenate([origin.patients, labelled.patients]),
        folds=origin.folds | {"test": tuple(sorted(set(labelled.folds.tolist())))},
        traits={name: table[name].to_numpy() for name in origin.traits if name in table},
    )
    return cohort, columns


def _score(
    classifiers: Sequence[Classifier],
    run: Run,
    transferred: TransferredTask,
    info: TransferInfo,
    out: Path,
    inputs: Inputs,
) -> None:
    began = time.perf_counter()
    cohort = transferred.cohort
    with torch.inference_mode():
        scores = {
            split: np.stack(
                [
                    LIKELIHOODS[cohort.outcome].scores(classifier(states)).numpy()
                    for classifier in classifiers
                ]
            )[:, :, transferred.columns]
            for split, states in transferred.states.items()
        }

    def make(fresh: Path, work: Path) -> None:
        write_run(
            fresh,
            cohort,
            scores,
            run.recipe,
            name=f"{run.name}, from {transferred.trained_on}",
            trained_on=transferred.trained_on,
            hashes=Hashes(**{name: inputs[name] for name in Hashes.model_fields}),
            transfer=info,
            seconds=round(time.perf_counter() - began, 2),
            **{name: getattr(run, name) for name in _KEPT},
        )

    step(out, inputs, make)


def _require_same(folder: Path, run: Run, trained: Features, target: Features) -> None:
    if run.kind != "probe":
        raise InputError(f"{folder}: a {run.kind}, not a probe; give the run folder of a probe")
    found = (
        (trained, "encoder", trained.encoder.hash, run.hashes.encoder),
        (target, "encoder", target.encoder.hash, run.hashes.encoder),
        (trained, "store", trained.store, run.hashes.store),
    )
    for features, name, have, want in found:
        if have != want:
            raise InputError(
                f"{features.folder}: features of another {name} than those of {folder}; extract "
                f"them with the {name} of that probe"
            )
