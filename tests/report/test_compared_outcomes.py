"""Comparisons of predicted numbers and times: oracles, laws, and tables that do not fit."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import mean_absolute_error, r2_score
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw
from sksurv.util import Surv

from myocard.errors import InputError
from myocard.report.predictions import compare, write_comparison
from myocard.report.predictions.tables import sentences
from myocard.results.comparison import Comparison, Plan

PATIENTS, RESAMPLES = 100, 400
NAMES = {"number": "age", "time": "days"}
MEASURES = {"number": ["r2", "mae", "correlation"], "time": ["harrell", "uno"]}
OPPOSITE = {"supported": "contradicted", "contradicted": "supported", "unresolved": "unresolved"}
KINDS = pytest.mark.parametrize("kind", ["number", "time"])


def tables(kind, noises=(0.5, 3.0), seed=0):
    """Predictions with more or less noise for the same two records of each patient."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(PATIENTS), 2)
    truth = rng.normal(size=PATIENTS)[owners]
    table = pd.DataFrame({"id": [f"{k:04}" for k in range(2 * PATIENTS)], "patient": owners})
    if kind == "number":
        table["target:age"] = (60 + 10 * truth).round(1)
    else:
        table["target:days"] = np.ceil(rng.exponential(100 * np.exp(-truth)) + 1)
        table["event:days"] = (rng.random(2 * PATIENTS) < 0.7).astype(int)
    scores = [truth + noise * rng.normal(size=PATIENTS)[owners] for noise in noises]
    if kind == "number":
        scores = [60 + 10 * each for each in scores]
    return [table.assign(**{f"score:{NAMES[kind]}": each}) for each in scores]


@pytest.fixture
def judge(tmp_path):
    """Compare tables that are called a, b, c …, as CSV."""

    def judge(given, **plan):
        files = {name: tmp_path / f"{name}.csv" for name, _ in zip("abcd", given, strict=False)}
        for file, table in zip(files.values(), given, strict=True):
            table.to_csv(file, index=False)
        return compare(files, Plan(resamples=RESAMPLES, **plan))

    return judge


def verdicts(comparison):
    return [each.verdict for each in comparison.contrasts]


def test_scores_of_numbers_are_the_oracles(judge):
    one, other = tables("number")
    one.loc[3, "target:age"] = other.loc[3, "target:age"] = np.nan
    found = judge([one, other], kind="number")
    for model, table in zip(found.models, (one, other), strict=True):
        truth, predicted = table.drop(3)[["target:age", "score:age"]].to_numpy().T
        oracles = {
            "r2": r2_score(truth, predicted),
            "mae": mean_absolute_error(truth, predicted),
            "correlation": pearsonr(truth, predicted).statistic,
        }
        assert {name: each.macro.value for name, each in model.scores.items()} == pytest.approx(
            oracles
        )
        assert model.scores["mae"].by_class["age"].positives == 2 * PATIENTS - 1
        assert model.calibration == {}


def test_scores_of_times_are_the_oracles(judge):
    one, other = tables("time")
    last = one["target:days"].idxmax()  # scikit-survival refuses where nobody is left in view
    one.loc[last, "event:days"] = other.loc[last, "event:days"] = 0
    found = judge([one, other], kind="time")
    times, seen = one["target:days"].to_numpy(), one["event:days"].to_numpy() == 1
    stated = Surv.from_arrays(seen, times)
    for model, table in zip(found.models, (one, other), strict=True):
        hazards = table["score:days"].to_numpy()
        oracles = {
            "harrell": concordance_index_censored(seen, times, hazards)[0],
            "uno": concordance_index_ipcw(stated, stated, hazards, tau=times.max())[0],
        }
        assert {name: each.macro.value for name, each in model.scores.items()} == pytest.approx(
            oracles
        )
        assert model.scores["uno"].by_class["days"].positives == seen.sum()


@KINDS
def test_a_better_model_is_found_better_and_swapped_worse(judge, kind):
    one, other = tables(kind)
    found, swapped = judge([one, other], kind=kind), judge([other, one], kind=kind)
    assert [each.measure for each in found.contrasts] == MEASURES[kind]
    assert found.outcome == kind
    assert set(verdicts(found)) == {"supported"}
    assert verdicts(swapped) == [OPPOSITE[each] for each in verdicts(found)]
    for each, mirrored in zip(found.contrasts, swapped.contrasts, strict=True):
        assert mirrored.test.difference == pytest.approx(-each.test.difference)
        assert mirrored.test.p_holm == each.test.p_holm
        assert each.test.p_delong is None
        assert (each.test.high < 0) == (each.measure == "mae")


@KINDS
def test_a_model_does_not_differ_from_itself(judge, kind):
    (one,) = tables(kind, (1.0,))
    for each in judge([one, one], kind=kind).contrasts:
        assert (each.test.difference, each.test.low, each.test.high) == (0, 0, 0)
        assert (each.test.p, each.test.p_holm, each.verdict) == (1, 1, "unresolved")


@KINDS
def test_two_records_of_a_patient_that_are_alike_count_as_one(judge, kind):
    alike = [each[::2] for each in tables(kind, (1.0, 1.3))]
    twice = [pd.concat([each, each.assign(id="x" + each["id"])]) for each in alike]
    for found, oracle in zip(
        judge(twice, kind=kind).contrasts, judge(alike, kind=kind).contrasts, strict=True
    ):
        assert found.test.detectable == pytest.approx(oracle.test.detectable, rel=0.05)


@KINDS
def test_the_best_on_validation_is_the_reference(judge, kind):
    split = np.where(np.arange(2 * PATIENTS) < PATIENTS, "validation", "test")
    given = []
    for early, late in ((0.3, 2.0), (2.0, 0.3)):
        one, other = (each.assign(split=split) for each in tables(kind, (early, late)))
        given.append(pd.concat([one[split == "validation"], other[split == "test"]]))
    found = judge(given, kind=kind, choose_on="validation")
    assert found.reference == "a"
    assert {each.model for each in found.contrasts} == {"b"}


def test_numbers_in_units_of_their_own_have_no_mean_error(judge):
    given = [t.assign(**{"score:EF": t["score:age"] / 9, "target:EF": t["target:age"] / 9})
             for t in tables("number")]  # fmt: skip
    found = judge(given, kind="number")
    told = {(each.measure, each.label): each for each in found.contrasts}
    assert told["mae", None].reason == "numbers in several units have no mean"
    assert told["mae", "EF"].verdict == told["r2", None].verdict == "supported"
    assert found.models[0].scores["mae"].macro.value is None


def test_what_cannot_be_tested_is_told_with_the_reason(judge):
    one, other = tables("time")
    found = judge([one, other.assign(**{"score:days": 1.5})], kind="time")
    assert found.contrasts[0].reason == "b gives every record the same score for days"
    none = {"event:days": (np.arange(2 * PATIENTS) < 2).astype(int)}
    found = judge([one.assign(**none), other.assign(**none)], kind="time")
    assert found.left_out == {"days": "1 patients with an event, fewer than 10"}
    assert set(verdicts(found)) == {"untestable"}
    # Nobody is in view after the one time at which events were seen.
    flat = {"target:days": 5.0, "event:days": 1}
    found = judge([one.assign(**flat), other.assign(**flat)], kind="time")
    assert found.contrasts[0].reason == "Concordance (Harrell) has no value on these records"


def test_semicolons_decimal_commas_and_other_ids_change_nothing(judge, tmp_path, caplog):
    given = tables("number")
    plain = judge(given, kind="number")
    files = {name: tmp_path / f"{name}.csv" for name in "ab"}
    given[1].assign(id=given[1]["id"].astype(int)).drop(columns="target:age").to_csv(
        files["b"], sep=";", decimal=",", index=False, encoding="cp1252"
    )
    caplog.set_level("INFO")
    found = compare(files, Plan(resamples=RESAMPLES, kind="number"))
    assert found.contrasts == plain.contrasts
    for told in ("divided by semicolons", "b.csv: commas are decimal", "200 by leading zeros"):
        assert told in caplog.text


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("time", {"event:days": None}, "score:days has no event:days in .*; add the column"),
        ("time", {"target:days": -3}, r"target:days of 0000 is -3 \(200 such records\); give a"),
        ("time", {"target:days": 0}, "give a time above 0, or a blank where it is unknown"),
        (
            "time",
            {"event:days": 2},
            "event:days of record 0000 is '2'; give 1 where the event was seen",
        ),
        ("time", {"target:days": "soon"}, r"column target:days: 'soon' \(line 2\).* is no number"),
        ("number", {"target:age": "old"}, r"column target:age: 'old' \(line 2\).* is no number"),
        ("number", {"score:age": "old"}, r"column score:age: 'old' \(line 2\).* is no number"),
        ("number", {"target:age": None}, "score:age has no target:age"),
        ("number", {"event:age": 1}, "event:age is of a time; say --kind time"),
        (None, {}, "target:age of record 0000 is '.*'; give 1, 0, or a blank .* with --kind"),
    ],
)
def test_a_table_that_does_not_fit_its_kind_is_refused(judge, kind, change, told):
    given = tables(kind or "number")
    for column, value in change.items():
        given = [each.drop(columns=column, errors="ignore") for each in given]
        given = given if value is None else [each.assign(**{column: value}) for each in given]
    with pytest.raises(InputError, match=told):
        judge(given, kind=kind)


def test_one_of_several_classes_is_exactly_one(judge):
    one, other = (
        each.rename(columns={"score:age": "score:A"}).drop(columns="target:age").assign(
            **{"score:B": -each["score:age"], "target:A": k < 90, "target:B": k >= 90}
        )
        for k, each in ((np.arange(2 * PATIENTS), each) for each in tables("number"))
    )  # fmt: skip
    assert judge([one, other], kind="one").outcome == "one"
    wrong = one["target:B"].where(one["id"] != "0007", True)
    with pytest.raises(InputError, match=r"0007 is not of exactly one class \(1 such records\)"):
        judge([each.assign(**{"target:B": wrong}) for each in (one, other)], kind="one")


def test_runs_say_what_they_predict_and_stand_beside_tables(write, judge, tmp_path):
    one, other = tables("time")
    own = judge([one, other], kind="time")
    signed = one["target:days"] * (2 * one["event:days"] - 1)
    folder = write(tmp_path / "run", outcome="time")
    run = one.assign(**{"target:days": signed}).drop(columns="event:days")
    run.assign(seed=0, split="test").to_parquet(folder / "predictions.parquet")
    files = {"a": folder / "predictions.parquet", "b": tmp_path / "b.csv"}
    assert compare(files, Plan(resamples=RESAMPLES)).contrasts == own.contrasts
    with pytest.raises(InputError, match=r"are of times \(.*parquet\), numbers \(--kind\)"):
        compare(files, Plan(kind="number"))
    classes = write(tmp_path / "classes")
    with pytest.raises(InputError, match="models of one kind are compared"):
        compare(files | {"c": classes / "predictions.parquet"}, Plan())


def test_a_number_that_a_run_rounds_is_still_the_same(write, judge, tmp_path):
    one, other = tables("number")
    folder = write(tmp_path / "run", outcome="number")
    noisy = one.assign(**{"target:age": one["target:age"] * (1 + 4e-16)})
    assert (noisy["target:age"] != one["target:age"]).any()
    noisy.to_parquet(folder / "predictions.parquet")
    other.to_csv(tmp_path / "b.csv", index=False)
    files = {"a": folder / "predictions.parquet", "b": tmp_path / "b.csv"}
    assert compare(files, Plan(resamples=RESAMPLES)).outcome == "number"


@KINDS
def test_the_page_has_a_verdict_and_no_word_of_classes(judge, tmp_path, kind):
    judge(tables(kind), kind=kind)
    paths = [str(tmp_path / f"{name}.csv") for name in "ab"]
    page = write_comparison(paths, Plan(kind=kind, resamples=RESAMPLES), tmp_path / "out")
    text = page.read_text()
    for sentence in sentences(Comparison.read(tmp_path / "out")):
        assert sentence in text
    assert "AUROC" not in text
    assert "DeLong" not in text
    assert ">Class<" not in text


def test_scores_of_any_size_are_read(judge):
    one, other = tables("time")
    one["score:days"] = 1e-130 * one["score:days"]
    other["score:days"] = 1e30 * other["score:days"]
    found = judge([one, other], kind="time")
    assert verdicts(found) == verdicts(judge(tables("time"), kind="time"))


def test_a_blank_seed_is_refused(judge):
    one, other = tables("number")
    one["seed"] = ["", *["0"] * (len(one) - 1)]
    with pytest.raises(InputError, match=r"a\.csv: 1 rows have no seed"):
        judge([one, other], kind="number")
