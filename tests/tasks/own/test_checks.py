"""Checks find what they are for, and are silent on clean tasks."""

import numpy as np
import pandas as pd
import pytest

from myocard.tasks.own.checks import (
    copies,
    counted,
    far,
    following,
    rare,
    rows_of_splits,
    uncovered,
)
from myocard.tasks.own.metadata import _residuals, followed
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.task import Follows


def hospital(count: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a table and records, of which everything is drawn at random."""
    rng = np.random.default_rng(0)
    numbers = rng.permutation(count) + 100_000
    records = pd.DataFrame(
        {
            "id": [f"r{number}" for number in numbers],
            "device": rng.choice(["Alpha", "Beta", None], count),
            "sex": rng.choice(["F", "M"], count),
            "age": rng.uniform(20, 90, count),
        }
    )
    days = pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, count), unit="D")
    patients = [f"p{k}" for k in rng.integers(0, count // 2, count)]
    rows = pd.DataFrame({"patient": patients, "date": days, "site": rng.choice([*"xyz"], count)})
    return rows, records


def scores(
    targets: np.ndarray, rows: pd.DataFrame, records: pd.DataFrame, target="y", **kind: str
) -> dict[str, Follows]:
    asked = OwnTaskSettings(**{"kind": "binary", "id": "id", "target": target} | kind)
    found = followed(rows, records, targets[:, None], ("y",), asked)
    assert [each.value for each in found] == sorted((each.value for each in found), reverse=True)
    return {each.trait: each for each in found}


KINDS = {"number": {"kind": "number"}, "time": {"kind": "time", "event": "e"}}
TRAITS = {"device", "sex", "age", "site", "date", "order in the table"}


def test_chance_follows_nothing():
    rows, records = hospital()
    targets = np.random.default_rng(1).integers(0, 2, len(rows)).astype(float)
    found = scores(targets, rows, records)
    assert found.keys() == TRAITS | {"all of these together"}
    assert all(each.value < 0.6 for each in found.values())
    assert not list(following(tuple(found.values())))


def planted(rows: pd.DataFrame, records: pd.DataFrame) -> dict[str, np.ndarray]:
    return {
        "device": (records["device"] == "Beta").to_numpy(),
        "sex": (records["sex"] == "F").to_numpy(),
        "age": (records["age"] > 60).to_numpy(),
        "site": rows["site"].isin(["x", "z"]).to_numpy(),
        "date": (rows["date"] > "2021-01-01").to_numpy(),
        "order in the table": np.arange(len(rows)) % 200 < 100,
    }


@pytest.mark.parametrize("trait", sorted(TRAITS))
def test_a_label_that_follows_one_thing_is_found(trait):
    rows, records = hospital()
    flips = np.random.default_rng(2).random(len(rows)) < 0.1
    targets = (planted(rows, records)[trait] ^ flips).astype(float)
    targets[::50] = np.nan
    found = scores(targets, rows, records)
    assert [name for name, each in found.items() if each.value > 0.7] == [
        *sorted({trait, "all of these together"}, key=list(found).index)
    ]
    assert found[trait].measure == "AUROC"
    (told,) = following(tuple(found.values()))
    assert told.startswith(f"labels follow {trait}, without any signal: y (AUROC 0.")


def test_what_only_all_things_together_tell_is_told_as_such():
    score = Follows(trait="all of these together", target="y", measure="AUROC", value=0.8, share=1)
    assert list(following([score, score.model_copy(update={"trait": "age", "value": 0.6})])) == [
        "labels follow all of these together, without any signal: "
        "y (AUROC 0.80, 100% of the records)"
    ]


def test_a_label_does_not_follow_itself():
    rows, records = hospital()
    targets = (records["sex"] == "F").to_numpy(float)
    assert scores(targets, rows, records)["sex"].value == 1
    assert "sex" not in scores(targets, rows, records, target="Sex")


def test_a_label_that_follows_names_of_files_is_found():
    rows, records = hospital()
    targets = (np.arange(len(rows)) % 2).astype(float)
    records["id"] = [
        f"{'ab'[int(y)]}/{name}" for y, name in zip(targets, records["id"], strict=True)
    ]
    assert scores(targets, rows, records)["form of the id"].value == 1


def test_the_share_is_that_of_records_with_trait_and_label():
    rows, records = hospital()
    targets = (np.arange(len(rows)) % 2).astype(float)
    targets[:100] = np.nan
    share = records["device"][100:].notna().sum() / len(rows)
    assert scores(targets, rows, records)["device"].share == pytest.approx(share)


@pytest.mark.parametrize(
    ("outcome", "measure"), [("number", "R²"), ("time", "Concordance (Harrell)")]
)
def test_numbers_and_times_that_follow_a_device_are_found(outcome, measure):
    rows, records = hospital()
    rng = np.random.default_rng(3)
    slow = (records["device"] == "Beta").to_numpy()
    targets = (
        rng.normal(10 + 90 * slow, 3)
        if outcome == "number"
        else (
            rng.exponential(np.where(slow, 1000, 1), len(rows))
            * np.where(rng.random(len(rows)) < 0.3, -1, 1)
        )
    )
    found = scores(targets, rows, records, **KINDS[outcome])
    assert found["device"].measure == measure
    assert found["device"].value > 0.7
    assert found["sex"].value < 0.6


def test_a_few_far_numbers_do_not_hide_that_a_label_follows_age():
    rows, records = hospital()
    targets = records["age"].to_numpy() + np.random.default_rng(4).normal(0, 5, len(rows))
    targets[:8] = 1e6
    found = scores(targets, rows, records, **KINDS["number"])
    assert [each.split(",")[0] for each in following([*found.values()])] == ["labels follow age"]


def test_numbers_that_are_nearly_all_the_same_still_have_a_score():
    rows, records = hospital()
    targets = np.zeros(len(rows))
    targets[:8] = 1
    assert scores(targets, rows, records, **KINDS["number"])["device"].value < 0.1


def test_too_few_labels_have_no_score():
    rows, records = hospital(40)
    targets = np.zeros(40)
    targets[:4] = 1
    assert scores(targets, rows, records) == {}


def test_residuals_of_a_null_model_sum_to_zero():
    times = np.random.default_rng(0).choice([-3.0, -1, 1, 2, 5], 60)
    assert _residuals(times).sum() == pytest.approx(0)
    assert _residuals(np.array([1.0, 2, -3])).tolist() == pytest.approx([2 / 3, 1 / 6, -5 / 6])


def test_codes_among_numbers_are_named():
    ages = np.append(np.linspace(20, 90, 50), [300.0, 300.0, np.nan])[:, None]
    (told,) = far(ages, ("age",))
    assert "2 values lie far from the median of 56" in told
    assert "300 (2)" in told
    assert not list(far(ages[:50], ("age",)))


def test_rare_classes_are_named_split_by_split():
    folds = np.repeat([1, 9, 10], 12)
    targets = np.resize([0.0, 1], 36)[:, None]
    targets[12:20] = np.nan
    patients = pd.Series([f"p{k // 2}" for k in range(36)])
    splits = {
        name: counted(targets[which], patients.iloc[which], ("y",), "any")
        for name, which in rows_of_splits(folds).items()
    }
    assert splits["validation"].classes == {"y": {"positives": 2, "negatives": 2, "unknown": 8}}
    assert splits["train"].patients == 6
    assert list(rare(splits, "any")) == ["rare in validation: y (2 positives), y (2 negatives)"]


@pytest.mark.parametrize(
    ("outcome", "targets", "told"),
    [
        (
            "any",
            [1.0] * 4 + [0.0] * 20 + [np.nan] * 9,
            " with y, and there are 4; give --coverage 0.8",
        ),
        ("any", [1.0] * 9 + [np.nan] * 9, " without y, and there are 0; leave --coverage out"),
        ("one", [1.0] * 8, ", and there are 8; give --coverage 0.88 at most, or leave"),
        ("number", [3.0] * 8 + [np.nan], ", and there are 8; give"),
        ("any", [1.0] * 9 + [0.0] * 9, None),
        ("one", [1.0] + [0.0] * 8, None),
        ("time", [1.0], None),
    ],
)
def test_too_few_validation_records_for_sets_are_told_with_the_coverage_they_allow(
    outcome, targets, told
):
    found = list(uncovered(np.array(targets)[:, None], ("y",), outcome))
    assert len(found) == (told is not None)
    assert all(f"a coverage of 0.9 needs 9 validation records{told}" in each for each in found)


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("number", {"known": 3, "unknown": 1}),
        ("time", {"events": 1, "censored": 2, "unknown": 1}),
    ],
)
def test_numbers_and_times_are_counted_in_their_own_words(outcome, counts):
    targets = np.array([[5.0], [-1], [-2], [np.nan]])
    found = counted(targets, pd.Series([*"abcd"]), ("y",), outcome)
    assert found.classes == {"y": counts}
    assert list(rare({"test": found}, outcome))


def test_copies_across_splits_are_told_once_for_each_way(records):
    rows = {"train": np.arange(0, 4), "validation": np.arange(4, 8), "test": np.arange(8, 12)}
    assert list(copies(records, rows)) == []
    records.loc[[9, 10], "sha256"] = records.loc[[0, 1], "sha256"].array
    records.loc[5, "fingerprint"] = records.loc[0, "fingerprint"]
    assert list(copies(records, rows)) == [
        "1 records of validation are known in train: 6 is the same fingerprint as 1; put them into "
        'one split, or drop them (copies = "drop" in a recipe)',
        "2 records of test are known in train: 10 is the same waveform as 1; put them into one "
        'split, or drop them (copies = "drop" in a recipe)',
    ]
    assert list(copies(records.drop(columns="sha256"), rows)) == []
