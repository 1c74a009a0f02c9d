"""Cox's line against what probabilities were bent by, and against another solver."""

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from myocard.metrics.recalibration import calibration_line


def drawn(records=40_000, seed=0):
    rng = np.random.default_rng(seed)
    chance = expit(rng.normal(-1, 1.5, records))
    return rng.random(records) < chance, chance


def test_true_probabilities_have_slope_1_and_intercept_0():
    slope, intercept = calibration_line(*drawn())
    assert slope == pytest.approx(1, abs=0.04)
    assert intercept == pytest.approx(0, abs=0.04)


def test_probabilities_that_were_bent_tell_by_how_much():
    target, chance = drawn()
    assert calibration_line(target, expit(2 * logit(chance))).slope == pytest.approx(0.5, abs=0.02)
    shifted = calibration_line(target, expit(logit(chance) - 0.7))
    assert shifted.intercept == pytest.approx(0.7, abs=0.04)
    assert shifted.slope == pytest.approx(1, abs=0.04)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_slope_is_that_of_logistic_regression():
    target, chance = drawn(300, seed=1)
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    oracle.fit(logit(chance)[:, None], target)
    assert calibration_line(target, chance).slope == pytest.approx(oracle.coef_[0, 0], rel=1e-4)


def test_the_intercept_makes_the_mean_probability_the_frequency():
    target, chance = drawn(300, seed=2)
    bent = expit(1.7 * logit(chance) + 0.4)
    _, intercept = calibration_line(target, bent)
    assert expit(logit(bent) + intercept).mean() == pytest.approx(target.mean(), abs=1e-6)


def test_certainties_have_a_line_too():
    target, chance = drawn(500, seed=3)
    chance[:3], chance[3:6] = 0, 1
    assert np.isfinite(calibration_line(target, chance)).all()


def test_what_has_no_line_says_so():
    target, chance = drawn(50, seed=4)
    assert np.isnan(calibration_line(np.ones(50, bool), chance)).all()
    assert np.isnan(calibration_line(np.zeros(50, bool), chance)).all()
    parted = calibration_line(target, np.where(target, 0.8, 0.3))
    assert np.isnan(parted.slope)
    assert np.isfinite(parted.intercept)
