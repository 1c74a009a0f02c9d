"""What a mixture does with the layers of each record, and what is left of it without the gate."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import entr, rel_entr

from myocard.evaluation.probing.jobs import Job, Trained
from myocard.nn.readouts.classifier import Classifier, probabilities
from myocard.nn.readouts.pooled import FixedMixture, GatedMixture, Readout
from myocard.results.run import Scores
from myocard.tasks.cohort import Cohort

Weights = NDArray[np.floating]
"""``(seeds, records, layers)``; the layers of a record sum to one."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEWEST = 5


@torch.inference_mode()
def weigh(classifiers: Sequence[Classifier], job: Job, rows: NDArray[np.int64]) -> Weights:
    """How much of each layer each seed's readout takes for the records in ``rows``."""
    parts = [
        torch.stack([each.readout.weights(job.states[some].float()) for each in classifiers])
        for some in torch.from_numpy(rows).split(512)
    ]
    return torch.cat(parts, dim=1).numpy()


def departure(weights: Weights) -> dict[str, Any]:
    """How far weights are from one layer, from equal shares, and from the same for every record.

    Each number is the mean over seeds of what one seed's gate does.

    Returns:
        ``entropy`` of the records' weights in nats: 0 for one layer, log L for equal shares of L
        blocks; its ``mean``, the mean's ``share`` of log L, and ``quantiles``. ``divergence``: the
        mean over records of KL(g(x) ‖ mean g) in nats, what a record tells about its weights; 0 if
        and only if all have the same. ``between_records``: of the mean squared distance from equal
        shares, the part that goes when every record gets the mean weights.
    """
    blocks = weights.shape[2] - 1
    mean = weights.mean(axis=1, keepdims=True)
    entropy = entr(weights).sum(axis=2)
    quantiles = np.quantile(entropy, QUANTILES, axis=1).mean(axis=1)
    between = np.square(weights - mean).sum(axis=2).mean(axis=1)
    common = np.square(mean[:, 0, 1:] - 1 / blocks).sum(axis=1)
    whole = between + common
    shares = np.divide(between, whole, out=np.zeros_like(whole), where=whole > 0)
    return {
        "entropy": {
            "mean": float(entropy.mean()),
            "share": float(entropy.mean() / np.log(max(blocks, 2))),
            "quantiles": dict(zip(map(str, QUANTILES), quantiles.tolist(), strict=True)),
        },
        "divergence": float(rel_entr(weights, mean).sum(axis=2).mean()),
        "between_records": float(shares.mean()),
    }


def by_code(weights: Weights, codes: Iterable[Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Mean weights of the records of every code that at least ``FEWEST`` have, over all seeds."""
    places: dict[str, list[int]] = {}
    for place, found in enumerate(codes):
        for code in set(found):
            places.setdefault(code, []).append(place)
    return {
        code: {"records": len(rows), "mean": weights[:, rows].mean(axis=(0, 1)).tolist()}
        for code, rows in sorted(places.items())
        if len(rows) >= FEWEST
    }


def by_record(weights: dict[str, Weights], cohort: Cohort, seeds: Sequence[int]) -> pd.DataFrame:
    """The weights of every split, seed and record, one column a layer."""
    parts = []
    for split, by_seed in weights.items():
        for seed, each in zip(seeds, by_seed, strict=True):
            columns = {f"layer:{layer}": column for layer, column in enumerate(each.T)}
            ids = cohort.ids[cohort.rows[split]]
            parts.append(pd.DataFrame({"id": ids, "split": split, "seed": seed, **columns}))
    return pd.concat(parts, ignore_index=True)


def static_twins(trained: Trained, head: str, job: Job) -> dict[str, Scores]:
    """Scores of a gated mixture when every record gets the mean weights of the training records.

    Returns:
        ``substituted``: under the head that was trained with the gate. ``refitted``: under a head
        trained for them, its penalty chosen anew. Nothing for a mixture without a gate.
    """
    if not isinstance(trained.classifiers[0].readout, GatedMixture):
        return {}
    mixtures: list[Readout] = []
    for classifier, seed in zip(trained.classifiers, job.recipe.seeds, strict=True):
        rows = job.cohort.training_rows(job.recipe.fraction, seed)
        mean = torch.from_numpy(weigh([classifier], job, rows).mean(axis=(0, 1)))
        mixtures.append(FixedMixture(job.norm, mean))
    same_head = [
        Classifier(mixture, each.head)
        for mixture, each in zip(mixtures, trained.classifiers, strict=True)
    ]
    splits = list(trained.scores)
    (refitted,) = job.train(head, [[mixture] for mixture in mixtures], splits)
    return {
        "substituted": {split: _score(same_head, job, split) for split in splits},
        "refitted": refitted.scores,
    }


@torch.inference_mode()
def _score(classifiers: Sequence[Classifier], job: Job, split: str) -> NDArray[np.float32]:
    states = job.states[job.cohort.rows[split]].float()
    logits = torch.stack([classifier(states) for classifier in classifiers])
    return probabilities(logits, exclusive=job.cohort.exclusive).numpy()
