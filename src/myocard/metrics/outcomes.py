"""The measures of each outcome; the first leads: more of it is better.

Targets are those of ``myocard.outcomes``. A record of which an output is unknown (NaN) is left out
of the measures of that output.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from myocard.metrics import numbers, scores, survival
from myocard.metrics.calibration import brier_score
from myocard.metrics.scores import (
    Counts,
    CurveMetric,
    Flags,
    JoinedMetrics,
    Metric,
    Reals,
    Targets,
    curve_values,
)
from myocard.metrics.significance import Comparison, delong_test
from myocard.outcomes import CLASSES, Outcome


class Measure(NamedTuple):
    """A measure of how good a model's scores are.

    Attributes:
        name: Its name in files.
        title: Its name in tables.
        metric: Its value.
        sign: 1 where more is better, -1 where less is; 0 where neither is, so that it ranks no
            models.
        in_units: True where it is in the unit of the numbers.
        fault: Function of one output's scores ``(seeds, records)``: the reason why the measure says
            nothing of them, or None.
        test: A second paired test, which takes records as independent.
    """

    name: str
    title: str
    metric: Metric
    sign: int
    in_units: bool = False
    fault: Callable[[Reals], str | None] = lambda _: None
    test: Callable[[Flags, Reals, Reals], Comparison] | None = None


def _fault_of_order(scores: Reals) -> str | None:
    constant = (scores == scores[:, :1]).all(axis=1).any()
    return "gives every record the same score" if constant else None


def _fault_of_probabilities(scores: Reals) -> str | None:
    outside = scores.min() < 0 or scores.max() > 1
    return "has scores that are no probabilities" if outside else None


def _named(*measures: Measure) -> Mapping[str, Measure]:
    return {each.name: each for each in measures}


_OF_CLASSES = _named(
    Measure("auroc", "AUROC", scores.auroc, 1, fault=_fault_of_order, test=delong_test),
    Measure(
        "average_precision", "Avg. precision", scores.average_precision, 1, fault=_fault_of_order
    ),
    Measure(
        "sensitivity_at_90",
        "Sens. at 90 % spec.",
        scores.sensitivity_at_90,
        1,
        fault=_fault_of_order,
    ),
    Measure("brier", "Brier score", brier_score, -1, fault=_fault_of_probabilities),
)
_OF_NUMBERS = _named(
    Measure("r2", "R²", numbers.r_squared, 1),
    Measure("mae", "Mean absolute error", numbers.mean_absolute_error, -1, in_units=True),
    Measure("correlation", "Correlation", numbers.correlation, 1, fault=_fault_of_order),
    Measure("bias", "Bias", numbers.bias, 0, in_units=True),
    Measure("lower_limit", "Lower limit of agreement", numbers.lower_limit, 0, in_units=True),
    Measure("upper_limit", "Upper limit of agreement", numbers.upper_limit, 0, in_units=True),
)
_OF_TIMES = _named(
    Measure("harrell", "Concordance (Harrell)", survival.harrell, 1, fault=_fault_of_order),
    Measure("uno", "Concordance (Uno)", survival.uno, 1, fault=_fault_of_order),
)
MEASURES: Mapping[Outcome, Mapping[str, Measure]] = {
    "any": _OF_CLASSES,
    "one": _OF_CLASSES,
    "number": _OF_NUMBERS,
    "time": _OF_TIMES,
}
"""The measures of each outcome by name; the first leads, and chooses penalties and layers."""

CHANCE: Mapping[Outcome, float] = {"any": 0.5, "one": 0.5, "number": 0.0, "time": 0.5}
"""The leading measure of a model that knows nothing."""

_ALL = {**_OF_CLASSES, **_OF_NUMBERS, **_OF_TIMES}
NAMES: Mapping[str, str] = {name: each.title for name, each in _ALL.items()} | {"f1": "F1"}
"""Measures as people read them; F1 too, which needs thresholds and so is not among them."""


def titled(name: str, unit: str | None) -> str:
    """A measure as people read it, with the unit that it has."""
    return (
        f"{NAMES[name]} ({unit})" if unit and name in _ALL and _ALL[name].in_units else NAMES[name]
    )


def headline(outcome: Outcome) -> str:
    """Name of the measure that leads."""
    return next(iter(MEASURES[outcome]))


def headline_metric(outcome: Outcome) -> JoinedMetrics:
    """The leading measure as ``measured`` makes it: ``(1, resamples, outputs)``."""
    return measured([MEASURES[outcome][headline(outcome)].metric], outcome)


def are_positive(targets: Targets, outcome: Outcome) -> Flags:
    """Tell where a class is positive, an event was seen, or a number is known."""
    return ~np.isnan(targets) if outcome == "number" else np.asarray(targets > 0)


def measured(metrics: Sequence[Metric], outcome: Outcome) -> JoinedMetrics:
    """Join metrics, for targets as tasks write them: flags for classes, unknown ones left out.

    Their values are ``(metrics, resamples, outputs)``.
    """

    def of_known(targets: Targets, found: Any, counts: Counts) -> Reals:
        known = ~np.isnan(targets)
        told = targets == 1 if outcome in CLASSES else targets
        if known.all():
            return _joined(metrics, told, found, counts)
        columns = [
            _joined(metrics, told[rows, k : k + 1], found[rows, k : k + 1], counts[:, rows])
            for k, rows in enumerate(known.T)
        ]
        return np.concatenate(columns, axis=2)

    return of_known


def _joined(metrics: Sequence[Metric], targets: Any, found: Any, counts: Counts) -> Reals:
    """Return the values of all metrics; those of curves share one curve a class."""
    of_curves = [each for each in metrics if isinstance(each, CurveMetric)]
    values = curve_values(of_curves, targets, found, counts) if of_curves else ()
    value_of = dict(zip(of_curves, values, strict=True))
    return np.array(
        [
            value_of[each] if isinstance(each, CurveMetric) else each(targets, found, counts)
            for each in metrics
        ]
    )
