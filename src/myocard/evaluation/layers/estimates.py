"""Measures of layers with 95 % intervals over records, or over patients where they repeat."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from torch import Tensor

from myocard.evaluation.layers.observation import Misses
from myocard.metrics.scores import LEVEL, Counts, bootstrap_counts
from myocard.results.layers import Point

Reals = NDArray[np.floating]
Estimates = tuple[Point, ...]
"""A point for each layer that has a value."""

BLOCKS = 10


def resampled(groups: NDArray[np.object_], resamples: int) -> Counts:
    """The records as they are, and below them the bootstrap's resamples."""
    counts = bootstrap_counts(groups, records=len(groups), resamples=resamples)
    return np.concatenate([np.ones_like(counts[:1]), counts])


def averages(values: Tensor, counts: Counts) -> Estimates:
    """The mean over records of ``(records, layers)``, bootstrapped."""
    return _bootstrapped(counts @ values.numpy() / counts.sum(axis=1, keepdims=True))


def explained(misses: Misses, counts: Counts) -> Estimates:
    """The share of the patches' variance that a map explains, R², over all samples together."""
    errors, squares, sums, number = (counts @ x.double().numpy() for x in misses)
    spread = squares - np.square(sums).sum(axis=1) / number
    return _bootstrapped(1 - errors / spread[:, None])


def jackknifed(
    statistic: Callable[[Tensor], float], layers: Sequence[Tensor], groups: NDArray[np.object_]
) -> Estimates:
    """``statistic`` of every layer's records, its interval from leaving out a tenth at a time.

    A bootstrap would repeat records, which lowers a rank. The interval tells how the value moves
    with other records of the same number; that a rank grows with their number it does not tell.
    """
    block = np.unique(groups, return_inverse=True)[1] % BLOCKS
    width = t.ppf((1 + LEVEL) / 2, BLOCKS - 1)
    points = []
    for layer, states in enumerate(layers):
        value = statistic(states)
        without = np.array([statistic(states[block != k]) for k in range(BLOCKS)])
        error = width * np.sqrt((BLOCKS - 1) * without.var())
        points.append(_point(layer, value, value - error, value + error))
    return tuple(points)


def _bootstrapped(values: Reals) -> Estimates:
    """From ``(1 + resamples, layers)``, the original first; layers of NaN are left out."""
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    return tuple(
        _point(layer, column[0], *np.quantile(column[1:], tails))
        for layer, column in enumerate(values.T)
        if not np.isnan(column[0])
    )


def _point(layer: int, value: float, low: float, high: float) -> Point:
    return Point(layer=layer, value=float(value), low=float(low), high=float(high))
