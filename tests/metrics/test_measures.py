"""Measures over known targets, and their paired resamples, against what is known without them."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from myocard.metrics.measures import AUROC, BRIER, MEASURES, PRECISION, resampled
from myocard.metrics.outcomes import measured
from myocard.metrics.significance import delong_test
from myocard.metrics.summary import difference

ORACLES = {
    "auroc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}


def chances(rng, targets, noise=1.0):
    return 1 / (1 + np.exp(-(2 * targets - 1 + noise * rng.normal(size=targets.shape))))


@pytest.mark.parametrize("measure", MEASURES, ids=lambda each: each.name)
def test_records_of_unknown_target_do_not_count_for_that_class(measure):
    rng = np.random.default_rng(0)
    targets = (rng.random((120, 3)) < 0.3).astype(float)
    scores = chances(rng, targets)
    targets[rng.random(targets.shape) < 0.2] = np.nan
    once = np.ones((1, 120), dtype=int)
    found = measured(measure.metric, "any")(targets, scores, once)[0]
    for k in range(3):
        known = ~np.isnan(targets[:, k])
        oracle = ORACLES[measure.name](targets[known, k], scores[known, k])
        assert found[k] == pytest.approx(oracle)


def test_every_model_meets_the_same_resamples_in_whatever_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    targets = (rng.random((60, 2)) < 0.4).astype(float)
    scores = chances(rng, targets)[None]
    asked = {"groups": np.arange(60) // 2, "resamples": 50, "seed": 3}
    one, other = resampled([AUROC, BRIER], targets, [scores, scores], **asked)
    assert one.shape == (2, 1, 51, 2)
    assert np.array_equal(one, other)
    assert len(np.unique(one[0, 0, 1:, 0])) > 30
    monkeypatch.setattr("myocard.metrics.measures._CELLS", 60 * 7)
    (chunked,) = resampled([AUROC, BRIER], targets, [scores], **asked)
    assert chunked.shape == one.shape
    assert np.array_equal(chunked[:, :, 0], one[:, :, 0])
    assert len(np.unique(chunked[0, 0, 1:, 0])) > 30


def test_the_interval_of_a_difference_in_brier_score_is_that_of_a_mean_of_pairs():
    rng = np.random.default_rng(2)
    targets = (rng.random((4000, 1)) < 0.3).astype(float)
    one, other = chances(rng, targets), chances(rng, targets, noise=1.3)
    values = resampled([BRIER], targets, [one[None], other[None]], groups=None, resamples=3000)
    found = difference(*(each[0, 0, :, 0] for each in values))
    pairs = np.square(one - targets) - np.square(other - targets)
    error = pairs.std(ddof=1) / np.sqrt(len(pairs))
    assert found.difference == pytest.approx(pairs.mean())
    assert found.se == pytest.approx(error, rel=0.05)
    ends = norm.interval(0.95, pairs.mean(), error)
    assert (found.low, found.high) == pytest.approx(ends, abs=0.15 * error)


def test_patients_whose_records_are_alike_count_as_one_record():
    rng = np.random.default_rng(3)
    targets = (rng.random((600, 1)) < 0.3).astype(float)
    one, other = chances(rng, targets), chances(rng, targets, noise=1.3)
    pairs = np.square(one - targets) - np.square(other - targets)
    tripled = [np.repeat(each, 3, axis=0) for each in (targets, one, other)]
    owners = np.repeat(np.arange(600), 3)
    errors = []
    for groups in (owners, None):
        values = resampled(
            [BRIER], tripled[0], [t[None] for t in tripled[1:]], groups=groups, resamples=2000
        )
        errors.append(difference(*(each[0, 0, :, 0] for each in values)).se)
    assert errors[0] == pytest.approx(pairs.std(ddof=1) / np.sqrt(600), rel=0.07)
    assert errors[1] == pytest.approx(errors[0] / np.sqrt(3), rel=0.1)


def test_the_interval_of_a_difference_in_auroc_is_delongs_on_many_records():
    rng = np.random.default_rng(4)
    targets = (rng.random((3000, 1)) < 0.3).astype(float)
    one, other = chances(rng, targets), chances(rng, targets, noise=1.2)
    values = resampled([AUROC], targets, [one[None], other[None]], groups=None, resamples=1500)
    found = difference(*(each[0, 0, :, 0] for each in values))
    oracle = delong_test(targets == 1, one, other)
    width = oracle.high[0] - oracle.low[0]
    assert found.difference == pytest.approx(oracle.difference[0])
    assert (found.low, found.high) == pytest.approx(
        (oracle.low[0], oracle.high[0]), abs=0.06 * width
    )


def test_scores_that_a_measure_says_nothing_of_are_told():
    flat, spread = np.full((2, 9), 0.5), np.linspace(0, 1, 18).reshape(2, 9)
    for measure in (AUROC, PRECISION):
        assert measure.fault(flat) == "gives every record the same score"
        assert measure.fault(np.stack([spread[0], flat[0]])) is not None  # one of its seeds
        assert measure.fault(spread * 10) is None
    assert BRIER.fault(spread * 1.01) == "has scores that are no probabilities"
    assert BRIER.fault(flat) is None
    assert BRIER.fault(spread) is None
