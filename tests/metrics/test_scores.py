"""Scores against scikit-learn, and the bootstrap against what it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from myocard.metrics import scores as metrics

RANKING = [
    (metrics.auroc, roc_auc_score),
    (metrics.average_precision, average_precision_score),
]


def example(
    records: int, *, classes: int = 3, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.floating]]:
    """Targets of falling frequency, and scores on a coarse grid, so that many tie."""
    rng = np.random.default_rng(seed)
    targets = rng.random((records, classes)) < 0.5 / np.arange(1, classes + 1)
    return targets, np.round(targets + rng.normal(size=targets.shape), 1)


def once(records: int) -> NDArray[np.integer]:
    return np.ones((1, records), int)


@pytest.mark.parametrize(("ours", "oracle"), RANKING)
@settings(deadline=None)
@given(seed=st.integers(0, 10_000), records=st.integers(2, 40))
def test_a_weighted_score_equals_scikit_learns(ours, oracle, seed, records):
    targets, scores = example(records, classes=2, seed=seed)
    counts = np.random.default_rng(seed).integers(0, 4, (3, records))
    values = ours(targets, scores, counts)
    known = metrics.defined_classes(targets, counts)
    for row, k in np.ndindex(values.shape):
        if known[row, k]:
            expected = oracle(targets[:, k], scores[:, k], sample_weight=counts[row])
            assert values[row, k] == pytest.approx(expected)
        else:
            assert np.isnan(values[row, k])


@pytest.mark.parametrize(("ours", "oracle"), RANKING)
def test_the_bootstrap_equals_a_loop_over_resampled_records(ours, oracle):
    targets, scores = example(60)
    counts = metrics.bootstrap_counts(None, records=60, resamples=20, seed=3)
    values = ours(targets, scores, counts)
    for row, k in np.ndindex(values.shape):
        drawn = np.repeat(np.arange(60), counts[row])
        assert values[row, k] == pytest.approx(oracle(targets[drawn, k], scores[drawn, k]))


def test_f1_equals_scikit_learns():
    targets, scores = example(80)
    counts = metrics.bootstrap_counts(None, records=80, resamples=10, seed=1)
    values = metrics.f1(targets, scores > 0.5, counts)
    for row, k in np.ndindex(values.shape):
        expected = f1_score(targets[:, k], scores[:, k] > 0.5, sample_weight=counts[row])
        assert values[row, k] == pytest.approx(expected)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), records=st.integers(1, 30))
def test_no_threshold_gives_a_better_f1_than_the_chosen_one(seed, records):
    targets, scores = example(records, classes=1, seed=seed)
    chosen = metrics.best_thresholds(targets, scores)
    if not targets.any():
        assert chosen == np.inf
        return
    every = [f1_score(targets[:, 0], scores[:, 0] >= cut) for cut in np.unique(scores)]
    assert f1_score(targets[:, 0], scores[:, 0] >= chosen[0]) == pytest.approx(max(every))


def test_perfect_scores_give_one_and_constant_scores_chance():
    targets, _ = example(50)
    for metric, _ in RANKING:
        assert metric(targets, targets.astype(float), once(50)) == pytest.approx(1)
    assert metrics.auroc(targets, np.zeros((50, 3)), once(50)) == pytest.approx(0.5)
    prevalence = metrics.average_precision(targets, np.zeros((50, 3)), once(50))
    assert prevalence[0] == pytest.approx(targets.mean(axis=0))


def test_the_macro_average_is_taken_over_the_classes_that_are_defined():
    assert metrics.RULE == "macro over defined classes"
    assert metrics.macro(np.array([[0.5, np.nan, 1.0]])) == pytest.approx(0.75)


def test_a_resample_that_lost_a_class_averages_over_the_others():
    targets, scores = example(30, classes=2)
    targets[:, 1] = np.arange(30) == 0
    counts = np.ones((1, 30), int)
    counts[0, 0] = 0
    values = metrics.auroc(targets, scores, counts)
    assert np.isnan(values[0, 1])
    assert metrics.macro(values)[0] == values[0, 0]
    assert np.isnan(metrics.macro(np.full((1, 2), np.nan)))


def test_patients_are_drawn_whole():
    patients = np.repeat(["a", "b", "c", "d"], [1, 3, 2, 4])
    counts = metrics.bootstrap_counts(patients, records=10, resamples=200)
    first = np.searchsorted(patients, patients)
    assert (counts == counts[:, first]).all()
    assert (counts[:, [0, 1, 4, 6]].sum(axis=1) == 4).all()


def test_single_records_are_drawn_as_often_as_there_are_records_and_repeatably():
    counts = metrics.bootstrap_counts(None, records=40, resamples=500, seed=5)
    assert (counts.sum(axis=1) == 40).all()
    assert counts.mean(axis=0) == pytest.approx(np.ones(40), abs=0.25)
    assert (counts == metrics.bootstrap_counts(None, records=40, resamples=500, seed=5)).all()


def test_the_interval_covers_the_true_auroc_about_as_often_as_it_says():
    rng, truth = np.random.default_rng(0), norm.cdf(1 / np.sqrt(2))
    counts = metrics.bootstrap_counts(None, records=150, resamples=300)
    targets = rng.random((150, 1000)) < 0.4
    scores = targets + rng.normal(size=targets.shape)
    low, high = np.quantile(metrics.auroc(targets, scores, counts), [0.025, 0.975], axis=0)
    assert 0.93 < ((low <= truth) & (truth <= high)).mean() < 0.97
