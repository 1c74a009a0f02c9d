"""Readouts and heads on frozen states: every readout of one encoder, from one cache.

For each readout and head, all seeds and penalties (and for the layer curve, all layers) are trained
at once, as one stack of models through the common training loop. Their gradients do not meet: the
loss is a sum.
"""

import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from myocard.cohort import Cohort, assemble
from myocard.errors import InputError
from myocard.features import Features
from myocard.nn.classifier import Classifier
from myocard.probing import runs
from myocard.probing.jobs import Cell, Job
from myocard.recipe import ProbeRecipe
from myocard.results import average_weights
from myocard.tasks import task

__all__ = ["Cell", "Job", "probe", "stacks"]


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
        states = torch.from_numpy(np.asarray(features.states, dtype=np.float32))
        job = Job(features.norm, states, cohort, recipe)
    for stack in unfinished:
        cells, folders = zip(*stack, strict=True)
        report(f"{features.about['name']}: {cells[0].readout}, {cells[0].head}")
        _train(cells, folders, job, features, test=test)
    return [folder for stack in sweep for _, folder in stack]


def stacks(recipe: ProbeRecipe, depth: int) -> list[list[Cell]]:
    """The cells of a recipe, those together that are trained as one stack."""
    return [
        [Cell("layer", head, layer) for layer in range(depth + 1)]
        if readout == "layers"
        else [Cell(readout, head)]
        for head, readout in product(recipe.heads, recipe.readouts)
    ]


def _origin(recipe: ProbeRecipe, features: Features) -> dict[str, Any]:
    hashes = {name: features.about[name] for name in ("encoder", "store")}
    return {"hashes": hashes, "recipe": runs.settings(recipe)}


def _train(
    cells: Sequence[Cell], folders: Sequence[Path], job: Job, features: Features, *, test: bool
) -> None:
    began = time.perf_counter()
    splits = ("validation", "test") if test else ("validation",)
    trained = job.train(cells[0].head, job.readouts(cells), splits)
    seconds = (time.perf_counter() - began) / len(cells)
    for cell, folder, each in zip(cells, folders, trained, strict=True):
        about = _about(cell, features, job.recipe)
        about |= {"chosen": each.chosen, "seconds": round(seconds, 2)}
        about["layer_weights"] = layer_weights(each.classifiers, job.states, job.cohort, splits[-1])
        weights = each.classifiers[0].state_dict()
        runs.write(folder, job.cohort, job.recipe, each.scores, weights, about)


@torch.inference_mode()
def layer_weights(
    models: Sequence[Classifier], states: torch.Tensor, cohort: Cohort, split: str
) -> dict[str, Any]:
    """How much of each layer the models of all seeds read in a split."""
    found = [model.readout.weights(states[cohort.rows[split]]) for model in models]
    return average_weights(torch.stack(found).mean(dim=0).numpy(), cohort, split)


def _about(cell: Cell, features: Features, recipe: ProbeRecipe) -> dict[str, Any]:
    origin = features.about["about"]
    return {
        "kind": "probe",
        "name": f"{features.about['name']}/{recipe.task}/{cell.name}",
        "encoder": {
            "name": features.about["name"],
            "hash": features.about["encoder"],
            "random": bool(origin.get("random", False)),
            "mixture": origin.get("mixture"),
            "layers": features.depth + 1,
            "width": features.states.shape[-1],
            "input": origin.get("input"),
        },
        "readout": cell.readout,
        "layer": cell.layer,
        "head": cell.head,
        "leads": features.about["preprocessing"]["leads"],
        "fraction": recipe.fraction,
        **_origin(recipe, features),
    }
