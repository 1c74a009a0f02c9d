"""Calibration against scikit-learn, hand counts and temperatures that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, confusion_matrix, log_loss, roc_auc_score

from myocard.metrics import calibration

KINDS = pytest.mark.parametrize("exclusive", [False, True])


def drawn(records: int, *, exclusive: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits of four classes, and outcomes drawn from their probabilities."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(records, 4)) - 1
    if not exclusive:
        return rng.random(logits.shape) < expit(logits), logits
    chosen = (softmax(logits, axis=1).cumsum(axis=1) > rng.random((records, 1))).argmax(axis=1)
    return np.eye(4, dtype=bool)[chosen], logits


def link(logits: np.ndarray, exclusive: bool) -> np.ndarray:
    return softmax(logits, axis=1) if exclusive else expit(logits)


def test_the_calibration_error_is_zero_for_true_frequencies_and_known_for_wrong_ones():
    targets = (np.arange(100) < 25)[:, None]
    right, sure = np.full((100, 1), 0.25), np.ones((100, 1))
    assert calibration.expected_calibration_error(targets, right) == pytest.approx(0)
    assert calibration.expected_calibration_error(targets, sure) == pytest.approx(0.75)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), bins=st.integers(1, 20))
def test_the_calibration_error_is_the_weighted_gap_of_scikit_learns_curve(seed, bins):
    targets, logits = drawn(80, exclusive=False, seed=seed)
    probabilities = expit(2 * logits)
    for k, ours in enumerate(
        calibration.expected_calibration_error(targets, probabilities, bins=bins)
    ):
        true, said = calibration_curve(targets[:, k], probabilities[:, k], n_bins=bins)
        sizes, _ = np.histogram(probabilities[:, k], bins, (0, 1))
        assert ours == pytest.approx(np.abs(true - said) @ sizes[sizes > 0] / 80)


def test_true_probabilities_err_by_chance_alone_and_sure_ones_by_more():
    targets, logits = drawn(300, exclusive=False)
    for factor, most in ((1, 1.3), (3, np.inf)):
        probabilities = expit(factor * logits)
        found = calibration.expected_calibration_error(targets, probabilities).mean()
        ratio = found / calibration.chance_calibration_error(targets, probabilities).mean()
        assert 1 / 1.3 < ratio < most
    assert ratio > 2


def test_a_weighted_brier_score_equals_scikit_learns():
    targets, logits = drawn(60, exclusive=False)
    counts = np.random.default_rng(1).integers(0, 4, (3, 60))
    ours = calibration.brier_score(targets, expit(logits), counts)
    for row, k in np.ndindex(ours.shape):
        expected = brier_score_loss(targets[:, k], expit(logits)[:, k], sample_weight=counts[row])
        assert ours[row, k] == pytest.approx(expected)


def test_the_reliability_curve_is_scikit_learns_with_intervals_around_it():
    targets, logits = drawn(200, exclusive=False)
    curve = calibration.reliability(targets, expit(logits)[None], bins=10)
    true, said = calibration_curve(targets.ravel(), expit(logits).ravel(), n_bins=10)
    assert curve.frequency == pytest.approx(true)
    assert curve.confidence == pytest.approx(said)
    assert curve.pairs.sum() == targets.size
    assert ((curve.low < curve.frequency) & (curve.frequency < curve.high)).all()


def test_more_seeds_do_not_narrow_the_interval_of_a_bin():
    targets, logits = drawn(100, exclusive=False)
    one = calibration.reliability(targets, expit(logits)[None])
    three = calibration.reliability(targets, np.repeat(expit(logits)[None], 3, axis=0))
    for ours, expected in zip(three, one, strict=True):
        assert ours == pytest.approx(expected)


def test_wilsons_interval_is_scipys():
    hits, total = np.array([0, 1, 7, 20, 20]), np.array([3, 1, 20, 60, 20])
    pairs = zip(hits.tolist(), total.tolist(), strict=True)
    expected = [binomtest(*pair).proportion_ci(method="wilson") for pair in pairs]
    assert np.transpose(calibration.wilson(hits, total)) == pytest.approx(np.array(expected))


def test_nothing_counted_leaves_a_share_open():
    low, high = calibration.wilson(np.zeros(1), np.zeros(1))
    assert (low, high) == (pytest.approx(0), pytest.approx(1))


@KINDS
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_temperature_that_is_known_is_found_and_undone(exclusive, temperature):
    targets, logits = drawn(4000, exclusive=exclusive)
    sure = link(temperature * logits, exclusive)
    found = calibration.fit_temperature(targets, sure, exclusive=exclusive)
    assert found == pytest.approx(temperature, rel=0.08)
    undone = calibration.scale(sure, temperature, exclusive=exclusive)
    assert undone == pytest.approx(link(logits, exclusive))


@KINDS
def test_no_other_temperature_is_likelier(exclusive):
    targets, logits = drawn(300, exclusive=exclusive)
    probabilities = link(1.7 * logits, exclusive)
    best = calibration.fit_temperature(targets, probabilities, exclusive=exclusive)

    def loss(temperature):
        scaled = calibration.scale(probabilities, temperature, exclusive=exclusive)
        if exclusive:
            return log_loss(targets, scaled)
        return log_loss(targets.ravel(), scaled.ravel())

    assert all(loss(best) <= loss(best * factor) for factor in (0.8, 0.95, 1.05, 1.25))


@pytest.mark.parametrize("temperature", [0.5, 4.0])
def test_temperature_changes_no_auroc_of_sigmoids(temperature):
    targets, logits = drawn(200, exclusive=False)
    scores = expit(2 * logits).astype(np.float32)
    scaled = calibration.scale(scores, temperature, exclusive=False)
    assert roc_auc_score(targets, scaled) == roc_auc_score(targets, scores)


@pytest.mark.parametrize("temperature", [0.3, 4.0])
def test_temperature_changes_no_first_choice_of_softmax(temperature):
    scores = softmax(drawn(200, exclusive=True)[1], axis=1)
    scaled = calibration.scale(scores, temperature, exclusive=True)
    assert (scaled.argmax(axis=1) == scores.argmax(axis=1)).all()
    assert scaled.sum(axis=1) == pytest.approx(1)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_no_higher_threshold_finds_as_many_positives(seed, share):
    rng = np.random.default_rng(seed)
    targets = rng.random((40, 1)) < 0.5
    scores = np.round(rng.random((40, 1)), 1)
    (chosen,) = calibration.thresholds_at(share, targets, scores)
    if not targets.any():
        assert chosen == np.inf
        return
    positives = scores[targets]
    assert np.mean(positives >= chosen) >= share
    assert np.mean(positives > chosen) < share


def test_an_operating_point_is_what_the_confusion_matrix_says():
    targets, logits = drawn(150, exclusive=False)
    scores = np.stack([expit(logits), expit(logits[:, ::-1])])
    thresholds = np.array([[0.2, 0.4, 0.6, np.inf], [0.3, 0.3, 0.3, 0.3]])
    found = calibration.operating_point(targets, scores, thresholds)
    for k in range(3):
        cells = [
            confusion_matrix(targets[:, k], each[:, k] >= cut[k]).ravel()
            for each, cut in zip(scores, thresholds, strict=True)
        ]
        tn, fp, fn, tp = np.mean(cells, axis=0)
        expected = [tp / (tp + fn), tn / (tn + fp), tp / (tp + fp)]
        assert [each[k, 0] for each in found] == pytest.approx(expected)
        low, high = calibration.wilson(np.array([tp]), np.array([tp + fn]))
        assert found.sensitivity[k, 1:] == pytest.approx(np.concatenate([low, high]))
    never = calibration.operating_point(targets, scores[:1], np.full((1, 4), np.inf))
    assert never.sensitivity[:, 0] == pytest.approx(0)
    assert never.specificity[:, 0] == pytest.approx(1)
    assert np.isnan(never.precision[:, 0]).all()
