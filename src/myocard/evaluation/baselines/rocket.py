"""Ridge regression on MiniRocket features of whole records."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard.data.batches import Part, Windows, in_order
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.nn.baselines.minirocket import MiniRocket
from myocard.recipe import RocketRecipe
from myocard.results.run import validation_auroc
from myocard.tasks.cohort import Cohort

Reals = NDArray[np.floating]


def score(
    store: Store,
    cohort: Cohort,
    recipe: RocketRecipe,
    splits: Sequence[str],
    report: Callable[[str, int, int], None],
) -> tuple[dict[str, Reals], list[dict[str, Any]]]:
    """Scores of each split, ``(seeds, records, classes)``, and what each seed chose."""
    scores: dict[str, list[Reals]] = {split: [] for split in splits}
    chosen = []
    for place, seed in enumerate(recipe.seeds):
        report("minirocket", place, len(recipe.seeds))
        rows = {
            "train": cohort.training_rows(recipe.fraction, seed),
            **{split: cohort.rows[split] for split in splits},
        }
        features = _features(store, rows, recipe, seed)
        targets = cohort.targets[rows["train"]].astype(np.float32)
        fitted = {penalty: _ridge(features, targets, penalty) for penalty in recipe.penalties}
        areas = {
            penalty: validation_auroc(cohort, each["validation"])
            for penalty, each in fitted.items()
        }
        best = max(areas, key=lambda penalty: (areas[penalty], penalty))
        chosen.append({"seed": seed, "penalty": best, "validation_auroc": areas[best]})
        for split in splits:
            scores[split].append(fitted[best][split])
    return {split: np.stack(values) for split, values in scores.items()}, chosen


@torch.inference_mode()
def _features(
    store: Store, rows: dict[str, NDArray[np.int64]], recipe: RocketRecipe, seed: int
) -> dict[str, Reals]:
    made = store.made
    preprocessing = Preprocessing(made.rate, made.samples, made.leads, made.band)
    windows = {split: Windows([Part(store, some)], preprocessing) for split, some in rows.items()}
    train = torch.cat(list(in_order(windows["train"], 256)))
    transform = MiniRocket.fit(train, features=recipe.features, seed=seed)
    return {
        split: torch.cat([transform(x) for x in in_order(some, 32)]).numpy()
        for split, some in windows.items()
    }


def _ridge(features: dict[str, Reals], targets: Reals, penalty: float) -> dict[str, Reals]:
    model = make_pipeline(StandardScaler(), Ridge(alpha=penalty))
    model.fit(features["train"], targets)
    return {
        # Of a single class scikit-learn gives no second axis.
        split: model.predict(some).reshape(len(some), targets.shape[1])
        for split, some in features.items()
        if split != "train"
    }
