"""Folds keep patients whole, by whichever way they are made."""

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.splitting import Folds, split


def asked(way: str, **more: object) -> OwnTaskSettings:
    named = {"kind": "binary", "id": "id", "target": "y", "split": way, "date": "date"}
    return OwnTaskSettings(**(named | more))


def table(patients: list[str], **columns: object) -> pd.DataFrame:
    lines = pd.Index(range(2, len(patients) + 2), name="line")
    return pd.DataFrame({"patient": patients} | columns, index=lines)


def targets(count: int) -> np.ndarray:
    return np.resize([0.0, 0, 1, np.nan], count)[:, None]


PATIENTS = st.lists(st.sampled_from("abcdefghijklmnop"), min_size=30, max_size=60)


@settings(max_examples=40)
@given(PATIENTS, st.data())
def test_no_way_divides_a_patient(patients, data):
    count = len(patients)
    dates = pd.to_datetime(data.draw(st.lists(st.dates(), min_size=count, max_size=count)))
    sites = data.draw(st.lists(st.sampled_from("xyz"), min_size=count, max_size=count))
    rows = table(patients, date=dates, site=sites)
    for way, more in {"made": {}, "date": {}, "site": {"test_site": ("x",)}}.items():
        # Dates may be too alike, and a site may be everybody's.
        with suppress(InputError):
            require_whole(split(rows, targets(count), asked(way, **more), "t"), patients)


def require_whole(found: Folds, patients: list[str]) -> None:
    kept = found.folds > 0
    folds = pd.Series(found.folds[kept]).groupby(np.array(patients)[kept]).nunique()
    assert (folds == 1).all()
    assert ((found.reasons == "") == kept).all()
    assert found.folds.max() <= 10


def test_made_folds_share_out_each_class_and_depend_on_the_seed_alone():
    rows = table([f"p{k}" for k in range(400)])
    values = (np.arange(400) % 10 == 0).astype(float)[:, None]
    folds = split(rows, values, asked("made"), "t").folds
    assert np.bincount(folds[values[:, 0] == 1], minlength=11)[1:].tolist() == [4] * 10
    assert np.bincount(folds, minlength=11)[1:].tolist() == [40] * 10
    assert (split(rows, values, asked("made"), "t").folds == folds).all()
    assert (split(rows, values, asked("made", seed=1), "t").folds != folds).any()


@pytest.mark.parametrize("kind", ["number", "time"])
def test_made_folds_share_out_sizes_and_events(kind):
    rows = table([f"p{k}" for k in range(400)])
    values = np.arange(1.0, 401)[:, None] * np.where(np.arange(400) % 4, 1, -1)[:, None]
    more = {"kind": kind} | ({"event": "e"} if kind == "time" else {})
    folds = split(rows, values, asked("made", **more), "t").folds
    means = [np.abs(values[folds == fold]).mean() for fold in range(1, 11)]
    assert max(means) - min(means) < 40
    seen = [(values[folds == fold] > 0).mean() for fold in range(1, 11)]
    assert kind == "number" or max(seen) - min(seen) < 0.06


def test_by_date_later_patients_are_tested_and_records_out_of_their_period_are_left_out():
    days = pd.date_range("2020-01-01", periods=20)
    rows = table([f"p{k}" for k in range(20)] + ["p0", "p17"], date=[*days, days[19], days[17]])
    found = split(rows, targets(22), asked("date"), "t")
    assert set(found.folds[:16]) == set(range(1, 9))
    assert found.folds[16:20].tolist() == [9, 9, 10, 10]
    assert found.folds[20:].tolist() == [0, 9]
    assert found.reasons[20] == "after the period of its patient's split"
    assert (found.reasons == "").sum() == 21


def test_dates_that_are_all_one_are_refused():
    rows = table([f"p{k}" for k in range(20)], date=pd.Timestamp("2020-01-01"))
    with pytest.raises(InputError, match="its dates do not divide 20 patients into train, valid"):
        split(rows, targets(20), asked("date"), "t")


def test_by_site_the_patients_of_some_sites_are_tested():
    rows = table([*"abcdefghijklmaz"], site=[*"xxxxyyyyyyyyyyx"])
    found = split(rows, targets(15), asked("site", test_site=("x",)), "t")
    assert found.folds[[0, 1, 2, 3, 14]].tolist() == [10] * 5
    assert sorted(found.folds[4:13]) == [*range(1, 10)]
    assert found.folds[13] == 0
    assert "another site" in found.reasons[13]
    with pytest.raises(InputError, match="t: no site 'w'; the sites are x, y: choose others"):
        split(rows, targets(15), asked("site", test_site=("w",)), "t")
    with pytest.raises(InputError, match="no patient is left to train on"):
        split(rows, targets(15), asked("site", test_site=("x", "y")), "t")


def test_a_column_names_splits_or_folds():
    words = ["Train"] * 16 + ["validation", "val", "valid", "test"]
    found = split(table([*"abcdefghijklmnopqrst"], split=words), targets(20), asked("part"), "t")
    assert set(found.folds[:16]) == set(range(1, 9))
    assert found.folds[16:].tolist() == [9, 9, 9, 10]
    numbers = table([*"abc"], split=["1", "9", "10"])
    assert split(numbers, targets(3), asked("part"), "t").folds.tolist() == [1, 9, 10]
    with pytest.raises(InputError, match=r"t: column part: '11' \(line 4\) is no split; write tra"):
        split(table([*"abc"], split=["1", "2", "11"]), targets(3), asked("part"), "t")


@pytest.mark.parametrize("lost", ["train", "validation", "test"])
@pytest.mark.parametrize("way", ["part", "store"])
def test_a_split_without_a_record_is_refused_by_name_with_a_fix(lost, way):
    fold = {"train": 3, "validation": 9, "test": 10}
    words = [name for name in fold if name != lost]
    column = {"split": words} if way == "part" else {"fold": [fold[name] for name in words]}
    told = rf"t: no labelled record is left for {lost} \(fold.* by the split {way}; .*--split, suc"
    with pytest.raises(InputError, match=told):
        split(table([*"ab"], **column), targets(2), asked(way), "t")


def test_too_few_patients_for_a_split_are_refused():
    rows = table([*"abab"], site=[*"xyxy"])
    with pytest.raises(InputError, match="no labelled record is left for"):
        split(rows, targets(4), asked("made"), "t")
    with pytest.raises(InputError, match="no labelled record is left for validation"):
        split(rows, targets(4), asked("site", test_site=("x",)), "t")


@pytest.mark.parametrize(("way", "column"), [("part", "split"), ("store", "fold")])
def test_a_patient_in_two_splits_is_refused_by_name(way, column):
    cells = ["1", "9", "10", "9"] if way == "part" else [1, 9, 10, 9]
    rows = table(["ann", "bob", "eve", "ann"], **{column: cells})
    told = r"patient ann is in two splits \(lines 2 and 5; 1 such patients\).*--split made"
    with pytest.raises(InputError, match=told):
        split(rows, targets(4), asked(way), "t")
