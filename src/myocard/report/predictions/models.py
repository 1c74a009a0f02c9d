"""Each model by itself: its scores, its calibration; and pairs of them within subgroups."""

from collections.abc import Iterator, Sequence

import numpy as np

from myocard.errors import InputError
from myocard.metrics.calibration import chance_calibration_error, expected_calibration_error
from myocard.metrics.outcomes import Measure, are_positive
from myocard.metrics.recalibration import calibration_line
from myocard.metrics.scores import Reals
from myocard.metrics.summary import ClassEstimate, Estimate, Score, difference, estimated
from myocard.outcomes import CLASSES
from myocard.report.predictions.contrasts import Pairs, Scored, left_out, scored
from myocard.results.comparison import Calibration, SubgroupContrast
from myocard.results.panel import Panel
from myocard.results.strata import strata

MOST = 30
"""Values of a column that a user names as subgroups."""


def scores_of(found: Scored, model: int) -> dict[str, Score]:
    """A model's score under every measure, with intervals by patient."""
    return {measure.name: _score(found, model, measure) for measure in found.measures}


def _score(found: Scored, model: int, measure: Measure) -> Score:
    panel = found.panel
    positives = are_positive(panel.targets, panel.outcome).sum(axis=0).tolist()
    return Score(
        macro=_estimate(found, model, measure, None),
        by_class={
            name: ClassEstimate(
                **_estimate(found, model, measure, name).model_dump(), positives=count
            )
            for name, count in zip(panel.classes, positives, strict=True)
        },
    )


def _estimate(found: Scored, model: int, measure: Measure, label: str | None) -> Estimate:
    if found.hindrance(measure, label, model):
        return Estimate(value=None, low=None, high=None)
    return estimated(found.series(model, measure, label))


def calibration_of(found: Scored, model: int) -> dict[str, Calibration]:
    """A model's calibration class by class; empty where its scores are no probabilities."""
    panel = found.panel
    scores = panel.scores[model]
    if panel.outcome not in CLASSES or scores.min() < 0 or scores.max() > 1:
        return {}
    return {
        name: _calibration(panel.targets[:, k], scores[:, :, k])
        for k, name in enumerate(panel.classes)
        if found.tested[k]
    }


def _calibration(target: Reals, scores: Reals) -> Calibration:
    known = ~np.isnan(target)
    flags, probabilities = target[known] == 1, scores[:, known]
    errors = [expected_calibration_error(flags[:, None], p[:, None]) for p in probabilities]
    by_chance = [chance_calibration_error(flags[:, None], p[:, None]) for p in probabilities]
    lines = np.array([calibration_line(flags, p) for p in probabilities]).mean(axis=0)
    slope, intercept = (None if np.isnan(value) else float(value) for value in lines)
    return Calibration(
        error=float(np.mean(errors)),
        by_chance=float(np.mean(by_chance)),
        slope=slope,
        intercept=intercept,
    )


def subgroups_of(
    panel: Panel, pairs: Pairs, measure: Measure, *, resamples: int, seed: int
) -> Iterator[SubgroupContrast]:
    """The difference of each pair within every subgroup that has an output to be scored on.

    Whether it differs between subgroups is not tested.
    """
    for trait, name, inside in strata(panel.traits):
        some = panel.of(inside)
        if len(left_out(some)) == len(panel.classes):
            continue
        found = scored(some, [measure], resamples=resamples, seed=seed)
        for pair in pairs:
            if found.hindrance(measure, None, *pair) is None:
                model, against = (found.series(k, measure, None).mean(axis=0) for k in pair)
                seen = difference(model, against)
                yield SubgroupContrast(
                    model=panel.names[pair[0]],
                    against=panel.names[pair[1]],
                    measure=measure.name,
                    trait=trait,
                    subgroup=name,
                    records=int(inside.sum()),
                    patients=len(set(some.owners)),
                    classes=tuple(np.array(panel.classes)[found.tested].tolist()),
                    difference=seen.difference,
                    low=seen.low,
                    high=seen.high,
                )


def require_subgroups(panel: Panel, named: Sequence[str]) -> None:
    """Refuse columns that are nowhere, or tell every record apart.

    Raises:
        InputError: For such a column.
    """
    for name in named:
        if name not in panel.traits:
            raise InputError(f"--subgroup {name}: no table has that column")
        values = panel.traits[name].nunique()
        if values > MOST and name != "age":
            raise InputError(f"--subgroup {name}: {values} values, more than {MOST}; put in bands")
