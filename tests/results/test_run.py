"""A run's two files say what was predicted, for whom, and how good it was."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from myocard.metrics.scores import best_thresholds
from myocard.results.run import SCHEMA, score, write_run
from myocard.tasks.cohort import Cohort


@pytest.fixture
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    rows = {"train": np.arange(20), "validation": np.arange(20, 60), "test": np.arange(60, 100)}
    ids = np.array([f"r{k}" for k in range(100)], dtype=object)
    patients = np.array([f"p{k // 2}" for k in range(100)], dtype=object)
    folds = {"train": (1,), "validation": (2,), "test": (3,)}
    targets = rng.random((100, 2)) < 0.4
    left_out = {"c": "0 positives in test"}
    traits = {"sex": np.array(["F", "M"] * 50, object), "age": np.arange(100.0)}
    return Cohort(
        "any", "made", ("a", "b"), left_out, False, targets, rows, ids, patients, folds, traits
    )


@pytest.fixture
def scores(cohort) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        split: 0.3 * cohort.targets[cohort.rows[split]] + 0.7 * rng.random((3, 40, 2))
        for split in ("validation", "test")
    }


def written(folder, cohort, scores) -> tuple[dict, pd.DataFrame]:
    write_run(folder, cohort, scores, (5, 6, 7), resamples=50, about={"kind": "probe", "name": "x"})
    run = json.loads((folder / "run.json").read_text())
    return run, pd.read_parquet(folder / "predictions.parquet")


def test_scores_are_those_of_scikit_learn(cohort, scores):
    measured = score(cohort, scores, 50)
    for split, by_seed in scores.items():
        targets = cohort.targets[cohort.rows[split]]
        expected = np.mean([roc_auc_score(targets, each, average="macro") for each in by_seed])
        assert measured[split]["auroc"]["macro"]["value"] == pytest.approx(expected)
        assert measured[split]["interval"]["unit"] == "patient"
        assert measured[split]["patients"] == 20


def test_thresholds_are_chosen_on_validation_also_for_the_test_folds(cohort, scores):
    chosen = np.stack(
        [
            best_thresholds(cohort.targets[cohort.rows["validation"]], s)
            for s in scores["validation"]
        ]
    )
    targets = cohort.targets[cohort.rows["test"]]
    hits = scores["test"] >= chosen[:, None]
    f1 = 2 * (hits & targets).sum(axis=1) / (hits.sum(axis=1) + targets.sum(axis=0))
    assert score(cohort, scores, 50)["test"]["f1"]["macro"]["value"] == pytest.approx(f1.mean())


def test_predictions_hold_every_record_of_each_split_once_a_seed(cohort, scores, tmp_path):
    _, table = written(tmp_path, cohort, scores)
    assert len(table) == 2 * 3 * 40
    for split, by_seed in scores.items():
        for seed, values in zip((5, 6, 7), by_seed, strict=True):
            rows = cohort.rows[split]
            mine = table[(table["split"] == split) & (table["seed"] == seed)]
            assert mine["id"].tolist() == cohort.ids[rows].tolist()
            assert mine["patient"].tolist() == cohort.patients[rows].tolist()
            assert mine["sex"].tolist() == cohort.traits["sex"][rows].tolist()
            assert mine["age"].tolist() == cohort.traits["age"][rows].tolist()
            assert mine[["score:a", "score:b"]].to_numpy() == pytest.approx(values)
            assert (mine[["target:a", "target:b"]].to_numpy() == cohort.targets[rows]).all()


def test_a_run_says_what_it_was_made_of(cohort, scores, tmp_path):
    run, _ = written(tmp_path, cohort, scores)
    assert (run["schema"], run["kind"], run["name"], run["task"]) == (SCHEMA, "probe", "x", "any")
    assert (run["classes"], run["classes_left_out"]) == (["a", "b"], {"c": "0 positives in test"})
    assert run["seeds"] == [5, 6, 7]
    assert run["splits"]["train"] == {"folds": [1], "records": 20, "patients": 10}
    assert {"python", "torch", "numpy", "myocard"} <= run["versions"].keys()


def test_test_folds_that_were_not_touched_are_in_no_file(cohort, scores, tmp_path):
    del scores["test"]
    run, table = written(tmp_path, cohort, scores)
    assert run["test"] is None
    assert set(table["split"]) == {"validation"}
