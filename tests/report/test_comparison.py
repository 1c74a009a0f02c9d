"""Comparisons of anybody's predictions: verdicts, their numbers, and the files that hold them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from myocard.errors import InputError
from myocard.metrics.outcomes import MEASURES
from myocard.report.predictions import compare, write_comparison
from myocard.report.predictions.tables import sentences
from myocard.results.comparison import Comparison, Plan

PATIENTS, CLASSES = 120, ("AF", "LBBB")
OPPOSITE = {"supported": "contradicted", "contradicted": "supported", "unresolved": "unresolved"}
PLAN = Plan(resamples=400)


def tables(seed=0, noises=(0.5, 3.0), classes=CLASSES, **columns):
    """Predictions with more or less noise for the same two records of each patient."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(PATIENTS), 2)
    targets = (rng.random((PATIENTS, len(classes))) < 0.4)[owners]
    found = []
    for noise in noises:
        scores = expit(2 * targets - 1 + noise * rng.normal(size=(PATIENTS, len(classes)))[owners])
        table = {"id": np.arange(2 * PATIENTS), "patient": owners} | columns
        for k, name in enumerate(classes):
            table |= {f"score:{name}": scores[:, k], f"target:{name}": targets[:, k].astype(int)}
        found.append(pd.DataFrame(table))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture(scope="module")
def judge(folder):
    """Compare tables that are called a, b, c … under a plan."""

    def judge(given, plan=PLAN):
        files = {}
        for name, table in zip("abcdefgh", given, strict=False):
            files[name] = folder / f"{name}.parquet"
            table.to_parquet(files[name], index=False)
        return compare(files, plan)

    return judge


def verdicts(comparison, measure=None):
    return [e.verdict for e in comparison.contrasts if measure in (None, e.measure)]


def rescored(table, change):
    return table.assign(**{f"score:{name}": change(table[f"score:{name}"]) for name in CLASSES})


def test_a_better_model_is_found_better_under_every_measure(judge):
    found = judge(tables())
    assert set(verdicts(found)) == {"supported"}
    assert [each.label for each in found.contrasts] == [None, *CLASSES] * 4
    brier = [each.test for each in found.contrasts if each.measure == "brier"]
    assert all(each.high < 0 for each in brier)


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), noise=st.floats(0.5, 3))
def test_swapping_two_models_swaps_supported_and_contradicted(judge, seed, noise):
    one, other = tables(seed, (1.0, noise))
    found, swapped = judge([one, other]), judge([other, one])
    assert verdicts(swapped) == [OPPOSITE[each] for each in verdicts(found)]
    for each, mirrored in zip(found.contrasts, swapped.contrasts, strict=True):
        assert mirrored.test.difference == pytest.approx(-each.test.difference)
        assert mirrored.test.low == pytest.approx(-each.test.high)
        assert mirrored.test.p_holm == pytest.approx(each.test.p_holm)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_a_model_against_itself_is_unresolved(judge, seed):
    (one,) = tables(seed, (1.0,))
    found = judge([one, one])
    assert set(verdicts(found)) == {"unresolved"}
    assert {each.test.p_holm for each in found.contrasts} == {1.0}


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), stretch=st.floats(0.2, 5))
def test_a_rising_change_of_scores_changes_no_verdict_on_their_order(judge, seed, stretch):
    one, other = tables(seed, (1.0, 1.6))
    found = judge([one, other])
    bent = judge([rescored(one, lambda s: stretch * np.log(s) - 3), other])
    for measure in ("auroc", "average_precision"):
        pairs = zip(
            [each for each in found.contrasts if each.measure == measure],
            [each for each in bent.contrasts if each.measure == measure],
            strict=True,
        )
        assert all(one == other for one, other in pairs)
    assert set(verdicts(bent, "brier")) == {"untestable"}
    assert bent.models[0].calibration == {}
    assert bent.models[1].calibration.keys() == set(CLASSES)


def test_two_records_of_a_patient_that_are_alike_count_as_one(judge):
    given = tables(2, (1.0, 1.3))
    alike = [each.assign(id=each["id"] // 2)[::2] for each in given]
    twice = [pd.concat([each, each.assign(id=each["id"] + 1000)]) for each in alike]
    by_patient, by_record = judge(twice), judge(twice, Plan(resamples=400, patients="none"))
    once = judge(alike)
    assert (by_patient.interval.unit, by_record.interval.unit) == ("patient", "record")
    for found, narrower in ((by_patient, 1), (by_record, np.sqrt(2))):
        for each, oracle in zip(found.contrasts, once.contrasts, strict=True):
            assert each.test.difference == pytest.approx(oracle.test.difference)
            assert each.test.detectable * narrower == pytest.approx(oracle.test.detectable, rel=0.2)


def test_all_pairs_are_adjusted_by_holm_within_a_measure(judge):
    found = judge(tables(3, (1.0, 1.2, 1.5)))
    for measure in MEASURES["any"]:
        for labels in ((None,), CLASSES):
            family = [e for e in found.contrasts if e.measure == measure and e.label in labels]
            assert len(family) == 3 * len(labels)
            ordered = sorted(family, key=lambda each: each.test.p)
            largest = 0.0
            for k, each in enumerate(ordered):
                largest = max(largest, min(1.0, (len(family) - k) * each.test.p))
                assert each.test.p_holm == pytest.approx(largest)


def test_delongs_p_is_that_of_all_pairs_on_the_known_records(judge):
    one, other = tables(4, (1.0, 1.5))
    unknown = np.random.default_rng(0).random(len(one)) < 0.2
    one.loc[unknown, "target:AF"] = np.nan
    other = other.drop(columns="target:AF")
    found = judge([one, other])
    target = one["target:AF"][~unknown].to_numpy() == 1
    scores = np.stack([each["score:AF"][~unknown] for each in (one, other)])
    ahead, behind = scores[:, target][:, :, None], scores[:, ~target][:, None, :]
    wins = (ahead > behind) + 0.5 * (ahead == behind)
    gap = wins[0] - wins[1]
    variance = sum(np.var(gap.mean(axis=k), ddof=1) / gap.shape[1 - k] for k in (0, 1))
    z = gap.mean() / np.sqrt(variance)
    (test,) = [e.test for e in found.contrasts if (e.measure, e.label) == ("auroc", "AF")]
    assert test.difference == pytest.approx(gap.mean())
    assert test.p_delong == pytest.approx(2 * norm.sf(abs(z)))
    assert all(each.test.p_delong is None for each in found.contrasts if each.label is None)


def test_a_rare_class_and_flat_scores_are_untestable_with_the_reason(judge):
    one, other = tables(5)
    other["score:AF"] = 0.5
    rare = (one["patient"] < 9).astype(int)
    one, other = (each.assign(**{"target:LBBB": rare}) for each in (one, other))
    found = judge([one, other])
    told = {(each.measure, each.label): each for each in found.contrasts}
    assert found.left_out == {"LBBB": "9 patients with a positive, fewer than 10"}
    assert told["auroc", "LBBB"].reason == "LBBB has 9 patients with a positive, fewer than 10"
    for label in (None, "AF"):
        assert told["auroc", label].reason == "b gives every record the same score for AF"
    assert told["brier", "AF"].verdict == "supported"
    assert told["brier", None].test.difference == told["brier", "AF"].test.difference
    assert found.models[1].scores["auroc"].macro.value is None
    assert found.models[0].scores["auroc"].macro.value is not None


def test_a_bootstrap_that_cannot_answer_is_untestable(judge):
    found = judge(tables(6, (1.0,) * 4), Plan(resamples=200))
    assert set(verdicts(found)) == {"untestable"}
    assert "give more than 240 resamples" in found.contrasts[0].reason


def test_others_are_held_against_the_reference(judge):
    given = tables(7, (1.0, 1.0, 3.0))
    found = judge(given, Plan(resamples=400, reference="c"))
    macros = [each for each in found.contrasts if each.label is None]
    assert {(each.model, each.against) for each in macros} == {("a", "c"), ("b", "c")}
    assert set(verdicts(found, "auroc")) == {"supported"}
    with pytest.raises(InputError, match="--reference d: choose one of a, b, c"):
        judge(given, Plan(reference="d"))


def test_the_best_on_validation_becomes_the_reference_and_never_the_best_on_test(judge):
    split = np.where(np.arange(2 * PATIENTS) < PATIENTS, "validation", "test")
    (best, worst), (good, bad) = (tables(8, noises, split=split) for noises in ((0.5, 3), (3, 0.5)))
    one = pd.concat([best[split == "validation"], good[split == "test"]])
    other = pd.concat([worst[split == "validation"], bad[split == "test"]])
    other["target:AF"], other["target:LBBB"] = one["target:AF"], one["target:LBBB"]
    found = judge([one, other], Plan(resamples=400, choose_on="validation"))
    assert (found.reference, found.records) == ("a", PATIENTS)
    assert found.contrasts[0].against == "a"
    shared = pd.concat([one, one[split == "test"].assign(split="validation", id=lambda t: -t.id)])
    with pytest.raises(InputError, match="patient .* is in test and in validation"):
        judge([shared, shared], Plan(choose_on="validation"))
    with pytest.raises(InputError, match="is in test and in test"):
        judge([one, other], Plan(choose_on="test"))
    with pytest.raises(InputError, match="either --reference or --choose-on"):
        judge([one, other], Plan(choose_on="validation", reference="a"))


def test_a_mean_over_seeds_is_compared_and_their_spread_told(judge):
    one, other, third = tables(9, (1.0, 1.2, 1.0))
    seeds = pd.concat([one.assign(seed=0), third.assign(seed=1)])
    found = judge([seeds, other])
    assert [each.seeds for each in found.models] == [2, 1]
    alone = [judge([each, other]).contrasts[0].test.difference for each in (one, third)]
    assert found.contrasts[0].test.difference == pytest.approx(np.mean(alone))
    spread = found.models[0].scores["auroc"].macro.seed_sd
    assert spread == pytest.approx(np.std(alone, ddof=1))
    assert found.models[1].scores["auroc"].macro.seed_sd is None


def test_differences_are_told_within_each_subgroup_that_can_be_scored(judge):
    age = np.where(np.arange(2 * PATIENTS) < 12, 90, 50)
    sex = np.repeat(["F", "M"], PATIENTS)
    given = tables(10, age=age, sex=sex, ward=np.tile(["x", "y"], PATIENTS))
    found = judge(given, Plan(resamples=400, subgroups=("ward",)))
    told = {(each.trait, each.subgroup): each for each in found.subgroups}
    assert told.keys() == {
        *(("sex", name) for name in "FM"),
        ("age", "40–59"),
        *(("ward", name) for name in "xy"),
    }
    half = given[0]["ward"] == "x"
    alone = judge([each[half] for each in given]).contrasts[0].test
    assert told["ward", "x"].difference == pytest.approx(alone.difference)
    assert told["ward", "x"].low < told["ward", "x"].difference < told["ward", "x"].high
    assert (told["sex", "F"].records, told["sex", "F"].patients) == (PATIENTS, PATIENTS // 2)
    with pytest.raises(InputError, match="--subgroup colour: no table has that column"):
        judge(given, Plan(subgroups=("colour",)))
    with pytest.raises(InputError, match="--subgroup id_: 240 values, more than 30"):
        judge([each.assign(id_=each["id"]) for each in given], Plan(subgroups=("id_",)))


@pytest.fixture(scope="module")
def written(folder) -> Path:
    """The folder of a comparison of three models; not to be changed."""
    for name, table in zip("abc", tables(11, (0.5, 0.5, 3.0), sex="F"), strict=True):
        table.to_csv(folder / f"{name}.csv", index=False)
    paths = [f"{name}={folder / f'{name}.csv'}" for name in ("a", "b", "c")]
    write_comparison(paths, PLAN, folder / "out")
    return folder / "out"


def test_the_folder_holds_the_same_comparison_in_every_form(written):
    found = Comparison.read(written)
    assert (found.records, found.patients) == (2 * PATIENTS, PATIENTS)
    assert found.plan == PLAN
    assert found.command.startswith("myocard")
    numbers = pd.read_csv(written / "comparison.csv")
    assert len(numbers) == len(found.contrasts) == 4 * 3 * 3
    for line, each in zip(numbers.to_dict("records"), found.contrasts, strict=True):
        assert (line["model"], line["verdict"]) == (each.model, each.verdict)
        assert line["label"] == (each.label or "macro")
        assert line["p_holm"] == pytest.approx(each.test.p_holm)
    tex = (written / "comparison.tex").read_text()
    assert tex.count("supported") >= 2
    assert tex.startswith("\\begin{tabular}")
    json.loads((written / "comparison.json").read_text())
    for name in ("comparison", "classes"):
        assert (written / f"{name}.svg").read_text().startswith("<svg")
        assert len(pd.read_csv(written / f"{name}.csv")) == {"comparison": 36, "classes": 24}[name]


def test_the_page_needs_no_other_file_and_says_every_verdict(written):
    page = (written / "index.html").read_text()
    assert page.count("<svg") == 2
    assert not any(mark in page for mark in ('src="', "<script", "<link"))
    for sentence in sentences(Comparison.read(written)):
        assert sentence in page
    assert 'href="comparison.csv"' in page
    links = {part.split('"')[0] for part in page.split('href="')[1:]}
    assert all((written / link).exists() for link in links if not link.startswith("#"))
    assert "Subgroups" not in page  # all are of one sex


def test_the_same_command_keeps_the_folder_and_another_is_refused(written, folder):
    before = (written / "comparison.json").read_bytes()
    paths = [str(folder / f"{name}.csv") for name in "abc"]
    write_comparison(paths, PLAN, written)
    assert (written / "comparison.json").read_bytes() == before
    with pytest.raises(InputError, match=r'order is \["a", "b", "c"\], not \["c", "b", "a"\]'):
        write_comparison(paths[::-1], PLAN, written)
    with pytest.raises(InputError, match="split is"):
        write_comparison(paths, Plan(resamples=400, split="validation"), written)
    with pytest.raises(InputError, match="a: one model"):
        write_comparison(paths[:1], PLAN, folder / "other")


def test_one_class_has_no_mean_and_one_figure(folder):
    for name, table in zip("de", tables(12, classes=("AF",)), strict=True):
        table.to_csv(folder / f"{name}.csv", index=False)
    paths = [str(folder / f"{name}.csv") for name in "de"]
    write_comparison(paths, PLAN, folder / "one")
    found = Comparison.read(folder / "one")
    assert [each.label for each in found.contrasts] == ["AF"] * 4
    assert not (folder / "one" / "classes.svg").exists()
    assert next(sentences(found)).startswith("“d is better than e”: supported. Difference in AUROC")
