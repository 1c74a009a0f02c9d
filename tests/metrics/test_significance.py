"""DeLong against its own example and against all pairs; Holm by hand; power by simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kstest, norm, ttest_rel

from myocard.metrics.scores import auroc
from myocard.metrics.significance import delong, delong_test, detectable, holm
from myocard.metrics.summary import macro_resamples

# Albumin, total protein, K-G score and outcome of 43 patients with ovarian cancer, the example of
# DeLong et al. 1988, as printed with its results in the SAS/STAT User's Guide, LOGISTIC,
# "Comparing Receiver Operating Characteristic Curves".
OVARIAN = np.fromstring(
    """
    3.0 5.8 10 0  3.2 6.3  5 1  3.9 6.8  3 1  2.8 4.8  6 0  3.2 5.8  3 1  0.9 4.0  5 0
    2.5 5.7  8 0  1.6 5.6  5 1  3.8 5.7  5 1  3.7 6.7  6 1  3.2 5.4  4 1  3.8 6.6  6 1
    4.1 6.6  5 1  3.6 5.7  5 1  4.3 7.0  4 1  3.6 6.7  4 0  2.3 4.4  6 1  4.2 7.6  4 0
    4.0 6.6  6 0  3.5 5.8  6 1  3.8 6.8  7 1  3.0 4.7  8 0  4.5 7.4  5 1  3.7 7.4  5 1
    3.1 6.6  6 1  4.1 8.2  6 1  4.3 7.0  5 1  4.3 6.5  4 1  3.2 5.1  5 1  2.6 4.7  6 1
    3.3 6.8  6 0  1.7 4.0  7 0  3.7 6.1  5 1  3.3 6.3  7 1  4.2 7.7  6 1  3.5 6.2  5 1
    2.9 5.7  9 0  2.1 4.8  7 1  2.8 6.2  8 0  4.0 7.0  7 1  3.3 5.7  6 1  3.7 6.9  5 1
    3.6 6.6  5 1
    """,
    sep=" ",
).reshape(-1, 4)
OUTCOME = OVARIAN[:, 3] == 1
ALBUMIN, PROTEIN, SCORE = OVARIAN[:, 0], OVARIAN[:, 1], 10 - OVARIAN[:, 2]


def by_all_pairs(target, scores):
    """The structural components of DeLong 1988, eq. 4, written out."""
    a, b = scores[:, target][:, :, None], scores[:, ~target][:, None, :]
    wins = (a > b) + 0.5 * (a == b)
    parts = wins.mean(axis=2), wins.mean(axis=1)
    covariance = sum(np.cov(part) / part.shape[1] for part in parts)
    return wins.mean(axis=(1, 2)), np.atleast_2d(covariance)


def test_delong_gives_the_published_areas_and_errors_of_its_own_example():
    areas, covariance = delong(OUTCOME, np.stack([ALBUMIN, SCORE, PROTEIN]))
    assert areas == pytest.approx([0.7366, 0.7258, 0.6478], abs=5e-5)
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.0927, 0.1028, 0.1000], abs=5e-5)
    contrast = np.array([[1, -1, 0], [0, -1, 1]])
    gap = contrast @ areas
    statistic = gap @ np.linalg.solve(contrast @ covariance @ contrast.T, gap)
    assert statistic == pytest.approx(2.5340, abs=5e-5)
    assert chi2.sf(statistic, 2) == pytest.approx(0.2817, abs=5e-5)


@pytest.mark.parametrize(
    ("marker", "difference", "error", "p"),
    [(ALBUMIN, 0.0108, 0.0953, 0.9102), (PROTEIN, -0.0780, 0.1046, 0.4561)],
)
def test_the_paired_test_gives_the_published_p_of_that_example(marker, difference, error, p):
    found = delong_test(OUTCOME[:, None], marker[:, None], SCORE[:, None])
    assert found.difference == pytest.approx(difference, abs=5e-5)
    assert found.high - found.low == pytest.approx(2 * 1.959964 * error, abs=3e-4)
    assert found.p == pytest.approx(p, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), records=st.integers(6, 40), grain=st.integers(0, 2))
def test_midranks_give_what_all_pairs_give_also_with_ties(seed, records, grain):
    rng = np.random.default_rng(seed)
    target = rng.permutation(np.arange(records) < rng.integers(2, records - 1))
    scores = np.round(target + rng.normal(size=(3, records)), grain)
    for ours, oracle in zip(delong(target, scores), by_all_pairs(target, scores), strict=True):
        assert ours == pytest.approx(oracle)


def test_several_seeds_are_compared_by_the_mean_of_their_areas():
    rng = np.random.default_rng(1)
    targets = rng.random((90, 2)) < 0.4
    a, b = targets + rng.normal(size=(3, 90, 2)), targets + rng.normal(size=(2, 90, 2))
    found = delong_test(targets, a, b)
    once = np.ones((1, 90), int)
    means = [np.mean([auroc(targets, s, once)[0] for s in side], axis=0) for side in (a, b)]
    assert found.difference == pytest.approx(means[0] - means[1])
    _, covariance = by_all_pairs(targets[:, 1], np.concatenate([a, b])[:, :, 1])
    weights = np.array([1 / 3, 1 / 3, 1 / 3, -1 / 2, -1 / 2])
    error = np.sqrt(weights @ covariance @ weights)
    assert found.high[1] - found.low[1] == pytest.approx(2 * norm.ppf(0.975) * error)


def test_what_cannot_be_tested_has_no_p():
    rng = np.random.default_rng(2)
    targets = np.zeros((30, 3), bool)
    targets[:1, 0] = targets[:10, 1:] = True
    scores = rng.random((30, 3))
    scores[:, 1] = targets[:, 1]
    p = delong_test(targets, scores, scores**2).p
    assert np.isnan(p[0])  # a single positive
    assert np.isnan(p[1])  # two perfect rankings
    same = delong_test(targets, scores, scores)
    assert np.isnan(same.p).all()
    assert same.difference[1:] == pytest.approx(0)


def test_p_values_without_a_difference_are_uniform():
    rng = np.random.default_rng(11)
    targets = np.tile(np.arange(120)[:, None] < 50, 800)
    common = targets + rng.normal(size=targets.shape)
    a, b = common + rng.normal(size=(2, *targets.shape))
    p = delong_test(targets, a, b).p
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.02)


def test_delong_and_the_bootstrap_agree_on_independent_records():
    rng = np.random.default_rng(4)
    targets = rng.random((300, 1)) < 0.4
    a, b = targets + rng.normal(size=(2, 300, 1))
    drawn = np.diff([macro_resamples(targets, side)[1:] for side in (b, a)], axis=0)
    found = delong_test(targets, a, b)
    assert drawn.std() * 2 * 1.96 == pytest.approx(found.high - found.low, rel=0.1)


def test_holm_is_what_a_hand_finds():
    # Sorted: .01 × 4 = .04, .02 × 3 = .06, .022 × 2 = .044 but not below .06, .5 × 1.
    assert holm([0.02, 0.5, 0.01, 0.022]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.3, 0.9, 0.6]) == pytest.approx([0.9, 1, 1])
    assert holm([0.03]) == pytest.approx([0.03])


def test_a_test_that_was_not_made_does_not_count_for_holm():
    adjusted = holm([0.02, np.nan, 0.03])
    assert adjusted[[0, 2]] == pytest.approx([0.04, 0.04])
    assert np.isnan(adjusted[1])
    assert holm([]).shape == (0,)


def test_the_detectable_difference_is_found_with_the_stated_power():
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(4000, 400))
    gain = detectable(1 / np.sqrt(400))
    assert gain == pytest.approx(2.801585 / 20, rel=1e-6)  # 1.959964 + 0.841621
    p = ttest_rel(noise + gain, np.zeros_like(noise), axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.02)
