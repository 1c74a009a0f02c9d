"""A checkpoint comes back exactly, or not at all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import myocard
from myocard.data.leaks import seen
from myocard.data.signal import Band, Preprocessing
from myocard.errors import InputError
from myocard.files.manifest import CHECKPOINT
from myocard.models.checkpoint import HASHED, Checkpoint, load_weights, read_preprocessing


@pytest.fixture
def saved(checkpoint, tmp_path) -> Path:
    checkpoint.save(tmp_path / "saved")
    return tmp_path / "saved"


def reseal(folder: Path, **changes) -> None:
    """As if whoever altered the folder had put right its hashes too."""
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in ("sha256", "format")}
    CHECKPOINT.write(folder, kept | changes, HASHED)


def test_saving_and_loading_is_exact(checkpoint, tmp_path):
    band = Band(highpass=0.5, lowpass=40.0)
    stated = Preprocessing(100, 100, ("II", "V1"), band, standardise="record")
    rest = {"decoder.weight": torch.randn(3, 2)}
    made = replace(checkpoint, preprocessing=stated, rest=rest)
    made.save(tmp_path / "saved")
    loaded = Checkpoint.load(tmp_path / "saved")
    assert (loaded.name, loaded.about, loaded.key) == (made.name, made.about, made.key)
    assert loaded.preprocessing == stated == read_preprocessing(tmp_path / "saved")
    assert loaded.encoder.shape == made.encoder.shape
    assert not loaded.encoder.training
    for name, value in made.encoder.state_dict().items():
        assert torch.equal(loaded.encoder.state_dict()[name], value)
    assert torch.equal(loaded.rest["decoder.weight"], rest["decoder.weight"])
    pd.testing.assert_frame_equal(loaded.corpus.reset_index(drop=True), made.corpus)


def test_the_key_tells_weights_shape_and_input_apart(checkpoint):
    key = checkpoint.key
    assert replace(checkpoint, name="other", about={}).key == key
    assert replace(checkpoint, preprocessing=Preprocessing(50, 100)).key != key
    with torch.no_grad():
        checkpoint.encoder.norm.bias[3] += 1e-6
    assert checkpoint.key != key


def test_weights_that_were_tampered_with_are_named(saved):
    path = saved / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"model\.safetensors: not the file .*fetch or make the checkpoint"
    ):
        Checkpoint.load(saved)


def test_a_stated_input_that_was_tampered_with_is_named(saved):
    path = saved / "preprocessing.json"
    path.write_text(path.read_text().replace('"lead"', '"record"'))
    with pytest.raises(InputError, match=r"preprocessing\.json: not the file"):
        Checkpoint.load(saved)


def test_a_record_that_was_taken_out_of_the_corpus_is_noticed(saved):
    path = saved / "corpus.parquet"
    pd.read_parquet(path).iloc[1:].to_parquet(path, index=False)
    with pytest.raises(InputError, match=r"corpus\.parquet: not the file"):
        Checkpoint.load(saved)


@pytest.mark.parametrize(
    "shape",
    [
        {"samples": 100, "patch": 10, "width": 24, "depth": 3, "heads": 3},
        {"samples": 100, "patch": 20, "width": 12, "depth": 3, "heads": 3},
        {"samples": 100, "patch": 10, "width": 12, "depth": 2, "heads": 3},
        {"samples": 100, "patch": 10, "width": 12, "depth": 4, "heads": 3},
    ],
)
def test_a_shape_that_does_not_fit_the_weights_is_refused(saved, shape):
    reseal(saved, encoder=shape)
    with pytest.raises(InputError, match=r"model\.safetensors: the weights do not fit the model"):
        Checkpoint.load(saved)


@pytest.mark.parametrize(
    "shape",
    [
        None,
        {},
        {"samples": 100, "patch": 30, "width": 12, "depth": 3, "heads": 3},
        {"samples": 100, "patch": 10, "width": 12, "depth": 3, "heads": 3, "colour": 1},
    ],
)
def test_an_impossible_shape_is_refused(saved, shape):
    reseal(saved, encoder=shape)
    with pytest.raises(InputError, match="saved: not a readable checkpoint"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "corpus.parquet"])
def test_a_missing_file_is_refused(saved, name):
    (saved / name).unlink()
    with pytest.raises(InputError, match=f"saved/{name}: not a readable checkpoint"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "corpus.parquet"])
def test_a_broken_file_is_refused_whatever_its_hash(saved, name):
    (saved / name).write_bytes(b"\xff not at all")
    reseal(saved)
    with pytest.raises(InputError, match=f"saved/{name}: no"):
        Checkpoint.load(saved)


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"rate": 100, "samples": 9, "leads": ["I"], "band": {"q": 1}}']
)
def test_a_statement_of_input_that_cannot_be_read_is_named(saved, content):
    (saved / "preprocessing.json").write_text(content)
    reseal(saved)
    with pytest.raises(InputError, match=r"preprocessing\.json: not a readable statement"):
        Checkpoint.load(saved)


def test_a_weight_that_is_left_over_or_missing_is_refused(encoder):
    weights = {f"encoder.{k}": v for k, v in encoder.state_dict().items()}
    with pytest.raises(InputError, match="extra"):
        load_weights(encoder, weights | {"encoder.extra": torch.ones(1)}, "encoder.", Path("x"))
    del weights["encoder.separator"]
    with pytest.raises(InputError, match="separator"):
        load_weights(encoder, weights, "encoder.", Path("x"))


def test_random_encoders_differ_by_seed_and_have_seen_nothing(checkpoint, store):
    one, again, other = (checkpoint.randomised(seed) for seed in (7, 7, 8))
    assert one.key == again.key
    assert len({checkpoint.key, one.key, other.key}) == 3
    assert one.preprocessing == checkpoint.preprocessing
    assert (one.about["random"], one.about["seed"]) == (True, 7)
    assert len(one.corpus) == 0
    assert not seen(one.corpus, store.records).any()


def test_making_a_random_encoder_leaves_the_callers_random_numbers_alone(checkpoint):
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    checkpoint.randomised(5)
    assert torch.equal(torch.rand(3), expected)


def test_a_random_encoder_without_corpus_can_be_saved_and_loaded(checkpoint, tmp_path):
    checkpoint.randomised(1).save(tmp_path / "random")
    assert len(Checkpoint.load(tmp_path / "random").corpus) == 0
    assert "Nothing: the weights are random." in (tmp_path / "random" / "README.md").read_text()


def test_the_card_names_the_input_and_the_records(saved):
    card = (saved / "README.md").read_text()
    assert "100 samples at 100 Hz" in card
    assert "- sim: 10 records" in card


def test_nothing_in_the_source_unpickles():
    source = Path(myocard.__file__).parent
    forbidden = re.compile(
        r"pickle\.|import pickle|torch\.load|torch\.save|allow_pickle=True|joblib\.(load|dump)"
    )
    found = [f.name for f in source.rglob("*.py") if forbidden.search(f.read_text())]
    assert found == []


def test_an_encoder_that_would_be_shown_no_lead_is_refused(checkpoint):
    chest = replace(checkpoint.preprocessing, leads=("V1", "V2"))
    with pytest.raises(InputError, match=r"reads V1, V2: none of these is among I, II; choose"):
        replace(checkpoint, preprocessing=chest).reading(("I", "II"))
