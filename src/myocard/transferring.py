"""Probes of one data set scored on another as they are: nothing is trained or chosen there."""

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

from myocard.checkpoint import load_weights, replace_folder
from myocard.classifiers import read_run, weights_file
from myocard.cohort import Cohort, assemble
from myocard.errors import InputError
from myocard.features import Features
from myocard.leaks import refuse, seen
from myocard.nn.classifier import probabilities
from myocard.recipe import Split
from myocard.results import write_run
from myocard.tasks import Task, task


def transfer(
    runs: Sequence[Path],
    trained: Features,
    target: Features,
    out: Path,
    *,
    folds: Collection[int] | None = None,
    report: Callable[[str], None] = lambda name: None,
) -> list[Path]:
    """Score the probes in ``runs`` on the records of ``target``, a run folder for each.

    Penalties and thresholds are those that were chosen where the probe was trained. Classes of
    which the target has too few are left out and named. Runs that are there already are left alone.

    Args:
        runs: Folders of probes that were trained on ``trained``.
        trained: The features that they were trained on.
        target: The same encoder's features of another data set.
        out: Encoder, task and cell of each run are folders below it.
        folds: Of the target, those to score; all without them.

    Raises:
        InputError: For features of another encoder or store, a run of another kind, a record that
            encoder or probe were trained or chosen on, or when no class is left.
    """
    crossings: dict[str, Crossing] = {}
    done = []
    for run in runs:
        folder = out.joinpath(*run.parts[-3:])
        done.append(folder)
        if (folder / "run.json").exists():
            continue
        report("/".join(run.parts[-3:]))
        said, _, _ = states = read_run(run)
        _require_same(run, said, trained, target)
        key = repr([said["task"], *(said["recipe"][k] for k in ("split", "min_positives"))])
        if key not in crossings:
            crossings[key] = cross(said, trained, target, folds)
        _score(run, states, crossings[key], target, folder)
    return done


@dataclass(frozen=True, eq=False)
class Crossing:
    """A task that is trained on one data set and tested on another.

    Attributes:
        cohort: Trained and chosen on the one, tested on the other.
        columns: The places of its classes among those that the probe was trained on.
        states: Of the records of each split that is scored.
        trained_on: The data set that the probe was trained on, and the hash of its store.
    """

    cohort: Cohort
    columns: list[int]
    states: dict[str, Tensor]
    trained_on: tuple[str, str]


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
    mend = "choose folds that it has not met"
    refuse(records, "encoder", "the target", mend)
    met = seen(trained.records.iloc[used], records)
    refuse(records.assign(seen=met), "probe", "the target", mend)
    cohort, columns = _across(origin, trained.records, records, predicted, fewest)
    test = np.flatnonzero(kept)[cohort.rows["test"] - len(trained.records)]
    states = {
        "validation": trained.states[cohort.rows["validation"]],
        "test": target.states[test],
    }
    return Crossing(
        cohort,
        columns,
        {name: torch.from_numpy(np.asarray(x, dtype=np.float32)) for name, x in states.items()},
        (origin.source, trained.about["store"]),
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
        patients=table["patient"].to_numpy(dtype=object),
        folds=origin.folds | {"test": tuple(sorted(set(records["fold"].tolist())))},
        traits={name: table[name].to_numpy() for name in origin.traits if name in table},
    )
    return cohort, columns


def _score(
    run: Path, states: tuple[Any, ...], crossing: Crossing, target: Features, out: Path
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
    source, store = crossing.trained_on
    kept = ("kind", "encoder", "readout", "layer", "head", "leads", "fraction", "chosen", "recipe")
    about = {key: said[key] for key in kept if key in said} | {
        "name": f"{said['name']}, from {source}",
        "trained_on": source,
        "hashes": said["hashes"] | {"store": target.about["store"], "trained_on": store},
        "seconds": round(time.perf_counter() - began, 2),
    }
    stacked = {name: np.stack(values) for name, values in scores.items()}
    resamples = said["recipe"]["resamples"]

    def write(fresh: Path) -> None:
        write_run(fresh, crossing.cohort, stacked, said["seeds"], resamples=resamples, about=about)

    replace_folder(out, write)


def _require_same(run: Path, said: dict[str, Any], trained: Features, target: Features) -> None:
    for features, name in ((trained, "encoder"), (target, "encoder"), (trained, "store")):
        if features.about[name] != said["hashes"][name]:
            raise InputError(
                f"{features.folder}: features of another {name} than those of {run}; extract them "
                f"with the {name} of that probe"
            )
