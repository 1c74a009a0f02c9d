"""Killed and started again, every verb comes to what it comes to undisturbed."""

import random
import warnings

import kills
import pytest

from myocard import simulation
from myocard.evaluation import prediction
from myocard.models.checkpoint import Checkpoint


@pytest.fixture(autouse=True)
def forks_are_meant() -> object:
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; these have one of their own.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.mark.parametrize("verb", ["simulate", "prepare", "pretrain", "extract", "predict", "fetch"])
def test_a_verb_that_is_killed_comes_to_what_it_comes_to_undisturbed(
    verb, store, encoder, decided, tmp_path, monkeypatch
):
    monkeypatch.setattr(prediction, "PART", 1)
    simulation.write(tmp_path / "records", "ptbxl", count=4)
    Checkpoint(encoder, {}).save(tmp_path / "encoder")
    decided.save_pretrained(tmp_path / "model")
    (tmp_path / "store").symlink_to(store.folder)
    (tmp_path / "nano.toml").write_text(kills.NANO)
    words, tally = kills.verbs(tmp_path)[verb], kills.Tally()
    expected = kills.undisturbed(words, tmp_path / "whole" / "here")
    kills.trial(words, tmp_path / "killed" / "here", expected, random.Random(verb), tally)
    assert tally.faults == []
    assert tally.timed + tally.at_changes > 0
