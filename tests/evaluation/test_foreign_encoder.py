"""Any encoder that keeps the protocol goes through every program, whoever made it, and however.

Two stand-ins: convolutions, pretrained on data sets of which only the names are known, and a
recurrent network of which nothing is known. Both mix leads from the start.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from myocard.data.batches import Part, Windows, in_order
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn, trained_on_nothing
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders.protocol import (
    ECGEncoder,
    Layer,
    LeadwiseEncoder,
    pooled_states,
    weights_hash,
)
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract
from myocard.evaluation.finetune import build, finetune
from myocard.evaluation.layers import measure_layers
from myocard.evaluation.layers.observation import Observer, describe
from myocard.evaluation.probing import Stream, probe
from myocard.evaluation.transfer import transfer
from myocard.leads import LEADS
from myocard.models.classifier import read_classifiers
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.report import write_report
from myocard.results.classifier import ClassifierShape
from myocard.results.layers import LayerMeasures
from myocard.results.run import EncoderInfo, Run
from myocard.results.saved import load_runs
from myocard.simulation import entries

TASK = "ptbxl-all"
SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
HOW = Optimisation(epochs=1, batch=12, base_learning_rate=0.05, weight_decay=0.0, precision="fp32")
INPUT = Preprocessing(100, 100)
WIDTH, PATCH = 12, 10


def describe_encoder(encoder: ECGEncoder, name: str, *, random: bool) -> EncoderInfo:
    return EncoderInfo(
        name=name,
        hash=weights_hash(encoder.network, encoder.input, name),
        random=random,
        layers=len(encoder.layers),
        width=encoder.layers[-1].width,
        leak_check=encoder.pretrained_on.leak_check,
    )


class Convolutions(nn.Module):
    """A stem that cuts ten samples of all leads into a token, and residual stages."""

    def __init__(self, widths: Sequence[int], norm: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv1d(len(LEADS), widths[0], PATCH, stride=PATCH)
        pairs = zip(widths, widths[1:], strict=False)
        self.stages = nn.ModuleList(nn.Conv1d(a, b, 3, padding=1) for a, b in pairs)
        self.norm = norm

    def forward(self, signals: Tensor) -> Iterator[Tensor]:
        maps = self.stem(signals)
        yield maps.mT
        for stage in self.stages:
            maps = stage(torch.relu(maps))
            yield maps.mT


@dataclass(frozen=True, eq=False)
class ConvolutionalEncoder:
    """An encoder beside its network, with an RMSNorm at its end."""

    network: Convolutions
    pretrained_on: PretrainedOn = PretrainedOn(datasets=("elsewhere", "sim"))
    name: str = "conv"
    random: bool = False
    input: Preprocessing = field(default=INPUT)

    @classmethod
    def drawn(cls, seed: int, widths: Sequence[int] = (WIDTH,) * 3) -> "ConvolutionalEncoder":
        torch.manual_seed(seed)
        return cls(Convolutions(widths, nn.RMSNorm(widths[-1])).eval())

    @cached_property
    def info(self) -> EncoderInfo:
        return describe_encoder(self, self.name, random=self.random)

    @property
    def layers(self) -> tuple[Layer, ...]:
        stages = enumerate(self.network.stages, start=1)
        later = (Layer(f"stage {number}", stage.out_channels) for number, stage in stages)
        return (Layer("stem", self.network.stem.out_channels), *later)

    @property
    def norm(self) -> nn.Module:
        return self.network.norm

    def hidden_states(self, signals: Tensor) -> Iterator[Tensor]:
        return self.network(signals)

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens.mean(dim=1)

    def with_leads(self, leads: Sequence[str]) -> ECGEncoder:
        raise InputError(f"{self.name} needs all of its leads")

    def randomised(self, seed: int) -> "ConvolutionalEncoder":
        drawn = self.drawn(seed, [layer.width for layer in self.layers])
        name = f"random-{self.name}-{seed}"
        return replace(drawn, name=name, random=True, pretrained_on=trained_on_nothing())


class RecurrentEncoder(nn.Module):
    """An encoder that is its own network, and ends in no norm; it is read at its last token."""

    input = INPUT
    layers = (Layer("stem", WIDTH), Layer("stage 1", WIDTH), Layer("stage 2", WIDTH))

    def __init__(self, name: str = "gru", *, random: bool = False) -> None:
        super().__init__()
        self.name, self.random = name, random
        self.pretrained_on = trained_on_nothing() if random else PretrainedOn()
        self.stem = nn.Linear(len(LEADS) * PATCH, WIDTH)
        self.stages = nn.ModuleList(nn.GRU(WIDTH, WIDTH, batch_first=True) for _ in range(2))
        self.norm = nn.Identity()

    @classmethod
    def drawn(cls, seed: int) -> "RecurrentEncoder":
        torch.manual_seed(seed)
        return cls().eval()

    @cached_property
    def info(self) -> EncoderInfo:
        return describe_encoder(self, self.name, random=self.random)

    @property
    def network(self) -> nn.Module:
        return self

    def hidden_states(self, signals: Tensor) -> Iterator[Tensor]:
        tokens = self.stem(signals.unflatten(-1, (-1, PATCH)).transpose(1, 2).flatten(2))
        yield tokens
        for stage in self.stages:
            tokens, _ = stage(tokens)
            yield tokens

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens[:, -1]

    def with_leads(self, leads: Sequence[str]) -> ECGEncoder:
        raise InputError(f"{self.name} needs all of its leads")

    def randomised(self, seed: int) -> "RecurrentEncoder":
        torch.manual_seed(seed)
        return RecurrentEncoder(f"random-{self.name}-{seed}", random=True).eval()


STANDINS = {
    "conv": (ConvolutionalEncoder, "names", nn.RMSNorm),
    "gru": (RecurrentEncoder, "none", nn.Identity),
}


@pytest.fixture(scope="module", params=list(STANDINS))
def foreign(request) -> ECGEncoder:
    kind, _, _ = STANDINS[request.param]
    return kind.drawn(1)


@pytest.fixture(scope="module")
def leak_check(foreign) -> str:
    return STANDINS[foreign.name][1]


@pytest.fixture(scope="module")
def features(foreign, store, tmp_path_factory) -> Features:
    return extract(foreign, store, tmp_path_factory.mktemp("foreign") / "features")


def recipe(*readouts: str, **changes) -> ProbeRecipe:
    given = {"task": TASK, "heads": ("linear",), "seeds": (0,), "penalties": (1e-3,)}
    given |= {"split": SPLIT, "resamples": 20, "optimisation": HOW}
    return ProbeRecipe(**given | {"readouts": readouts} | changes)


@pytest.fixture(scope="module")
def runs(features, tmp_path_factory) -> dict[str, Path]:
    given = recipe("last", "layers", "ppa", "scalar-mix", "pma", "concat", "alf")
    folders = probe(features, given, tmp_path_factory.mktemp("foreign") / "runs", test=True)
    return {folder.name.removesuffix("-linear"): folder for folder in folders}


def tuning(**changes) -> FinetuneRecipe:
    given = {"task": TASK, "head": "linear", "split": SPLIT, "resamples": 20, "seeds": (0, 1)}
    return FinetuneRecipe(**given | {"optimisation": HOW} | changes)


@torch.inference_mode()
def live_states(encoder: ECGEncoder, store: Store) -> Tensor:
    windows = Windows([Part(store, np.arange(len(store.records)))], encoder.input)
    return torch.cat([pooled_states(encoder, signals) for signals in in_order(windows, 60)])


def test_it_keeps_the_protocol_and_keeps_no_leads_apart(foreign):
    assert isinstance(foreign, ECGEncoder)
    assert not isinstance(foreign, LeadwiseEncoder)


def test_its_states_are_cached_under_its_own_names(foreign, store, features, leak_check):
    expected = live_states(foreign, store)
    assert features.states.shape == (60, 3, WIDTH)
    assert torch.allclose(features.pooled().float(), expected, atol=2e-3)
    assert [layer.name for layer in features.layers] == ["stem", "stage 1", "stage 2"]
    assert features.encoder == foreign.info
    assert features.encoder.leak_check == leak_check
    assert set(features.known) == {""}


def test_it_is_asked_for_one_batch_at_a_time(foreign, store, tmp_path, monkeypatch):
    """It may keep something between its layers."""
    at_work: list[int] = []
    ask = type(foreign).hidden_states

    def watched(encoder: ECGEncoder, signals: Tensor) -> Iterator[Tensor]:
        at_work.append(len(at_work))
        yield from ask(encoder, signals)
        assert at_work.pop() == 0

    monkeypatch.setattr(type(foreign), "hidden_states", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        extract(foreign, store, tmp_path / "features", batch=2)
    finally:
        torch.set_num_threads(before)


def test_its_norm_comes_along(foreign, features):
    norm = Features.open(features.folder).norm
    assert type(norm) is STANDINS[foreign.name][2]
    assert norm.state_dict().keys() == foreign.norm.state_dict().keys()
    drawn = torch.randn(2, WIDTH)
    with torch.no_grad():
        assert torch.equal(norm(drawn), foreign.norm(drawn))


def test_every_readout_of_pooled_states_learns_from_it(foreign, store, runs, leak_check):
    layers = [f"layer-{layer:02d}" for layer in range(3)]
    assert list(runs) == ["last", *layers, "ppa", "scalar-mix", "pma", "concat", "alf"]
    for name, folder in runs.items():
        run = Run.read(folder)
        assert run.encoder == foreign.info, name
        assert run.encoder.leak_check == leak_check
        assert (run.hashes.encoder, run.hashes.store) == (foreign.info.hash, store.key)
        assert len(run.layer_weights.mean) == 3
        assert run.test.records == 12
    assert 0 < Run.read(runs["pma"]).layer_weights.mean[1] < 1
    assert Run.read(runs["layer-01"]).layer_weights.mean == (0, 1, 0)


def test_its_probes_score_its_live_states_as_they_did_the_cached_ones(
    foreign, store, features, runs
):
    states = live_states(foreign, store)
    rows = np.flatnonzero(store.records["fold"].isin(SPLIT.test))
    for name in ("pma", "concat", "layer-01"):
        (saved,) = load_runs(runs[name])
        (classifier,) = read_classifiers(saved.folder, features.norm, features.layers)
        with torch.inference_mode():
            scores = classifier(states[rows]).sigmoid().numpy()
        order = np.argsort(store.records["id"].to_numpy()[rows])
        assert np.allclose(saved.predictions("test").scores[0], scores[order], atol=5e-3), name


def test_its_runs_can_be_reported(foreign, runs, tmp_path):
    page = write_report([runs["last"].parents[1]], tmp_path / "report")
    assert f"No leak check of {foreign.info.name}" in page.read_text()


def test_readouts_of_tokens_learn_from_a_stream_of_it(foreign, store, leak_check, tmp_path):
    before = foreign.info.hash
    source = Stream(foreign, store)
    given = recipe("attentive-tokens", "alf-tokens", "ppa")
    folders = probe(source, given, tmp_path, test=True)
    names = ["ppa-linear", "attentive-tokens-linear", "alf-tokens-linear"]
    assert [folder.name for folder in folders] == names
    _, attentive, fusion = (Run.read(folder) for folder in folders)
    assert attentive.encoder == foreign.info
    assert attentive.encoder.leak_check == leak_check
    assert attentive.layer_weights.mean == pytest.approx((0, 0, 1))
    assert fusion.layer_weights.mean[0] == 0
    assert sum(fusion.layer_weights.mean) == pytest.approx(1)
    assert weights_hash(foreign.network, foreign.input, foreign.name) == before


def test_a_stream_of_it_has_the_states_of_its_cache(foreign, store, features):
    source = Stream(foreign, store)
    assert torch.equal(source.pooled(), features.pooled())
    assert (source.layers, source.leads) == (features.layers, features.leads)
    assert source.known.tolist() == features.known.tolist()


def test_its_layers_are_measured_by_states_and_tokens_alone(foreign, store, runs, tmp_path):
    layers = [runs[f"layer-{layer:02d}"] for layer in range(3)]
    told = []
    measure_layers(
        foreign, store, layers, tmp_path / "out", progress=lambda *said: told.append(said[1:])
    )
    found = LayerMeasures.read(tmp_path / "out")
    assert found.measures.keys() == {
        "probe", "effective_rank", "state_entropy", "token_entropy", "token_similarity",
    }  # fmt: skip
    assert all([p.layer for p in points] == [0, 1, 2] for points in found.measures.values())
    assert found.encoder == foreign.info
    assert np.allclose(np.diag(found.alignment), 1)
    assert told[-1] == (sum(found.records.values()),) * 2


def test_its_states_are_measured_as_it_pools_them(foreign, store):
    found = describe(Observer.of(foreign, store, lambda done: None), np.arange(60))
    states = torch.stack(found.states, dim=1)
    assert torch.allclose(states, live_states(foreign, store), atol=1e-5)
    assert (found.halves, found.maps) == (None, {})


def test_it_is_fine_tuned_into_a_run_without_a_checkpoint(foreign, store, leak_check, tmp_path):
    before = foreign.info.hash
    out = finetune(tuning(), foreign, store, tmp_path / "out", test=True)
    names = {path.name for path in out.iterdir()}
    assert names == {
        "run.json", "inputs.json", "predictions.parquet", "classifier.safetensors",
        "classifier-2.safetensors",
    }  # fmt: skip
    run = Run.read(out)
    assert (run.kind, run.encoder, run.test.records) == ("finetune", foreign.info, 12)
    assert run.encoder.leak_check == leak_check
    # Read over a copy of the norm, which takes on the tuned one's weights.
    assert len(read_classifiers(out, deepcopy(foreign.norm), foreign.layers)) == 2
    assert weights_hash(foreign.network, foreign.input, foreign.name) == before
    write_report([out], tmp_path / "report")


def test_its_fine_tuning_starts_from_a_probe_or_from_scratch(foreign, store, runs, tmp_path):
    given = tuning(readout="pma", seeds=(0,))
    started = finetune(given, foreign, store, tmp_path / "started", probe=runs["pma"])
    assert Run.read(started).hashes.probe is not None
    scratch = tuning(start="scratch", seeds=(0,))
    info = Run.read(finetune(scratch, foreign, store, tmp_path / "scratch")).encoder
    assert (info.name, info.random) == (f"scratch-{foreign.name}", True)
    # All is known of what a network saw that is trained here alone.
    assert info.leak_check == "records"


def test_fine_tuning_reaches_every_weight_of_a_copy_once(foreign):
    shape = ClassifierShape(task=TASK, classes=("A", "B"), readout="pma", head="linear")
    model = build(tuning(), foreign, shape, None, 0)
    assert {name.split(".")[0] for name in model.state_dict()} == {"network", "classifier"}
    model(torch.randn(4, 12, 100)).square().sum().backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert still == []
    assert all(p.grad is None for p in foreign.network.parameters())
    own = {id(p) for p in foreign.network.parameters()}
    assert own.isdisjoint(map(id, model.parameters()))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Store:
    out = tmp_path_factory.mktemp("stores") / "elsewhere"
    wanted = Wanted(100, 10.0, LEADS)
    return prepare(entries(60, 1, rate=100.0), out, wanted, source="elsewhere", jobs=1)


def test_its_probes_are_scored_on_another_data_set(
    foreign, features, runs, elsewhere, leak_check, tmp_path
):
    target = extract(foreign, elsewhere, tmp_path / "features")
    folders = transfer([runs["pma"], runs["layer-01"]], features, target, tmp_path / "out")
    for folder in folders:
        run = Run.read(folder)
        assert (run.source, run.trained_on) == ("elsewhere", "sim")
        assert run.encoder == foreign.info
        assert run.encoder.leak_check == leak_check
        assert run.test.records == len(load_runs(folder)[0].predictions("test").ids) > 12


def test_programs_that_need_single_leads_refuse_it_by_name(foreign, store, tmp_path):
    mixed = f"needs tokens of single leads, and {foreign.name} mixes leads"
    with pytest.raises(InputError, match=f"a readout of leads: {mixed}"):
        probe(Stream(foreign, store), recipe("attentive-tokens", "alf-leads"), tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_norm_that_cannot_be_kept_is_refused(store, tmp_path):
    odd = ConvolutionalEncoder(Convolutions((12, 12), nn.BatchNorm1d(12)).eval())
    with pytest.raises(InputError, match=r"the norm BatchNorm1d\(12, .* cannot be kept"):
        extract(odd, store, tmp_path / "features")
    assert list(tmp_path.iterdir()) == []


def test_a_record_that_it_is_known_to_be_pretrained_on_is_refused(store, tmp_path):
    records = store.records.loc[store.records["fold"] == 9, list(CORPUS_COLUMNS)]
    told = replace(ConvolutionalEncoder.drawn(1), pretrained_on=PretrainedOn(records))
    features = extract(told, store, tmp_path / "features")
    assert features.encoder.leak_check == "records"
    message = f"leak: the encoder was trained on {len(records)} records of test"
    for program in (
        lambda: probe(features, recipe("last"), tmp_path / "runs"),
        lambda: probe(Stream(told, store), recipe("attentive-tokens"), tmp_path / "runs"),
        lambda: finetune(tuning(), told, store, tmp_path / "out"),
    ):
        with pytest.raises(InputError, match=message):
            program()
    assert [path.name for path in tmp_path.iterdir()] == ["features"]


def test_a_copy_of_it_has_states_of_its_own_weights(foreign, store):
    copy = deepcopy(foreign)  # as fine-tuning does
    with torch.no_grad():
        for parameter in copy.network.parameters():
            parameter.zero_()
    assert not live_states(copy, store).any()
    assert live_states(foreign, store).any()
