"""Tasks: their classes, and what becomes of records with none or several."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.labels import scheme, table
from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.tasks.registry import task

SUPERCLASSES = ("CD", "HYP", "MI", "NORM", "STTC")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("ptbxl-all", 71),
        ("ptbxl-diagnostic", 44),
        ("ptbxl-subdiagnostic", 23),
        ("ptbxl-superdiagnostic", 5),
        ("ptbxl-form", 19),
        ("ptbxl-rhythm", 12),
        ("stmem-single-label", 5),
        ("chapman-rhythm", 4),
        ("chapman-rhythm-11", 11),
        ("chapman-condition", 56),
        ("snomed-26", 26),
        ("cinc2011-quality", 2),
        ("ludb-superdiagnostic", 5),
        ("superdiagnostic", 5),
    ],
)
def test_a_task_has_its_published_number_of_classes(name: str, count: int) -> None:
    assert len(task(name).classes) == count


def test_diagnostic_form_and_rhythm_make_all() -> None:
    parts = [set(task(f"ptbxl-{name}").classes) for name in ("diagnostic", "form", "rhythm")]
    assert set.union(*parts) == set(task("ptbxl-all").classes)
    assert sum(map(len, parts)) - 4 == 71


def test_superclasses_stand_in_the_published_order() -> None:
    for name in (
        "ptbxl-superdiagnostic",
        "stmem-single-label",
        "ludb-superdiagnostic",
        "superdiagnostic",
    ):
        assert task(name).classes == SUPERCLASSES


def test_several_codes_of_a_class_count_once_and_several_classes_all() -> None:
    codes = [("scp:ASMI", "scp:AMI"), ("scp:IMI", "scp:LVH", "scp:SR")]
    targets, kept = task("ptbxl-superdiagnostic").targets(codes)
    assert targets.tolist() == [[0, 0, 1, 0, 0], [0, 1, 1, 0, 0]]
    assert kept.tolist() == [True, True]


def test_a_record_without_a_class_is_dropped() -> None:
    """A rhythm says nothing of the diagnosis, and no statement is not 'normal'."""
    _, kept = task("ptbxl-superdiagnostic").targets([("scp:SR",), (), ("scp:NORM",), ("own:MI",)])
    assert kept.tolist() == [False, False, True, False]


def test_an_exclusive_task_drops_records_of_several_classes() -> None:
    codes = [("scp:ASMI", "scp:AMI"), ("scp:IMI", "scp:LVH"), ("scp:SR",)]
    targets, kept = task("stmem-single-label").targets(codes)
    assert kept.tolist() == [True, False, False]
    assert targets[kept].sum(axis=1).tolist() == [1]


def test_no_records_make_no_targets() -> None:
    targets, kept = task("ptbxl-rhythm").targets([])
    assert (targets.shape, kept.shape) == ((0, 12), (0,))


@pytest.mark.parametrize(
    ("finding", "codes"),
    [
        ("CD", ("scp:CLBBB", "ludb:complete-left-bundle-branch-block", "snomed:164909002",
                "chapman-beat:LBBB")),
        ("MI", ("scp:IMI", "ludb:stemi-inferior-wall", "snomed:164865005", "chapman-beat:MILW")),
        ("HYP", ("scp:LVH", "ludb:left-ventricular-hypertrophy", "snomed:164873001",
                 "chapman-beat:LVH")),
        ("STTC", ("scp:LNGQT", "ludb:ischemia-apical", "snomed:111975006", "chapman-beat:QTIE")),
        ("NORM", ("scp:NORM", "ludb:normal", "snomed:426783006", "chapman:SR")),
    ],
)  # fmt: skip
def test_a_superclass_is_the_same_in_every_scheme(finding: str, codes: tuple[str, ...]) -> None:
    targets, _ = task("superdiagnostic").targets([(code,) for code in codes])
    assert [np.array(SUPERCLASSES)[row].tolist() for row in targets] == [[finding]] * 4


def test_a_sinus_rhythm_is_a_normal_ecg_only_alone() -> None:
    codes = [("chapman:SR", "chapman-beat:TWC"), ("chapman:SR", "chapman-beat:RBBB"), ("scp:SR",)]
    targets, kept = task("superdiagnostic").targets(codes)
    assert kept.tolist() == [False, True, False]
    assert targets[1].tolist() == [True, False, False, False, False]


def test_scp_and_chapmans_acronyms_feed_the_challenges_classes() -> None:
    class_of = task("snomed-26").class_of
    assert class_of["scp:AFIB"] == class_of["chapman:AFIB"] == class_of["snomed:164889003"]
    assert class_of["scp:AFLT"] == class_of["chapman:AF"] == ("AFL",)
    assert class_of["chapman:SI"] == class_of["scp:SARRH"] == ("SA",)
    assert "scp:NDT" not in class_of  # the Challenge's copy counts it as an abnormal T wave


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("AFIB", "AFIB"), ("AF", "AFIB"), ("ST", "GSVT"), ("SVT", "GSVT"), ("AT", "GSVT"),
        ("AVNRT", "GSVT"), ("AVRT", "GSVT"), ("SAAWR", "GSVT"), ("SB", "SB"), ("SR", "SR"),
        ("SA", "SR"), ("SI", "SR"),
    ],
)  # fmt: skip
def test_chapmans_rhythms_fall_into_four_groups(code: str, group: str) -> None:
    assert task("chapman-rhythm").class_of[f"chapman:{code}"] == (group,)


def test_sinus_irregularity_is_one_class_under_both_its_names() -> None:
    class_of = task("chapman-rhythm-11").class_of
    assert class_of["chapman:SA"] == class_of["chapman:SI"] == ("SA",)


def test_a_rhythm_is_no_condition_of_the_same_letters() -> None:
    targets, _ = task("chapman-condition").targets([("chapman:ST", "chapman-beat:WPW")])
    chosen = np.array(task("chapman-condition").classes)[targets[0]]
    assert chosen.tolist() == ["WPW"]


def test_pairs_that_the_challenge_scores_as_one_share_a_class() -> None:
    class_of = task("snomed-26").class_of
    pairs = [(733534002, 164909002), (713427006, 59118001), (284470004, 63593006)]
    for one, other in [*pairs, (427172004, 17338001)]:
        assert class_of[f"snomed:{one}"] == class_of[f"snomed:{other}"]


def test_ludbs_sentences_fall_into_ptbxls_superclasses() -> None:
    for code, row in scheme("ludb").items():
        words = row["description"].lower()
        expected = None
        if any(word in words for word in ("hypertrophy", "overload")):
            expected = "HYP"
        elif any(word in words for word in ("block", "conduction delay")):
            expected = "CD"
        elif words.startswith(("stemi", "scar formation")):
            expected = "MI"
        elif "repolarization abnormalities" in words or "ischemia" in words:
            expected = "STTC"
        elif code == "normal":
            expected = "NORM"
        found = task("ludb-superdiagnostic").class_of.get(f"ludb:{code}")
        assert found == (expected and (expected,)), code


def test_an_unknown_task_lists_the_choices() -> None:
    with pytest.raises(InputError, match="unknown task 'ptbxl'; the tasks are ptbxl-all, "):
        task("ptbxl")


def test_classes_of_real_records_equal_an_independent_count(real_data: Path) -> None:
    folder = real_data / "ptbxl_z"
    statements = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    rows = pd.read_csv(folder / "ptbxl_database.csv")["scp_codes"].map(ast.literal_eval)
    codes = [entry.codes for entry in entries("ptbxl-100", folder)]
    diagnostic = statements[statements.diagnostic == 1]
    columns = {
        "superdiagnostic": diagnostic.diagnostic_class,
        "subdiagnostic": diagnostic.diagnostic_subclass,
        **{
            kind: pd.Series(chosen := statements.index[statements[kind] == 1], index=chosen)
            for kind in ("diagnostic", "form", "rhythm")
        },
    }
    for name, class_of in columns.items():
        sets = rows.map(lambda row, by=class_of: {by[code] for code in row if code in by.index})
        expected = sets.explode().dropna().value_counts()
        targets, kept = task(f"ptbxl-{name}").targets(codes)
        assert kept.sum() == (sets.map(len) > 0).sum()
        found = pd.Series(targets.sum(axis=0), task(f"ptbxl-{name}").classes)
        assert found[found > 0].to_dict() == expected.to_dict()


def test_published_counts_name_real_classes() -> None:
    for row in table("published_counts.csv"):
        if row["task"] and row["class"]:
            assert row["class"] in task(row["task"]).classes
