"""A run on disk: ``run.json`` (what was done and how good it is) and ``predictions.parquet``."""

import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.metrics import scores as metrics
from myocard.tasks.cohort import Cohort

SCHEMA = 1

Scores = Mapping[str, NDArray[np.floating]]
"""By split (validation, and test once it may be touched): ``(seeds, records, classes)``."""


def score(cohort: Cohort, scores: Scores, resamples: int) -> dict[str, Any]:
    """The metrics of each split that has scores; F1 at thresholds chosen on validation."""
    targets = {split: cohort.targets[cohort.rows[split]] for split in scores}
    thresholds = np.stack(
        [metrics.best_thresholds(targets["validation"], s) for s in scores["validation"]]
    )
    return {
        split: metrics.summarise(
            targets[split],
            values,
            cohort.classes,
            thresholds=thresholds,
            groups=cohort.groups(split),
            resamples=resamples,
        )
        for split, values in scores.items()
    }


def validation_auroc(cohort: Cohort, scores: NDArray[np.floating]) -> float:
    """What settings are chosen by."""
    return macro_auroc(cohort, "validation", scores)


def macro_auroc(cohort: Cohort, split: str, scores: NDArray[np.floating]) -> float:
    """That of the scores ``(records, classes)`` of a split's records."""
    targets = cohort.targets[cohort.rows[split]]
    once = np.ones((1, len(targets)), dtype=np.int64)
    return float(metrics.macro(metrics.auroc(targets, scores, once))[0])


def choose_penalties(
    cohort: Cohort,
    scores: NDArray[np.floating],
    seeds: Sequence[int],
    penalties: Sequence[float],
) -> tuple[list[int], list[dict[str, float]]]:
    """For each seed the penalty of best macro AUROC on validation, the strongest of equals.

    Args:
        cohort: Whose validation records were scored.
        scores: ``(seeds, penalties, records, classes)``.
        seeds: In their order.
        penalties: In theirs.

    Returns:
        Each seed's place among the penalties, and what ``run.json`` says of the choice.
    """
    places, chosen = [], []
    for seed, mine in zip(seeds, scores, strict=True):
        areas = [validation_auroc(cohort, each) for each in mine]
        best = max(range(len(areas)), key=lambda k: (areas[k], penalties[k]))
        places.append(best)
        chosen.append({"seed": seed, "penalty": penalties[best], "validation_auroc": areas[best]})
    return places, chosen


def average_weights(weights: NDArray[np.floating], cohort: Cohort, split: str) -> dict[str, Any]:
    """How much of each layer was read in a split, on average and for each class's positives.

    Args:
        weights: ``(records, layers)`` of the split's records.
        cohort: Whose they are.
        split: Its name.
    """
    targets = cohort.targets[cohort.rows[split]]
    by_class = {name: weights[targets[:, k]] for k, name in enumerate(cohort.classes)}
    return {
        "split": split,
        "mean": weights.mean(axis=0).tolist(),
        "by_class": {name: found.mean(axis=0).tolist() for name, found in by_class.items()},
    }


def encoder_statement(
    name: str, key: str, origin: Mapping[str, Any], *, layers: int, width: int
) -> dict[str, Any]:
    """What a run says of the encoder that it read.

    Args:
        name: As in tables.
        key: A hash of its weights and stated input.
        origin: Its checkpoint's ``about``; ``random`` where it was not pretrained.
        layers: Of its states, the embedding among them.
        width: Of its states.
    """
    told = {kind: origin.get(kind) for kind in ("mixture", "input", "sources", "pretraining")}
    random = bool(origin.get("random", False))
    return {"name": name, "hash": key, "random": random, "layers": layers, "width": width} | told


def write_run(
    folder: Path,
    cohort: Cohort,
    scores: Scores,
    seeds: Sequence[int],
    *,
    resamples: int,
    about: Mapping[str, Any],
) -> None:
    """Score a run and write its two files.

    Args:
        folder: Where; it exists.
        cohort: What was predicted.
        scores: As ``Scores``.
        seeds: Of the trainings, in the order of ``scores``.
        resamples: Of the bootstrap.
        about: Further entries of ``run.json``: kind, name, encoder, readout, head, recipe …
    """
    measured = score(cohort, scores, resamples)
    run = {
        "schema": SCHEMA,
        **about,
        "task": cohort.task,
        "source": cohort.source,
        "classes": list(cohort.classes),
        "classes_left_out": cohort.left_out,
        "splits": cohort.sizes(),
        "seeds": list(seeds),
        "validation": measured["validation"],
        "test": measured.get("test"),
        "versions": versions(),
        "command": shlex.join(["myocard", *sys.argv[1:]]),
    }
    table = prediction_table(cohort, scores, seeds)
    table.to_parquet(folder / "predictions.parquet", index=False)
    (folder / "run.json").write_text(json.dumps(run, indent=2, default=str) + "\n")


def prediction_table(cohort: Cohort, scores: Scores, seeds: Sequence[int]) -> pd.DataFrame:
    """Who was scored how and what is true of them: a row a split, seed and record."""
    tables = [
        _table(cohort, split, seed, values)
        for split, by_seed in scores.items()
        for seed, values in zip(seeds, by_seed, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _table(cohort: Cohort, split: str, seed: int, scores: NDArray[np.floating]) -> pd.DataFrame:
    rows = cohort.rows[split]
    columns: dict[str, Any] = {
        "id": cohort.ids[rows],
        "patient": cohort.patients[rows],
        "split": split,
        "seed": seed,
    }
    columns |= {name: values[rows] for name, values in cohort.traits.items()}
    columns |= {f"score:{name}": scores[:, k] for k, name in enumerate(cohort.classes)}
    columns |= {f"target:{name}": cohort.targets[rows, k] for k, name in enumerate(cohort.classes)}
    return pd.DataFrame(columns)


def versions() -> dict[str, str]:
    """Of Python and of what the numbers depend on."""
    packages = ("myocard", "torch", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}
