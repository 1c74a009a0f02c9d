"""One probe on states in memory: its penalty chosen, fitted, and certified."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv

from myocard.errors import InputError
from myocard.evaluation.probing import pooled
from myocard.evaluation.probing.job import Job, Probe, Trained
from myocard.evaluation.probing.mixtures import GAP
from myocard.evaluation.probing.paths import Solvable
from myocard.evaluation.probing.solving import EPSILON, Regression
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import ClassMixture
from myocard.nn.readouts.registry import build_pooled
from myocard.results.mixture import Mixture
from myocard.results.run import Stop

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Certificate:
    """The end of a fit: how far it is from an optimum.

    Attributes:
        gap: Nats a record by which the penalised loss could be lower: for shares of layers that
            were solved, by the bound of Frank and Wolfe, were the loss convex in them; else for the
            head on the readout as it is, to second order. None for equal shares by class.
        mixture: The path of a mixture that was solved, as ``run.json`` has it.
        stop: The end of a readout's training by gradient descent.
    """

    gap: float | None
    mixture: Mixture | None = None
    stop: Stop | None = None

    @property
    def fault(self) -> str:
        """Words for what has not converged; empty if nothing."""
        if self.stop is not None and not self.stop.settled:
            return f"the readout was still improving in the last half of {self.stop.steps} steps"
        if self.gap is not None and self.gap > GAP:
            return f"the penalised loss could be lower by {self.gap:.1g} nats a record"
        return ""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A probe, fitted.

    Attributes:
        classifier: Readout and head.
        penalty: The penalty that was chosen.
        layer_weights: Share of each layer, averaged over all records.
        certificate: The end of the fit.
    """

    classifier: Classifier
    penalty: float
    layer_weights: NDArray[np.floating]
    certificate: Certificate


def fit_probe(job: Job, probe: Probe, *, refit: bool) -> Fitted:
    """Fit a probe: on the training part, or where ``refit`` on all records of ``job``.

    A readout that is trained by gradient descent ends by validation, and stays with the training
    part.
    """
    readout = build_pooled(probe.readout, job.source.norm, job.widths, probe.layer)
    learns = any(parameter.requires_grad for parameter in readout.parameters())
    if refit and isinstance(readout, Solvable):
        job = _on_all(job, job.recipe.penalties)
    elif refit and not learns:
        several = len(job.recipe.penalties) > 1
        chosen = _train(job, probe).chosen[0].penalty if several else job.recipe.penalties[0]
        job = _on_all(job, (chosen,))
    trained = _train(job, probe)
    every = np.arange(len(job.targets))
    return Fitted(
        trained.classifiers[0],
        trained.chosen[0].penalty,
        pooled.layer_weights(job, trained.classifiers, every).mean(axis=(0, 1)),
        _certificate(job, trained),
    )


def curve_of(job: Job) -> NDArray[np.float64]:
    """Score on the validation part of each layer read alone, under its best penalty."""
    probes = [Probe("layer", "linear", layer) for layer in range(job.depth + 1)]
    return np.array([each.chosen[0].validation for each in pooled.train(job, probes)])


def split(
    strata: NDArray[Any],
    groups: NDArray[Any] | None,
    validation: int | Iterable[Any] | Any,
    seed: int,
) -> tuple[Rows, Rows]:
    """Rows to train on and rows to choose on: the first of the splits that ``validation`` makes.

    Raises:
        InputError: When there are too few records or groups for two parts.
    """
    if not isinstance(validation, Integral):
        return _first(check_cv(validation).split(strata, strata, groups), len(strata))
    units = strata if groups is None else groups
    most = np.unique(strata, return_counts=True)[1].max()
    folds = min(int(validation), most, len(units if groups is None else np.unique(units)))
    if folds < 2 or len(strata) < 4:
        raise InputError(
            f"{len(strata)} records are too few to hold some out, or all of one group; give more, "
            "or the parts as validation=[(rows to train on, rows to choose on)]"
        )
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folding = kind(int(folds), shuffle=True, random_state=seed)
    return next(folding.split(strata, strata, groups))


def _first(splits: Iterable[Any], records: int) -> tuple[Rows, Rows]:
    """The first split, as numbers of rows."""
    try:
        train, choose = (np.arange(records)[np.asarray(rows)] for rows in next(iter(splits)))
    except (StopIteration, IndexError) as error:
        raise InputError(
            f"validation holds no split into rows of {records} records; give (rows to train on, "
            "rows to choose on)"
        ) from error
    if len(train) < 2 or not len(choose):
        raise InputError(
            f"validation trains on {len(train)} records and chooses on {len(choose)}; give two or "
            "more to train on, and one or more to choose on"
        )
    return train, choose


def _train(job: Job, probe: Probe) -> Trained:
    (trained,) = pooled.train(job, [probe])
    return trained


def _on_all(job: Job, penalties: tuple[float, ...]) -> Job:
    rows = job.cohort.rows | {"train": np.arange(len(job.targets))}
    recipe = job.recipe.model_copy(update={"penalties": penalties})
    return replace(job, cohort=replace(job.cohort, rows=rows), recipe=recipe)


def _certificate(job: Job, trained: Trained) -> Certificate:
    mixture = trained.mixtures[0] if trained.mixtures else None
    stop = trained.stops[0] if trained.stops else None
    gap = None
    if mixture is not None and mixture.optima:
        gap = max(optimum.gap for optimum in mixture.optima)
    elif not isinstance(trained.classifiers[0].readout, ClassMixture):
        gap = _gap_of_head(job, trained.classifiers[0], trained.chosen[0].penalty)
    return Certificate(gap, mixture, stop)


@torch.no_grad()
def _gap_of_head(job: Job, classifier: Classifier, penalty: float) -> float:
    rows, head = job.cohort.rows["train"], classifier.head.state_dict()
    features = torch.cat([classifier.readout(states) for states in job.read(rows)])
    features = (features - head["0.running_mean"]) * (head["0.running_var"] + EPSILON).rsqrt()
    solution = torch.cat([head["1.weight"], head["1.bias"][:, None]], dim=1)
    return Regression(features, job.targets[rows], job.cohort.outcome).gap(solution, penalty)
