"""From scores to the fields of a run: metrics, thresholds, the choice of penalties, weights."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from myocard.metrics.scores import best_thresholds
from myocard.results.classifier import SplitInfo
from myocard.results.scoring import (
    average_weights,
    choose_penalties,
    headline,
    mean_headlines,
    measure,
    scored,
    splits_to_score,
)


def test_scores_are_those_of_scikit_learn(cohort, scores):
    measured = measure(cohort, scores, 50)
    for split, by_seed in scores.items():
        targets = cohort.targets[cohort.rows[split]]
        single = [roc_auc_score(targets, each, average="macro") for each in by_seed]
        assert measured[split].main.macro.value == pytest.approx(np.mean(single))
        assert [headline(cohort, split, each) for each in by_seed] == pytest.approx(single)
        assert mean_headlines(cohort, scores)[split] == pytest.approx(np.mean(single))
        assert measured[split].interval.unit == "patient"
        assert measured[split].interval.resamples == 50
        assert measured[split].patients == 20


def test_thresholds_are_chosen_on_validation_also_for_the_test_folds(cohort, scores):
    validation = cohort.targets[cohort.rows["validation"]]
    chosen = np.stack([best_thresholds(validation, each) for each in scores["validation"]])
    targets = cohort.targets[cohort.rows["test"]]
    hits = scores["test"] >= chosen[:, None]
    f1 = 2 * (hits & (targets == 1)).sum(axis=1) / (hits.sum(axis=1) + targets.sum(axis=0))
    assert measure(cohort, scores, 50)["test"].scores["f1"].macro.value == pytest.approx(f1.mean())


def test_what_was_scored_is_told_with_the_cohort_that_it_is_of(cohort, scores):
    found = scored(cohort, scores, (5, 6, 7), 50)
    assert (found["task"], found["source"], found["seeds"]) == ("any", "made", (5, 6, 7))
    assert found["classes"] == ("a", "b")
    assert found["classes_left_out"] == {"c": "0 positives in test"}
    assert found["splits"] == {
        "train": SplitInfo(folds=(1,), records=20, patients=10),
        "validation": SplitInfo(folds=(2,), records=40, patients=20),
        "test": SplitInfo(folds=(3,), records=40, patients=20),
    }
    measured = measure(cohort, scores, 50)
    assert (found["validation"], found["test"]) == (measured["validation"], measured["test"])


def test_test_folds_are_scored_only_where_that_was_asked_for(cohort, scores):
    assert splits_to_score(test=False) == ("validation",)
    assert splits_to_score(test=True) == ("validation", "test")
    del scores["test"]
    assert scored(cohort, scores, (5, 6, 7), 50)["test"] is None


def test_each_seed_gets_the_penalty_of_its_best_area_on_validation(cohort, scores):
    seeds, penalties = (5, 6), (0.1, 1.0, 10.0)
    targets = cohort.targets[cohort.rows["validation"]]
    better = scores["validation"][0] + targets
    worse = scores["validation"][1]
    by_penalty = np.stack([[worse, better, worse], [worse, worse, better]])
    best, chosen = choose_penalties(cohort, by_penalty, seeds, penalties)
    assert best == [1, 2]
    assert [(each.seed, each.penalty) for each in chosen] == [(5, 1.0), (6, 10.0)]
    area = roc_auc_score(targets, better, average="macro")
    assert [each.validation for each in chosen] == pytest.approx([area, area])


@pytest.mark.parametrize("penalties", [(0.1, 1.0, 10.0), (10.0, 0.1, 1.0)])
def test_of_penalties_that_do_equally_well_the_strongest_is_chosen(cohort, scores, penalties):
    same = np.stack([scores["validation"][0]] * 3)[None]
    best, (choice,) = choose_penalties(cohort, same, (0,), penalties)
    assert penalties[best[0]] == choice.penalty == 10.0


def test_weights_are_averaged_over_a_split_and_over_the_positives_of_each_class(cohort):
    weights = np.random.default_rng(2).dirichlet(np.ones(3), size=40)
    found = average_weights(weights, cohort, "test")
    targets = cohort.targets[cohort.rows["test"]]
    assert found.split == "test"
    assert found.mean == pytest.approx(weights.mean(axis=0))
    for k, name in enumerate(cohort.classes):
        assert found.by_class[name] == pytest.approx(weights[targets[:, k] == 1].mean(axis=0))


def test_a_class_without_a_positive_has_no_mean_weights(cohort):
    cohort.targets[cohort.rows["test"], 1] = False
    found = average_weights(np.full((40, 3), 1 / 3), cohort, "test")
    assert found.by_class["b"] is None
    assert found.by_class["a"] is not None
