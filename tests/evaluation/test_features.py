"""Cached states are those of the encoder, and of no other encoder or store."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from myocard.data.batches import Part, Windows, in_order
from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.protocol import Layer, pooled_states
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract


@pytest.fixture
def features(encoder, store, tmp_path) -> Features:
    return extract(encoder, store, tmp_path / "features")


def live_states(encoder, store) -> np.ndarray:
    windows = Windows([Part(store, np.arange(len(store.records)))], encoder.input)
    with torch.inference_mode():
        return torch.cat([pooled_states(encoder, x) for x in in_order(windows, batch=60)]).numpy()


def test_cached_states_are_the_encoders_to_half_precision(features, encoder, store):
    live = live_states(encoder, store)
    assert features.states.shape == (60, 4, 12)
    assert features.states.dtype == np.float16
    assert np.abs(features.states - live).max() <= 2**-10 * np.abs(live).max()
    assert torch.equal(features.pooled(), torch.from_numpy(np.array(features.states)))


def test_a_cache_says_what_it_is_of(features, encoder, store):
    reopened = Features.open(features.folder)
    assert reopened.info == features.info
    assert (reopened.encoder, reopened.store) == (encoder.info, store.key)
    assert (reopened.info.input, reopened.leads) == (encoder.input, encoder.input.leads)
    names = ("embedding", "block 1", "block 2", "block 3")
    assert reopened.layers == tuple(Layer(name, 12) for name in names)
    assert reopened.encoder.leak_check == "records"


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_states_do_not_depend_on_the_batch(features, encoder, store, tmp_path, batch):
    again = extract(encoder, store.folder, tmp_path / "again", batch=batch)
    assert np.allclose(again.states, features.states, atol=2e-3)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bytes_do_not_depend_on_the_number_of_threads(features, encoder, store, tmp_path, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        again = extract(encoder, store.folder, tmp_path / "again")
    finally:
        torch.set_num_threads(before)
    assert again.states.tobytes() == features.states.tobytes()


def test_leads_of_the_store_are_taken_by_the_names_the_encoder_states(encoder, store, tmp_path):
    few = replace(encoder, input=Preprocessing(100, 100, ("V5", "II")))
    found = extract(few, store, tmp_path / "few")
    live = live_states(few, store)
    assert np.allclose(found.states, live, atol=2e-3)
    assert found.leads == ("V5", "II")


def test_states_stay_on_disk(features):
    assert isinstance(features.states, np.memmap)


def test_records_that_the_encoder_was_trained_on_are_told_in_words(features, store):
    assert features.known.astype(bool).tolist() == [True] * 10 + [False] * 50
    assert features.known[3] == f"same waveform as sim {store.records['id'][3]}"
    assert features.records["id"].tolist() == store.records["id"].tolist()


def test_features_that_are_there_are_opened_and_not_made_again(features, encoder, store):
    before = (features.folder / "states.npy").stat().st_mtime_ns
    told = []
    again = extract(encoder, store, features.folder, progress=lambda *said: told.append(said))
    assert told == []
    assert (features.folder / "states.npy").stat().st_mtime_ns == before
    pd.testing.assert_frame_equal(again.records, features.records)


def test_features_of_another_encoder_input_or_store_are_refused(features, encoder, store):
    otherwise = replace(encoder, input=replace(encoder.input, standardise="record"))
    other_store = replace(store, records=store.records.assign(sha256="x"))
    unseen = replace(encoder, pretrained_on=trained_on_nothing())
    for encoder_, store_, key in (
        (encoder.randomised(9), store, "encoder"),
        (otherwise, store, "encoder"),
        (unseen, store, "pretrained_on"),
        (encoder, other_store, "store"),
    ):
        message = rf"features: made from other inputs: {key} is .*; choose another"
        with pytest.raises(InputError, match=message):
            extract(encoder_, store_, features.folder)


def test_a_store_that_does_not_meet_the_encoders_input_is_refused(encoder, store, tmp_path):
    faster = replace(encoder, input=Preprocessing(500, 100))
    with pytest.raises(InputError, match="the rate is 100 Hz, not 500 Hz"):
        extract(faster, store, tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_the_norm_comes_along_and_is_not_trained(features, encoder):
    for name, value in encoder.norm.state_dict().items():
        assert torch.equal(features.norm.state_dict()[name], value)
    assert not any(p.requires_grad for p in features.norm.parameters())


@pytest.mark.parametrize(
    "name", ["states.npy", "features.json", "records.parquet", "norm.safetensors"]
)
def test_broken_features_are_refused(features, name):
    (features.folder / name).write_bytes(b"not at all")
    with pytest.raises(InputError, match=f"features/{name}: not .*`myocard extract`"):
        Features.open(features.folder)


def test_states_that_do_not_fit_the_records_are_refused(features):
    np.save(features.folder / "states.npy", np.zeros((59, 4, 12), np.float16))
    with pytest.raises(InputError, match=r"states of float16 \(59, 4, 12\) do not fit 60 records"):
        Features.open(features.folder)


@pytest.mark.parametrize("value", [1e5, torch.nan])
def test_states_that_half_precision_cannot_hold_are_refused_by_layer(
    encoder, store, tmp_path, monkeypatch, value
):
    monkeypatch.setattr(
        type(encoder), "pool", lambda self, tokens: torch.full_like(tokens[:, 0], value)
    )
    with pytest.raises(InputError, match=f"{encoder.name}: states of embedding are not finite, or"):
        extract(encoder, store, tmp_path / "features")


class Stopped(Exception):
    """A stop as if the power had failed."""


def stop_at(record: int):
    def stop(what: str, done: int, total: int) -> None:
        if done == record:
            raise Stopped

    return stop


def test_a_pass_that_was_stopped_goes_on_from_its_parts(
    features, encoder, store, tmp_path, monkeypatch
):
    monkeypatch.setattr("myocard.evaluation.parts.PART", 16)
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        extract(encoder, store, out, batch=8, progress=stop_at(40))
    assert not out.exists()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part-*.npy")}
    assert len(kept) == 2
    told = []

    def keep(what: str, done: int, total: int) -> None:
        assert kept == {path: path.stat().st_mtime_ns for path in kept}
        told.append((what, done, total))

    again = extract(encoder, store, out, batch=8, progress=keep)
    assert told == [("extract tiny", done, 60) for done in (16, 32, 40, 48, 56, 60)]
    assert np.allclose(again.states, features.states, atol=2e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["features", "out"]


def test_a_stopped_pass_of_another_encoder_is_not_taken_up(encoder, store, tmp_path, monkeypatch):
    monkeypatch.setattr("myocard.evaluation.parts.PART", 16)
    with pytest.raises(Stopped):
        extract(encoder, store, tmp_path / "out", batch=8, progress=stop_at(24))
    with pytest.raises(InputError, match=r"out: made from other inputs: encoder is .* stopped job"):
        extract(encoder.randomised(9), store, tmp_path / "out")


def test_a_pass_that_was_stopped_before_its_first_part_leaves_nothing(encoder, store, tmp_path):
    with pytest.raises(Stopped):
        extract(encoder, store, tmp_path / "out", batch=8, progress=stop_at(8))
    assert list(tmp_path.iterdir()) == []
    other = encoder.randomised(9)
    assert extract(other, store, tmp_path / "out").encoder == other.info
