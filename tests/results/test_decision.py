"""Decisions say of scores what was chosen on validation, and hold what they promise elsewhere."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from myocard.errors import InputError
from myocard.metrics.calibration import fit_temperature, scale
from myocard.metrics.conformal import bound_of_class
from myocard.metrics.scores import auroc, best_thresholds, macro
from myocard.recipe import ProbeRecipe, Split
from myocard.results.classifier import SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.results.run import EncoderInfo, Hashes, Run
from myocard.results.saved import PREDICTIONS, prediction_table
from myocard.results.scoring import scored
from myocard.results.validation import decide, warn_below_chance
from myocard.tasks.cohort import Cohort

SPLITS = {"validation": SplitInfo(folds=(9,), records=40, patients=20)}
BASIS = Basis(source="here", tested_on="there", splits=SPLITS, metric="auroc")


def write_run(folder: Path, cohort: Cohort, scores: dict[str, np.ndarray], **changes) -> Path:
    """Write the run of a probe with three seeds, the largest first."""
    folder.mkdir()
    split = Split(train=(1,), validation=(2,), test=(3,))
    recipe = ProbeRecipe(task="ptbxl-all", readouts=("last",), heads=("linear",), split=split)
    about = {"kind": "probe", "name": "made", "readout": "last", "head": "linear", "leads": ("I",)}
    about |= {"encoder": EncoderInfo(name="made"), "hashes": Hashes(store="s"), "recipe": recipe}
    seeds = (5, 1, 2)
    Run(**scored(cohort, scores, seeds, 10) | about | {"task": "ptbxl-all"} | changes).write(folder)
    prediction_table(cohort, scores, seeds).to_parquet(folder / PREDICTIONS)
    return folder


@pytest.fixture
def run(cohort, scores, tmp_path) -> Path:
    return write_run(tmp_path / "run", cohort, scores)


def validation(cohort: Cohort, scores: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Targets, and scores of the first seed."""
    return cohort.targets[cohort.rows["validation"]], scores["validation"][0]


def test_temperature_and_thresholds_are_those_of_the_first_seed_on_validation(run, cohort, scores):
    targets, values = validation(cohort, scores)
    found = decide(run)
    assert found.temperature == pytest.approx(fit_temperature(targets, values, exclusive=False))
    calibrated = scale(values, found.temperature, exclusive=False)
    assert found.thresholds == pytest.approx(best_thresholds(targets, calibrated), rel=1e-6)
    assert (found.sensitivity, found.coverage, found.yes_from) == (None, None, ())


def test_a_class_without_positives_is_never_said_after_the_file_was_read_again(tmp_path):
    thresholds = (0.5, float("inf"))
    about = {"outcome": "any", "classes": ("A", "B"), "temperature": 1.0, "basis": BASIS}
    written = Decision(**about, thresholds=thresholds)
    written.write(tmp_path)
    json.loads((tmp_path / "decision.json").read_text(), parse_constant=pytest.fail)
    assert Decision.read(tmp_path) == written
    assert not written.columns(np.ones((3, 2)))["decision:B"].any()


@pytest.mark.parametrize("sensitivity", [0.5, 0.8, 0.95])
def test_decisions_have_the_sensitivity_that_was_asked_for(run, cohort, scores, sensitivity):
    targets, values = validation(cohort, scores)
    columns = decide(run, sensitivity=sensitivity).columns(values)
    for k, name in enumerate(cohort.classes):
        said = columns[f"decision:{name}"]
        assert said[targets[:, k] == 1].mean() >= sensitivity
        least = columns[f"score:{name}"][said].min()
        assert (columns[f"score:{name}"] > least)[targets[:, k] == 1].mean() < sensitivity


def test_sets_hold_a_share_of_the_validation_records_that_is_a_little_above_the_coverage(
    run, cohort, scores
):
    targets, values = validation(cohort, scores)
    columns = decide(run, coverage=0.8).columns(values)
    for k, name in enumerate(cohort.classes):
        answers = columns[f"set:{name}"]
        assert set(answers) <= {"yes", "no", "yes or no", "neither"}
        for answer, true in (("yes", targets[:, k] == 1), ("no", targets[:, k] == 0)):
            held = np.mean([answer in each.split(" or ") for each in answers[true]])
            assert held == np.ceil((true.sum() + 1) * 0.8) / true.sum()


def test_it_says_from_how_many_records_and_patients_it_is_and_how_it_did_on_test(run, cohort):
    basis = decide(run).basis
    assert basis.splits["validation"].records == 40
    assert basis.splits["validation"].patients == 20
    assert (basis.source, basis.tested_on) == ("made", "made")
    assert basis.score == Run.read(run).test.main.macro


def test_it_comes_back_from_its_file_and_another_schema_is_refused(run, tmp_path):
    decision = decide(run, coverage=0.5, sensitivity=0.9)
    decision.write(tmp_path)
    assert Decision.read(tmp_path) == decision
    stated = json.loads((tmp_path / "decision.json").read_text())
    for change in ({"thresholds": [0.5]}, {"schema": 2}, {"colour": 1}, {"temperature": -1}):
        (tmp_path / "decision.json").write_text(json.dumps(stated | change))
        with pytest.raises(InputError, match=r"decision\.json: .*; save the model again"):
            Decision.read(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"coverage": 0.95},
            "a coverage of 0.95 needs 19 .* with [ab], and there are 1[0-8]; "
            r"give --coverage 0\.9\d at most, or leave --coverage out",
        ),
        ({"coverage": 1.0}, "coverage 1: give a share between 0 and 1"),
        ({"sensitivity": 0.0}, "sensitivity 0: give a share between 0 and 1"),
        ({"sensitivity": 90.0}, "sensitivity 90: give a share between 0 and 1"),
    ],
)
def test_a_share_that_cannot_be_had_is_refused(run, asked, message):
    with pytest.raises(InputError, match=message):
        decide(run, **asked)


def test_scores_that_are_reversed_are_told_and_others_are_not(
    run, cohort, scores, tmp_path, caplog
):
    decide(run)
    assert caplog.messages == []
    reversed_ = {split: 1 - values for split, values in scores.items()}
    folder = write_run(tmp_path / "reversed", cohort, reversed_)
    decide(folder)
    control = EncoderInfo(name="made", random=True)
    random = write_run(tmp_path / "random", cohort, reversed_, encoder=control)
    warn_below_chance([run, *[folder] * 4, random])
    one, five = caplog.messages
    assert one.startswith(f"worse than chance on validation: {folder} (AUROC 0.")
    assert five.count(str(folder)) == 3
    assert "and 1 more; the scores know nothing" in five


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rotations": 5}, "cross-fitted, a model a fold; give a run of one split"),
        ({"head": "ridge"}, "scores of a ridge head are no probabilities; give a run of another"),
    ],
)
def test_a_run_that_is_not_one_model_or_has_no_probabilities_is_refused(
    cohort, scores, tmp_path, changes, message
):
    with pytest.raises(InputError, match=message):
        decide(write_run(tmp_path / "other", cohort, scores, **changes))


def test_one_of_several_classes_has_a_set_of_their_names():
    decision = Decision(
        outcome="one", classes=("A", "B", "C"), temperature=1.0, thresholds=(0.5, 0.5, 0.5),
        coverage=0.9, yes_from=(0.3, 0.3, 0.3), basis=BASIS,
    )  # fmt: skip
    scores = np.array([[0.9, 0.05, 0.05], [0.4, 0.4, 0.2], [0.29, 0.42, 0.29]])
    columns = decision.columns(scores)
    assert columns["set"].tolist() == ["A", "A;B", "B"]
    assert columns["decision:A"].tolist() == [True, False, False]
    strict = decision.model_copy(update={"yes_from": (0.95,) * 3})
    assert strict.columns(scores)["set"].tolist() == ["none"] * 3


def test_a_number_has_an_interval_and_no_decision():
    decision = Decision(outcome="number", classes=("age",), coverage=0.9, reach=(7.5,), basis=BASIS)
    columns = decision.columns(np.array([[50.0], [61.25]]))
    assert columns.keys() == {"score:age", "low:age", "high:age"}
    assert columns["low:age"].tolist() == [42.5, 53.75]
    assert columns["high:age"].tolist() == [57.5, 68.75]
    assert {each.dtype for each in columns.values()} == {np.dtype(np.float32)}


def draw(rng: np.random.Generator, records: int, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    states = rng.normal(size=(records, len(weights)))
    probabilities = softmax(states @ weights, axis=1)
    chosen = (probabilities.cumsum(axis=1) > rng.random((records, 1))).argmax(axis=1)
    return states, np.eye(weights.shape[1], dtype=bool)[chosen]


def test_choosing_penalty_and_temperature_on_the_same_records_costs_little_coverage():
    # 80 validation records choose among 6 penalties: mean coverage of sets from these very records,
    # and from others that chose nothing.
    rng, coverage, found = np.random.default_rng(0), 0.9, []
    once = np.ones((1, 80), int)
    for _ in range(60):
        weights = 0.4 * rng.normal(size=(20, 3))
        train, own, fresh, new = (draw(rng, records, weights) for records in (100, 80, 80, 1000))
        fitted = [
            np.linalg.solve(train[0].T @ train[0] + penalty * np.eye(20), train[0].T @ train[1])
            for penalty in np.logspace(-1, 4, 6)
        ]
        best = max(fitted, key=lambda each: macro(auroc(own[1], own[0] @ each, once))[0])
        raw = [softmax(8 * states @ best, axis=1) for states, _ in (own, fresh, new)]
        temperature = fit_temperature(own[1], raw[0], exclusive=True)
        of_own, of_fresh, of_new = (scale(each, temperature, exclusive=True) for each in raw)
        for targets, values in ((own[1], of_own), (fresh[1], of_fresh)):
            least = bound_of_class(targets, values, coverage)
            found.append((of_new[new[1]] >= least).mean())
    chosen, independent = np.mean(np.reshape(found, (60, 2)), axis=0)
    assert independent == pytest.approx(np.ceil(81 * 0.9) / 81, abs=0.012)
    assert independent - 0.02 < chosen < independent + 0.01
