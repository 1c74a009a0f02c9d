"""Calibration of scores as probabilities, and the yield of thresholds chosen elsewhere.

Targets and probabilities are ``(records, classes)``, targets of NaN unknown and left out; a
single-label task is judged one class against the rest.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, logit, ndtri, softmax

from myocard.metrics.scores import LEVEL, Counts, Flags, Reals, Targets

BINS = 15

Numbers = Reals | NDArray[np.integer]

# The smallest and largest that stay apart from 0 and 1 once a sigmoid was rounded to float32.
_LEAST, _MOST = float(np.finfo(np.float32).tiny), 1 - 2.0**-25


class Reliability(NamedTuple):
    """Bins of probability that hold a record, each ``(bins,)``.

    Attributes:
        pairs: Pairs of record and class in the bin, by the mean of the seeds.
        confidence: Their mean probability.
        frequency: Share of them that is positive.
        low: Lower end of the Wilson interval of ``frequency``, pairs taken as independent.
        high: Its upper end.
    """

    pairs: Reals
    confidence: Reals
    frequency: Reals
    low: Reals
    high: Reals


class OperatingPoint(NamedTuple):
    """Yield of a threshold for each class, each ``(classes, 3)``: value, low, high.

    Means over seeds, with Wilson intervals, records taken as independent.
    """

    sensitivity: Reals
    specificity: Reals
    precision: Reals


def brier_score(targets: Flags, probabilities: Reals, counts: Counts) -> Reals:
    """Mean squared distance of probability and outcome, a ``metrics.Metric``."""
    return counts @ np.square(probabilities - targets) / counts.sum(axis=1, keepdims=True)


def expected_calibration_error(
    targets: Targets, probabilities: Reals, *, bins: int = BINS
) -> Reals:
    """Mean distance of confidence and frequency over equally wide bins, ``(classes,)``.

    Bins are weighted by their records (Guo et al., ICML 2017, eq. 3, for each class on its own).
    Chance alone makes it positive; ``chance_calibration_error`` tells by how much.
    """
    classes, known = targets.shape[1], ~np.isnan(targets)
    cell = (_bin(probabilities, bins) * classes + np.arange(classes))[known]
    gaps = np.bincount(cell, (probabilities - targets)[known], minlength=bins * classes)
    return np.abs(gaps).reshape(bins, classes).sum(axis=0) / known.sum(axis=0)


def chance_calibration_error(
    targets: Targets, probabilities: Reals, *, bins: int = BINS, draws: int = 50, seed: int = 0
) -> Reals:
    """The calibration error to expect of true probabilities on as many targets, ``(classes,)``.

    Outcomes are drawn from them (Bröcker and Smith, Weather and Forecasting 22, 2007).
    """
    rng = np.random.default_rng(seed)
    drawn = (rng.random(probabilities.shape) < probabilities for _ in range(draws))
    known = (np.where(np.isnan(targets), np.nan, each) for each in drawn)
    errors = [expected_calibration_error(each, probabilities, bins=bins) for each in known]
    return np.mean(errors, axis=0)


def reliability(targets: Targets, probabilities: Reals, *, bins: int = BINS) -> Reliability:
    """The reliability curve of all classes together.

    Args:
        targets: ``(records, classes)``.
        probabilities: ``(seeds, records, classes)``. Seeds share a bin's count out, so that they do
            not narrow its interval.
        bins: Number of equally wide bins.
    """
    outcomes = np.broadcast_to(targets, probabilities.shape)
    known = ~np.isnan(outcomes)
    place = _bin(probabilities, bins)[known]
    weights = (np.ones(place.shape), probabilities[known], outcomes[known])
    totals = [np.bincount(place, each, minlength=bins) / len(probabilities) for each in weights]
    count, confidence, hits = (total[totals[0] > 0] for total in totals)
    return Reliability(count, confidence / count, hits / count, *wilson(hits, count))


def fit_temperature(targets: Targets, probabilities: Reals, *, exclusive: bool) -> float:
    """The temperature that makes the outcomes likeliest, to be fitted on validation.

    One number for all classes (Guo et al., ICML 2017): logits are divided by it. Above 1, the model
    was too sure.

    Args:
        targets: ``(records, classes)``.
        probabilities: ``(records, classes)``.
        exclusive: Softmax and cross-entropy instead of sigmoids and binary cross-entropy.
    """
    logits, positive, known = _logits(probabilities, exclusive), targets == 1, ~np.isnan(targets)

    def loss(log_temperature: float) -> float:
        cooled = logits / np.exp(log_temperature)
        if exclusive:
            return -float(log_softmax(cooled, axis=-1)[positive].sum())
        return -float(log_expit(np.where(positive, cooled, -cooled))[known].sum())

    # Predictions only apply a temperature, and should not wait for what fits one.
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(loss, bounds=np.log([1e-2, 1e2]), options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scale(probabilities: Reals, temperature: float, *, exclusive: bool) -> Reals:
    """The probabilities at another temperature.

    Sigmoids keep the order of records, and so their AUROC. Softmax keeps only the order of the
    classes of a record.
    """
    logits = _logits(probabilities, exclusive) / temperature
    return softmax(logits, axis=-1) if exclusive else expit(logits)


def thresholds_at(sensitivity: float, targets: Targets, scores: Reals) -> Reals:
    """The highest threshold of each class that finds a share ``sensitivity`` of its positives.

    To be chosen on validation and applied elsewhere. A class without positives says "no" always
    (infinity).
    """
    thresholds = np.full(targets.shape[1], np.inf)
    positive = targets == 1
    for k in np.flatnonzero(positive.any(axis=0)):
        positives = np.sort(scores[positive[:, k], k])[::-1]
        needed = int(np.ceil(sensitivity * len(positives) - 1e-9))  # 0.55 × 100 is above 55
        thresholds[k] = positives[needed - 1]
    return thresholds


def operating_point(targets: Targets, scores: Reals, thresholds: Reals) -> OperatingPoint:
    """Sensitivity, specificity and precision (positive predictive value) at given thresholds.

    Args:
        targets: ``(records, classes)``.
        scores: ``(seeds, records, classes)``; from the threshold up, the answer is "yes".
        thresholds: ``(seeds, classes)``.
    """
    said = (scores >= thresholds[:, None]) & ~np.isnan(targets)
    hits = (said & (targets == 1)).sum(axis=1).mean(axis=0)
    yes = said.sum(axis=1).mean(axis=0)
    positives, negatives = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    return OperatingPoint(
        _share(hits, positives), _share(negatives - (yes - hits), negatives), _share(hits, yes)
    )


def wilson(hits: Numbers, total: Numbers) -> tuple[Reals, Reals]:
    """The interval of a share (Wilson, JASA 22, 1927); the whole range where ``total`` is 0."""
    z = ndtri((1 + LEVEL) / 2)
    middle = hits + z**2 / 2
    reach = z * np.sqrt(hits * (1 - hits / np.maximum(total, 1e-12)) + z**2 / 4)
    return (middle - reach) / (total + z**2), (middle + reach) / (total + z**2)


def _bin(probabilities: Reals, bins: int) -> NDArray[np.intp]:
    return np.minimum((probabilities * bins).astype(np.intp), bins - 1)


def _share(hits: Reals, total: Numbers) -> Reals:
    value = np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0)
    return np.stack([value, *wilson(hits, total)], axis=-1)


def _logits(probabilities: Reals, exclusive: bool) -> Reals:
    inside = np.clip(np.asarray(probabilities, float), _LEAST, _MOST)
    return np.log(inside) if exclusive else logit(inside)
