"""Scores of predicted numbers, resample by resample (``scores.Metric``).

Targets and predictions are ``(records, outputs)`` in one unit, counts ``(resamples, records)``.
"""

import numpy as np

from myocard.metrics.scores import Counts, Reals

LIMITS = 1.96
"""Standard deviations from the bias to a limit of agreement."""


def r_squared(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    """Share of the variance that is explained; below 0 where the mean would have been better."""
    missed = _mean(np.square(predicted - targets), counts)
    return 1 - _over(missed, _variance(targets, counts))


def mean_absolute_error(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    return _mean(np.abs(predicted - targets), counts)


def correlation(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    """Pearson's correlation."""
    one, other = (values - values.mean(axis=0) for values in (targets, predicted))
    shared = _mean(one * other, counts) - _mean(one, counts) * _mean(other, counts)
    spread = np.sqrt(_variance(targets, counts) * _variance(predicted, counts))
    return _over(shared, spread)


def bias(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    """Mean of prediction less target (Bland and Altman, Lancet 327, 1986)."""
    return _mean(predicted - targets, counts)


def lower_limit(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    """Lower limit of agreement of Bland and Altman: 1.96 deviations below the bias."""
    return bias(targets, predicted, counts) - LIMITS * _spread(predicted - targets, counts)


def upper_limit(targets: Reals, predicted: Reals, counts: Counts) -> Reals:
    """Upper limit of agreement of Bland and Altman."""
    return bias(targets, predicted, counts) + LIMITS * _spread(predicted - targets, counts)


def _mean(values: Reals, counts: Counts) -> Reals:
    return _over(counts.astype(float) @ values, counts.sum(axis=1, keepdims=True, dtype=float))


def _variance(values: Reals, counts: Counts) -> Reals:
    # Shifted by what all resamples share, so that squares do not swallow the spread.
    away = values - values.mean(axis=0)
    variance = _mean(np.square(away), counts) - np.square(_mean(away, counts))
    return np.maximum(variance, 0)


def _spread(values: Reals, counts: Counts) -> Reals:
    """Standard deviation of a sample, ``n - 1`` below the line."""
    number = counts.sum(axis=1, keepdims=True, dtype=float)
    return np.sqrt(_variance(values, counts) * _over(number, number - 1))


def _over(one: Reals, other: Reals) -> Reals:
    one = np.broadcast_to(one, np.broadcast_shapes(one.shape, other.shape))
    return np.divide(one, other, out=np.full(one.shape, np.nan), where=other > 0)
