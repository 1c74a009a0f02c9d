"""Metrics of a run's predictions, by name or as functions of one output."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from myocard.errors import InputError
from myocard.metrics.outcomes import MEASURES
from myocard.metrics.scores import (
    Counts,
    Flags,
    Metric,
    Reals,
    best_thresholds,
    defined_classes,
    f1,
)
from myocard.outcomes import CLASSES
from myocard.results.saved import Predictions, SavedRun

Of = Callable[[Any, Any], float]
"""A metric of one output: targets and scores, ``(records,)`` each, to a number."""


class Applied(NamedTuple):
    """A metric by name, what it is applied to in place of scores, and why it may have no value."""

    name: str
    metric: Metric
    scores: Any
    fault: Callable[[Reals], str | None]


def applied(
    run: SavedRun, found: Predictions, asked: Sequence[str | Of] | None
) -> Iterator[Applied]:
    """The metrics that are asked for, ready for a run's predictions.

    Args:
        run: The run.
        found: Its predictions.
        asked: Names and functions; None for all that are registered for its outcome.

    Raises:
        InputError: For a name that is not registered for its outcome.
    """
    registered = MEASURES[run.info.outcome]
    names = [*registered, *(["f1"] if run.info.outcome in CLASSES else [])]
    for each in names if asked is None else asked:
        if not isinstance(each, str):
            name = getattr(each, "__name__", type(each).__name__)
            yield Applied(name, _of_one_output(each, run), found.scores, lambda _: None)
        elif each not in names:
            raise InputError(f"{run.folder}: no metric {each!r}; choose from {', '.join(names)}")
        elif each == "f1":
            yield Applied("f1", f1, _decided(run, found), lambda _: None)
        else:
            measure = registered[each]
            yield Applied(each, measure.metric, found.scores, measure.fault)


def _decided(run: SavedRun, found: Predictions) -> Flags:
    """Yes or no at each seed's thresholds of best F1 on validation, as the run's own F1 has it."""
    chosen_on = run.predictions("validation")
    thresholds = np.stack([best_thresholds(chosen_on.targets, one) for one in chosen_on.scores])
    return np.asarray(found.scores >= thresholds[:, None])


def _of_one_output(function: Of, run: SavedRun) -> Metric:
    """A function of targets and scores as a metric of resamples."""
    classes = run.info.outcome in CLASSES

    def metric(targets: Any, scores: Any, counts: Counts) -> Reals:
        found = np.full((len(counts), targets.shape[1]), np.nan)
        defined = defined_classes(targets, counts) if classes else np.ones(found.shape, bool)
        for row, k in np.argwhere(defined):
            drawn = np.repeat(np.arange(len(targets)), counts[row])
            found[row, k] = function(targets[drawn, k], scores[drawn, k])
        return found

    return metric
