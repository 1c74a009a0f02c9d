"""Metrics of numbers and times against scikit-learn, SciPy and scikit-survival."""

from typing import get_args

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import brier_score_loss, mean_absolute_error, r2_score, roc_curve
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv

from myocard.metrics.outcomes import CHANCE, MEASURES, NAMES, headline, measured
from myocard.metrics.summary import macro_resamples, summarise
from myocard.outcomes import Outcome

RECORDS = 150


def numbers(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.normal(60, 15, (RECORDS, 2))
    return targets, targets + rng.normal(2, 10, targets.shape)


def times(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Signed times with many ties, and hazards that know something of them; some tied."""
    rng = np.random.default_rng(seed)
    hazards = rng.normal(size=(RECORDS, 1)).round(1)
    after = np.ceil(rng.exponential(np.exp(-hazards)) * 10)
    return after * np.where(rng.random(after.shape) < 0.6, 1, -1), hazards


def once(records: int = RECORDS) -> np.ndarray:
    return np.ones((1, records), dtype=int)


def drawn(records: int = RECORDS) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.stack([np.bincount(rng.integers(records, size=records), minlength=records)])


@pytest.mark.parametrize("counts", [once(), drawn()])
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("r2", r2_score),
        ("mae", mean_absolute_error),
        ("correlation", lambda truth, found: stats.pearsonr(truth, found).statistic),
        ("bias", lambda truth, found: (found - truth).mean()),
        ("lower_limit", lambda t, f: (f - t).mean() - 1.96 * (f - t).std(ddof=1)),
        ("upper_limit", lambda t, f: (f - t).mean() + 1.96 * (f - t).std(ddof=1)),
    ],
)
def test_metrics_of_numbers_are_the_oracles_on_every_resample(name, oracle, counts):
    targets, found = numbers()
    rows = np.repeat(np.arange(RECORDS), counts[0])
    expected = [oracle(targets[rows, k], found[rows, k]) for k in range(2)]
    assert MEASURES["number"][name].metric(targets, found, counts)[0] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_harrells_concordance_is_scikit_survivals(seed):
    targets, hazards = times(seed)
    expected = concordance_index_censored(targets[:, 0] > 0, np.abs(targets[:, 0]), hazards[:, 0])
    assert MEASURES["time"]["harrell"].metric(targets, hazards, once())[0, 0] == pytest.approx(
        expected[0]
    )


def test_harrells_concordance_of_a_resample_is_that_of_its_records():
    targets, hazards = times()
    rows = np.repeat(np.arange(RECORDS), drawn()[0])
    found = MEASURES["time"]["harrell"].metric(targets, hazards, drawn())[0, 0]
    # Two copies of one record are one time and one score: a pair only where one is censored.
    same = MEASURES["time"]["harrell"].metric(targets[rows], hazards[rows], once(len(rows)))[0, 0]
    assert found == pytest.approx(same)


@pytest.mark.parametrize("seed", range(5))
def test_unos_concordance_is_scikit_survivals(seed):
    targets, hazards = times(seed)
    # Beyond the last time at which somebody is left, G is 0 and scikit-survival refuses.
    last = np.abs(targets[:, 0]).max()
    targets[np.abs(targets[:, 0]) == last] = -last
    stated = Surv.from_arrays(targets[:, 0] > 0, np.abs(targets[:, 0]))
    expected = concordance_index_ipcw(stated, stated, hazards[:, 0], tau=last)
    assert MEASURES["time"]["uno"].metric(targets, hazards, once())[0, 0] == pytest.approx(
        expected[0]
    )


def test_sensitivity_is_the_highest_on_scikit_learns_curve_at_90_percent_specificity():
    rng = np.random.default_rng(3)
    targets = rng.random((300, 1)) < 0.3
    scores = (targets + rng.normal(size=targets.shape)).round(1)
    misses, hits, _ = roc_curve(targets[:, 0], scores[:, 0])
    found = MEASURES["any"]["sensitivity_at_90"].metric(targets, scores, once(300))[0, 0]
    assert found == pytest.approx(hits[misses <= 0.1].max())


def test_briers_score_is_scikit_learns():
    rng = np.random.default_rng(3)
    targets, scores = rng.random((80, 1)) < 0.3, rng.random((80, 1))
    found = MEASURES["any"]["brier"].metric(targets, scores, once(80))[0, 0]
    assert found == pytest.approx(brier_score_loss(targets[:, 0], scores[:, 0]))


@pytest.mark.parametrize("outcome", ["any", "number", "time"])
def test_unknown_targets_are_as_if_their_records_were_not_there(outcome):
    targets, scores = {"number": numbers, "time": times}.get(outcome, numbers)()
    if outcome == "any":
        targets = (targets > 60).astype(float)
        scores = 1 / (1 + np.exp(-(scores - 60) / 10))
    whole = targets.copy()
    whole[100:, 0] = np.nan
    for name, measure in MEASURES[outcome].items():
        alone = measure.metric(targets[:100, :1] == 1 if outcome == "any" else targets[:100, :1],
                       scores[:100, :1], once(100))  # fmt: skip
        found = measured([measure.metric], outcome)(whole, scores, once())[0]
        assert found[0, 0] == pytest.approx(alone[0, 0]), name


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_a_model_that_knows_nothing_scores_chance(outcome):
    rng = np.random.default_rng(1)
    targets = {"number": rng.normal(size=(4000, 1)), "time": rng.uniform(1, 9, (4000, 1))}.get(
        outcome, (rng.random((4000, 1)) < 0.4).astype(float)
    )
    scores = np.zeros((4000, 1)) + targets.mean() * (outcome == "number")
    found = macro_resamples(targets, scores, outcome=outcome, resamples=2)[0]
    assert found == pytest.approx(CHANCE[outcome], abs=1e-6)


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_every_metric_has_a_name_and_the_first_leads(outcome):
    assert set(MEASURES[outcome]) <= set(NAMES)
    rng = np.random.default_rng(0)
    targets = (rng.random((60, 2)) < 0.5).astype(float)
    if outcome == "time":
        targets = np.where(targets == 1, 5.0, -7.0)
    found = summarise(targets, rng.random((60, 2)), ["a", "b"], outcome=outcome, resamples=20)
    assert found.headline == headline(outcome) == next(iter(MEASURES[outcome]))
    assert found.main is found.scores[found.headline]


def test_scores_that_a_measure_says_nothing_of_are_told():
    flat, spread = np.full((2, 9), 0.5), np.linspace(0, 1, 18).reshape(2, 9)
    ordering = {"any": ("auroc", "average_precision", "sensitivity_at_90"),
                "number": ("correlation",), "time": ("harrell", "uno")}  # fmt: skip
    for measure in (MEASURES[outcome][name] for outcome in ordering for name in ordering[outcome]):
        assert measure.fault(flat) == "gives every record the same score"
        assert measure.fault(np.stack([spread[0], flat[0]])) is not None  # one of its seeds
        assert measure.fault(spread * 10) is None
    brier = MEASURES["any"]["brier"]
    assert brier.fault(spread * 1.01) == "has scores that are no probabilities"
    assert brier.fault(flat) is None
    assert brier.fault(spread) is None
    assert MEASURES["number"]["mae"].fault(flat) is None
