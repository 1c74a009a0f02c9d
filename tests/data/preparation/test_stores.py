"""The content of a prepared store: signals, labels, folds, and how they were made."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from myocard.data.folds import assign_folds, split_hash
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Band, conform
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.simulation.dipole import twelve_leads

WANTED = Wanted(100, 10.0, LEADS)


def run(entries: list[Entry], out: Path, wanted: Wanted = WANTED, **settings: object) -> Store:
    return prepare(entries, out, wanted, source="test", jobs=1, **settings)


def test_a_record_is_resampled_filtered_as_a_whole_and_cropped_to_its_middle(
    make_entry, tmp_path
) -> None:
    drawn = 0.1 * np.random.default_rng(0).normal(size=(8, 6000)).cumsum(axis=1)
    signal = twelve_leads(drawn)
    wanted = Wanted(100, 10.0, ("V1", "II"), Band(0.67, 40.0))
    store = run([make_entry("long", 1000 * signal, rate=500, unit="uV")], tmp_path / "s", wanted)
    expected = conform(signal[[6, 1]], 500, 100, wanted.band)[:, 100:1100]
    scale = store.records["scale"][0]
    np.testing.assert_allclose(store.signals[0] * scale, expected, atol=scale)
    assert store.records["flags"].str.split(";").str[0].tolist() == ["cropped"]
    assert (store.made.leads, store.made.unit, store.made.rate) == (("V1", "II"), "mV", 100)


def test_a_row_says_what_its_entry_says(make_entry, tmp_path) -> None:
    about = {"codes": ("scp:NORM", "scp:SR"), "age": 61.0, "sex": "F", "site": "2", "device": "X"}
    entries = [make_entry("a", patient="p", fold=3, **about), make_entry("b", fold=4)]
    store = run(entries, tmp_path / "store")
    row = store.records.iloc[0]
    assert (row["id"], row["patient"], row["fold"], list(row["codes"])) == (
        "a", "p", 3, ["scp:NORM", "scp:SR"],
    )  # fmt: skip
    assert (row["age"], row["sex"], row["site"], row["device"]) == (61.0, "F", "2", "X")
    assert row["source"] == "test"
    assert row["sha256"] == entries[0].read().sha256
    assert store.records.iloc[1][["age", "sex", "site", "device"]].isna().all()


def test_published_folds_are_kept(make_entry, tmp_path) -> None:
    store = run([make_entry(str(i), fold=i % 4 + 1) for i in range(8)], tmp_path / "store")
    assert store.records["fold"].tolist() == [1, 2, 3, 4] * 2
    stated = split_hash([str(i) for i in range(8)], [1, 2, 3, 4] * 2)
    assert store.info["split"] == {"kind": "published", "sha256": stated}


def test_other_records_are_stratified_by_patient(make_entry, tmp_path) -> None:
    entries = [
        make_entry(str(i), patient=f"p{i // 2}", codes=(f"scp:{'NORM' if i % 3 else 'IMI'}",))
        for i in range(40)
    ]
    store = run(entries, tmp_path / "store", split_seed=5)
    folds = store.records["fold"].tolist()
    codes = [entry.codes for entry in entries]
    assert folds == assign_folds([entry.patient for entry in entries], codes, seed=5)
    of_patient = defaultdict(set)
    for patient, fold in zip(store.records["patient"], folds, strict=True):
        of_patient[patient].add(fold)
    assert {len(found) for found in of_patient.values()} == {1}
    split = store.info["split"]
    assert (split["kind"], split["folds"], split["seed"]) == ("stratified by patient", 10, 5)
    assert split["sha256"] == split_hash([entry.id for entry in entries], folds)


def test_another_split_is_another_store(make_entry, tmp_path) -> None:
    entries = [make_entry(str(i)) for i in range(20)]
    first, second = (run(entries, tmp_path / f"{seed}", split_seed=seed) for seed in (0, 1))
    assert np.array_equal(first.signals, second.signals)
    assert first.key != second.key


def test_units_are_not_mixed(make_entry, tmp_path) -> None:
    entries = [make_entry("a"), make_entry("b", unit="NU")]
    with pytest.raises(InputError, match="records in NU and mV; prepare them apart"):
        run(entries, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_a_store_of_standardised_records_says_so(make_entry, tmp_path) -> None:
    assert run([make_entry("a", unit="NU")], tmp_path / "store").made.unit == "NU"


def test_a_source_without_records_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="test: the source lists no record"):
        run([], tmp_path / "store")


def test_an_id_that_comes_twice_is_refused(make_entry, tmp_path) -> None:
    with pytest.raises(InputError, match="lists id 'a' twice"):
        run([make_entry("a"), make_entry("b"), make_entry("a")], tmp_path / "store")


def test_folds_for_some_records_only_are_refused(make_entry, tmp_path) -> None:
    with pytest.raises(InputError, match="record 'b' has no fold, while others have one"):
        run([make_entry("a", fold=1), make_entry("b")], tmp_path / "store")


def test_published_folds_that_divide_a_patient_are_refused(make_entry, tmp_path) -> None:
    entries = [make_entry("a", patient="p", fold=1), make_entry("b", patient="p", fold=2)]
    with pytest.raises(InputError, match="patient 'p' has records in 2 folds"):
        run(entries, tmp_path / "store")


def test_what_cannot_be_allowed_is_told_with_the_choices() -> None:
    with pytest.raises(
        InputError, match="cannot allow not_finite, typo; what can be kept is flat_lead"
    ):
        Wanted(100, 10.0, LEADS, allow=("typo", "flat_lead", "not_finite"))


def test_a_filter_that_the_rate_cannot_hold_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="a low-pass at 60 Hz needs more than 100 Hz"):
        Wanted(100, 10.0, LEADS, Band(0.5, 60.0))


@pytest.mark.parametrize("seconds", [0, -1, 0.001])
def test_a_store_without_samples_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match=f"{seconds:g} s at 100 Hz hold no sample"):
        Wanted(100, seconds, LEADS)
