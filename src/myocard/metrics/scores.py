"""Scores of a classifier, class by class, and how sure the records at hand make us of them.

Targets are boolean and scores real, both ``(records, classes)``; a single-label task is scored one
class against the rest. Every metric takes *counts*, ``(resamples, records)``: how often each record
stands in each resample. A bootstrap is then one sort per class and cumulative sums, not a thousand
sorts.

A class without a positive or without a negative in a resample has no score there. The macro average
of that resample is the mean over the classes that have one: ``RULE``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RULE = "macro over defined classes"
LEVEL = 0.95
SPECIFICITY = 0.9

Flags = NDArray[np.bool_]
Reals = NDArray[np.floating]
Targets = Flags | Reals
"""Flags; or numbers, as ``myocard.outcomes`` has them, NaN for what is not known."""
Counts = NDArray[np.integer]
Metric = Callable[[Any, Any, Counts], Reals]
"""Function of targets, scores and counts: ``(resamples, classes)``, NaN for a class without one."""


def auroc(targets: Flags, scores: Reals, counts: Counts) -> Reals:
    """Area under the receiver operating curve; tied scores count half."""
    defined = defined_classes(targets, counts)
    areas = np.full(defined.shape, np.nan)
    times = _by_record(counts)
    for k in np.flatnonzero(defined.any(axis=0)):
        hits, misses = _curve(targets[:, k], scores[:, k], times)
        area = np.trapezoid(hits, misses, axis=0)
        np.divide(area, hits[-1] * misses[-1], out=areas[:, k], where=defined[:, k])
    return areas


def average_precision(targets: Flags, scores: Reals, counts: Counts) -> Reals:
    """Mean over the positives of the precision at their score."""
    defined = defined_classes(targets, counts)
    means = np.full(defined.shape, np.nan)
    times = _by_record(counts)
    for k in np.flatnonzero(defined.any(axis=0)):
        hits, misses = _curve(targets[:, k], scores[:, k], times)
        precision = hits / np.maximum(hits + misses, 1)
        total = (np.diff(hits, axis=0) * precision[1:]).sum(axis=0)
        np.divide(total, hits[-1], out=means[:, k], where=defined[:, k])
    return means


def sensitivity_at_90(targets: Flags, scores: Reals, counts: Counts) -> Reals:
    """Largest share of positives above a threshold that 90 % of the negatives stay below.

    The threshold is that of each resample; ``calibration.thresholds_at`` chooses one to be used.
    """
    defined = defined_classes(targets, counts)
    found = np.full(defined.shape, np.nan)
    times = _by_record(counts)
    for k in np.flatnonzero(defined.any(axis=0)):
        hits, misses = _curve(targets[:, k], scores[:, k], times)
        allowed = misses <= (1 - SPECIFICITY) * misses[-1] + 1e-9
        most = np.where(allowed, hits, 0).max(axis=0)
        np.divide(most, hits[-1], out=found[:, k], where=defined[:, k])
    return found


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


def _by_record(counts: Counts) -> Reals:
    """Counts the other way round, ``(records, resamples)``: rows are then cheap to reorder."""
    return np.ascontiguousarray(counts.T, dtype=np.float32)  # exact up to 2**24


def _curve(target: Flags, score: Reals, times: Reals) -> tuple[Reals, Reals]:
    """Positives and negatives at or above each score, from none to all: ``(points, resamples)``.

    Only the curve's corners are kept: between two of them there are negatives alone, or one tie.
    """
    order = np.argsort(-score, kind="stable")
    first_of_tie = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))
    gains = np.logical_or.reduceat(target[order], first_of_tie)
    corners = first_of_tie[gains | np.append(True, gains[:-1])]
    ranked = times[order]
    everyone = np.add.reduceat(ranked, corners)
    hits = np.add.reduceat(ranked * target[order, None], corners)
    return _risen(hits), _risen(everyone - hits)


def _risen(steps: Reals) -> Reals:
    return np.pad(steps, ((1, 0), (0, 0))).cumsum(axis=0, dtype=float)


def _total(flags: Flags, counts: Counts) -> Reals:
    """Number of each class's flagged records in each resample: ``(resamples, classes)``."""
    return counts.astype(float) @ flags.astype(float)
