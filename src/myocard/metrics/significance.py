"""Tests of one classifier against another, and the smallest difference that they can find.

DeLong's test takes every record as independent and one class at a time. The bootstrap of
``metrics`` keeps the records of a patient together where there are several; it also serves the
macro average.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from myocard.metrics.scores import LEVEL, Flags, Reals, Targets

POWER = 0.8


class Comparison(NamedTuple):
    """A paired difference in AUROC of every class, each ``(classes,)``.

    NaN where a class has fewer than two positives or negatives; ``p`` also where the variance
    vanishes, as for two perfect rankings.
    """

    difference: Reals
    low: Reals
    high: Reals
    p: Reals


def delong(target: Flags, scores: Reals) -> tuple[Reals, Reals]:
    """AUROC of several models on one class, and their covariance.

    DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988, eq. 4 to 6; by midranks, as Sun and Xu
    do (IEEE Signal Processing Letters 21, 2014): a sort, not all pairs.

    Args:
        target: ``(records,)``, with two positives and two negatives at least.
        scores: ``(models, records)``.

    Returns:
        ``(models,)`` and ``(models, models)``.
    """
    # Predictions need measures, and should not wait for what only their tests need.
    from scipy.stats import rankdata

    positives, negatives = scores[:, target], scores[:, ~target]
    hits, misses = positives.shape[1], negatives.shape[1]
    among_all = rankdata(scores, axis=1)
    below = (among_all[:, target] - rankdata(positives, axis=1)) / misses
    above = 1 - (among_all[:, ~target] - rankdata(negatives, axis=1)) / hits
    covariance = np.cov(below) / hits + np.cov(above) / misses
    return below.mean(axis=1), np.atleast_2d(covariance)


def delong_test(targets: Targets, scores_a: Reals, scores_b: Reals) -> Comparison:
    """DeLong's paired test of ``scores_a`` against ``scores_b``, class by class.

    Scores are ``(records, classes)`` or ``(seeds, records, classes)``. The mean AUROC over seeds is
    compared, as everywhere else: a contrast of all seeds' areas, whose variance follows
    from their covariance. It tells the spread of records, not of seeds. Records of which a class is
    not known (NaN) are left out of it.
    """
    sides = [scores[None] if scores.ndim == 2 else scores for scores in (scores_a, scores_b)]
    weights = np.repeat([1 / len(sides[0]), -1 / len(sides[1])], [len(side) for side in sides])
    models = np.concatenate(sides)
    found = np.full((2, targets.shape[1]), np.nan)
    positives, negatives = (targets == 1).sum(axis=0), (targets == 0).sum(axis=0)
    for k in np.flatnonzero((positives >= 2) & (negatives >= 2)):
        known = ~np.isnan(targets[:, k])
        areas, covariance = delong(targets[known, k] == 1, models[:, known, k])
        found[:, k] = weights @ areas, max(0.0, weights @ covariance @ weights)
    difference, error = found[0], np.sqrt(found[1])
    z = np.divide(difference, error, out=np.full_like(error, np.nan), where=error > 0)
    reach = ndtri((1 + LEVEL) / 2) * error
    return Comparison(difference, difference - reach, difference + reach, 2 * ndtr(-np.abs(z)))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """P values adjusted for their number, step by step from the smallest (Holm, 1979).

    NaN is a test that was not made: it stays, and does not count.
    """
    given = np.asarray(p, dtype=float)
    adjusted = np.full_like(given, np.nan)
    order = np.argsort(given, kind="stable")[: np.isfinite(given).sum()]
    steps = np.arange(len(order), 0, -1) * given[order]
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


def detectable(error: float, *, power: float = POWER) -> float:
    """The smallest true difference that a two-sided test would find with ``power``.

    Args:
        error: Standard error of the difference on this test set.
        power: Chance of finding it.
    """
    return float((ndtri((1 + LEVEL) / 2) + ndtri(power)) * error)
