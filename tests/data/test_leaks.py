"""A record is known again, whatever it is called, and a stranger is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn, trained_on_nothing
from myocard.data.leaks import (
    known_as,
    nothing_known,
    read_fingerprints,
    recognise,
    refuse,
    write_fingerprints,
)
from myocard.data.preparation import Wanted, prepare
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import entries
from myocard.tasks.audit import leaks
from myocard.tasks.registry import task

STRANGE = {"source": "other", "id": "new", "patient": "new", "sha256": "other"}


@pytest.fixture
def corpus(store) -> pd.DataFrame:
    """Records 3 and 20 of the store."""
    return store.records.loc[[3, 20], list(CORPUS_COLUMNS)]


@pytest.mark.parametrize(
    ("how", "changes"),
    [
        ("same waveform as", {"source": "other", "id": "new", "patient": "new"}),
        ("same record as", {"sha256": "other", "fingerprint": "-" * 128}),
        ("same fingerprint as", STRANGE),
    ],
)
def test_a_record_is_known_by_its_waveform_or_by_its_source_and_id(store, corpus, how, changes):
    found = recognise(corpus.assign(**changes), store.records)
    assert found["row"].tolist() == [3, 20]
    assert found["how"].tolist() == [how] * 2
    assert found["id"].tolist() == corpus.assign(**changes)["id"].tolist()


def test_a_stranger_is_not_known(store, corpus):
    stranger = corpus.assign(**STRANGE, fingerprint="-" * 128)
    assert recognise(stranger, store.records).empty
    assert recognise(corpus.iloc[:0], store.records).empty
    assert not known_as(stranger, store.records).any()


def test_another_record_of_a_patient_is_known(store, corpus):
    visit = corpus.iloc[:1].assign(id="another visit", sha256="other", fingerprint="-" * 128)
    same = store.records["patient"] == corpus["patient"].iloc[0]
    words = known_as(visit, store.records)
    assert words.tolist() == ["same patient as sim another visit" if one else "" for one in same]


def test_an_encoder_says_how_far_its_records_are_known(store, corpus):
    by_record, by_name = PretrainedOn(corpus, ("sim",)), PretrainedOn(None, ("sim",))
    stated = [by_record, by_name, PretrainedOn(), trained_on_nothing()]
    assert [each.leak_check for each in stated] == ["records", "names", "none", "records"]
    words = by_record.known(store.records)
    assert words[words != ""].index.tolist() == [3, 20]
    assert words[3] == f"same waveform as sim {store.records['id'][3]}"
    for each in stated[1:]:
        assert each.known(store.records).equals(nothing_known(store.records))
    assert nothing_known(store.records).tolist() == [""] * len(store.records)


def test_records_that_a_model_was_trained_on_are_refused_by_name():
    fix = {"model": "encoder", "split": "test", "fix": "choose other folds"}
    refuse(["a", "b"], ["", ""], **fix)
    told = r"^leak: the encoder was trained on 1 records of test \(b, same patient as s x\); choose"
    with pytest.raises(InputError, match=told):
        refuse(["a", "b"], ["", "same patient as s x"], **fix)
    with pytest.raises(InputError, match=r"on 7 records of test \(0, x;.*; 4, x; …\)"):
        refuse(map(str, range(7)), ["x"] * 7, **fix)


def test_the_audit_lists_records_that_are_held_out_and_no_others(store):
    corpus = store.records[list(CORPUS_COLUMNS)]
    held_out = store.records["fold"].isin([9, 10])
    assert len(leaks(corpus, store.records, [9, 10])) == held_out.sum()
    first = store.records[held_out].iloc[0]
    told = f"sim {first['id']}, fold {first['fold']}: same waveform as sim {first['id']}"
    assert leaks(corpus, store.records, [9, 10])[0] == told
    _, kept = task("ptbxl-form").targets(store.records["codes"].map(list))
    few = leaks(corpus, store.records, [9, 10], task("ptbxl-form"))
    assert len(few) == (held_out & kept).sum() < held_out.sum()


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Store:
    """Twenty records of another site, and one of the session's store as a stranger would have it.

    Resampled from 500 to 250 Hz, rescaled, rounded to 5 µV, and called by another name.
    """
    theirs = entries(20, 5, rate=250.0, site="B")
    original = entries(60, 0, rate=500.0)[9]

    def read() -> Record:
        signal = 1.1 * resample_poly(original.read().signal, 1, 2, axis=1)
        return Record((np.round(signal / 0.005) * 0.005).astype(np.float32), 250.0, LEADS)

    copy = replace(original, id="X1", patient="X1", path=Path("copy"), read=read, fold=1)
    out = tmp_path_factory.mktemp("stores") / "planted"
    return prepare([*theirs, copy], out, Wanted(100, 10.0, LEADS), source="theirs", jobs=1)


def test_a_planted_copy_is_caught_and_nothing_else(store, planted):
    found = recognise(planted.records, store.records)
    assert found[["row", "how", "source", "id"]].values.tolist() == [
        [9, "same fingerprint as", "theirs", "X1"]
    ]
    clean = planted.records[planted.records["id"] != "X1"]
    assert recognise(clean, store.records).empty


@pytest.mark.parametrize(
    ("datasets", "source", "seen"),
    [
        (("ptbxl", "code"), "ptbxl", ("ptbxl",)),
        (("challenge", "ptbxl"), "ptbxl", ("challenge", "ptbxl")),
        (("ptbxl",), "challenge", ("ptbxl",)),
        (("chapman",), "ecg-arrhythmia", ("chapman",)),
        (("ecg-arrhythmia", "challenge"), "chapman", ("ecg-arrhythmia", "challenge")),
        (("challenge",), "ecg-arrhythmia", ("challenge",)),
        (("code",), "code15", ("code",)),
        (("mimic-iv-ecg", "code15"), "ptbxl", ()),
        (("chapman",), "ptbxl", ()),
        ((), "ptbxl", ()),
        (None, "ptbxl", ()),
    ],
)
def test_a_data_set_is_seen_under_its_name_and_within_collections(datasets, source, seen):
    assert PretrainedOn(None, datasets).seen(["sim", source]) == seen


def test_fingerprints_know_records_again_and_tell_nothing_else(store, planted, tmp_path):
    file = tmp_path / "theirs.parquet"
    write_fingerprints(planted.records, file)
    table = pd.read_parquet(file)
    assert sorted(table.columns) == ["fingerprint", "id", "sha256", "source"]
    assert not set(table["id"]) & {*planted.records["id"], *planted.records["patient"]}
    assert file.stat().st_size < 400 * len(table) + 5_000
    read = read_fingerprints(file)
    assert (read.leak_check, read.datasets) == ("records", ("theirs",))
    assert read.known(store.records).str.startswith("same fingerprint as theirs ").sum() == 1
    assert read.known(planted.records).str.startswith("same waveform as theirs ").all()


def test_a_file_of_fingerprints_is_not_written_over_and_no_other_is_read(store, tmp_path):
    file = tmp_path / "a.parquet"
    write_fingerprints(store.records, file)
    with pytest.raises(InputError, match=r"a\.parquet: exists already; choose another file, or"):
        write_fingerprints(store.records, file)
    store.records[["source", "id", "sha256"]].to_parquet(file)
    with pytest.raises(InputError, match=r"a\.parquet: no column fingerprint; make one with `myoc"):
        read_fingerprints(file)
    store.records.assign(fingerprint="yes").to_parquet(file)
    with pytest.raises(InputError, match=r"a\.parquet: holds other fingerprints than myocard's"):
        read_fingerprints(file)
