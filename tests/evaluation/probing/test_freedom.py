"""A mixture takes no more freedom than pays, and its run says what each step of it bought."""

from pathlib import Path

import numpy as np
import pytest
import torch

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import freedom, probe
from myocard.evaluation.probing.paths import SHRINKAGES
from myocard.models.classifier import read_classifiers
from myocard.recipe import ProbeRecipe
from myocard.report.topics import paths
from myocard.results.compare.comparisons import sections
from myocard.results.run import Run
from myocard.results.saved import load_runs

RECORDS, DEPTH, WIDTH = 300, 3, 8
RECIPE = ProbeRecipe(
    task="ptbxl-superdiagnostic",
    readouts=("ppa", "scalar-mix", "scalar-mix-normed", "class-mix"),
    heads=("linear",),
    seeds=(0, 1),
    penalties=(1e-2,),
    resamples=20,
)


@pytest.fixture(scope="module")
def features(made_features) -> Features:
    """States of which layer 1 knows MI, and layer 3 knows CD."""
    rng = np.random.default_rng(0)
    labels = rng.random((RECORDS, 2)) < 0.5
    states = rng.normal(size=(RECORDS, DEPTH + 1, WIDTH))
    states[:, 1, 0] += 3 * (labels[:, 0] - 0.5)
    states[:, 3, 1] += 3 * (labels[:, 1] - 0.5)
    codes = [["scp:IMI" if mi else "scp:NORM", *(["scp:CLBBB"] if cd else [])] for mi, cd in labels]
    return made_features(states, codes, "apart")


@pytest.fixture(scope="module")
def runs(features, tmp_path_factory) -> dict[str, Path]:
    folders = probe(features, RECIPE, tmp_path_factory.mktemp("runs"), test=True)
    return {folder.name.removesuffix("-linear"): folder for folder in folders}


@pytest.mark.parametrize("readout", ["scalar-mix", "scalar-mix-normed", "class-mix"])
def test_a_run_says_what_every_step_of_freedom_bought(runs, readout):
    run = Run.read(runs[readout])
    first, second = run.mixtures
    assert first == second  # all records train both seeds
    assert [step.pull for step in first.path] == [None, *SHRINKAGES]
    assert first.path[0].weights == pytest.approx([1 / DEPTH] * DEPTH)
    assert first.folds == freedom.FOLDS
    taken = first.path[first.chosen]
    assert taken.scores["test"] == pytest.approx(run.test.main.macro.value)
    assert run.layer_weights.mean == pytest.approx((0, *taken.weights), abs=1e-6)
    assert {choice.penalty for choice in run.chosen} == {first.penalty}
    assert all(optimum.gap < 1e-4 for optimum in first.optima)


def test_equal_shares_are_ppa(runs):
    path = Run.read(runs["scalar-mix"]).mixtures[0].path
    headlines = [
        Run.read(runs["ppa"]).validation.main.macro.value,
        path[0].scores["validation"],
    ]
    assert headlines[0] == pytest.approx(headlines[1], abs=2e-3)


def test_classes_are_read_from_the_layers_that_know_them(runs):
    run = Run.read(runs["class-mix"])
    weights = {optimum.classes[0]: optimum.weights for optimum in run.mixtures[0].optima}
    assert weights["MI"][0] > 0.6
    assert weights["CD"][2] > 0.6
    static = Run.read(runs["scalar-mix-normed"])
    assert run.test.main.macro.value > static.test.main.macro.value + 0.02


def test_the_range_over_folds_holds_the_weight_of_a_class_that_is_sure(runs):
    for optimum in Run.read(runs["class-mix"]).mixtures[0].optima:
        for low, weight, high in zip(optimum.low, optimum.weights, optimum.high, strict=True):
            assert low - 0.1 <= weight <= high + 0.1


def test_a_mixture_by_class_is_read_again_as_the_head_of_a_concatenation(features, runs):
    (saved,) = load_runs(runs["class-mix"])
    classifier, _ = read_classifiers(runs["class-mix"], features.norm, features.layers)
    rows = features.records["fold"] == 10
    states = torch.from_numpy(features.states[rows].astype(np.float32))
    found = saved.predictions("test")
    order = np.argsort(features.records["id"][rows])
    with torch.no_grad():
        scores = classifier(states).sigmoid().numpy()[order]
    assert np.allclose(scores, found.scores[0], atol=1e-5)


def test_the_report_draws_the_paths_and_the_layers_of_each_class(runs):
    (section,) = sections(load_runs(*runs.values()))
    heading, gallery, fold = paths.blocks(section)
    assert heading.text == "What does freedom buy?"
    path, classes = gallery.figures
    assert len(path.numbers) == 3 * (1 + len(SHRINKAGES))
    assert path.numbers.groupby("readout")["chosen"].sum().eq(1).all()
    layers = classes.numbers.pivot(index="class", columns="layer", values="weight")
    assert layers.idxmax(axis=1).loc[["CD", "MI"]].tolist() == [3, 1]
    (certified,) = fold.blocks
    assert len(certified.table.shown) == 2 + len(layers)


def test_shares_by_class_are_refused_where_classes_exclude_each_other(features, tmp_path):
    recipe = RECIPE.model_copy(update={"task": "stmem-single-label", "readouts": ("class-mix",)})
    with pytest.raises(InputError, match="class-mix: classes of stmem-single-label exclude each"):
        probe(features, recipe, tmp_path)


@pytest.mark.parametrize(
    ("lost", "step"),
    [
        ([[0.05, 0.01, 0.0], [0.07, 0.0, 0.0], [0.06, 0.02, 0.0]], 2),
        ([[0.05, 0.01, 0.0], [0.07, -0.01, 0.0], [0.06, 0.003, 0.0]], 1),
        ([[0.05, 0.01, 0.0], [-0.04, -0.01, 0.0], [0.01, 0.003, 0.0]], 0),
    ],
)
def test_the_first_step_within_a_standard_error_of_the_best_is_taken(lost, step):
    headlines = 0.8 - np.array(lost)
    choice = freedom.choose(headlines, np.zeros((*headlines.shape, 1, DEPTH)), 1e-3)
    assert choice.step == step
    assert choice.lost[choice.step] <= choice.errors[choice.step]


def test_the_penalty_is_the_best_at_equal_shares_and_of_equals_the_stronger():
    headlines = np.array([[0.7, 0.8, 0.8], [0.7, 0.9, 0.9]])
    assert freedom.best_penalty(headlines, (1.0, 1e-2, 1e-1)) == 1e-1


def test_no_patient_is_trained_on_and_held_out():
    patients = np.array([f"p{k // 3}" for k in range(60)], dtype=object)
    folds = freedom.folds_of(patients)
    assert len(folds) == freedom.FOLDS
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(60))
    assert all(not {*patients[train]} & {*patients[held]} for train, held in folds)
