"""Runs from scores: metrics of every split, the choice of penalties, averaged layer weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.metrics.outcomes import headline_metric
from myocard.metrics.scores import best_thresholds, macro
from myocard.metrics.summary import Metrics, summarise
from myocard.outcomes import CLASSES
from myocard.results.classifier import Scale, SplitInfo
from myocard.results.run import Choice, LayerWeights, SplitName
from myocard.tasks.cohort import Cohort

Scores = Mapping[SplitName, NDArray[np.floating]]
"""``(seeds, records, classes)`` by split: validation, and test once it may be touched."""


def splits_to_score(*, test: bool) -> tuple[SplitName, ...]:
    """The splits that are scored: test only where it was asked for."""
    return ("validation", "test") if test else ("validation",)


def scored(
    cohort: Cohort, scores: Scores, seeds: Sequence[int], resamples: int
) -> Mapping[str, Any]:
    """Score every split: the fields of a ``Run`` that follow from a cohort and its scores.

    Thresholds of F1 are chosen on validation.
    """
    measured = measure(cohort, scores, resamples)
    splits = {
        name: SplitInfo(
            folds=cohort.folds[name],
            records=len(rows),
            patients=len(set(cohort.patients[rows])),
            copies_dropped=cohort.copies_dropped.get(name, 0),
        )
        for name, rows in cohort.rows.items()
    }
    return {
        "task": cohort.task,
        "labels": cohort.labels,
        "outcome": cohort.outcome,
        "scale": scale_of(cohort),
        "unit": cohort.unit,
        "source": cohort.source,
        "classes": cohort.classes,
        "classes_left_out": cohort.left_out,
        "splits": splits,
        "seeds": tuple(seeds),
        "validation": measured["validation"],
        "test": measured.get("test"),
    }


def measure(cohort: Cohort, scores: Scores, resamples: int) -> dict[SplitName, Metrics]:
    """The metrics of each split that has scores."""
    targets = {split: cohort.in_units(cohort.targets[cohort.rows[split]]) for split in scores}
    thresholds = None
    if cohort.outcome in CLASSES:
        found = [best_thresholds(targets["validation"], each) for each in scores["validation"]]
        thresholds = np.stack(found)
    return {
        split: summarise(
            targets[split],
            cohort.in_units(values),
            cohort.classes,
            outcome=cohort.outcome,
            thresholds=thresholds,
            groups=cohort.groups(split),
            resamples=resamples,
        )
        for split, values in scores.items()
    }


def scale_of(cohort: Cohort) -> tuple[Scale, ...]:
    """The scale of a cohort's targets, as a run states it."""
    if cohort.scale is None:
        return ()
    return tuple(Scale(mean=mean, deviation=spread) for mean, spread in cohort.scale.T.tolist())


def headline_of(cohort: Cohort, rows: NDArray[np.int64], scores: NDArray[np.floating]) -> float:
    """The leading metric of ``scores`` ``(records, outputs)`` on some records; NaN if undefined."""
    once = np.ones((1, len(rows)), dtype=np.int64)
    metric = headline_metric(cohort.outcome)
    return float(macro(metric(cohort.targets[rows], scores, once)).item())


def headline(cohort: Cohort, split: SplitName, scores: NDArray[np.floating]) -> float:
    """The leading metric of ``scores`` ``(records, outputs)`` on the records of a split."""
    return headline_of(cohort, cohort.rows[split], scores)


def mean_headlines(cohort: Cohort, scores: Scores) -> dict[SplitName, float]:
    """The leading metric on every split, averaged over seeds."""
    return {
        split: float(np.mean([headline(cohort, split, each) for each in by_seed]))
        for split, by_seed in scores.items()
    }


def choose_penalties(
    cohort: Cohort, scores: NDArray[np.floating], seeds: Sequence[int], penalties: Sequence[float]
) -> tuple[list[int], tuple[Choice, ...]]:
    """Choose for each seed the penalty that is best on validation, the strongest of equals.

    Args:
        cohort: The cohort whose validation records were scored.
        scores: ``(seeds, penalties, records, classes)``.
        seeds: In the order of ``scores``.
        penalties: In the order of ``scores``.

    Returns:
        The index of each seed's penalty, and what ``run.json`` says of the choice.
    """
    indices, chosen = [], []
    for seed, of_seed in zip(seeds, scores, strict=True):
        found = [headline(cohort, "validation", each) for each in of_seed]
        best = max(range(len(found)), key=lambda k: (found[k], penalties[k]))
        indices.append(best)
        chosen.append(Choice(seed=seed, penalty=penalties[best], validation=found[best]))
    return indices, tuple(chosen)


def average_weights(
    weights: NDArray[np.floating], cohort: Cohort, split: SplitName
) -> LayerWeights:
    """Average layer weights over a split and over each class's positives.

    Args:
        weights: ``(records, layers)`` of the split's records.
        cohort: The cohort that they are of.
        split: The split's name.
    """
    positive = cohort.targets[cohort.rows[split]] == 1
    classes = cohort.classes if cohort.outcome in CLASSES else ()
    by_class = {name: weights[positive[:, k]] for k, name in enumerate(classes)}
    return LayerWeights(
        split=split,
        mean=tuple(weights.mean(axis=0).tolist()),
        by_class={
            name: tuple(rows.mean(axis=0).tolist()) if len(rows) else None
            for name, rows in by_class.items()
        },
    )
