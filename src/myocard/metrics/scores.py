"""Scores of a classifier, class by class, and how sure the records at hand make us of them.

Targets are boolean and scores real, both ``(records, classes)``; a single-label task is scored one
class against the rest. Every metric takes *counts*, ``(resamples, records)``: how often each record
stands in each resample. A bootstrap is then one sort per class and cumulative sums, not a thousand
sorts.

A class without a positive or without a negative in a resample has no score there. The macro average
of that resample is the mean over the classes that have one: ``RULE``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RULE = "macro over defined classes"
LEVEL = 0.95
SPECIFICITY = 0.9
_CELLS = 65_536
"""Counts that are added up at once: what a core's cache holds."""

Flags = NDArray[np.bool_]
Reals = NDArray[np.floating]
Targets = Flags | Reals
"""Flags; or numbers, as ``myocard.outcomes`` has them, NaN for what is not known."""
Counts = NDArray[np.integer]
Metric = Callable[[Any, Any, Counts], Reals]
"""Function of targets, scores and counts: ``(resamples, classes)``, NaN for a class without one."""
JoinedMetrics = Callable[[Any, Any, Counts], Reals]
"""Function of the same that gives several metrics: ``(metrics, resamples, classes)``."""


@dataclass(frozen=True)
class CurveMetric:
    """A metric of the curve of hits and false alarms, from the highest score to the lowest.

    Attributes:
        value: Its value where there are hits ``(points, resamples)``, positives at or above a
            score, and as many misses, negatives there; the first point is before any record.
    """

    value: Callable[[Reals, Reals], Reals]

    def __call__(self, targets: Flags, scores: Reals, counts: Counts) -> Reals:
        return curve_values([self], targets, scores, counts)[0]


def curve_values(
    metrics: Sequence[CurveMetric], targets: Flags, scores: Reals, counts: Counts
) -> Reals:
    """Values of metrics ``(metrics, resamples, classes)`` from one curve for each class."""
    defined = defined_classes(targets, counts)
    found = np.full((len(metrics), *defined.shape), np.nan)
    parts = np.array_split(counts, max(1, -(-counts.size // _CELLS)))
    blocks = [np.ascontiguousarray(part.T, dtype=float) for part in parts if len(part)]
    for k in np.flatnonzero(defined.any(axis=0)):
        curves = _Curves.of(targets[:, k], scores[:, k])
        # A resample without positives or negatives divides by zero.
        with np.errstate(invalid="ignore"):
            values = [[each.value(*curve) for each in metrics] for curve in map(curves, blocks)]
        found[:, :, k] = np.where(defined[:, k], np.concatenate(values, axis=1), np.nan)
    return found


@dataclass(frozen=True)
class _Curves:
    """The curves of a class in any resample, at their corners.

    Between two corners there are negatives alone, or one tie.

    Attributes:
        everyone: ``(corners, records)`` ones for the records between a corner and the one before.
        positives: The same, of records that are positive alone.
    """

    everyone: "csr_array"
    positives: "csr_array"

    @classmethod
    def of(cls, target: Flags, score: Reals) -> "_Curves":
        order = np.argsort(-score, kind="stable")
        first_of_tie = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
        gains = np.logical_or.reduceat(target[order], first_of_tie)
        corners = first_of_tie[gains | np.append(True, gains[:-1])]
        return cls(
            _sums(order, np.diff(corners, append=len(order)), len(order)),
            _sums(order[target[order]], np.add.reduceat(target[order], corners), len(order)),
        )

    def __call__(self, counts: Reals) -> tuple[Reals, Reals]:
        """Return hits and misses ``(points, resamples)``, of counts ``(records, resamples)``."""
        hits, everyone = self.positives @ counts, self.everyone @ counts
        return _from_zero(hits), _from_zero(everyone - hits)


def _sums(members: NDArray[np.int64], sizes: NDArray[np.int64], records: int) -> "csr_array":
    """Make the matrix that adds up consecutive ``members``, ``sizes`` at a time."""
    # Its import takes .1 s, which a prediction should not wait for.
    from scipy.sparse import csr_array

    ends = np.append(0, np.cumsum(sizes))
    return csr_array((np.ones(len(members)), members, ends), shape=(len(sizes), records))


def _from_zero(steps: Reals) -> Reals:
    """Add steps ``(corners, resamples)`` up, to ``(corners + 1, resamples)``."""
    sums = np.zeros((len(steps) + 1, steps.shape[1]))
    np.cumsum(steps, axis=0, out=sums[1:])
    return sums


def _area(hits: Reals, misses: Reals) -> Reals:
    return np.trapezoid(hits, misses, axis=0) / (hits[-1] * misses[-1])


def _mean_precision(hits: Reals, misses: Reals) -> Reals:
    precision = hits[1:] / np.maximum(hits[1:] + misses[1:], 1)
    return np.einsum("pr,pr->r", np.diff(hits, axis=0), precision) / hits[-1]


def _sensitivity(hits: Reals, misses: Reals) -> Reals:
    allowed = misses <= (1 - SPECIFICITY) * misses[-1] + 1e-9
    return np.where(allowed, hits, 0).max(axis=0) / hits[-1]


auroc = CurveMetric(_area)
"""Area under the receiver operating curve; tied scores count half."""
average_precision = CurveMetric(_mean_precision)
"""Mean over the positives of the precision at their score."""
sensitivity_at_90 = CurveMetric(_sensitivity)
"""Largest share of positives above a threshold that 90 % of the negatives stay below.

The threshold is that of each resample; ``calibration.thresholds_at`` chooses one to be used.
"""


def f1(targets: Flags, predicted: Flags, counts: Counts) -> Reals:
    """Harmonic mean of precision and recall of yes-or-no predictions."""
    defined = defined_classes(targets, counts)
    doubled_hits = 2 * _total(targets & predicted, counts)
    both = _total(targets, counts) + _total(predicted, counts)
    return np.divide(doubled_hits, both, out=np.full(defined.shape, np.nan), where=defined)


def defined_classes(targets: Flags, counts: Counts) -> Flags:
    """True for a class with both a positive and a negative: ``(resamples, classes)``."""
    return (_total(targets, counts) > 0) & (_total(~targets, counts) > 0)


def best_thresholds(targets: Targets, scores: Reals) -> Reals:
    """The score of each class from which up "yes" gives the best F1; the highest of equals.

    To be chosen on validation and applied elsewhere. A class without positives says "no" always
    (infinity). Records of which a class is not known (NaN) do not count for it.
    """
    thresholds = np.full(targets.shape[1], np.inf)
    for k in np.flatnonzero((targets == 1).any(axis=0)):
        known = np.flatnonzero(~np.isnan(targets[:, k]))
        order = known[np.argsort(-scores[known, k], kind="stable")]
        hits, said = (targets[order, k] == 1).cumsum(), np.arange(1, len(order) + 1)
        value = 2 * hits / (said + hits[-1])
        value[:-1][np.diff(scores[order, k]) == 0] = -1  # records of one score fall together
        thresholds[k] = scores[order[value.argmax()], k]
    return thresholds


def bootstrap_counts(
    groups: ArrayLike | None,
    *,
    records: int,
    resamples: int = 1000,
    seed: int | np.random.Generator = 0,
) -> Counts:
    """Count of each record in each bootstrap resample, ``(resamples, records)``.

    Args:
        groups: Each record's patient. Patients are drawn with replacement and bring all their
            records along. None draws single records.
        records: Number of records.
        resamples: Number of resamples.
        seed: The same seed gives the same resamples; a generator goes on where it was.
    """
    place = np.arange(records)
    if groups is not None:
        place = np.unique(np.asarray(groups), return_inverse=True)[1]
    units = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, units), np.int32)
    for row in drawn:
        row[:] = np.bincount(rng.integers(units, size=units), minlength=units)
    return drawn[:, place]


def macro(by_class: Reals) -> Reals:
    """Mean over the last axis's defined classes; NaN where there is none. See ``RULE``."""
    defined = (~np.isnan(by_class)).sum(axis=-1)
    total = np.nansum(by_class, axis=-1)
    return np.divide(total, defined, out=np.full(defined.shape, np.nan), where=defined > 0)


def _total(flags: Flags, counts: Counts) -> Reals:
    """Number of each class's flagged records in each resample: ``(resamples, classes)``."""
    return counts.astype(float) @ flags.astype(float)
