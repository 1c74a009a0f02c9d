"""Summaries of scores against scikit-learn, and differences against their law."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from myocard.errors import InputError
from myocard.metrics import resamples
from myocard.metrics.calibration import brier_score
from myocard.metrics.scores import LEVEL, RULE, best_thresholds
from myocard.metrics.summary import (
    ClassEstimate,
    Difference,
    Estimate,
    Metrics,
    difference,
    macro_estimate,
    macro_resamples,
    summarise,
)

NAMES = ("a", "b", "c")


def example(
    records: int, *, classes: int = 3, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Targets of falling frequency, and scores on a coarse grid, so that many tie."""
    rng = np.random.default_rng(seed)
    targets = rng.random((records, classes)) < 0.5 / np.arange(1, classes + 1)
    return targets, np.round(targets + rng.normal(size=targets.shape), 1)


def test_a_class_without_positives_is_named_and_left_out_of_the_macro():
    targets, scores = example(50)
    targets[:, 1] = False
    found = summarise(targets, scores, ["NORM", "TRIGU", "MI"], resamples=50)
    assert found.interval.rule == RULE == "macro over defined classes"
    assert found.undefined == ("TRIGU",)
    by_class = found.main.by_class
    assert by_class["TRIGU"] == ClassEstimate(value=None, low=None, high=None, positives=0)
    others = [by_class[name].value for name in ("NORM", "MI")]
    assert found.main.macro.value == pytest.approx(np.mean(others))


def test_a_summary_is_read_from_json_as_it_was_written():
    targets, scores = example(50)
    targets[:, 1] = False
    found = summarise(targets, scores, NAMES, resamples=50)
    assert Metrics.model_validate_json(found.model_dump_json()) == found


def test_without_a_defined_class_there_is_no_macro_average():
    found = summarise(np.zeros((9, 3), bool), example(9)[1], NAMES, resamples=20)
    assert found.undefined == NAMES
    assert found.main.macro == Estimate(value=None, low=None, high=None)


def test_a_summary_says_how_its_intervals_were_made():
    targets, scores = example(30)
    found = summarise(targets, scores, NAMES, resamples=20, seed=7)
    assert (found.records, found.patients) == (30, None)
    made = found.interval
    assert (made.level, made.resamples, made.unit, made.seed) == (LEVEL, 20, "record", 7)


def test_copies_of_records_do_not_narrow_the_interval_of_patients():
    targets, scores = example(60)
    twice, patients = np.repeat(np.arange(60), 2), np.repeat(np.arange(60), 2)
    alone = summarise(targets, scores, NAMES, groups=np.arange(60))
    copied = summarise(targets[twice], scores[twice], NAMES, groups=patients)
    assert copied.records == 120
    assert copied.patients == 60
    assert copied.interval.unit == "patient"
    expected = alone.main.macro.model_dump()
    assert copied.main.macro.model_dump() == pytest.approx(expected)


def test_a_value_is_the_mean_over_seeds_and_their_spread_is_apart():
    targets, _ = example(70)
    rng = np.random.default_rng(2)
    scores = targets + rng.normal(size=(3, *targets.shape))
    found = summarise(targets, scores, NAMES, resamples=50).main.macro
    single = [roc_auc_score(targets, each, average="macro") for each in scores]
    assert found.value == pytest.approx(np.mean(single))
    assert found.seed_sd == pytest.approx(np.std(single, ddof=1))
    assert found.low < found.value < found.high


def test_a_single_seed_has_no_spread():
    targets, scores = example(70)
    assert summarise(targets, scores, NAMES, resamples=20).main.macro.seed_sd is None


def test_thresholds_of_validation_are_applied_as_given():
    targets, scores = example(90)
    thresholds = np.array([0.3, 0.6, np.inf])
    found = summarise(targets, scores, NAMES, thresholds=thresholds, resamples=20)
    expected = f1_score(targets, scores >= thresholds, average=None, zero_division=0)
    values = [each.value for each in found.scores["f1"].by_class.values()]
    assert values == pytest.approx(expected)


def test_thresholds_that_are_not_given_are_the_best_of_each_seed_on_these_records():
    targets, scores = example(90)
    both = np.stack([scores, -scores])
    best = np.stack([best_thresholds(targets, each) for each in both])
    given = summarise(targets, both, NAMES, thresholds=best, resamples=20)
    assert summarise(targets, both, NAMES, resamples=20) == given


def test_an_estimate_is_what_the_summary_says_for_any_metric():
    targets, scores = example(60)
    patients = np.arange(60) // 2
    whole = summarise(targets, scores, NAMES, groups=patients, resamples=40)
    assert macro_estimate(targets, scores, groups=patients, resamples=40) == whole.main.macro
    sure = np.clip(scores, 0, 1)
    brier = macro_estimate(targets, sure, metric=brier_score, resamples=40)
    assert brier.value == pytest.approx(np.square(sure - targets).mean())


def paired(targets, ours, theirs, **how) -> Difference:
    """The difference of ``ours`` to ``theirs`` on the same resamples."""
    sides = (macro_resamples(targets, scores, **how) for scores in (ours, theirs))
    return difference(*sides)


def test_pairing_narrows_the_interval_of_a_difference_between_like_scores():
    targets, scores = example(120)
    better = scores + 0.3 * targets
    found = paired(targets, better, scores)
    sides = [summarise(targets, s, NAMES).main.macro for s in (better, scores)]
    assert found.difference == pytest.approx(sides[0].value - sides[1].value)
    unpaired = np.hypot(*(side.high - side.low for side in sides))
    assert found.high - found.low < unpaired / 2
    assert found.low > 0
    assert found.p == pytest.approx(2 / 1001)


def test_equal_scores_do_not_differ():
    targets, scores = example(50)
    same = paired(targets, scores, np.stack([scores, scores]), resamples=100)
    assert same == Difference(difference=0, low=0, high=0, p=1, se=0)


def test_p_values_without_a_difference_are_uniform():
    rng = np.random.default_rng(4)
    targets = rng.random((80, 1)) < 0.4
    values = []
    for _ in range(150):
        sides = targets + rng.normal(size=(2, 80, 1))
        values.append(paired(targets, *sides, resamples=100).p)
    assert np.mean(np.array(values) < 0.1) == pytest.approx(0.1, abs=0.08)
    assert np.mean(values) == pytest.approx(0.5, abs=0.1)


def test_scores_that_are_not_finite_are_refused():
    targets, scores = example(10)
    scores[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN"):
        summarise(targets, scores, NAMES)


def test_chunks_of_resamples_change_nothing(monkeypatch):
    targets, scores = example(40)
    whole = summarise(targets, scores, NAMES, resamples=30)
    monkeypatch.setattr(resamples, "_CELLS", 100)
    assert summarise(targets, scores, NAMES, resamples=30) == whole


def test_results_cannot_be_changed_and_hold_no_unknown_key():
    found = Estimate(value=0.5, low=0.4, high=0.6)
    with pytest.raises(ValueError, match="frozen"):
        found.value = 1.0
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        Estimate(value=0.5, low=0.4, high=0.6, mean=0.5)


def test_a_thousand_resamples_of_71_classes_take_seconds():
    targets, scores = example(2198, classes=71)
    begun = time.process_time()
    paired(targets, scores, scores[None])
    assert time.process_time() - begun < 20
