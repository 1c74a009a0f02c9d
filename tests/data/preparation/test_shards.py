"""Shards that several machines prepared are one store when a pattern names them."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myocard.data.batches import Part, Windows, in_order
from myocard.data.preparation import Wanted, of_shard, prepare
from myocard.data.signal import Band, Preprocessing
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS

WANTED = Wanted(100, 10.0, LEADS)
STANDARDISED = replace(WANTED, standardise="lead")
SHARDS = 3
FALLS_TO = int(hashlib.sha256(b"a").hexdigest(), 16) % 2 + 1, 2  # the shard of patient "a"


@pytest.fixture
def listed(make_entry) -> list[Entry]:
    """Twenty records of ten patients, one of them with the waveform of another patient's."""
    found = [
        make_entry(f"{number:02}", patient=f"p{number // 2}", codes=("scp:NORM",))
        for number in range(20)
    ]
    found[12].path.write_bytes(found[3].path.read_bytes())
    return found


@pytest.fixture
def pattern(listed, tmp_path) -> Path:
    for number in range(1, SHARDS + 1):
        out = tmp_path / f"shard-{number}"
        prepare(listed, out, WANTED, source="test", shard=(number, SHARDS), jobs=1)
    return tmp_path / "shard-*"


def test_all_shards_together_are_the_store_that_one_machine_makes(
    listed, pattern, tmp_path
) -> None:
    store = Store.open(pattern)
    whole = prepare(listed, tmp_path / "whole", WANTED, source="test", jobs=1)
    assert (store.made, len(store.records)) == (whole.made, 19)
    assert set(store.records["sha256"]) == set(whole.records["sha256"])
    # No patient is in two folds, though every shard was divided on its own.
    assert (store.records.groupby("patient")["fold"].nunique() == 1).all()
    wanted = Preprocessing(100, 700)
    places = whole.records.set_index("sha256").index.get_indexer(store.records["sha256"])
    found = store.windows(range(19), wanted, np.arange(19))
    np.testing.assert_array_equal(found, whole.windows(places, wanted, np.arange(19)))


def test_batches_are_read_across_shards(pattern) -> None:
    store, wanted = Store.open(pattern), Preprocessing(100, 1000)
    rows = np.array([18, 0, 7, 12, 1])
    batches = list(in_order(Windows([Part(store, rows)], wanted), batch=2))
    np.testing.assert_array_equal(np.concatenate(batches), store.windows(rows, wanted))


def test_a_missing_shard_is_named(pattern, tmp_path) -> None:
    shutil.rmtree(tmp_path / "shard-2")
    with pytest.raises(InputError, match=r"shard-\*: of test, shard 2 of 3 is missing"):
        Store.open(pattern)


def test_an_unfinished_shard_is_refused(pattern, tmp_path) -> None:
    (tmp_path / "shard-2").rename(tmp_path / "shard-2.partial")
    (tmp_path / "shard-2.partial" / "store.json").unlink()
    with pytest.raises(InputError, match=r"shard-2\.partial"):
        Store.open(pattern)


def test_shards_that_were_made_otherwise_are_refused(pattern, listed, tmp_path) -> None:
    shutil.rmtree(tmp_path / "shard-2")
    other = Wanted(50, 10.0, LEADS)
    prepare(listed, tmp_path / "shard-2", other, source="test", shard=(2, SHARDS), jobs=1)
    with pytest.raises(InputError, match=r"shard-2 has StoreInput\(rate=50.* prepare them alike"):
        Store.open(pattern)


def test_one_record_with_two_waveforms_is_refused(pattern, listed, tmp_path) -> None:
    for entry in listed:
        np.save(entry.path, -np.load(entry.path))
    prepare(listed, tmp_path / "shard-whole", WANTED, source="test", jobs=1)
    with pytest.raises(InputError, match="test 0. is in two of them, with two waveforms"):
        Store.open(pattern)


def two_forms(listed, tmp_path, **changes) -> list[Store]:
    """The first twelve records in one unit, and all but the first eight in another."""
    first = prepare(listed[:12], tmp_path / "first", STANDARDISED, source="test", jobs=1)
    for entry in listed:
        np.save(entry.path, 2 * np.load(entry.path))
    others = [replace(entry, **changes) for entry in listed[8:]]
    return [first, prepare(others, tmp_path / "second", STANDARDISED, source="test", jobs=1)]


def test_a_record_in_two_forms_is_taken_from_the_first(listed, tmp_path) -> None:
    stores = two_forms(listed, tmp_path)
    joined = Store.joined(tmp_path / "both", stores)
    assert joined.made.unit == "NU"
    assert sorted(joined.records["id"]) == sorted(entry.id for entry in listed)
    twice = joined.records[joined.records["id"] == "10"]
    assert twice["sha256"].tolist() == [stores[0].records.set_index("id").loc["10", "sha256"]]


def test_a_record_of_two_patients_is_refused(listed, tmp_path) -> None:
    stores = two_forms(listed, tmp_path, patient="another")
    with pytest.raises(InputError, match="test 08 is in two of them, with two patients"):
        Store.joined(tmp_path / "both", stores)


def test_stores_that_were_standardised_in_different_ways_are_not_joined(listed, tmp_path) -> None:
    stores = []
    for over, some in (("lead", listed[:8]), ("record", listed[8:])):
        wanted = replace(WANTED, standardise=over)
        stores.append(prepare(some, tmp_path / over, wanted, source="test", jobs=1))
    with pytest.raises(InputError, match="lead by lead, record by record"):
        Store.joined(tmp_path / "both", stores)


def test_leads_that_were_standardised_one_by_one_are_no_input_of_a_record(listed, tmp_path) -> None:
    store = prepare(listed, tmp_path / "store", STANDARDISED, source="test", jobs=1)
    store.require(Preprocessing(100, 1000, standardise="lead"))
    with pytest.raises(InputError, match="leads were standardised one by one"):
        store.require(Preprocessing(100, 1000, standardise="record"))


def test_a_standardisation_that_there_is_not_is_named() -> None:
    with pytest.raises(InputError, match="standardise 'leads': give lead or record"):
        replace(WANTED, standardise="leads")


def test_what_comes_filtered_is_kept_as_it_is_and_said(listed, tmp_path) -> None:
    as_they_are = prepare(listed, tmp_path / "plain", WANTED, source="test", jobs=1)
    wanted = replace(WANTED, band=Band(highpass=0.5, lowpass=40.0), filtered=True)
    store = prepare(listed, tmp_path / "filtered", wanted, source="test", jobs=1)
    assert store.made.band == wanted.band
    np.testing.assert_array_equal(store.signals, as_they_are.signals)


def test_standardised_leads_have_no_unit(listed, tmp_path) -> None:
    store = prepare(listed, tmp_path / "store", STANDARDISED, source="test", jobs=1)
    signals = store.signals * store.records["scale"].to_numpy()[:, None, None]
    assert store.made.unit == "NU"
    assert signals.std(axis=2) == pytest.approx(np.ones(signals.shape[:2]), abs=1e-3)


@pytest.mark.parametrize("shard", [(0, 3), (4, 3), (1, 0)])
def test_a_shard_that_is_none_is_refused(listed, tmp_path, shard) -> None:
    with pytest.raises(InputError, match=f"shard {shard[0]} of {shard[1]}: give one from 1 to"):
        prepare(listed, tmp_path / "store", WANTED, source="test", shard=shard)


def test_a_shard_without_a_patient_is_refused(make_entry, tmp_path) -> None:
    found = [make_entry("a")]
    assert [len(of_shard(found, 1, 1)), len(of_shard(found, *FALLS_TO))] == [1, 1]
    with pytest.raises(InputError, match="no patient falls to it; make fewer shards"):
        prepare(found, tmp_path / "store", WANTED, source="test", shard=(3 - FALLS_TO[0], 2))


def test_a_pattern_that_names_nothing_is_told(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none-\*: no store has such a name"):
        Store.open(tmp_path / "none-*")
