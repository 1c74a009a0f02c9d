"""Records to train, choose and test on: no leak, no shared patient, no class without a case."""

from hashlib import shake_128

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.data.leaks import nothing_known
from myocard.errors import InputError
from myocard.recipe import Split
from myocard.tasks.cohort import SPLITS, Cohort, assemble
from myocard.tasks.task import CodedTask, Task

ANY = CodedTask("any", ("a", "b", "c"), {"x:a": ("a",), "x:b": ("b",), "x:c": ("c",)})
ONE = CodedTask("one", ANY.classes, ANY.class_of, exclusive=True)
SPLIT = Split(train=(1, 2), validation=(3,), test=(4,))


def table(codes: list[str], folds: list[int], **columns) -> pd.DataFrame:
    ids = [f"r{k}" for k in range(len(codes))]
    given = {"source": "made", "id": ids, "patient": ids, "sha256": ids, "fold": folds}
    given["fingerprint"] = [shake_128(name.encode()).hexdigest(64) for name in ids]
    return pd.DataFrame(given | {"codes": [[f"x:{c}" for c in row] for row in codes]} | columns)


def assembled(records: pd.DataFrame, task: Task = ANY, **options) -> Cohort:
    """The cohort for a model that was trained on none of the records."""
    return assemble(records, task, SPLIT, known=nothing_known(records), **options)


@pytest.fixture
def records() -> pd.DataFrame:
    """Four records a fold: a, b, both, and one that no class knows."""
    return table(["a", "b", "ab", "q"] * 5, [fold for fold in range(1, 6) for _ in range(4)])


def test_each_split_has_the_labelled_records_of_its_folds(records):
    found = assembled(records)
    assert {name: rows.tolist() for name, rows in found.rows.items()} == {
        "train": [0, 1, 2, 4, 5, 6],
        "validation": [8, 9, 10],
        "test": [12, 13, 14],
    }
    assert found.targets[found.rows["test"]].tolist() == [[1, 0], [0, 1], [1, 1]]
    assert found.folds == {"train": (1, 2), "validation": (3,), "test": (4,)}
    assert (found.task, found.source) == ("any", "made")


def test_what_is_known_of_a_record_comes_along(records):
    assert assembled(records).traits == {}
    told = assembled(records.assign(age=np.arange(20.0), device=["x", None] * 10))
    assert told.traits.keys() == {"age", "device"}
    assert told.traits["age"][told.rows["test"]].tolist() == [12, 13, 14]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "ab", "q"]), st.integers(1, 6)), max_size=40))
def test_no_record_is_in_two_splits_and_none_without_a_class(drawn):
    drawn = [(code, fold) for fold in (1, 3, 4) for code in ("a", "b")] + drawn
    records = table([code for code, _ in drawn], [fold for _, fold in drawn])
    found = assembled(records)
    rows = np.concatenate([found.rows[name] for name in SPLITS])
    assert len(set(rows.tolist())) == len(rows)
    assert found.targets[rows].any(axis=1).all()
    assert not records["fold"][rows].isin([5, 6]).any()


def test_a_class_that_is_too_rare_is_left_out_with_the_reason(records):
    records.at[0, "codes"] = ["x:a", "x:c"]
    found = assembled(records)
    assert found.classes == ("a", "b")
    assert found.left_out == {"c": "0 positives in validation"}
    assert assembled(records, min_positives=2).left_out["c"] == "1 positives in train"


def test_a_class_that_every_record_has_is_left_out(records):
    records["codes"] = [[*codes, "x:c"] for codes in records["codes"]]
    assert assembled(records).left_out == {"c": "no negative in train"}


def test_a_record_whose_only_class_is_left_out_stays_as_a_negative(records):
    records.at[3, "codes"] = ["x:c"]
    found = assembled(records)
    assert found.targets[3].tolist() == [False, False]
    assert 3 in found.rows["train"]


def test_too_few_classes_are_refused(records):
    with pytest.raises(
        InputError, match="any: too few classes have 9 positives .* train 6 records"
    ):
        assembled(records, min_positives=9)


def test_an_exclusive_task_keeps_records_of_exactly_one_kept_class():
    records = table(["a", "b", "c", "ab"] + ["a", "b"] * 2, [1, 1, 1, 1, 3, 3, 4, 4])
    found = assembled(records, ONE)
    assert found.outcome == "one"
    assert found.left_out == {"c": "0 positives in validation"}
    assert found.rows["train"].tolist() == [0, 1]
    assert (found.targets[found.rows["train"]].sum(axis=1) == 1).all()


def test_an_exclusive_task_of_one_class_is_refused():
    records = table(["a", "b", "a", "b", "a", "c"], [1, 1, 3, 3, 4, 4])
    with pytest.raises(InputError, match="one: too few classes have 1 positives"):
        assembled(records, ONE)


@pytest.mark.parametrize(("row", "split"), [(9, "validation"), (13, "test")])
def test_a_leak_is_refused_by_name(records, row, split):
    known = nothing_known(records)
    known[[row, 0]] = "same record as a x"  # in training the encoder may know it
    told = (
        rf"the encoder was trained on 1 records of {split} \(r{row}, same record as a x\); pretrain"
    )
    with pytest.raises(InputError, match=told):
        assemble(records, ANY, SPLIT, known=known)


def test_a_known_record_without_a_label_of_the_task_is_no_leak(records):
    known = nothing_known(records)
    known[[0, 11, 15]] = "same record as a x"
    assert assemble(records, ANY, SPLIT, known=known).classes == ("a", "b")


def test_what_the_model_knows_must_be_said(records):
    with pytest.raises(TypeError, match="known"):
        assemble(records, ANY, SPLIT)


@pytest.mark.parametrize(("one", "other"), [(0, 8), (5, 13), (9, 14)])
def test_a_patient_in_two_splits_is_refused_by_name(records, one, other):
    records.loc[[one, other], "patient"] = "Ada"
    with pytest.raises(InputError, match=r"patient made Ada is in .* \(1 such patients\)"):
        assembled(records)


def test_a_cohort_names_every_data_set_that_its_records_are_of(records):
    records.loc[8:, "source"] = "elsewhere"
    assert assembled(records).source == "elsewhere and made"


def test_the_same_number_is_another_patient_in_another_data_set(records):
    records.loc[[0, 8], "patient"] = "7"
    records.loc[8, "source"] = "elsewhere"
    assert assembled(records).patients[[0, 8]].tolist() == ["made 7", "elsewhere 7"]


@pytest.mark.parametrize(("one", "other"), [(0, 8), (5, 13), (9, 14)])
@pytest.mark.parametrize("hashed", ["sha256", "fingerprint"])
def test_a_waveform_in_two_splits_is_refused_by_both_names(records, one, other, hashed):
    records.loc[other, hashed] = records.loc[one, hashed]
    told = (
        rf"r{other} of made is in .* the same \w+ as r{one} of made in .* \(1 such records\); put"
    )
    with pytest.raises(InputError, match=told):
        assembled(records)


def test_a_waveform_twice_in_one_split_or_in_an_unused_fold_is_no_leak(records):
    for copy, first in ((4, 0), (9, 8), (16, 0), (11, 0)):  # 11 has no label of the task
        records.loc[copy, ["sha256", "fingerprint"]] = records.loc[first, ["sha256", "fingerprint"]]
    assert len(assembled(records).rows["train"]) == 6


def test_copies_that_are_dropped_are_dropped_where_they_teach_and_counted(records):
    for one, other in ((0, 8), (5, 12), (10, 13)):  # of train, train, validation
        records.loc[one, "sha256"] = records.loc[other, "sha256"]
    found = assembled(records, copies="drop")
    assert {name: rows.tolist() for name, rows in found.rows.items()} == {
        "train": [1, 2, 4, 6],
        "validation": [8, 9],
        "test": [12, 13, 14],
    }
    assert found.copies_dropped == {"train": 2, "validation": 1, "test": 0}


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from("pqrstuvwxyz"), min_size=16, max_size=16))
def test_what_a_later_split_holds_is_dropped_and_nothing_else(names):
    labels, folds = ["a", "b", "ab", "q"] * 4, [fold for fold in range(1, 5) for _ in range(4)]
    own = [f"own {k}" for k in range(6)]  # both classes, in every split
    records = table(["a", "b"] * 3 + labels, [1, 1, 3, 3, 4, 4] + folds)
    prints = [shake_128(name.encode()).hexdigest(64) for name in own + names]
    found = assembled(records.assign(fingerprint=prints), copies="drop")
    train, validation, test = (
        [
            k
            for k, fold in enumerate(records["fold"])
            if fold in folds and records["codes"][k] != ["x:q"]
        ]
        for folds in (SPLIT.train, SPLIT.validation, SPLIT.test)
    )
    tested = {prints[k] for k in test}
    later = tested | {prints[k] for k in validation}
    assert {name: rows.tolist() for name, rows in found.rows.items()} == {
        "train": [k for k in train if prints[k] not in later],
        "validation": [k for k in validation if prints[k] not in tested],
        "test": test,
    }


def test_a_patient_in_two_splits_is_refused_where_copies_are_dropped(records):
    records.loc[[0, 8], "patient"] = "Ada"
    with pytest.raises(InputError, match="patient made Ada is in train and in validation"):
        assembled(records, copies="drop")


def test_records_are_grouped_only_where_a_patient_has_several(records):
    records.loc[[8, 9], "patient"] = "Ada"
    found = assembled(records)
    assert found.groups("validation").tolist() == ["made Ada", "made Ada", "made r10"]
    assert found.groups("test") is None


@given(
    patients=st.lists(st.integers(0, 12), min_size=8, max_size=60),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    seed=st.integers(0, 5),
)
@settings(max_examples=60)
def test_a_share_of_the_training_records_is_drawn_by_patient(patients, shares, seed):
    count = len(patients)
    ids = [f"r{k}" for k in range(count + 4)]
    names = [f"p{k}" for k in patients] + ["v", "v", "t", "t"]
    records = table(
        ["a", "b"] * (count // 2) + ["a"] * (count % 2) + ["a", "b"] * 2, [1] * count + [3, 3, 4, 4]
    )
    found = assembled(records.assign(id=ids, patient=names))
    few, more = (found.training_rows(share, seed) for share in sorted(shares))
    assert set(few) <= set(more) <= set(found.rows["train"])
    assert len(few) == max(2, min(round(min(shares) * count), count))
    inside, outside = found.patients[few], found.patients[np.setdiff1d(found.rows["train"], few)]
    assert len(set(inside) & set(outside)) <= 1


def test_folds_that_serve_no_purpose_are_told_with_their_records(records, caplog):
    assembled(records)
    assert "any: 3 records of fold 5 are in no split and not used" in caplog.text
    caplog.clear()
    assembled(records[records["fold"] < 5])
    assert not caplog.text
