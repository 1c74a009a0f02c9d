"""The metrics of each outcome, and the one that leads: more of it is better.

Targets are those of ``myocard.outcomes``. A record of which an output is unknown (NaN) is left out
of the metrics of that output.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from myocard.metrics import numbers, scores, survival
from myocard.metrics.calibration import brier_score
from myocard.metrics.scores import Counts, Metric, Reals, Targets
from myocard.outcomes import CLASSES, Outcome

_OF_CLASSES: Mapping[str, Metric] = {
    "auroc": scores.auroc,
    "average_precision": scores.average_precision,
    "sensitivity_at_90": scores.sensitivity_at_90,
    "brier": brier_score,
}
METRICS: Mapping[Outcome, Mapping[str, Metric]] = {
    "any": _OF_CLASSES,
    "one": _OF_CLASSES,
    "number": {
        "r2": numbers.r_squared,
        "mae": numbers.mean_absolute_error,
        "correlation": numbers.correlation,
        "bias": numbers.bias,
        "lower_limit": numbers.lower_limit,
        "upper_limit": numbers.upper_limit,
    },
    "time": {"harrell": survival.harrell, "uno": survival.uno},
}
"""The metrics of each outcome by name; the first leads, and chooses penalties and layers."""

CHANCE: Mapping[Outcome, float] = {"any": 0.5, "one": 0.5, "number": 0.0, "time": 0.5}
"""The leading metric of a model that knows nothing."""

NAMES: Mapping[str, str] = {
    "auroc": "AUROC",
    "average_precision": "Avg. precision",
    "f1": "F1",
    "sensitivity_at_90": "Sens. at 90 % spec.",
    "brier": "Brier score",
    "r2": "R²",
    "mae": "Mean absolute error",
    "correlation": "Correlation",
    "bias": "Bias",
    "lower_limit": "Lower limit of agreement",
    "upper_limit": "Upper limit of agreement",
    "harrell": "Concordance (Harrell)",
    "uno": "Concordance (Uno)",
}
"""Metrics as people read them."""

IN_UNITS = ("mae", "bias", "lower_limit", "upper_limit")
"""Metrics that are in the unit of the numbers."""


def titled(name: str, unit: str | None) -> str:
    """A metric as people read it, with the unit that it has."""
    return f"{NAMES[name]} ({unit})" if unit and name in IN_UNITS else NAMES[name]


def headline(outcome: Outcome) -> str:
    """Name of the metric that leads."""
    return next(iter(METRICS[outcome]))


def headline_metric(outcome: Outcome) -> Metric:
    return measured(METRICS[outcome][headline(outcome)], outcome)


def measured(metric: Metric, outcome: Outcome) -> Metric:
    """The metric on targets as tasks write them: flags for classes, unknown ones left out."""

    def of_known(targets: Targets, found: Any, counts: Counts) -> Reals:
        known = ~np.isnan(targets)
        told = targets == 1 if outcome in CLASSES else targets
        if known.all():
            return metric(told, found, counts)
        columns = [
            metric(told[rows, k : k + 1], found[rows, k : k + 1], counts[:, rows])
            for k, rows in enumerate(known.T)
        ]
        return np.concatenate(columns, axis=1)

    return of_known
