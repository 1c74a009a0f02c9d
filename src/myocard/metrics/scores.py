"""Scores of a classifier, class by class, and how sure the records at hand make us of them.

Targets are boolean and scores real, both ``(records, classes)``; a single-label task is scored one
class against the rest. Every metric takes *counts*, ``(resamples, records)``: how often each record
stands in each resample. A bootstrap is then one sort per class and cumulative sums, not a thousand
sorts.

A class without a positive or without a negative in a resample has no score there. The macro average
of that resample is the mean over the classes that have one: ``RULE``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from myocard.errors import InputError

RULE = "macro over defined classes"
LEVEL = 0.95

Flags = NDArray[np.bool_]
Reals = NDArray[np.floating]
Counts = NDArray[np.integer]
Metric = Callable[[Flags, Any, Counts], Reals]
"""From targets, scores and counts to ``(resamples, classes)``, NaN where a class has no score."""

_CELLS = 4_000_000  # of the counts handled at once: tens of MB


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


def f1(targets: Flags, predicted: Flags, counts: Counts) -> Reals:
    """Harmonic mean of precision and recall of yes-or-no predictions."""
    defined = defined_classes(targets, counts)
    doubled_hits = 2 * _total(targets & predicted, counts)
    both = _total(targets, counts) + _total(predicted, counts)
    return np.divide(doubled_hits, both, out=np.full(defined.shape, np.nan), where=defined)


def defined_classes(targets: Flags, counts: Counts) -> Flags:
    """Where a class has both a positive and a negative: ``(resamples, classes)``."""
    return (_total(targets, counts) > 0) & (_total(~targets, counts) > 0)


def best_thresholds(targets: Flags, scores: Reals) -> Reals:
    """The score of each class from which up "yes" gives the best F1; the highest of equals.

    To be chosen on validation and applied elsewhere. A class without positives says "no" always
    (infinity).
    """
    thresholds = np.full(targets.shape[1], np.inf)
    for k in np.flatnonzero(targets.any(axis=0)):
        order = np.argsort(-scores[:, k], kind="stable")
        hits, said = targets[order, k].cumsum(), np.arange(1, len(order) + 1)
        value = 2 * hits / (said + hits[-1])
        value[:-1][np.diff(scores[order, k]) == 0] = -1  # records of one score fall together
        thresholds[k] = scores[order[value.argmax()], k]
    return thresholds


def bootstrap_counts(
    groups: ArrayLike | None, *, records: int, resamples: int = 1000, seed: int = 0
) -> Counts:
    """How often each record stands in each bootstrap resample, ``(resamples, records)``.

    Args:
        groups: Each record's patient. Patients are drawn with replacement and bring all their
            records along. None draws single records.
        records: Number of records.
        resamples: Number of resamples.
        seed: The same seed gives the same resamples.
    """
    place = np.arange(records)
    if groups is not None:
        place = np.unique(np.asarray(groups), return_inverse=True)[1]
    units = int(place.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = [
        np.bincount(rng.integers(units, size=units), minlength=units) for _ in range(resamples)
    ]
    return np.stack(drawn).astype(np.int32)[:, place]


def macro(by_class: Reals) -> Reals:
    """Mean over the last axis's defined classes; NaN where there is none. See ``RULE``."""
    defined = (~np.isnan(by_class)).sum(axis=-1)
    total = np.nansum(by_class, axis=-1)
    return np.divide(total, defined, out=np.full(defined.shape, np.nan), where=defined > 0)


def summarise(
    targets: Flags,
    scores: Reals,
    classes: Sequence[str],
    *,
    thresholds: Reals | None = None,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """AUROC, average precision and F1 with bootstrap intervals, ready for JSON.

    A value is the mean over seeds. Its interval resamples records (or patients) and takes the mean
    over seeds each time, so it tells the spread of test sets; ``seed_sd`` tells the spread of
    trainings, and the two are not mixed.

    Args:
        targets: ``(records, classes)``.
        scores: ``(records, classes)``, or ``(seeds, records, classes)``.
        classes: Names of the classes.
        thresholds: ``(classes,)`` or ``(seeds, classes)`` from ``best_thresholds`` on validation.
            None chooses them on these very records: right for validation, flattering elsewhere.
        groups: Each record's patient; None resamples single records.
        resamples: Number of bootstrap resamples.
        seed: Of the resamples.

    Raises:
        InputError: For scores that are not finite.
    """
    scores = _by_seed(scores)
    if thresholds is None:
        thresholds = np.stack([best_thresholds(targets, each) for each in scores])
    predicted = scores >= np.broadcast_to(thresholds, (len(scores), len(classes)))[:, None]
    counts = _with_original(groups, len(targets), resamples, seed)
    defined = defined_classes(targets, counts[:1])[0]
    described = dict(zip(classes, targets.sum(axis=0).tolist(), strict=True))
    return {
        "records": len(targets),
        "patients": None if groups is None else len(np.unique(np.asarray(groups))),
        "undefined": [name for name, known in zip(classes, defined, strict=True) if not known],
        "auroc": _describe(_resampled(auroc, targets, scores, counts), described),
        "average_precision": _describe(
            _resampled(average_precision, targets, scores, counts), described
        ),
        "f1": _describe(_resampled(f1, targets, predicted, counts), described),
        "interval": {
            "level": LEVEL,
            "resamples": resamples,
            "unit": "record" if groups is None else "patient",
            "rule": RULE,
            "seed": seed,
        },
    }


def macro_resamples(
    targets: Flags,
    scores: Reals,
    *,
    metric: Metric = auroc,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Reals:
    """The macro average of the original records and then of each resample, ``(1 + resamples,)``.

    The mean over seeds, where there are several. Resamples depend on ``groups`` and ``seed`` alone,
    so that two models scored on the same records are paired.
    """
    counts = _with_original(groups, len(targets), resamples, seed)
    return macro(_resampled(metric, targets, _by_seed(scores), counts)).mean(axis=0)


def macro_estimate(
    targets: Flags,
    scores: Reals,
    *,
    metric: Metric = auroc,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float | None]:
    """A macro average as ``summarise`` states it: ``value``, ``low``, ``high`` and ``seed_sd``."""
    counts = _with_original(groups, len(targets), resamples, seed)
    return _spread(macro(_resampled(metric, targets, _by_seed(scores), counts)))


def difference(values_a: Reals, values_b: Reals) -> dict[str, float]:
    """How much better one side is than the other, from the ``macro_resamples`` of both.

    Returns:
        ``difference``, its percentile interval ``low`` to ``high``, the two-sided bootstrap ``p``
        of no difference, which is at least 2 / (resamples + 1), and the standard error ``se``.
    """
    observed, *drawn = values_a - values_b
    differences = np.array(drawn)[~np.isnan(drawn)]
    low, high = _interval(differences)
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    p = min(1.0, 2 * (1 + rarer) / (1 + len(differences)))
    se = float(differences.std(ddof=1))
    return {"difference": float(observed), "low": low, "high": high, "p": float(p), "se": se}


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


def _resampled(metric: Metric, targets: Flags, scores: Any, counts: Counts) -> Reals:
    """``metric`` of each seed's scores in each resample: ``(seeds, resamples, classes)``."""
    chunks = np.array_split(counts, -(-counts.size // _CELLS))
    return np.stack(
        [np.concatenate([metric(targets, each, chunk) for chunk in chunks]) for each in scores]
    )


def _describe(values: Reals, positives: dict[str, int]) -> dict[str, Any]:
    """The macro average and every class of ``(seeds, 1 + resamples, classes)``."""
    by_class = {
        name: _spread(values[:, :, k]) | {"positives": positives[name]}
        for k, name in enumerate(positives)
    }
    return {"macro": _spread(macro(values)), "by_class": by_class}


def _spread(values: Reals) -> dict[str, float | None]:
    """Value, interval and spread over seeds of ``(seeds, 1 + resamples)``, the original first."""
    original, *drawn = values.mean(axis=0)
    if np.isnan(original):
        return {"value": None, "low": None, "high": None, "seed_sd": None}
    low, high = _interval(np.array(drawn)[~np.isnan(drawn)])
    seed_sd = float(values[:, 0].std(ddof=1)) if len(values) > 1 else None
    return {"value": float(original), "low": low, "high": high, "seed_sd": seed_sd}


def _interval(drawn: Reals) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _with_original(groups: ArrayLike | None, records: int, resamples: int, seed: int) -> Counts:
    """The set as it is, every record once, and below it the resamples."""
    drawn = bootstrap_counts(groups, records=records, resamples=resamples, seed=seed)
    return np.concatenate([np.ones((1, records), drawn.dtype), drawn])


def _by_seed(scores: Reals) -> Reals:
    scores = np.asarray(scores)
    if not np.isfinite(scores).all():
        raise InputError(
            "the scores hold NaN or infinite values; the model that made them diverged"
        )
    return scores if scores.ndim == 3 else scores[None]


def _total(flags: Flags, counts: Counts) -> Reals:
    """How many of each class's flagged records stand in each resample: ``(resamples, classes)``."""
    return counts.astype(float) @ flags.astype(float)
