"""Cached states are those of the encoder, and of no other encoder or store."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from myocard.data.batches import Part, Windows, in_order
from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract


@pytest.fixture
def features(checkpoint, store, tmp_path) -> Features:
    return extract(checkpoint, store, tmp_path / "features")


def live_states(checkpoint, store, pool) -> np.ndarray:
    windows = Windows([Part(store, np.arange(len(store.records)))], checkpoint.preprocessing)
    with torch.inference_mode():
        return torch.cat([pool(x) for x in in_order(windows, batch=60)]).numpy()


def test_cached_states_are_the_encoders_to_half_precision(features, checkpoint, store):
    live = live_states(checkpoint, store, checkpoint.encoder.pooled)
    assert features.states.shape == (60, 4, 12)
    assert features.states.dtype == np.float16
    assert np.abs(features.states - live).max() <= 2**-10 * np.abs(live).max()
    assert features.depth == 3


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_states_do_not_depend_on_the_batch(features, checkpoint, store, tmp_path, batch):
    again = extract(checkpoint, store, tmp_path / "again", batch=batch)
    assert np.allclose(again.states, features.states, atol=2e-3)


def test_states_by_lead_average_to_the_pooled_ones(features, checkpoint, store, tmp_path):
    by_lead = extract(checkpoint, store, tmp_path / "leads", by_lead=True)
    assert by_lead.states.shape == (60, 4, 12, 12)
    mean = by_lead.states.astype(np.float32).mean(axis=2)
    assert np.allclose(mean, features.states, atol=4e-3)


def test_leads_of_the_store_are_taken_by_the_names_the_encoder_states(checkpoint, store, tmp_path):
    few = replace(checkpoint, preprocessing=Preprocessing(100, 100, ("V5", "II")))
    found = extract(few, store, tmp_path / "few")
    live = live_states(few, store, lambda x: few.encoder.pooled(x, ("V5", "II")))
    assert np.allclose(found.states, live, atol=2e-3)


def test_states_stay_on_disk(features):
    assert isinstance(features.states, np.memmap)


def test_records_that_the_encoder_was_trained_on_are_flagged(features, store):
    assert features.records["seen"].astype(bool).tolist() == [True] * 10 + [False] * 50
    assert features.records["seen"][3] == f"same waveform as sim {store.records['id'][3]}"
    assert features.records["id"].tolist() == store.records["id"].tolist()


def test_features_that_are_there_are_opened_and_not_made_again(features, checkpoint, store):
    before = (features.folder / "states.npy").stat().st_mtime_ns
    told = []
    again = extract(checkpoint, store, features.folder, report=lambda *done: told.append(done))
    assert told == []
    assert (features.folder / "states.npy").stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(again.records, features.records)


def test_features_of_another_encoder_input_pooling_or_store_are_refused(
    features, checkpoint, store
):
    shorter = replace(
        checkpoint, preprocessing=replace(checkpoint.preprocessing, standardise="record")
    )
    other_store = replace(store, records=store.records.assign(sha256="x"))
    for checkpoint_, store_, by_lead in (
        (checkpoint.randomised(9), store, False),
        (shorter, store, False),
        (checkpoint, store, True),
        (checkpoint, other_store, False),
    ):
        with pytest.raises(
            InputError, match="features: holds features of another encoder or store"
        ):
            extract(checkpoint_, store_, features.folder, by_lead=by_lead)


def test_a_store_that_does_not_meet_the_encoders_input_is_refused(checkpoint, store, tmp_path):
    faster = replace(checkpoint, preprocessing=Preprocessing(500, 100))
    with pytest.raises(InputError, match="the rate is 100 Hz, not 500 Hz"):
        extract(faster, store, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_norm_comes_along_and_is_not_trained(features, checkpoint):
    for name, value in checkpoint.encoder.norm.state_dict().items():
        assert torch.equal(features.norm.state_dict()[name], value)
    assert not any(p.requires_grad for p in features.norm.parameters())


@pytest.mark.parametrize("name", ["states.npy", "features.json", "records.parquet"])
def test_broken_features_are_refused(features, name):
    (features.folder / name).write_bytes(b"not at all")
    with pytest.raises(InputError, match=f"features/{name}: not .*`myocard extract`"):
        Features.open(features.folder)


def test_states_that_do_not_fit_the_records_are_refused(features):
    np.save(features.folder / "states.npy", np.zeros((59, 4, 12), np.float16))
    with pytest.raises(InputError, match=r"states of float16 \(59, 4, 12\) do not fit 60 records"):
        Features.open(features.folder)


class Stopped(Exception):
    """As if the power had failed."""


def test_a_pass_that_was_stopped_goes_on_from_its_parts(
    features, checkpoint, store, tmp_path, monkeypatch
):
    monkeypatch.setattr("myocard.evaluation.features.PART", 16)
    out = tmp_path / "out"

    def stop(done: int, total: int) -> None:
        if done == 40:
            raise Stopped

    with pytest.raises(Stopped):
        extract(checkpoint, store, out, batch=8, report=stop)
    assert not out.exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*.npy")}
    assert len(kept) == 2
    told = []

    def keep(done: int, total: int) -> None:
        assert kept == {path: path.stat().st_mtime_ns for path in kept}
        told.append((done, total))

    again = extract(checkpoint, store, out, batch=8, report=keep)
    assert told == [(done, 60) for done in (16, 32, 40, 48, 48, 56, 60, 60)]
    assert np.allclose(again.states, features.states, atol=2e-3)
    assert not (tmp_path / "out.partial").exists()


def test_a_stopped_pass_of_another_encoder_is_not_taken_up(checkpoint, store, tmp_path):
    with pytest.raises(ZeroDivisionError):
        extract(checkpoint, store, tmp_path / "out", report=lambda done, total: 1 // 0)
    with pytest.raises(InputError, match=r"out\.partial: holds features of another encoder"):
        extract(checkpoint.randomised(9), store, tmp_path / "out")
