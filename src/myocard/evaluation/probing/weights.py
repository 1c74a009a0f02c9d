"""Layer weights that a mixture gives each record, and its scores without the gate."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import entr, rel_entr

from myocard.evaluation.probing.job import Job, Trained
from myocard.evaluation.probing.pooled import layer_weights, score, train_readouts
from myocard.files.progress import silent
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import PMA, FixedMixture, Readout
from myocard.results.run import CodeWeights, Entropy, LayerWeights, SplitName
from myocard.results.scoring import Scores, average_weights
from myocard.tasks.cohort import Cohort

Weights = NDArray[np.floating]
"""``(seeds, records, layers)``; the layers of a record sum to one."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FEWEST = 5
"""Records that a code needs for a mean of its own."""


def measured_weights(trained: Trained, job: Job) -> LayerWeights:
    """The layer weights of a probe on the last split that it scored, averaged and measured.

    Each measure is the mean over seeds of one seed's readout.

    Returns:
        Besides the means: ``entropy`` of the records' weights in nats, 0 for one layer and log L
        for equal shares of L blocks; ``divergence``, the mean over records of KL(g(x) ‖ mean g) in
        nats, which is 0 if and only if all records have the same weights; ``between_records``, the
        part of the mean squared distance from equal shares that goes when every record gets the
        mean weights.
    """
    split: SplitName = [*trained.layer_weights][-1]
    weights, cohort = trained.layer_weights[split], job.cohort
    codes = job.source.records["codes"].iloc[cohort.rows[split]].map(list)
    blocks = weights.shape[2] - 1
    mean = weights.mean(axis=1, keepdims=True)
    entropy = entr(weights).sum(axis=2)
    quantiles = np.quantile(entropy, QUANTILES, axis=1).mean(axis=1)
    between = np.square(weights - mean).sum(axis=2).mean(axis=1)
    common = np.square(mean[:, 0, 1:] - 1 / max(blocks, 1)).sum(axis=1)
    whole = between + common
    shares = np.divide(between, whole, out=np.zeros_like(whole), where=whole > 0)
    measures = {
        "by_code": by_code(weights, codes),
        "entropy": Entropy(
            mean=float(entropy.mean()),
            share=float(entropy.mean() / np.log(max(blocks, 2))),
            quantiles=dict(zip(map(str, QUANTILES), quantiles.tolist(), strict=True)),
        ),
        "divergence": float(rel_entr(weights, mean).sum(axis=2).mean()),
        "between_records": float(shares.mean()),
    }
    return average_weights(weights.mean(axis=0), cohort, split).model_copy(update=measures)


def by_code(weights: Weights, codes: Iterable[Sequence[str]]) -> dict[str, CodeWeights]:
    """Mean weights of the records of every code that at least ``FEWEST`` have, over all seeds."""
    rows: dict[str, list[int]] = {}
    for row, of_record in enumerate(codes):
        for code in set(of_record):
            rows.setdefault(code, []).append(row)
    return {
        code: CodeWeights(records=len(own), mean=tuple(weights[:, own].mean(axis=(0, 1)).tolist()))
        for code, own in sorted(rows.items())
        if len(own) >= FEWEST
    }


def by_record(
    weights: Mapping[SplitName, Weights], cohort: Cohort, seeds: Sequence[int]
) -> pd.DataFrame:
    """The weights of every split, seed and record, one column a layer."""
    parts = []
    for split, by_seed in weights.items():
        for seed, each in zip(seeds, by_seed, strict=True):
            columns = {f"layer:{layer}": column for layer, column in enumerate(each.T)}
            ids = cohort.ids[cohort.rows[split]]
            parts.append(pd.DataFrame({"id": ids, "split": split, "seed": seed, **columns}))
    return pd.concat(parts, ignore_index=True)


def static_mixtures(trained: Trained, head: str, job: Job) -> dict[str, Scores]:
    """Scores of a gated mixture when every record gets the mean weights of the training records.

    Returns:
        ``substituted``: under the head that was trained with the gate. ``refitted``: under a head
        trained for them, its penalty chosen anew. Nothing for a mixture without a gate.
    """
    if not isinstance(trained.classifiers[0].readout, PMA):
        return {}
    mixtures: list[list[Readout]] = []
    for classifier, seed in zip(trained.classifiers, job.recipe.seeds, strict=True):
        rows = job.cohort.training_rows(job.recipe.fraction, seed)
        mean = torch.from_numpy(layer_weights(job, [classifier], rows).mean(axis=(0, 1)))
        mixtures.append([FixedMixture(job.source.norm, job.width, mean)])
    same_head = [
        [Classifier(mixture, classifier.head)]
        for (mixture,), classifier in zip(mixtures, trained.classifiers, strict=True)
    ]
    (refitted,) = train_readouts(replace(job, progress=silent), head, mixtures)
    rows_of = job.cohort.rows
    substituted = {split: score(job, same_head, rows_of[split])[:, 0] for split in job.splits}
    return {"substituted": substituted, "refitted": refitted.scores}
