"""Probes of tokens learn while the encoder runs, and nothing but them changes or grows."""

import gc
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.probing import runs
from myocard.evaluation.probing.streaming import TokenStream
from myocard.evaluation.probing.tokens import probe_tokens, views
from myocard.models.checkpoint import CORPUS_COLUMNS, Checkpoint
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.tokens import TOKEN_READOUTS, TokenClassifier, look
from myocard.recipe import Optimisation, Split, TokenProbeRecipe
from myocard.report import write_report

TASK = "ptbxl-all"
SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))


class Stopped(Exception):
    """As if the power had failed."""


def recipe(**changes) -> TokenProbeRecipe:
    """Three steps of twelve records."""
    how = {"epochs": 1, "batch": 12, "base_learning_rate": 0.1, "weight_decay": 0.0}
    how |= {"precision": "fp32", "checkpoint_every": 1} | changes.pop("how", {})
    given = {"task": TASK, "readouts": (*TOKEN_READOUTS,), "split": SPLIT, "resamples": 20}
    given |= {"seeds": (0, 3), "penalties": (1e-3, 1.0), "optimisation": Optimisation(**how)}
    return TokenProbeRecipe(**given | changes)


@pytest.fixture
def clean(checkpoint, store) -> Checkpoint:
    """The tiny encoder, said to be trained on the training folds."""
    corpus = store.records[store.records["fold"].isin(SPLIT.train)]
    return replace(checkpoint, corpus=corpus.loc[:, list(CORPUS_COLUMNS)])


def stream_of(checkpoint: Checkpoint, store: Store, keep: float = 0.0) -> TokenStream:
    return TokenStream(checkpoint, store, views(TOKEN_READOUTS, checkpoint.encoder.shape), keep)


@pytest.fixture
def stream(clean, store) -> TokenStream:
    return stream_of(clean, store)


def run_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def predictions(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "classifier.safetensors")


def same(one: Path, other: Path) -> bool:
    mine, theirs = weights_of(one), weights_of(other)
    alike = all(torch.equal(mine[name], theirs[name]) for name in mine)
    return alike and predictions(one).equals(predictions(other))


def test_streamed_and_kept_tokens_are_those_of_one_whole_pass(clean, store, stream):
    rows = np.array([4, 0, 7, 31])
    signals = torch.from_numpy(store.windows(rows, clean.preprocessing))
    with torch.no_grad():
        whole = look(clean.encoder, signals, clean.preprocessing.leads, stream.views)
    kept = stream_of(clean, store, keep=1e9)
    kept.tokens(rows[1:3])
    for view, expected in whole.items():
        for found in (stream, kept):
            parts = [found.tokens(some)[view] for some in (rows[:3], rows[3:])]
            assert torch.allclose(torch.cat(parts), expected, atol=2e-3)
        assert torch.equal(kept.tokens(rows)[view], kept.tokens(rows)[view].half().float())
    assert not stream.kept
    assert kept.known.sum() == 4


def test_tokens_are_kept_only_if_all_fit(clean, store):
    size = sum(x.nbytes for x in stream_of(clean, store, keep=1e9).kept.values())
    per_record = 2 * 12 * (10 * 12 + 3 * 12 + 3 * 10 * 12)
    assert size == per_record * len(store.records)
    assert stream_of(clean, store, keep=size).kept
    assert not stream_of(clean, store, keep=size - 1).kept


def live() -> int:
    """Bytes of all tensors that are reachable."""
    return sum(each.nbytes for each in gc.get_objects() if type(each) is torch.Tensor)


def test_streaming_leaves_nothing_behind_however_many_records_there_are(stream):
    before = live()
    for first in range(0, 60, 12):
        tokens = stream.tokens(np.arange(first, first + 12))
    batch = sum(shown.nbytes for shown in tokens.values())
    assert live() - before == batch


def test_keeping_tokens_changes_no_score(clean, store, stream, tmp_path):
    given = recipe(seeds=(0,), readouts=("efficient-tokens", "alf-leads"))
    streamed = probe_tokens(given, stream, tmp_path / "streamed")
    kept = probe_tokens(given, stream_of(clean, store, keep=1e9), tmp_path / "kept")
    for one, other in zip(streamed, kept, strict=True):
        scores = [predictions(folder).filter(like="score:") for folder in (one, other)]
        assert np.allclose(*scores, atol=1e-4)


def test_the_encoder_is_left_as_it_was_and_every_probe_learns(clean, stream, tmp_path):
    before = clean.key
    folders = probe_tokens(recipe(penalties=(1e-3,)), stream, tmp_path)
    assert clean.key == before
    assert all(p.grad is None for p in clean.encoder.parameters())
    assert not clean.encoder.training
    for folder, name in zip(folders, TOKEN_READOUTS, strict=True):
        torch.manual_seed(0)
        drawn = TOKEN_READOUTS[name](12, 3)
        start = TokenClassifier(drawn, HEADS["linear"](12, len(run_of(folder)["classes"])))
        after = weights_of(folder)
        still = [k for k, v in start.named_parameters() if torch.equal(v, after[k])]
        assert (after.keys(), still) == (start.state_dict().keys(), [])


def test_a_probe_trained_beside_others_is_the_one_trained_alone(stream, tmp_path):
    two = recipe(readouts=("efficient-tokens", "alf-leads"))
    both = probe_tokens(two, stream, tmp_path / "both")
    (alone,) = probe_tokens(recipe(readouts=("alf-leads",)), stream, tmp_path / "alone")
    (folder,) = [each for each in both if each.name == "alf-leads-linear"]
    scores = [predictions(each).filter(like="score:") for each in (folder, alone)]
    assert np.allclose(*scores, atol=1e-4)


def test_the_run_says_what_was_read_and_how_it_was_chosen(stream, tmp_path):
    folders = probe_tokens(recipe(), stream, tmp_path)
    assert [f.name for f in folders] == [f"{name}-linear" for name in TOKEN_READOUTS]
    for folder, name in zip(folders, TOKEN_READOUTS, strict=True):
        run = run_of(folder)
        assert (run["kind"], run["readout"], run["encoder"]["layers"]) == ("probe", name, 4)
        mean = run["layer_weights"]["mean"]
        assert sum(mean) == pytest.approx(1, abs=1e-5)
        assert mean[0] == 0
        assert [each["seed"] for each in run["chosen"]] == [0, 3]
        assert {each["penalty"] for each in run["chosen"]} <= {1e-3, 1.0}
    assert run_of(folders[0])["layer_weights"]["mean"] == [0, 0, 0, 1]


def test_test_folds_are_not_touched_before_they_may_be(stream, tmp_path):
    given = recipe(readouts=("efficient-tokens",))
    (folder,) = probe_tokens(given, stream, tmp_path)
    before = run_of(folder)
    assert before["test"] is None
    assert set(predictions(folder)["split"]) == {"validation"}
    probe_tokens(given, stream, tmp_path, test=True)
    assert run_of(folder)["test"]["records"] == 12
    assert run_of(folder)["validation"] == before["validation"]


def test_a_stopped_run_goes_on_bit_for_bit(stream, tmp_path):
    given = recipe(heads=("mlp",), readouts=("efficient-tokens", "alf-leads"))
    whole = probe_tokens(given, stream, tmp_path / "whole")
    steps = []

    def stop(progress) -> None:
        steps.append(progress.step)
        if len(steps) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        probe_tokens(given, stream, tmp_path / "out", report=stop)
    resumed = probe_tokens(given, stream, tmp_path / "out", report=lambda p: steps.append(p.step))
    assert steps == [1, 2, 3]
    assert all(same(one, other) for one, other in zip(whole, resumed, strict=True))
    assert {path.name for path in resumed[0].parent.iterdir()} == {f.name for f in resumed}


def test_a_stop_between_two_runs_costs_no_step(stream, tmp_path, monkeypatch):
    given = recipe(readouts=("efficient-tokens", "alf-leads"))
    whole = probe_tokens(given, stream, tmp_path / "whole")
    write = runs.write

    def stop(folder, *rest) -> None:
        if "alf" in folder.name:
            raise Stopped
        write(folder, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "write", stop)
        with pytest.raises(Stopped):
            probe_tokens(given, stream, tmp_path / "out")
    steps = []
    found = probe_tokens(given, stream, tmp_path / "out", report=lambda p: steps.append(p.step))
    assert steps == []
    assert all(same(one, other) for one, other in zip(whole, found, strict=True))
    assert {path.name for path in found[0].parent.iterdir()} == {f.name for f in found}


def test_a_finished_run_is_not_made_again_and_another_recipe_is_refused(stream, tmp_path):
    steps = []
    given = recipe(readouts=("alf-leads",))
    (folder,) = probe_tokens(given, stream, tmp_path)
    written = (folder / "run.json").stat().st_mtime_ns
    more = given.model_copy(update={"readouts": ("alf-leads", "attentive-tokens"), "keep": 2.0})
    probe_tokens(more, stream, tmp_path, report=lambda p: steps.append(p.step))
    assert (folder / "run.json").stat().st_mtime_ns == written
    assert len(steps) == 3
    with pytest.raises(InputError, match="alf-leads-linear: a run of another recipe"):
        probe_tokens(recipe(readouts=("alf-leads",), seeds=(1,)), stream, tmp_path)


def test_a_leak_and_an_unfit_store_are_refused(clean, store, tmp_path):
    everything = replace(clean, corpus=store.records.loc[:, list(CORPUS_COLUMNS)])
    with pytest.raises(InputError, match="leak: the encoder was trained on 12 records of val"):
        probe_tokens(recipe(), stream_of(everything, store), tmp_path)
    faster = replace(clean, preprocessing=replace(clean.preprocessing, rate=500))
    with pytest.raises(InputError, match="the rate is 100 Hz, not 500 Hz"):
        stream_of(faster, store)
    assert list(tmp_path.iterdir()) == []


def test_its_runs_can_be_reported(stream, tmp_path):
    given = recipe(readouts=("attentive-tokens",), seeds=(0,), penalties=(1.0,))
    probe_tokens(given, stream, tmp_path / "results", test=True)
    write_report([tmp_path / "results"], tmp_path / "report")
    assert "attentive probe of the last layer" in (tmp_path / "report" / "report.html").read_text()
