"""The yardstick from outside: ridge regression on MiniRocket features of the same windows."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard.checkpoint import replace_folder
from myocard.cohort import Cohort, assemble
from myocard.data.batches import Part, Windows, in_order
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.nn.rivals import MiniRocket
from myocard.recipe import YardstickRecipe
from myocard.results import validation_auroc, write_run
from myocard.tasks import task

Reals = NDArray[np.floating]


def measure(
    store: Store,
    recipe: YardstickRecipe,
    out: Path,
    *,
    test: bool = False,
    report: Callable[[str], None] = lambda what: None,
) -> None:
    """Fit and score ridge on MiniRocket features (Dempster et al. 2021) into run folder ``out``.

    Args:
        store: Windows are its whole records, z-scored lead by lead.
        test: Score the test folds too; until then they are not touched.

    Raises:
        InputError: When ``out`` exists.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; remove it or choose another folder")
    began = time.perf_counter()
    cohort = assemble(store.records, task(recipe.task), recipe.split, recipe.min_positives)
    made = store.made
    preprocessing = Preprocessing(made.rate, made.samples, made.leads, made.band)
    splits = ("validation", "test") if test else ("validation",)
    scores: dict[str, list[Reals]] = {split: [] for split in splits}
    chosen = []
    for seed in recipe.seeds:
        report(f"MiniRocket, seed {seed}")
        features = _features(store, preprocessing, cohort, recipe, seed, splits)
        fitted = {
            penalty: _ridge(features, cohort, penalty, splits) for penalty in recipe.penalties
        }
        areas = {
            penalty: validation_auroc(cohort, each["validation"])
            for penalty, each in fitted.items()
        }
        best = max(areas, key=lambda penalty: (areas[penalty], penalty))
        chosen.append({"seed": seed, "penalty": best, "validation_auroc": areas[best]})
        for split in splits:
            scores[split].append(fitted[best][split])
    about: dict[str, Any] = {
        "kind": "rival",
        "name": f"minirocket/{recipe.task}",
        "encoder": {"name": "MiniRocket"},
        "readout": "minirocket",
        "layer": None,
        "head": "ridge",
        "chosen": chosen,
        "hashes": {"store": store.key},
        "recipe": recipe.model_dump(mode="json"),
        "seconds": round(time.perf_counter() - began, 1),
    }
    stacked = {split: np.stack(values) for split, values in scores.items()}
    replace_folder(
        out,
        lambda folder: write_run(
            folder, cohort, stacked, recipe.seeds, resamples=recipe.resamples, about=about
        ),
    )


@torch.inference_mode()
def _features(
    store: Store,
    preprocessing: Preprocessing,
    cohort: Cohort,
    recipe: YardstickRecipe,
    seed: int,
    splits: tuple[str, ...],
) -> dict[str, Reals]:
    def windows(split: str) -> Windows:
        return Windows([Part(store, cohort.rows[split])], preprocessing)

    train = torch.cat(list(in_order(windows("train"), 256)))
    transform = MiniRocket.fit(train, features=recipe.features, seed=seed)
    return {
        split: torch.cat([transform(x) for x in in_order(windows(split), 32)]).numpy()
        for split in ("train", *splits)
    }


def _ridge(
    features: dict[str, Reals], cohort: Cohort, penalty: float, splits: tuple[str, ...]
) -> dict[str, Reals]:
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty))
    model.fit(features["train"], cohort.targets[cohort.rows["train"]].astype(np.float32))
    return {split: model.predict(features[split]) for split in splits}
