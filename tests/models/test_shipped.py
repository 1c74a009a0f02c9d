"""The encoder that comes with myocard loads without a network and says what it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import myocard
from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.models.checkpoint import load_encoder
from myocard.models.opening import NANO
from myocard.models.places import shipped

MOST_BYTES = 4_000_000


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(myocard.__file__).parent / "models" / "shipped" / NANO


def test_it_is_what_is_loaded_by_default():
    model = myocard.from_pretrained()
    assert model.encoder.info.name == NANO
    assert NANO in shipped()
    signal = np.random.default_rng(0).normal(size=(12, 5000)).astype("f4")
    states = model.hidden_states(signal, rate=500, leads=LEADS, unit="mV")
    assert states.shape == (9, 96)
    assert np.isfinite(states).all()


def test_it_is_small_and_its_card_names_licence_sources_and_limits(folder):
    assert sum(file.stat().st_size for file in folder.iterdir()) < MOST_BYTES
    card = (folder / "README.md").read_text()
    for word in ("CC BY 4.0", "PTB-XL", "CinC", "Not a medical device", "folds 9 and 10", "AUROC"):
        assert word in card, word


def test_a_folder_of_that_name_goes_before_it(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / NANO)
    (tmp_path / NANO / "config.json").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"config\.json"):
        load_encoder(Path(NANO))


def test_a_name_that_is_none_is_told_the_shipped_ones():
    with pytest.raises(InputError, match=f"nowhere: no such folder; .*{NANO}"):
        myocard.from_pretrained("nowhere")


@pytest.mark.parametrize("source", ["ptbxl_z", "ptbxl_100"])
def test_validation_and_test_folds_of_real_ptbxl_were_kept_out(real_data, source):
    corpus = load_encoder(Path(NANO)).pretrained_on.records
    held_out = {e.id for e in entries("ptbxl-100", real_data / source) if e.fold in (9, 10)}
    seen = set(corpus.loc[corpus["source"] == "ptbxl", "id"])
    assert held_out
    assert seen
    assert not held_out & seen
