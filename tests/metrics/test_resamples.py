"""Measures on the same resamples of every model, against what is known without resamples."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from myocard.metrics.outcomes import MEASURES, measured
from myocard.metrics.resamples import resampled
from myocard.metrics.significance import delong_test
from myocard.metrics.summary import difference

ORACLES = {
    "auroc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}

AUROC, BRIER = (MEASURES["any"][name].metric for name in ("auroc", "brier"))


def chances(rng, targets, noise=1.0):
    return 1 / (1 + np.exp(-(2 * targets - 1 + noise * rng.normal(size=targets.shape))))


@pytest.mark.parametrize("name", ORACLES)
def test_records_of_unknown_target_do_not_count_for_that_class(name):
    rng = np.random.default_rng(0)
    targets = (rng.random((120, 3)) < 0.3).astype(float)
    scores = chances(rng, targets)
    targets[rng.random(targets.shape) < 0.2] = np.nan
    once = np.ones((1, 120), dtype=int)
    found = measured([MEASURES["any"][name].metric], "any")(targets, scores, once)[0, 0]
    for k in range(3):
        known = ~np.isnan(targets[:, k])
        oracle = ORACLES[name](targets[known, k], scores[known, k])
        assert found[k] == pytest.approx(oracle)


def test_every_model_meets_the_same_resamples_in_whatever_chunks(monkeypatch):
    rng = np.random.default_rng(1)
    targets = (rng.random((60, 2)) < 0.4).astype(float)
    scores = chances(rng, targets)[None]
    asked = {"groups": np.arange(60) // 2, "resamples": 50, "seed": 3}
    one, other = resampled(measured([AUROC, BRIER], "any"), targets, [scores, scores], **asked)
    assert one.shape == (2, 1, 51, 2)
    assert np.array_equal(one, other)
    assert len(np.unique(one[0, 0, 1:, 0])) > 30
    monkeypatch.setattr("myocard.metrics.resamples._CELLS", 60 * 7)
    (chunked,) = resampled(measured([AUROC, BRIER], "any"), targets, [scores], **asked)
    assert chunked == pytest.approx(one)


def test_the_interval_of_a_difference_in_brier_score_is_that_of_a_mean_of_pairs():
    rng = np.random.default_rng(2)
    targets = (rng.random((4000, 1)) < 0.3).astype(float)
    one, other = chances(rng, targets), chances(rng, targets, noise=1.3)
    values = resampled(
        measured([BRIER], "any"),
        targets,
        [one[None], other[None]],
        groups=None,
        resamples=3000,
        seed=0,
    )
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
        sides = [each[None] for each in tripled[1:]]
        values = resampled(
            measured([BRIER], "any"), tripled[0], sides, groups=groups, resamples=2000, seed=0
        )
        errors.append(difference(*(each[0, 0, :, 0] for each in values)).se)
    assert errors[0] == pytest.approx(pairs.std(ddof=1) / np.sqrt(600), rel=0.07)
    assert errors[1] == pytest.approx(errors[0] / np.sqrt(3), rel=0.1)


def test_the_interval_of_a_difference_in_auroc_is_delongs_on_many_records():
    rng = np.random.default_rng(4)
    targets = (rng.random((3000, 1)) < 0.3).astype(float)
    one, other = chances(rng, targets), chances(rng, targets, noise=1.2)
    values = resampled(
        measured([AUROC], "any"),
        targets,
        [one[None], other[None]],
        groups=None,
        resamples=1500,
        seed=0,
    )
    found = difference(*(each[0, 0, :, 0] for each in values))
    oracle = delong_test(targets == 1, one, other)
    width = oracle.high[0] - oracle.low[0]
    assert found.difference == pytest.approx(oracle.difference[0])
    assert (found.low, found.high) == pytest.approx(
        (oracle.low[0], oracle.high[0]), abs=0.06 * width
    )
