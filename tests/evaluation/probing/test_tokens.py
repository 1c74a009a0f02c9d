"""Probes of tokens learn while the encoder runs, and nothing but them changes or grows."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.evaluation import probing
from myocard.evaluation.features import extract
from myocard.evaluation.probing import Stream, probe
from myocard.evaluation.probing.stream import TokenStream, look
from myocard.evaluation.probing.tokens import views_of
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import TOKENS
from myocard.recipe import Optimisation, ProbeRecipe, Split
from myocard.report import write_report
from myocard.results.run import Run

TASK = "ptbxl-all"
SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
VIEWS = views_of(TOKENS, 12, 3)


class Stopped(Exception):
    """A stop as if the power had failed."""


def recipe(**changes) -> ProbeRecipe:
    """A recipe of three steps of twelve records, with nothing kept in memory."""
    how = {"epochs": 1, "batch": 12, "base_learning_rate": 0.1, "weight_decay": 0.0}
    how |= {"precision": "fp32", "checkpoint_every": 1} | changes.pop("how", {})
    given = {"task": TASK, "readouts": (*TOKENS,), "heads": ("linear",), "split": SPLIT}
    given |= {"resamples": 20, "seeds": (0, 3), "penalties": (1e-3, 1.0), "keep": 0.0}
    return ProbeRecipe(**given | {"optimisation": Optimisation(**how)} | changes)


@pytest.fixture
def source(clean, store) -> Stream:
    return Stream(clean, store)


def stream_of(encoder: MyocardEncoder, store: Store, keep: float = 0.0) -> TokenStream:
    return TokenStream(encoder, store, VIEWS, keep)


@pytest.fixture
def stream(clean, store) -> TokenStream:
    return stream_of(clean, store)


def predictions(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


def scores_of(folder: Path) -> np.ndarray:
    return predictions(folder).filter(like="score:").to_numpy()


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "classifier.safetensors")


def same(one: Path, other: Path) -> bool:
    mine, theirs = weights_of(one), weights_of(other)
    alike = all(torch.equal(mine[name], theirs[name]) for name in mine)
    return alike and predictions(one).equals(predictions(other))


class Steps:
    """Progress that notes the steps on tokens, and stops after some of them."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.taken: list[int] = []
        self.stop_after = stop_after

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == "probe tokens of tiny":
            self.taken.append(done)
            if len(self.taken) == self.stop_after:
                raise Stopped


def test_streamed_and_kept_tokens_are_those_of_one_whole_pass(clean, store, stream):
    rows = np.array([4, 0, 7, 31])
    signals = torch.from_numpy(store.windows(rows, clean.input))
    with torch.no_grad():
        whole = look(clean, signals, VIEWS)
    kept = stream_of(clean, store, keep=1e9)
    kept[rows[1:3]]
    for view, expected in whole.items():
        for found in (stream, kept):
            parts = [found[some][view] for some in (rows[:3], rows[3:])]
            assert torch.allclose(torch.cat(parts), expected, atol=2e-3)
        assert torch.equal(kept[rows][view], kept[rows][view].half().float())
    assert not stream.kept
    assert kept.computed.sum() == 4


def test_tokens_and_states_do_not_depend_on_the_number_of_threads(clean, store, stream):
    rows, before, found = np.arange(30), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append([*stream[rows].values(), Stream(clean, store).states_of(rows)])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        assert all(map(torch.equal, found[0], others))


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
        tokens = stream[np.arange(first, first + 12)]
    batch = sum(shown.nbytes for shown in tokens.values())
    assert live() - before == batch


def test_keeping_tokens_changes_no_score(clean, store, tmp_path):
    given = recipe(seeds=(0,), readouts=("efficient-tokens", "alf-leads"))
    streamed = probe(Stream(clean, store), given, tmp_path / "streamed")
    keeping = given.model_copy(update={"keep": 1.0})
    kept = probe(Stream(clean, store), keeping, tmp_path / "kept")
    for one, other in zip(streamed, kept, strict=True):
        assert np.allclose(scores_of(one), scores_of(other), atol=1e-4)


def test_tokens_that_are_kept_serve_every_probe_of_the_stream(source):
    assert source.tokens(VIEWS, 1e9) is source.tokens(VIEWS, 1e9)
    assert source.tokens(VIEWS[:1], 1e9) is not source.tokens(VIEWS, 1e9)


def test_the_encoder_is_left_as_it_was_and_every_probe_learns(clean, source, tmp_path):
    before = clean.info.hash
    folders = probe(source, recipe(penalties=(1e-3,)), tmp_path)
    assert replace(clean).info.hash == before
    assert all(p.grad is None for p in clean.network.parameters())
    assert not clean.network.training
    for folder, name in zip(folders, TOKENS, strict=True):
        torch.manual_seed(0)
        drawn = TOKENS[name](12, 3)
        start = Classifier(drawn, HEADS["linear"](12, len(Run.read(folder).classes)))
        after = weights_of(folder)
        still = [k for k, v in start.named_parameters() if torch.equal(v, after[k])]
        assert (after.keys(), still) == (start.state_dict().keys(), [])


def test_a_probe_trained_beside_others_is_the_one_trained_alone(source, tmp_path):
    two = recipe(readouts=("efficient-tokens", "alf-leads"))
    both = probe(source, two, tmp_path / "both")
    (alone,) = probe(source, recipe(readouts=("alf-leads",)), tmp_path / "alone")
    (folder,) = [each for each in both if each.name == "alf-leads-linear"]
    assert np.allclose(scores_of(folder), scores_of(alone), atol=1e-4)


def test_the_run_says_what_was_read_and_how_it_was_chosen(clean, store, source, tmp_path):
    folders = probe(source, recipe(), tmp_path)
    assert [f.name for f in folders] == [f"{name}-linear" for name in TOKENS]
    for folder, name in zip(folders, TOKENS, strict=True):
        run = Run.read(folder)
        assert (run.kind, run.readout, run.encoder) == ("probe", name, clean.info)
        assert (run.hashes.encoder, run.hashes.store) == (clean.info.hash, store.key)
        assert run.encoder.layers == 4
        mean = run.layer_weights.mean
        assert sum(mean) == pytest.approx(1, abs=1e-5)
        assert mean[0] == 0
        assert [each.seed for each in run.chosen] == [0, 3]
        assert {each.penalty for each in run.chosen} <= {1e-3, 1.0}
    assert Run.read(folders[0]).layer_weights.mean == (0, 0, 0, 1)


def test_test_folds_are_not_touched_before_they_may_be(source, tmp_path):
    given = recipe(readouts=("efficient-tokens",))
    (folder,) = probe(source, given, tmp_path)
    before = Run.read(folder)
    assert before.test is None
    assert set(predictions(folder)["split"]) == {"validation"}
    probe(source, given, tmp_path, test=True)
    assert Run.read(folder).test.records == 12
    assert Run.read(folder).validation == before.validation


def test_a_stopped_run_goes_on_bit_for_bit(source, tmp_path):
    given = recipe(heads=("mlp",), readouts=("efficient-tokens", "alf-leads"))
    whole = probe(source, given, tmp_path / "whole")
    first, second = Steps(stop_after=2), Steps()
    with pytest.raises(Stopped):
        probe(source, given, tmp_path / "out", progress=first)
    resumed = probe(source, given, tmp_path / "out", progress=second)
    assert first.taken + second.taken == [1, 2, 3]
    assert all(same(one, other) for one, other in zip(whole, resumed, strict=True))
    assert {path.name for path in resumed[0].parent.iterdir()} == {f.name for f in resumed}


def test_a_stopped_run_of_another_recipe_is_not_taken_up(source, tmp_path):
    with pytest.raises(Stopped):
        probe(source, recipe(), tmp_path, progress=Steps(stop_after=1))
    message = r"made from other inputs: .*recipe\.penalties is \[0\.001, 1\.0\], not .* stopped job"
    with pytest.raises(InputError, match=message):
        probe(source, recipe(penalties=(1.0,)), tmp_path)


def test_a_stop_between_two_runs_costs_no_step(source, tmp_path, monkeypatch):
    given = recipe(readouts=("efficient-tokens", "alf-leads"))
    whole = probe(source, given, tmp_path / "whole")
    write = probing._write

    def stop(job, each, *rest) -> None:
        if "alf" in each.name:
            raise Stopped
        write(job, each, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(probing, "_write", stop)
        with pytest.raises(Stopped):
            probe(source, given, tmp_path / "out")
    steps = Steps()
    found = probe(source, given, tmp_path / "out", progress=steps)
    assert steps.taken == []
    assert all(same(one, other) for one, other in zip(whole, found, strict=True))
    assert {path.name for path in found[0].parent.iterdir()} == {f.name for f in found}


def test_a_finished_run_is_not_made_again_and_another_recipe_is_refused(source, tmp_path):
    steps = Steps()
    given = recipe(readouts=("alf-leads",))
    (folder,) = probe(source, given, tmp_path)
    written = (folder / "run.json").stat().st_mtime_ns
    more = given.model_copy(update={"readouts": ("alf-leads", "attentive-tokens"), "keep": 2.0})
    probe(source, more, tmp_path, progress=steps)
    assert (folder / "run.json").stat().st_mtime_ns == written
    assert len(steps.taken) == 3
    message = r"alf-leads-linear: made from other inputs: recipe\.seeds is \[0, 3\], not \[1\]"
    with pytest.raises(InputError, match=message):
        probe(source, recipe(readouts=("alf-leads",), seeds=(1,)), tmp_path)


def test_a_leak_and_an_unfit_store_are_refused(clean, store, tmp_path):
    everything = PretrainedOn(store.records.loc[:, list(CORPUS_COLUMNS)], ("sim",))
    leaky = replace(clean, pretrained_on=everything)
    with pytest.raises(InputError, match="leak: the encoder was trained on 12 records of val"):
        probe(Stream(leaky, store), recipe(), tmp_path)
    faster = replace(clean, input=replace(clean.input, rate=500))
    with pytest.raises(InputError, match="the rate is 100 Hz, not 500 Hz"):
        Stream(faster, store)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_has_no_tokens_to_read(clean, store, tmp_path):
    features = extract(clean, store, tmp_path / "features")
    message = "readout 'alf-leads' looks at tokens, which a cache of pooled states does not have"
    with pytest.raises(InputError, match=message):
        probe(features, recipe(readouts=("alf-leads",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_readouts_of_tokens_take_all_labels(source, tmp_path):
    with pytest.raises(InputError, match="trained on all labels; leave fraction at 1"):
        probe(source, recipe(fraction=0.5), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pooled_states_of_a_stream_are_those_of_a_cache(clean, store, source, tmp_path):
    features = extract(clean, store, tmp_path / "features", batch=64)
    assert torch.equal(source.pooled(), features.pooled())
    assert source.known.tolist() == features.known.tolist()
    given = recipe(readouts=("attentive-tokens", "last", "pma"), seeds=(0,))
    streamed = probe(source, given, tmp_path / "streamed")
    assert [f.name for f in streamed] == ["last-linear", "pma-linear", "attentive-tokens-linear"]
    pooled = given.model_copy(update={"readouts": ("last", "pma")})
    cached = probe(features, pooled, tmp_path / "cached")
    assert all(same(one, other) for one, other in zip(streamed, cached, strict=False))


def test_its_runs_can_be_reported(source, tmp_path):
    given = recipe(readouts=("attentive-tokens",), seeds=(0,), penalties=(1.0,))
    probe(source, given, tmp_path / "results", test=True)
    page = write_report([tmp_path / "results"], tmp_path / "report")
    assert "attentive probe of the last layer" in page.read_text()
