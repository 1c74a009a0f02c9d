"""Cross-fitting tests every record once, by probes that did not train on it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from myocard.errors import InputError
from myocard.evaluation.crossfit import cross_fit, pool
from myocard.recipe import ProbeRecipe
from myocard.report import write_report
from myocard.results.run import BEST_LAYER, Run
from myocard.results.saved import PREDICTIONS, SavedRun

FOLDS = (6, 7, 8, 9, 10)
RECORDS = 800


@pytest.fixture(scope="module")
def recipe() -> ProbeRecipe:
    return ProbeRecipe(
        task="ptbxl-superdiagnostic",
        readouts=("last", "layers", "ppa"),
        heads=("linear",),
        seeds=(0,),
        penalties=(1e-2, 1e-1),
        resamples=200,
    )


@pytest.fixture(scope="module")
def features(made_features):
    """Layer 2 of three knows the labels."""
    rng = np.random.default_rng(0)
    labels = rng.random(RECORDS) < 0.5
    states = rng.normal(size=(RECORDS, 4, 8))
    states[:, 2, 0] += 2 * labels - 1
    codes = [["scp:IMI"] if label else ["scp:NORM"] for label in labels]
    return made_features(states, codes, "made")


@pytest.fixture(scope="module")
def fitted(features, recipe, tmp_path_factory):
    """The folder of rotations, and the pooled runs by name."""
    out = tmp_path_factory.mktemp("crossfit")
    runs = cross_fit(features, recipe, FOLDS, out / "rotations", out / "results")
    return out / "rotations", {folder.name: folder for folder in runs}


def test_every_record_is_tested_once_by_a_probe_that_did_not_see_it(fitted, features):
    rotations, runs = fitted
    for fold in FOLDS:
        splits = Run.read(next((rotations / f"{fold:02d}").rglob("ppa-linear"))).splits
        assert splits["test"].folds == (fold,)
        assert splits["validation"].folds != (fold,)
        others = {*range(1, 11)} - {fold, *splits["validation"].folds}
        assert splits["train"].folds == tuple(sorted(others))
    test = pd.read_parquet(runs["ppa-linear"] / PREDICTIONS).query("split == 'test'")
    expected = features.records.loc[features.records["fold"] >= 6, "id"]
    assert sorted(test["id"]) == sorted(expected)
    assert Run.read(runs["ppa-linear"]).test.records == RECORDS // 2


def test_layers_are_found_again(fitted):
    _, runs = fitted
    curve = [Run.read(runs[f"layer-{k:02d}-linear"]).test.main.macro.value for k in range(4)]
    assert np.argmax(curve) == 2
    best = Run.read(runs[f"{BEST_LAYER}-linear"])
    assert best.test.main.macro.value == pytest.approx(curve[2], abs=1e-6)
    assert (best.readout, best.layer, best.rotations) == (BEST_LAYER, None, 5)
    assert best.name == f"made/ptbxl-superdiagnostic/{BEST_LAYER}-linear"


def test_the_scale_of_a_rotation_does_not_matter(fitted, tmp_path):
    rotations, runs = fitted
    folders = []
    for fold in FOLDS:
        folder = next((rotations / f"{fold:02d}").rglob("ppa-linear"))
        copy = tmp_path / f"{fold}"
        copy.mkdir()
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        table = pd.read_parquet(copy / PREDICTIONS)
        names = [name for name in table if name.startswith("score:")]
        table[names] = expit(logit(table[names].astype(float)) * fold / 10 - fold + 8)
        table.to_parquet(copy / PREDICTIONS, index=False)
        folders.append(copy)
    moved, as_it_was = Run.read(pool(folders, tmp_path / "out")), Run.read(runs["ppa-linear"])
    assert moved.test.main.macro.value == pytest.approx(as_it_was.test.main.macro.value, abs=1e-6)
    table = pd.read_parquet(tmp_path / "out" / PREDICTIONS).query("split == 'test'")
    oracle = roc_auc_score(table["target:MI"], table["score:MI"])
    assert moved.test.main.by_class["MI"].value == pytest.approx(oracle)


def test_pooled_runs_are_compared_as_others(fitted):
    _, runs = fitted
    last, best = (SavedRun(runs[n], n, Run.read(runs[n])) for n in ("last-linear", "ppa-linear"))
    assert (last.predictions("test").ids == best.predictions("test").ids).all()


def test_a_class_that_some_rotation_lacks_is_left_out_with_the_reason(
    made_features, recipe, tmp_path
):
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    rare = (np.arange(200) % 10 + 1 != 7) & (rng.random(200) < 0.5)  # no positive in fold 7
    codes = [
        ["scp:IMI" if label else "scp:NORM", *(["scp:CLBBB"] if more else [])]
        for label, more in zip(labels, rare, strict=True)
    ]
    features = made_features(rng.normal(size=(200, 3, 4)), codes, "rare")
    some = recipe.model_copy(update={"readouts": ("last",), "seeds": (0, 1)})
    (folder,) = cross_fit(features, some, FOLDS, tmp_path / "rotations", tmp_path / "out")
    run = Run.read(folder)
    assert "CD" not in run.classes
    assert "CD" in run.classes_left_out
    assert "is tested" in run.classes_left_out["CD"]
    assert run.seeds == (0, 1)


def test_a_copy_in_another_fold_is_never_trained_on_where_it_is_tested(features, recipe, tmp_path):
    records = features.records.copy()
    one, other = (records.index[records["fold"] == fold][0] for fold in FOLDS[:2])
    records.loc[other, "sha256"] = records["sha256"][one]
    known, dropping = (
        replace(features, records=records),
        recipe.model_copy(update={"copies": "drop"}),
    )
    (pooled,) = cross_fit(
        known, dropping.alone("last", "linear"), FOLDS, tmp_path / "rotations", tmp_path / "results"
    )
    for fold in FOLDS[:2]:
        run = Run.read(next((tmp_path / "rotations" / f"{fold:02d}").rglob("last-linear")))
        assert sum(split.copies_dropped for split in run.splits.values()) == 1
    tested = Run.read(pooled).splits["test"]
    assert (tested.records, tested.copies_dropped) == (records["fold"].isin(FOLDS).sum(), 0)


def test_no_threshold_and_no_probability_is_told_of_pooled_scores(fitted, tmp_path):
    _, runs = fitted
    run = Run.read(runs["ppa-linear"])
    assert not {"f1", "brier"} & run.test.scores.keys()
    assert not run.has_probabilities
    page = write_report([runs["ppa-linear"].parents[2]], tmp_path / "report").read_text()
    assert "cross-fitted" in page
    assert "best layer on validation, fold by fold" in page
    assert "Do the scores mean what they say" not in page


@pytest.mark.parametrize("folds", [(6,), (6, 7, 6)])
def test_folds_that_cannot_be_rotated_are_refused(features, recipe, tmp_path, folds):
    with pytest.raises(InputError, match="two folds or more to rotate, once each"):
        cross_fit(features, recipe, folds, tmp_path, tmp_path)


def test_probes_that_are_there_are_not_trained_again(features, recipe, fitted):
    rotations, runs = fitted
    times = {folder: (folder / "run.json").stat().st_mtime_ns for folder in runs.values()}
    results = next(iter(runs.values())).parents[2]
    cross_fit(features, recipe, FOLDS, rotations, results)
    assert {f: (f / "run.json").stat().st_mtime_ns for f in runs.values()} == times
