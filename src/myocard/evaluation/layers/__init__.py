"""Why the middle: what every layer of a frozen encoder is like, under the curve of its probes.

Only the probes look at labels. The training records are described, as in the papers that the
measures are from, and maps from tokens to patches are fitted on them; the records of the other
split say how good those maps, and the probes, are.
"""

import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.layers.estimates import (
    BLOCKS,
    Estimates,
    averages,
    explained,
    jackknifed,
    resampled,
)
from myocard.evaluation.layers.observation import (
    MASK_RATIO,
    Description,
    Specimen,
    describe,
    reconstruct,
)
from myocard.files.atomic import replace_folder
from myocard.models.checkpoint import Checkpoint
from myocard.nn.analysis.representation import effective_rank, lidar, linear_cka, matrix_entropy
from myocard.recipe import ProbeRecipe
from myocard.results.run import versions
from myocard.tasks.cohort import Cohort, assemble
from myocard.tasks.task import task

SCHEMA = 1
SEED = 0
FILE = "layers.json"

Rows = NDArray[np.int64]


def dissect(
    checkpoint: Checkpoint,
    store: Store,
    runs: Sequence[Path],
    out: Path,
    *,
    records: int = 512,
    test: bool = False,
    report: Callable[[int], None] = lambda done: None,
) -> None:
    """Measure every layer, and write ``layers.json`` and ``layers.csv`` into the folder ``out``.

    Measures that are there already, of the same encoder, store and settings, are left alone.

    Args:
        runs: The probes of every single layer of this encoder on this store.
        records: Of each split, to use at most.
        test: Score the test folds, not the validation folds.
        report: Is told of every batch how many records it had.

    Raises:
        InputError: When ``out`` holds measures of something else, or records are too few.
    """
    probes = [json.loads((folder / "run.json").read_text()) for folder in runs]
    settings = {key: probes[0][key] for key in ("hashes", "recipe")} | {"at_most": records}
    if _finished(out, settings, test=test):
        return
    began = time.perf_counter()
    recipe = ProbeRecipe.model_validate(settings["recipe"])
    cohort = assemble(store.records, task(recipe.task), recipe.split, recipe.min_positives)
    split = "test" if test else "validation"
    rows = {"train": _some(cohort, "train", records), split: _some(cohort, split, records)}
    if len(set(cohort.patients[rows["train"]])) < BLOCKS:
        raise InputError(f"{store.folder}: fewer than {BLOCKS} patients in train of {recipe.task}")
    measures, alignment = _measure(checkpoint, store, cohort, rows, recipe.resamples, report)
    found = {
        "schema": SCHEMA,
        **{key: probes[0][key] for key in ("encoder", "task", "source", "head", "leads")},
        "split": split,
        "records": {name: len(which) for name, which in rows.items()},
        "best_layer": max(_curve(probes, "validation"), key=lambda point: point["value"])["layer"],
        "measures": {"auroc": _curve(probes, split)} | measures,
        "alignment": alignment,
        "mask_ratio": MASK_RATIO,
        "seed": SEED,
        **settings,
        "versions": versions(),
        "command": shlex.join(["myocard", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began, 1),
    }
    replace_folder(out, partial(_write, found))


def _finished(out: Path, settings: dict[str, Any], *, test: bool) -> bool:
    path = out / FILE
    if not path.exists():
        return False
    found = json.loads(path.read_text())
    if any(found[key] != value for key, value in settings.items()):
        raise InputError(f"{out}: measures of another encoder, store or recipe; remove the folder")
    return not test or found["split"] == "test"


def _some(cohort: Cohort, split: str, records: int) -> Rows:
    rows = cohort.rows[split]
    return np.sort(np.random.default_rng(SEED).permutation(rows)[:records])


def _measure(
    checkpoint: Checkpoint,
    store: Store,
    cohort: Cohort,
    rows: dict[str, Rows],
    resamples: int,
    report: Callable[[int], None],
) -> tuple[dict[str, Estimates], list[list[float]]]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    specimen = Specimen(checkpoint.encoder.to(device), checkpoint.preprocessing)
    described, scored = rows.values()
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        found = describe(specimen, specimen.batches(store, described), report)
        misses = reconstruct(specimen, found.maps, specimen.batches(store, scored), report)
    patients = cohort.patients[described]
    counts = resampled(patients, resamples)
    measures = _of_states(found, patients)
    measures |= {name: averages(values, counts) for name, values in found.measures.items()}
    counts = resampled(cohort.patients[scored], resamples)
    measures |= {f"r2_{name}": explained(each, counts) for name, each in misses.items()}
    return measures, linear_cka(found.states.transpose(0, 1)).tolist()


def _of_states(found: Description, patients: NDArray[np.object_]) -> dict[str, Estimates]:
    """Of pooled states less their mean, which tells no record from another."""

    def centred(states: Tensor) -> Tensor:
        return states - states.mean(dim=0)

    layers = found.states.unbind(dim=1)
    return {
        "effective_rank": jackknifed(lambda x: effective_rank(centred(x)), layers, patients),
        "state_entropy": jackknifed(lambda x: matrix_entropy(centred(x)).item(), layers, patients),
        "lidar": jackknifed(lidar, found.halves.unbind(dim=2), patients),
    }


def _curve(probes: Sequence[dict[str, Any]], split: str) -> Estimates:
    """The probes' macro AUROC by layer."""
    points = [{"layer": run["layer"]} | run[split]["auroc"]["macro"] for run in probes]
    kept = ("layer", "value", "low", "high")
    return [{key: point[key] for key in kept} for point in sorted(points, key=lambda p: p["layer"])]


def _write(found: dict[str, Any], folder: Path) -> None:
    (folder / FILE).write_text(json.dumps(found, indent=2) + "\n")
    points = [
        {"measure": name} | point for name, each in found["measures"].items() for point in each
    ]
    pd.DataFrame(points).to_csv(folder / "layers.csv", index=False, lineterminator="\n")
