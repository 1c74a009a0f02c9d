"""Ridge regression on fixed readouts, from one pass over the training records without a cache.

The pass gathers the second moments of every probe's features in float64, 8·D² bytes each (61 MB for
13 layers of width 768), whatever the number of records. One eigendecomposition then solves all
penalties, and a pass over the records to be scored chooses among them.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.errors import InputError
from myocard.evaluation.probing.job import CHUNK, Job, Trained
from myocard.evaluation.probing.solving import EPSILON, solved_head
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import Readout
from myocard.tasks.cohort import Cohort

HEAD = "ridge"
_SLOPE = 4.0
"""Slope of a probability's logit at one half; it makes a logit of a fitted class."""


def require_fitting(cohort: Cohort, what: str, instead: str) -> None:
    """Refuse targets that are not all known, or censored.

    Raises:
        InputError: Naming ``what`` cannot fit them, and what does ``instead``.
    """
    known = np.concatenate([cohort.targets[rows] for rows in cohort.rows.values()])
    if cohort.outcome == "time" or np.isnan(known).any():
        raise InputError(
            f"task {cohort.task}: {what} is solved by least squares, for which every target has to "
            f"be known and none censored; take {instead}"
        )


class Moments:
    """Sums over records from which ridge regressions on their features are solved.

    Args:
        features: Number of features.
        classes: Number of targets.
        number: True for targets that are fitted as they are, and not as logits of classes.
    """

    def __init__(self, features: int, classes: int, *, number: bool = False) -> None:
        self.records, self.number = 0, number
        self.of_features = torch.zeros(features, dtype=torch.float64)
        self.of_targets = torch.zeros(classes, dtype=torch.float64)
        self.products = torch.zeros(features, features, dtype=torch.float64)
        self.crossed = torch.zeros(features, classes, dtype=torch.float64)

    def add(
        self,
        features: Float[Tensor, "records features"],
        targets: Float[Tensor, "records classes"],
    ) -> None:
        features, targets = features.double(), targets.double()
        self.records += len(features)
        self.of_features += features.sum(dim=0)
        self.of_targets += targets.sum(dim=0)
        self.products.addmm_(features.T, features)
        self.crossed.addmm_(features.T, targets)

    def solve(self, penalties: Sequence[float]) -> list[nn.Sequential]:
        """Solve (C + λI) w = c for every penalty λ; C and c are of standardised features.

        Returns:
            Heads whose logit is the fitted number; for classes, four times the fitted target's
            distance from one half.
        """
        mean, rates = self.of_features / self.records, self.of_targets / self.records
        covariance = self.products / self.records - mean.outer(mean)
        crossed = self.crossed / self.records - mean.outer(rates)
        variance = covariance.diagonal().clamp(min=0).clone()
        spread = (variance + EPSILON).sqrt()
        values, axes = torch.linalg.eigh(covariance / spread.outer(spread))
        along = axes.T @ (crossed / spread[:, None])
        heads = []
        for penalty in penalties:
            weights = axes @ (along / (values.clamp(min=0) + max(penalty, 1e-9))[:, None])
            solution = torch.cat([weights.T, rates[:, None]], dim=1)
            if not self.number:
                solution[:, -1] -= 0.5
                solution *= _SLOPE
            heads.append(solved_head(mean.float(), variance.float(), solution.float()))
        return heads


@torch.inference_mode()
def train(job: Job, readouts: Sequence[Sequence[Readout]]) -> list[Trained]:
    """Solve and score ``readouts[seed][probe]``.

    Raises:
        InputError: For a readout that is trained, or targets that least squares cannot fit.
    """
    require_fitting(job.cohort, "the head ridge", "linear")
    if any(p.requires_grad for row in readouts for each in row for p in each.parameters()):
        raise InputError(
            "the head ridge is for readouts with nothing to train: last, layers, ppa, …"
        )
    gathered = _gather(job, readouts)
    candidates = [
        [
            [Classifier(readout, head).eval() for head in moments.solve(job.recipe.penalties)]
            for readout, moments in zip(row, of_seed, strict=True)
        ]
        for row, of_seed in zip(readouts, gathered, strict=True)
    ]
    scored = {split: _score(job, candidates, job.cohort.rows[split]) for split in job.splits}
    found = []
    for probe in range(len(readouts[0])):
        scores = {split: values[:, probe] for split, (values, _) in scored.items()}
        best, kept, chosen = job.choose(scores)
        classifiers = [candidates[seed][probe][k] for seed, k in enumerate(best)]
        weights = {split: each[:, probe] for split, (_, each) in scored.items()}
        found.append(Trained(classifiers, kept, weights, chosen))
    return found


def _gather(job: Job, readouts: Sequence[Sequence[Readout]]) -> list[list[Moments]]:
    """The moments of every seed's training records and every probe, from one pass."""
    seeds, classes = job.recipe.seeds, job.targets.shape[1]
    own = [job.cohort.training_rows(job.recipe.fraction, seed) for seed in seeds]
    number = job.cohort.outcome == "number"
    gathered = [
        [Moments(each.features, classes, number=number) for each in row] for row in readouts
    ]
    for rows, states in _read(job, np.unique(np.concatenate(own))):
        for mine, row, of_seed in zip(own, readouts, gathered, strict=True):
            inside = torch.from_numpy(np.isin(rows, mine))
            for readout, moments in zip(row, of_seed, strict=True):
                moments.add(readout(states[inside]), job.targets[rows][inside])
    return gathered


def _score(
    job: Job, candidates: Sequence[Sequence[Sequence[Classifier]]], rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores ``(seeds, probes, penalties, records, classes)``, and layer weights."""
    scores, weights = [], []
    for _, states in _read(job, rows):
        by_seed = [[_one(job, each, states) for each in row] for row in candidates]
        scores.append(torch.stack([torch.stack([s for s, _ in row]) for row in by_seed]))
        weights.append(torch.stack([torch.stack([w for _, w in row]) for row in by_seed]))
    return torch.cat(scores, dim=-2).numpy(), torch.cat(weights, dim=-2).numpy()


def _one(job: Job, classifiers: Sequence[Classifier], states: Tensor) -> tuple[Tensor, Tensor]:
    features = classifiers[0].readout(states)
    logits = torch.stack([each.head(features) for each in classifiers])
    shares = classifiers[0].readout.layer_weights(states)
    return job.likelihood.scores(logits), shares


def _read(job: Job, rows: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    """Rows and their states, some at a time, which no source keeps."""
    for first in range(0, len(rows), CHUNK):
        some = rows[first : first + CHUNK]
        yield some, job.source.states_of(some).float()
