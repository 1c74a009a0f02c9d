"""A checkpoint comes back exactly, or not at all."""

import ast
import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import torch

import myocard
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.signal import Band, Preprocessing
from myocard.encoders.ours import EffectiveRank, Origin
from myocard.errors import InputError
from myocard.files.manifest import CHECKPOINT, altered
from myocard.models.checkpoint import HASHED, Checkpoint, load_encoder, load_weights
from myocard.recipe import CorpusPart, FinetuneRecipe, PretrainRecipe, read_input
from myocard.results.classifier import ClassifierShape


@pytest.fixture
def saved(encoder, tmp_path) -> Path:
    Checkpoint(encoder, {}).save(tmp_path / "saved")
    return tmp_path / "saved"


def rewrite(folder: Path, **changes) -> None:
    """Change the manifest, and put right its hashes as somebody with intent would."""
    config = json.loads((folder / "config.json").read_text())
    kept = {key: value for key, value in config.items() if key not in ("sha256", "format")}
    CHECKPOINT.write(folder, kept | changes, HASHED)


ORIGINS = {
    "nothing": Origin(),
    "pretraining": Origin(
        seed=3,
        preset="ecgsoup",
        mixture="mean",
        pretraining="0123",
        sources={"sim": 10},
        stores={"stores/sim": "4567"},
        effective_rank=EffectiveRank(value=7.5, bound=2.0, width=12, records=10),
        recipe=PretrainRecipe(name="x", corpus=(CorpusPart(folds=(1, 2)),), mixture="mean"),
    ),
    "fine-tuning": Origin(
        preset="stmem", start="tiny", recipe=FinetuneRecipe(task="ptbxl-all", crops=3)
    ),
    "a draw": Origin(random=True, seed=7),
}


@pytest.mark.parametrize("origin", ORIGINS.values(), ids=ORIGINS)
def test_saving_and_loading_is_exact(encoder, origin, tmp_path):
    band = Band(highpass=0.5, lowpass=40.0)
    stated = Preprocessing(100, 100, ("II", "V1"), band, standardise="record")
    rest = {"decoder.weight": torch.randn(3, 2)}
    shape = ClassifierShape(task="ptbxl-all", classes=("A", "B"), readout="pma", head="mlp")
    given = replace(encoder, input=stated, origin=origin)
    Checkpoint(given, rest, shape).save(tmp_path / "saved")
    loaded = Checkpoint.load(tmp_path / "saved")
    found = loaded.encoder
    assert (found.name, found.origin, found.info) == (given.name, given.origin, given.info)
    assert found.input == stated == read_input(tmp_path / "saved")
    assert found.network.shape == given.network.shape
    assert not found.network.training
    for name, value in given.network.state_dict().items():
        assert torch.equal(found.network.state_dict()[name], value)
    assert loaded.rest.keys() == {"decoder.weight"}
    assert torch.equal(loaded.rest["decoder.weight"], rest["decoder.weight"])
    assert loaded.classifier == shape
    corpus = found.pretrained_on.records.reset_index(drop=True)
    pd.testing.assert_frame_equal(corpus, given.pretrained_on.records)
    assert found.pretrained_on.datasets == ("sim",)


def test_an_encoder_alone_has_no_classifier(saved, encoder):
    assert Checkpoint.load(saved).classifier is None
    assert load_encoder(saved).info == encoder.info


def test_a_checkpoint_replaces_another_and_nothing_else(saved, encoder, tmp_path):
    Checkpoint(encoder.randomised(1), {}).save(saved)
    assert load_encoder(saved).info.name == "random-tiny-1"
    assert [path.name for path in tmp_path.iterdir()] == ["saved"]
    (tmp_path / "notes").mkdir()
    with pytest.raises(InputError, match="notes: exists and is no checkpoint; choose another"):
        Checkpoint(encoder, {}).save(tmp_path / "notes")
    assert not [*(tmp_path / "notes").iterdir()]


def test_further_files_that_are_written_beside_it_are_hashed_too(encoder, tmp_path):
    (tmp_path / "log.jsonl").write_text("first\n")
    Checkpoint(encoder, {}).write(tmp_path, "log.jsonl")
    assert altered(tmp_path) == []
    (tmp_path / "log.jsonl").write_text("second\n")
    (told,) = altered(tmp_path)
    assert "log.jsonl: not the file that was written" in told


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


def test_a_corpus_without_one_of_its_columns_is_refused_whatever_its_hash(saved):
    path = saved / "corpus.parquet"
    pd.read_parquet(path).drop(columns="fingerprint").to_parquet(path, index=False)
    rewrite(saved)
    corpus = Checkpoint.load(saved).encoder.pretrained_on
    assert corpus.leak_check == "records"
    with pytest.raises(InputError, match=r"corpus\.parquet: no column fingerprint"):
        corpus.known(pd.DataFrame())


SHAPE = {"samples": 100, "patch": 10, "width": 12, "depth": 3, "heads": 3}
CLASSIFIER = {"task": "ptbxl-all", "classes": ["A"], "readout": "pma", "layer": None, "head": "mlp"}


@pytest.mark.parametrize(
    "changes",
    [{"width": 24}, {"patch": 20}, {"depth": 2}, {"depth": 4}, {"samples": 10**9}],
    ids=str,
)
def test_a_shape_that_does_not_fit_the_weights_is_refused(saved, changes):
    rewrite(saved, encoder=SHAPE | changes)
    with pytest.raises(InputError, match=r"model\.safetensors: the weights do not fit the model"):
        Checkpoint.load(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": None},
        {"encoder": {}},
        {"encoder": SHAPE | {"patch": 30}},
        {"encoder": SHAPE | {"colour": 1}},
        {"origin": None},
        {"origin": {"seed": "a"}},
        {"origin": {"colour": 1}},
        {"classifier": {}},
        {"classifier": CLASSIFIER | {"readout": "layer"}},
        {"classifier": CLASSIFIER | {"layer": 2}},
    ],
    ids=str,
)
def test_an_impossible_statement_is_refused(saved, changes):
    rewrite(saved, **changes)
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
    rewrite(saved)
    with pytest.raises(InputError, match=f"saved/{name}: no"):
        assert Checkpoint.load(saved).encoder.pretrained_on.key


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"rate": 100, "samples": 9, "leads": ["I"], "band": {"q": 1}}']
)
def test_a_statement_of_input_that_cannot_be_read_is_named(saved, content):
    (saved / "preprocessing.json").write_text(content)
    rewrite(saved)
    with pytest.raises(InputError, match=r"preprocessing\.json: not a readable statement"):
        Checkpoint.load(saved)


def test_a_weight_that_is_left_over_or_missing_is_refused(network):
    weights = {f"encoder.{k}": v for k, v in network.state_dict().items()}
    with pytest.raises(InputError, match="extra"):
        load_weights(network, weights | {"encoder.extra": torch.ones(1)}, "encoder.", Path("x"))
    del weights["encoder.separator"]
    with pytest.raises(InputError, match="separator"):
        load_weights(network, weights, "encoder.", Path("x"))


def test_a_random_encoder_can_be_saved_and_loaded(encoder, store, tmp_path):
    random = encoder.randomised(1)
    Checkpoint(random, {}).save(tmp_path / "random")
    loaded = load_encoder(tmp_path / "random")
    assert loaded.info == random.info
    assert (loaded.origin.random, loaded.origin.seed, loaded.origin.preset) == (True, 1, "test")
    assert len(loaded.pretrained_on.records) == 0
    assert not loaded.pretrained_on.known(store.records).any()
    assert "Nothing: the weights are random." in (tmp_path / "random" / "README.md").read_text()


def test_the_card_names_the_input_and_the_records(saved):
    card = (saved / "README.md").read_text()
    assert "100 samples at 100 Hz" in card
    assert "- sim: 10 records" in card


def test_the_corpus_that_is_kept_tells_which_records_are_known(encoder, store, tmp_path):
    chosen = store.records.iloc[[4, 9, 33]]
    known = PretrainedOn(chosen.loc[:, list(CORPUS_COLUMNS)], ("sim",))
    Checkpoint(replace(encoder, pretrained_on=known), {}).save(tmp_path / "saved")
    words = load_encoder(tmp_path / "saved").pretrained_on.known(store.records)
    patients = store.records["patient"].isin(chosen["patient"])
    assert words.astype(bool).tolist() == patients.tolist()


def test_loading_an_encoder_draws_no_number_and_leaves_nothing_undrawn(saved):
    before = torch.get_rng_state()
    network = load_encoder(saved).network
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(x.is_meta for x in (*network.parameters(), *network.buffers()))
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_manifest_states_the_shape_of_the_network(saved, network):
    assert json.loads((saved / "config.json").read_text())["encoder"] == asdict(network.shape)


def test_nothing_in_the_source_unpickles_but_weights_of_others():
    source = Path(myocard.__file__).parent
    forbidden = re.compile(
        r"pickle\.|import pickle\b|torch\.load|torch\.save|allow_pickle=True|joblib\.(load|dump)"
    )
    (found,) = [path for path in source.rglob("*.py") if forbidden.search(path.read_text())]
    assert found == source / "encoders" / "files.py"
    tree = ast.walk(ast.parse(found.read_text()))
    calls = [node for node in tree if isinstance(node, ast.Call)]
    (load,) = [call for call in calls if ast.unparse(call.func) == "torch.load"]
    assert "weights_only=True" in ast.unparse(load)
    assert not [call for call in calls if ast.unparse(call.func).startswith("pickle.")]
