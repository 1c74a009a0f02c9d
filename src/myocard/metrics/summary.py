"""Scores with their intervals: means over seeds, bootstrapped over records or patients."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict

from myocard.errors import InputError
from myocard.metrics.outcomes import MEASURES, are_positive, headline, headline_metric, measured
from myocard.metrics.resamples import resampled
from myocard.metrics.scores import LEVEL, RULE, Metric, Reals, Targets, best_thresholds, f1, macro
from myocard.outcomes import CLASSES, Outcome

MISSING = "–"
"""Shown where there is no number."""


class Frozen(BaseModel):
    """A record of results: read-only, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Frozen):
    """A score, its 95 % interval, and its spread over seeds; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    seed_sd: float | None = None

    @property
    def text(self) -> str:
        """The score with its interval, or the sign of a missing one."""
        if self.value is None or self.value != self.value:
            return MISSING
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


class ClassEstimate(Estimate):
    """An estimate for one output, and its positives: records of a class, events, or values."""

    positives: int


class Score(Frozen):
    """One metric: the macro average, and every output."""

    macro: Estimate
    by_class: dict[str, ClassEstimate]


class Interval(Frozen):
    """Settings with which intervals were made."""

    level: float = LEVEL
    resamples: int
    unit: Literal["record", "patient"]
    rule: str = RULE
    seed: int


class Metrics(Frozen):
    """All metrics of one split.

    Attributes:
        records: Number of records.
        patients: Number of patients, where some have several records.
        undefined: Outputs for which the leading metric has no value.
        headline: Name of the leading metric: more of it is better.
        scores: Metrics by name, as ``metrics.outcomes`` has them, and F1 of classes.
        interval: Settings of the intervals.
    """

    records: int
    patients: int | None
    undefined: tuple[str, ...] = ()
    headline: str
    scores: dict[str, Score]
    interval: Interval

    @property
    def main(self) -> Score:
        """The leading metric."""
        return self.scores[self.headline]


class Difference(NamedTuple):
    """A paired difference, its 95 % interval, two-sided p and standard error."""

    difference: float
    low: float
    high: float
    p: float
    se: float


def summarise(
    targets: Targets,
    scores: Reals,
    outputs: Sequence[str],
    *,
    outcome: Outcome = "any",
    thresholds: Reals | None = None,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Metrics:
    """The metrics of an outcome with bootstrap intervals.

    A value is the mean over seeds. Its interval resamples records (or patients) and takes the mean
    over seeds each time, so it tells the spread of test sets; ``seed_sd`` tells the spread of
    trainings, and the two are not mixed.

    Args:
        targets: ``(records, outputs)``, as ``myocard.outcomes`` has them.
        scores: ``(records, outputs)``, or ``(seeds, records, outputs)``.
        outputs: Names of the outputs.
        outcome: Kind of the targets.
        thresholds: ``(classes,)`` or ``(seeds, classes)`` from ``best_thresholds`` on validation.
            None chooses them on these very records: right for validation, flattering elsewhere.
        groups: Each record's patient; None resamples single records.
        resamples: Number of bootstrap resamples.
        seed: Seed of the resamples.

    Raises:
        InputError: For scores that are not finite.
    """
    targets, scores = np.asarray(targets, dtype=float), _by_seed(scores)
    drawn: dict[str, Any] = {"groups": groups, "resamples": resamples, "seed": seed}
    positives = dict(zip(outputs, are_positive(targets, outcome).sum(axis=0).tolist(), strict=True))
    metrics = measured([each.metric for each in MEASURES[outcome].values()], outcome)
    (values,) = resampled(metrics, targets, [scores], **drawn)
    found = {
        name: _score(of_measure, positives)
        for name, of_measure in zip(MEASURES[outcome], values, strict=True)
    }
    if outcome in CLASSES:
        predicted = scores >= _thresholds(thresholds, targets, scores)[:, None]
        ((values,),) = resampled(measured([f1], outcome), targets, [predicted], **drawn)
        found["f1"] = _score(values, positives)
    main = found[headline(outcome)].by_class
    return Metrics(
        records=len(targets),
        patients=None if groups is None else len(np.unique(np.asarray(groups))),
        undefined=tuple(name for name, each in main.items() if each.value is None),
        headline=headline(outcome),
        scores=found,
        interval=Interval(
            resamples=resamples, unit="record" if groups is None else "patient", seed=seed
        ),
    )


def _thresholds(given: Reals | None, targets: Targets, scores: Reals) -> Reals:
    """Thresholds of each seed and class; those that are best on these records, if none is given."""
    if given is None:
        given = np.stack([best_thresholds(targets, each) for each in scores])
    return np.broadcast_to(given, (len(scores), targets.shape[1]))


def macro_resamples(
    targets: Targets,
    scores: Reals,
    *,
    outcome: Outcome = "any",
    metric: Metric | None = None,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Reals:
    """The macro average of the original records and then of each resample, ``(1 + resamples,)``.

    The mean over seeds, where there are several; of the leading metric, if none is given. Resamples
    depend on ``groups`` and ``seed`` alone, so that two models on the same records are paired.
    """
    return _macros(targets, scores, outcome, metric, groups, resamples, seed).mean(axis=0)


def macro_estimate(
    targets: Targets,
    scores: Reals,
    *,
    outcome: Outcome = "any",
    metric: Metric | None = None,
    groups: ArrayLike | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A macro average with its interval, as in ``summarise``."""
    return estimated(_macros(targets, scores, outcome, metric, groups, resamples, seed))


def _macros(
    targets: Targets,
    scores: Reals,
    outcome: Outcome,
    metric: Metric | None,
    groups: ArrayLike | None,
    resamples: int,
    seed: int,
) -> Reals:
    """The macro average of each seed and resample, ``(seeds, 1 + resamples)``."""
    chosen = measured([metric], outcome) if metric else headline_metric(outcome)
    ((values,),) = resampled(
        chosen, targets, [_by_seed(scores)], groups=groups, resamples=resamples, seed=seed
    )
    return macro(values)


def difference(values_a: Reals, values_b: Reals) -> Difference:
    """Difference of one side from the other, from the ``macro_resamples`` of both.

    The interval is a percentile interval; p is the two-sided bootstrap's of no difference, which is
    at least 2 / (resamples + 1).
    """
    observed, *drawn = values_a - values_b
    differences = np.array(drawn)[~np.isnan(drawn)]
    low, high = _interval(differences)
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    p = min(1.0, 2 * (1 + rarer) / (1 + len(differences)))
    se = float(differences.std(ddof=1))
    return Difference(float(observed), low, high, float(p), se)


def _score(values: Reals, positives: dict[str, int]) -> Score:
    """The macro average and every class of ``(seeds, 1 + resamples, classes)``."""
    by_class = {
        name: ClassEstimate(**estimated(values[:, :, k]).model_dump(), positives=count)
        for k, (name, count) in enumerate(positives.items())
    }
    return Score(macro=estimated(macro(values)), by_class=by_class)


def estimated(values: Reals) -> Estimate:
    """Value, interval and spread over seeds of ``(seeds, 1 + resamples)``, the original first."""
    original, *drawn = values.mean(axis=0)
    if np.isnan(original):
        return Estimate(value=None, low=None, high=None)
    low, high = _interval(np.array(drawn)[~np.isnan(drawn)])
    seed_sd = float(values[:, 0].std(ddof=1)) if len(values) > 1 else None
    return Estimate(value=float(original), low=low, high=high, seed_sd=seed_sd)


def _interval(drawn: Reals) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _by_seed(scores: Reals) -> Reals:
    scores = np.asarray(scores)
    if not np.isfinite(scores).all():
        raise InputError(
            "the scores hold NaN or infinite values; the model that made them diverged"
        )
    return scores if scores.ndim == 3 else scores[None]
