"""Readouts and heads on frozen states: every readout of one encoder, from one cache.

The linear head has one best answer for each penalty, which is solved for. What has none, a mixture
that is learned or another head, is trained through the common loop, all seeds and penalties (and
for the layer curve, all layers) at once, as one stack of models. Their gradients do not meet: the
loss is a sum.
"""

import time
from collections.abc import Callable, Container, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import runs
from myocard.evaluation.probing.jobs import Job, Probe, is_learned
from myocard.evaluation.probing.mixing import (
    Weights,
    by_code,
    by_record,
    departure,
    static_twins,
    weigh,
)
from myocard.recipe import ProbeRecipe
from myocard.results.run import (
    Scores,
    average_weights,
    encoder_statement,
    macro_auroc,
    prediction_table,
)
from myocard.tasks.cohort import Cohort, assemble
from myocard.tasks.task import task

__all__ = ["Probe", "Job", "is_learned", "probe", "stacks"]


def probe(
    features: Features,
    recipe: ProbeRecipe,
    out: Path,
    *,
    test: bool = False,
    report: Callable[[str], None] = lambda cell: None,
) -> list[Path]:
    """Train every readout and head of ``recipe`` on cached states, a run folder for each.

    Runs that are there already are left alone, so that a sweep that was stopped goes on.

    Args:
        test: Score the test folds too. Until then they are not touched, and a run that has scored
            them is not made again.

    Raises:
        InputError: For a leak, a patient in two splits, features by lead, or runs of another
            recipe.
    """
    if features.states.ndim != 3:
        raise InputError(f"{features.folder}: features by lead; extract without --by-lead to probe")
    cohort = assemble(features.records, task(recipe.task), recipe.split, recipe.min_positives)
    target, origin = out / features.about["name"] / recipe.task, _origin(recipe, features)
    sweep = [
        [(cell, target / cell.name) for cell in cells] for cells in stacks(recipe, features.depth)
    ]
    unfinished = [
        stack
        for stack in sweep
        if not all(runs.is_finished(folder, origin, test=test) for _, folder in stack)
    ]
    if unfinished:
        states = torch.from_numpy(features.states)
        job = Job(features.norm, states, cohort, recipe)
    for stack in unfinished:
        cells, folders = zip(*stack, strict=True)
        report(f"{features.about['name']}: {cells[0].readout}, {cells[0].head}")
        kept = {f for f in folders if runs.is_finished(f, origin, test=test)}
        _train(cells, folders, kept, job, features, test=test)
    return [folder for stack in sweep for _, folder in stack]


def stacks(recipe: ProbeRecipe, depth: int) -> list[list[Probe]]:
    """The cells of a recipe, those together that are trained as one stack."""
    return [
        [Probe("layer", head, layer) for layer in range(depth + 1)]
        if readout == "layers"
        else [Probe(readout, head)]
        for head, readout in product(recipe.heads, recipe.readouts)
    ]


def _origin(recipe: ProbeRecipe, features: Features) -> dict[str, Any]:
    hashes = {name: features.about[name] for name in ("encoder", "store")}
    return {"hashes": hashes, "recipe": runs.settings(recipe)}


def _train(
    cells: Sequence[Probe],
    folders: Sequence[Path],
    kept: Container[Path],
    job: Job,
    features: Features,
    *,
    test: bool,
) -> None:
    """Train a stack as one, and write the runs of it that are not kept."""
    began = time.perf_counter()
    splits = ("validation", "test") if test else ("validation",)
    trained = job.train(cells[0].head, job.readouts(cells), splits)
    seconds = (time.perf_counter() - began) / len(cells)
    for cell, folder, each in zip(cells, folders, trained, strict=True):
        if folder in kept:
            continue
        weights = {split: weigh(each.classifiers, job, job.cohort.rows[split]) for split in splits}
        twins = static_twins(each, cell.head, job)
        about = _about(cell, features, job.recipe)
        about |= {"chosen": each.chosen, "seconds": round(seconds, 2)}
        about["layer_weights"] = _layer_weights(weights, features, job.cohort, splits[-1])
        about["static_twins"] = {name: _areas(scores, job.cohort) for name, scores in twins.items()}
        tensors = [classifier.state_dict() for classifier in each.classifiers]
        tables = _tables(weights, twins, job)
        runs.write(folder, job.cohort, job.recipe, each.scores, tensors, about, tables)


def _layer_weights(
    weights: dict[str, Weights], features: Features, cohort: Cohort, split: str
) -> dict[str, Any]:
    codes = features.records["codes"].iloc[cohort.rows[split]].map(list)
    return (
        average_weights(weights[split].mean(axis=0), cohort, split)
        | {"by_code": by_code(weights[split], codes)}
        | departure(weights[split])
    )


def _areas(scores: Scores, cohort: Cohort) -> dict[str, float]:
    """The macro AUROC on every split, averaged over seeds."""
    return {
        split: float(np.mean([macro_auroc(cohort, split, each) for each in by_seed]))
        for split, by_seed in scores.items()
    }


def _tables(
    weights: dict[str, Weights], twins: dict[str, Scores], job: Job
) -> dict[str, pd.DataFrame]:
    """What lies beside a run: weights that differ between records, and what its twins say."""
    seeds = job.recipe.seeds
    found = {name: prediction_table(job.cohort, each, seeds) for name, each in twins.items()}
    if any((each != each[:, :1]).any() for each in weights.values()):
        found["weights"] = by_record(weights, job.cohort, seeds)
    return found


def _about(cell: Probe, features: Features, recipe: ProbeRecipe) -> dict[str, Any]:
    return {
        "kind": "probe",
        "name": f"{features.about['name']}/{recipe.task}/{cell.name}",
        "encoder": encoder_statement(
            features.about["name"],
            features.about["encoder"],
            features.about["about"],
            layers=features.depth + 1,
            width=features.states.shape[-1],
        ),
        "readout": cell.readout,
        "layer": cell.layer,
        "head": cell.head,
        "leads": features.about["preprocessing"]["leads"],
        "fraction": recipe.fraction,
        **_origin(recipe, features),
    }
