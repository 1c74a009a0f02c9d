"""Probes of one data set scored on another as they are: nothing is trained or chosen there."""

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.leaks import refuse, seen
from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.files.atomic import replace_folder
from myocard.models.checkpoint import load_weights
from myocard.models.classifier import digest, read_run, weights_file
from myocard.nn.readouts.classifier import probabilities
from myocard.recipe import Split
from myocard.results.run import write_run
from myocard.tasks.cohort import Cohort, assemble, patients_of
from myocard.tasks.task import Task, task


def transfer(
    runs: Sequence[Path],
    trained: Features,
    target: Features,
    out: Path,
    *,
    folds: Collection[int] | None = None,
    names: tuple[str, str] | None = None,
    report: Callable[[str], None] = lambda name: None,
) -> list[Path]:
    """Score the probes in ``runs`` on the records of ``target``, a run folder for each.

    Penalties and thresholds are those that were chosen where the probe was trained. Classes of
    which the target has too few are left out and named. Runs that are there already are left alone,
    but those of another probe, target or folds are made again.

    Args:
        runs: Folders of probes that were trained on ``trained``.
        trained: The features that they were trained on.
        target: The same encoder's features of another data set.
        out: Encoder, task and cell of each run are folders below it.
        folds: Of the target, those to score; all without them.
        names: What to call the two stores where both are of one data set.

    Raises:
        InputError: For features by lead or of another encoder or store, a run of another kind or
            with other classes than its task has, a record that encoder or probe were trained or
            chosen on, or when no class is left.
    """
    for features in (trained, target):
        if features.states.ndim != 3:
            raise InputError(
                f"{features.folder}: features by lead; extract without --by-lead to transfer"
            )
    stated = {"folds": None if folds is None else sorted(folds), "stores": names and list(names)}
    crossings: dict[str, Crossing] = {}
    done = []
    for run in runs:
        said, _, _ = states = read_run(run)
        place = Path(said["encoder"]["name"], said["task"], run.name)
        folder = out / place
        done.append(folder)
        _require_same(run, said, trained, target)
        origin = _origin(run, said, target, stated)
        if _stated(folder, origin) == origin:
            continue
        report(str(place))
        key = repr([said["task"], *(said["recipe"][k] for k in ("split", "min_positives"))])
        if key not in crossings:
            crossings[key] = cross(said, trained, target, folds)
        if crossings[key].known != tuple(said["classes"]):
            raise InputError(f"{run}: its task has other classes now; probe into another folder")
        _score(run, states, crossings[key], origin, target, folder)
    return done


def _origin(
    run: Path, said: dict[str, Any], target: Features, stated: dict[str, Any]
) -> dict[str, Any]:
    """What a transferred run depends on: its probe, weight for weight, and what it is scored on."""
    stores = {"store": target.about["store"], "trained_on": said["hashes"]["store"]}
    hashes = said["hashes"] | stores | {"probe": digest(run)}
    return {"hashes": hashes, "recipe": said["recipe"] | {"transfer": stated}}


def _stated(folder: Path, keys: Collection[str]) -> dict[str, Any]:
    """What the run in ``folder`` says of ``keys``; nothing where there is none."""
    path = folder / "run.json"
    run = json.loads(path.read_text()) if path.exists() else {}
    return {key: run[key] for key in keys if key in run}


@dataclass(frozen=True, eq=False)
class Crossing:
    """A task that is trained on one data set and tested on another.

    Attributes:
        cohort: Trained and chosen on the one, tested on the other.
        known: The classes that the probe was trained on.
        columns: The places of the cohort's classes among them.
        states: Of the records of each split that is scored.
        trained_on: The data set that the probe was trained on.
    """

    cohort: Cohort
    known: tuple[str, ...]
    columns: list[int]
    states: dict[str, Tensor]
    trained_on: str


def cross(
    said: dict[str, Any], trained: Features, target: Features, folds: Collection[int] | None
) -> Crossing:
    """What the probe that ``said`` this shares with ``target``.

    Raises:
        InputError: For a leak, or when no class is shared.
    """
    predicted, fewest = task(said["task"]), said["recipe"]["min_positives"]
    split = Split.model_validate(said["recipe"]["split"])
    origin = assemble(trained.records, predicted, split, fewest)
    _, kept = predicted.targets(target.records["codes"].map(list))
    if folds is not None:
        kept &= target.records["fold"].isin(folds).to_numpy()
    records = target.records[kept]
    used = np.concatenate([origin.rows["train"], origin.rows["validation"]])
    fix = "choose folds that it has not met"
    refuse(records, "encoder", "the target", fix)
    met = seen(trained.records.iloc[used], records)
    refuse(records.assign(seen=met), "probe", "the target", fix)
    cohort, columns = _across(origin, trained.records, records, predicted, fewest)
    test = np.flatnonzero(kept)[cohort.rows["test"] - len(trained.records)]
    states = {
        "validation": trained.states[cohort.rows["validation"]],
        "test": target.states[test],
    }
    return Crossing(
        cohort,
        origin.classes,
        columns,
        {name: torch.from_numpy(np.asarray(x, dtype=np.float32)) for name, x in states.items()},
        origin.source,
    )


def _across(
    origin: Cohort, known: pd.DataFrame, records: pd.DataFrame, predicted: Task, fewest: int
) -> tuple[Cohort, list[int]]:
    """``origin`` with ``records`` for its test split, and where its classes stood before."""
    places = [predicted.classes.index(name) for name in origin.classes]
    here = predicted.targets(records["codes"].map(list))[0][:, places]
    source = " and ".join(sorted(set(records["source"])))
    left_out, columns = dict(origin.left_out), []
    for place, (name, positives) in enumerate(
        zip(origin.classes, here.sum(axis=0).tolist(), strict=True)
    ):
        if fewest <= positives < len(records):
            columns.append(place)
        else:
            left_out[name] = f"{positives} positives of {len(records)} in {source}"
    if len(columns) < (2 if origin.exclusive else 1):
        raise InputError(
            f"task {predicted.name}: {origin.source} and {source} share too few classes with "
            f"{fewest} positives and a negative in each; choose another task"
        )
    table = pd.concat([known, records], ignore_index=True)
    targets = np.concatenate([origin.targets, here])[:, columns]
    rows = origin.rows | {"test": np.arange(len(known), len(table))}
    if origin.exclusive:
        rows = {name: which[targets[which].any(axis=1)] for name, which in rows.items()}
    cohort = replace(
        origin,
        source=source,
        classes=tuple(origin.classes[place] for place in columns),
        left_out=left_out,
        targets=targets,
        rows=rows,
        ids=table["id"].to_numpy(dtype=object),
        patients=patients_of(table),
        folds=origin.folds | {"test": tuple(sorted(set(records["fold"].tolist())))},
        traits={name: table[name].to_numpy() for name in origin.traits if name in table},
    )
    return cohort, columns


def _score(
    run: Path,
    states: tuple[Any, ...],
    crossing: Crossing,
    origin: dict[str, Any],
    target: Features,
    out: Path,
) -> None:
    began = time.perf_counter()
    said, shape, weights = states
    scores: dict[str, list[NDArray[np.float32]]] = {name: [] for name in crossing.states}
    for place, values in enumerate(weights):
        classifier = shape.build(target.norm, target.depth).eval()
        load_weights(classifier, values, "", run / weights_file(place))
        for name, found in crossing.states.items():
            with torch.inference_mode():
                each = probabilities(classifier(found), exclusive=crossing.cohort.exclusive)
            scores[name].append(each.numpy()[:, crossing.columns])
    kept = ("kind", "encoder", "readout", "layer", "head", "leads", "fraction", "chosen")
    about = {key: said[key] for key in kept if key in said} | {
        "name": f"{said['name']}, from {crossing.trained_on}",
        "trained_on": crossing.trained_on,
        "seconds": round(time.perf_counter() - began, 2),
    }
    stacked = {name: np.stack(values) for name, values in scores.items()}
    resamples = said["recipe"]["resamples"]

    def write(fresh: Path) -> None:
        write_run(
            fresh,
            crossing.cohort,
            stacked,
            said["seeds"],
            resamples=resamples,
            about=about | origin,
        )

    replace_folder(out, write)


def _require_same(run: Path, said: dict[str, Any], trained: Features, target: Features) -> None:
    for features, name in ((trained, "encoder"), (target, "encoder"), (trained, "store")):
        if features.about[name] != said["hashes"][name]:
            raise InputError(
                f"{features.folder}: features of another {name} than those of {run}; extract them "
                f"with the {name} of that probe"
            )
