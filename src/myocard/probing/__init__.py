"""Readouts and heads on frozen states: every readout of one encoder, from one cache.

For each readout and head, all seeds and penalties (and for the layer curve, all layers) are trained
at once, as one stack of models through the common training loop. Their gradients do not meet: the
loss is a sum.
"""

import json
import time
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from myocard.checkpoint import replace_folder
from myocard.classifiers import WEIGHTS
from myocard.cohort import Cohort, assemble
from myocard.errors import InputError
from myocard.features import Features
from myocard.nn.classifier import Classifier
from myocard.probing.jobs import Cell, Job, Trained
from myocard.recipe import ProbeRecipe
from myocard.results import write_run
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
    target = out / features.about["name"] / recipe.task
    sweep = [
        [(cell, target / cell.name) for cell in cells] for cells in stacks(recipe, features.depth)
    ]
    unfinished = [
        stack
        for stack in sweep
        if not all(_finished(folder, recipe, features, test=test) for _, folder in stack)
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


def _finished(folder: Path, recipe: ProbeRecipe, features: Features, *, test: bool) -> bool:
    path = folder / "run.json"
    if not path.exists():
        return False
    run = json.loads(path.read_text())
    if run["recipe"] != _settings(recipe) or run["hashes"] != _hashes(features):
        raise InputError(
            f"{folder}: a run of another recipe, encoder or store; choose another folder"
        )
    return not test or run["test"] is not None


def _settings(recipe: ProbeRecipe) -> dict[str, Any]:
    """What a run depends on: all but which other runs the recipe asks for."""
    return recipe.model_dump(mode="json", exclude={"readouts", "heads"})


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
        _write(folder, job, each, about)


@torch.inference_mode()
def layer_weights(
    models: Sequence[Classifier], states: torch.Tensor, cohort: Cohort, split: str
) -> dict[str, Any]:
    """How much of each layer was read in a split, on average and for each class's positives."""
    rows = cohort.rows[split]
    by_seed = torch.stack([model.readout.weights(states[rows]) for model in models])
    weights = by_seed.mean(dim=0).numpy()
    targets = cohort.targets[rows]
    by_class = {name: weights[targets[:, k]] for k, name in enumerate(cohort.classes)}
    return {
        "split": split,
        "mean": weights.mean(axis=0).tolist(),
        "by_class": {name: found.mean(axis=0).tolist() for name, found in by_class.items()},
    }


def _hashes(features: Features) -> dict[str, str]:
    return {name: features.about[name] for name in ("encoder", "store")}


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
        "hashes": _hashes(features),
        "recipe": _settings(recipe),
    }


def _write(folder: Path, job: Job, trained: Trained, about: dict[str, Any]) -> None:
    recipe = job.recipe

    def write(fresh: Path) -> None:
        write_run(
            fresh, job.cohort, trained.scores, recipe.seeds, resamples=recipe.resamples, about=about
        )
        weights = {k: v.contiguous() for k, v in trained.classifiers[0].state_dict().items()}
        save_file(weights, fresh / WEIGHTS)

    replace_folder(folder, write)
