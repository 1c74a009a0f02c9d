"""Conformal bounds against mapie, by hand, and by the coverage that they promise."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from myocard.metrics.conformal import bound, bound_of_class, bounds_by_answer, fewest, shortage

COVERAGES = pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
RECORDS = pytest.mark.parametrize("records", [21, 60])


@pytest.fixture(scope="module")
def oracle() -> dict[str, np.ndarray]:
    """Sets and intervals that ``tests/oracles/make_conformal.py`` made with mapie 1.6.0."""
    with np.load(Path(__file__).parents[1] / "oracles" / "conformal.npz") as file:
        return dict(file)


@COVERAGES
@RECORDS
def test_sets_of_one_of_several_classes_are_mapies(oracle, records, coverage):
    probabilities = oracle[f"{records}_probabilities"]
    targets = np.eye(4)[oracle[f"{records}_classes"]]
    held = probabilities[records:] >= bound_of_class(targets, probabilities[:records], coverage)
    assert np.array_equal(held, oracle[f"{records}_sets_{coverage}"])


@COVERAGES
@RECORDS
def test_intervals_of_numbers_are_mapies(oracle, records, coverage):
    values, truth = oracle[f"{records}_values"], oracle[f"{records}_truth"]
    reach = bound(np.abs(truth - values[:records]), coverage)
    low, high = oracle[f"{records}_intervals_{coverage}"].T
    assert values[records:] - reach == pytest.approx(low, abs=1e-12)
    assert values[records:] + reach == pytest.approx(high, abs=1e-12)


def test_the_bound_of_nine_is_their_largest_and_of_eight_there_is_none_at_a_coverage_of_90():
    assert fewest(0.9) == 9
    assert bound(np.arange(9.0), 0.9) == 8
    assert bound(np.arange(8.0), 0.9) == np.inf


@given(coverage=st.floats(0.01, 0.99))
def test_the_fewest_records_have_a_bound_and_one_fewer_have_none(coverage):
    least = fewest(coverage)
    assert np.isfinite(bound(np.arange(float(least)), coverage))
    assert bound(np.arange(least - 1.0), coverage) == np.inf


@given(records=st.integers(1, 500))
def test_the_coverage_that_is_advised_can_be_had(records):
    said = shortage(np.zeros((records, 1)), ("y",), "number", records / (records + 1) + 1e-5)
    most = float(said.split("--coverage ")[1].split()[0])
    assert shortage(np.zeros((records, 1)), ("y",), "number", most) is None


@pytest.mark.parametrize(("records", "coverage"), [(19, 0.9), (60, 0.9), (33, 0.75)])
def test_the_mean_coverage_is_the_one_that_theory_gives(records, coverage):
    # The rank-th smallest of n records and one more covers rank / (n + 1), whatever they are like.
    rng = np.random.default_rng(records)
    drawn = rng.exponential(size=(4000, records))
    bounds = np.array([bound(each, coverage) for each in drawn])
    expected = np.ceil((records + 1) * coverage) / (records + 1)
    assert (1 - np.exp(-bounds)).mean() == pytest.approx(expected, abs=0.005)
    assert coverage <= expected <= coverage + 1 / (records + 1)


def test_each_answer_is_covered_among_the_records_of_which_it_is_true():
    rng, coverage, found = np.random.default_rng(0), 0.8, []
    for _ in range(300):
        logits = rng.normal([-2.5, 0.0], 1.0, size=(1200, 2))
        targets = rng.random(logits.shape) < expit(2 * logits)
        scores = expit(logits)  # not calibrated
        yes, no = bounds_by_answer(targets[:200], scores[:200], coverage)
        new, truth = scores[200:], targets[200:]
        shares = [(new >= yes)[truth[:, k], k].mean() for k in range(2)]
        shares += [(new <= no)[~truth[:, k], k].mean() for k in range(2)]
        found.append(shares)
    # Not below, and above by 1 / (n + 1) at most: for the rare class there are about ten positives.
    mean = np.mean(found, axis=0)
    most = np.array([0.9, 0.82, 0.82, 0.82])
    assert ((mean > coverage - 0.01) & (mean < most)).all()


def test_records_of_which_nothing_is_known_do_not_count():
    rng = np.random.default_rng(1)
    targets, scores = (rng.random((50, 2)) < 0.5).astype(float), rng.random((50, 2))
    unknown = np.concatenate([targets, np.full((20, 2), np.nan)])
    more = np.concatenate([scores, rng.random((20, 2))])
    for one, other in zip(
        bounds_by_answer(targets, scores, 0.8), bounds_by_answer(unknown, more, 0.8), strict=True
    ):
        assert np.array_equal(one, other)


def test_sets_of_true_probabilities_are_smaller_than_those_of_an_equal_guess():
    rng = np.random.default_rng(2)
    logits = 2 * rng.normal(size=(2000, 5))
    probabilities = softmax(logits, axis=1)
    targets = np.eye(5)[[rng.choice(5, p=each) for each in probabilities]]
    least = bound_of_class(targets, probabilities, 0.9)
    assert (probabilities >= least).sum(axis=1).mean() < 4
    equal = np.full_like(probabilities, 0.2)
    assert (equal >= bound_of_class(targets, equal, 0.9)).all()
