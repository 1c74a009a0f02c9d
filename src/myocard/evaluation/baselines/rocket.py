"""Ridge regression on MiniRocket features of whole records."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard.data.batches import Part, Windows, in_order
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.progress import Progress
from myocard.nn.baselines.minirocket import MiniRocket
from myocard.recipe import RocketRecipe
from myocard.results.run import Choice, SplitName
from myocard.results.scoring import choose_penalties
from myocard.tasks.cohort import Cohort

Reals = NDArray[np.floating]


def score(
    store: Store,
    cohort: Cohort,
    recipe: RocketRecipe,
    splits: Sequence[SplitName],
    progress: Progress,
) -> tuple[dict[SplitName, Reals], tuple[Choice, ...]]:
    """Scores of each split, ``(seeds, records, outputs)``, and the penalty of each seed.

    Raises:
        InputError: For times to an event, which least squares cannot fit.
    """
    if cohort.outcome == "time":
        raise InputError(
            f"task {cohort.task}: minirocket is fitted by least squares, which knows no censored "
            "times; take xresnet1d101"
        )
    fitted: dict[SplitName, list[Reals]] = {split: [] for split in splits}
    for done, seed in enumerate(recipe.seeds):
        progress("baseline minirocket", done, len(recipe.seeds))
        train = cohort.training_rows(recipe.fraction, seed)
        rows = {"train": train} | {split: cohort.rows[split] for split in splits}
        features = _features(store, rows, recipe, seed)
        targets = cohort.targets[train]
        by_penalty = [_ridge(features, targets, penalty) for penalty in recipe.penalties]
        for split in splits:
            fitted[split].append(np.stack([each[split] for each in by_penalty]))
    progress("baseline minirocket", len(recipe.seeds), len(recipe.seeds))
    scores = {split: np.stack(values) for split, values in fitted.items()}
    best, chosen = choose_penalties(cohort, scores["validation"], recipe.seeds, recipe.penalties)
    seeds = np.arange(len(best))
    return {split: values[seeds, best] for split, values in scores.items()}, chosen


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
    """Predictions of each split; each output is fitted where it is known."""
    known = ~np.isnan(targets)
    alike = [slice(None)] if known.all() else [slice(k, k + 1) for k in range(targets.shape[1])]
    scored: dict[str, list[Reals]] = {split: [] for split in features if split != "train"}
    for columns in alike:
        rows, own = known[:, columns].all(axis=1), targets[:, columns].astype(np.float32)
        model = make_pipeline(StandardScaler(), Ridge(alpha=penalty))
        model.fit(features["train"][rows], own[rows])
        for split, parts in scored.items():
            # For a single output scikit-learn gives no second axis.
            parts.append(model.predict(features[split]).reshape(-1, own.shape[1]))
    return {split: np.concatenate(parts, axis=1) for split, parts in scored.items()}
