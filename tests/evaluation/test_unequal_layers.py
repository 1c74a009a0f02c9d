"""Encoders whose layers differ in width: cached, probed, fine-tuned, and mapped to one width."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from myocard.data.batches import Part, Windows, in_order
from myocard.data.corpora import trained_on_nothing
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.data.steps import Resample, Window, ZScore
from myocard.data.store import Store
from myocard.encoders.protocol import Layer, joined_states, pooled_states
from myocard.encoders.published import Card, LayeredNetwork, Opened, PublishedEncoder
from myocard.errors import InputError
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import Features, extract
from myocard.evaluation.finetune import build, finetune
from myocard.evaluation.layers import measure_layers
from myocard.evaluation.probing import Stream, probe
from myocard.evaluation.probing.mapped import fit_maps
from myocard.evaluation.transfer import transfer
from myocard.leads import LEADS
from myocard.models.checkpoint import Checkpoint
from myocard.models.classifier import read_classifiers, read_probe
from myocard.models.model import Model
from myocard.models.opening import from_pretrained
from myocard.nn.readouts.registry import POOLED, READOUTS, WITHOUT_SUM, build_pooled
from myocard.nn.readouts.widths import LayerMaps, SideBySide
from myocard.recipe import FinetuneRecipe, Optimisation, ProbeRecipe, Split
from myocard.report import write_report
from myocard.results.classifier import ClassifierShape
from myocard.results.layers import LayerMeasures
from myocard.results.run import BEST_LAYER, Run
from myocard.results.saved import load_runs
from myocard.simulation import entries

TASK = "ptbxl-all"
SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
HOW = Optimisation(epochs=1, batch=12, base_learning_rate=0.05, weight_decay=0.0, precision="fp32")
WIDTHS = (8, 12, 24)
CARD = Card(*("stages", "Stages", *["none"] * 3), True, "nowhere", ("elsewhere",), *["stages"] * 3)
STEPS = (Resample(100, "linear"), Window(400), ZScore("record"))
INPUTS = {"windows": Preprocessing(100, 100), "steps": Preprocessing(100, 400, steps=STEPS)}


class Stages(LayeredNetwork):
    """A stem that cuts ten samples of all leads into a token, and stages that halve and widen."""

    def __init__(self, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.stem = nn.Conv1d(len(LEADS), widths[0], 10, stride=10)
        pairs = zip(widths, widths[1:], strict=False)
        self.stages = nn.ModuleList(nn.Conv1d(a, b, 3, stride=2, padding=1) for a, b in pairs)
        self.norm = nn.LayerNorm(widths[-1])

    def states(self, signals: Tensor) -> Iterator[Tensor]:
        maps = self.stem(signals)
        yield maps.mT
        for stage in self.stages:
            maps = stage(torch.relu(maps))
            yield maps.mT


def drawn(expected: Preprocessing = INPUTS["windows"], **changes) -> PublishedEncoder:
    torch.manual_seed(1)
    network = Stages().eval()
    nn.init.normal_(network.norm.weight, 1, 0.2)
    names = ("stem", "stage 1", "stage 2")
    layers = tuple(Layer(name, width) for name, width in zip(names, WIDTHS, strict=True))
    opened = Opened(CARD, network, layers, expected, Stages, norm="norm")
    return PublishedEncoder("stages", replace(opened, **changes))


@pytest.fixture(scope="module", params=INPUTS)
def encoder(request) -> PublishedEncoder:
    return drawn(INPUTS[request.param])


@pytest.fixture(scope="module")
def features(store, tmp_path_factory) -> Features:
    return extract(drawn(), store, tmp_path_factory.mktemp("unequal") / "features")


def recipe(*readouts: str, **changes) -> ProbeRecipe:
    given = {"task": TASK, "heads": ("linear",), "seeds": (0,), "penalties": (1e-2,)}
    given |= {"split": SPLIT, "resamples": 20, "optimisation": HOW}
    return ProbeRecipe(**given | {"readouts": readouts} | changes)


def tuning(**changes) -> FinetuneRecipe:
    given = {"task": TASK, "head": "linear", "split": SPLIT, "resamples": 20, "seeds": (0,)}
    return FinetuneRecipe(**given | {"optimisation": HOW} | changes)


@torch.inference_mode()
def live_states(encoder: PublishedEncoder, store: Store) -> Tensor:
    windows = Windows([Part(store, np.arange(len(store.records)))], encoder.input)
    return torch.cat([joined_states(encoder, signals) for signals in in_order(windows, 60)])


def test_there_is_one_tensor_a_layer_and_one_of_all(store):
    encoder = drawn()
    signals = torch.from_numpy(store.windows(range(5), encoder.input))
    with torch.inference_mode():
        states = pooled_states(encoder, signals)
        tokens = list(encoder.hidden_states(signals))
        whole = joined_states(encoder, signals)
    assert [state.shape for state in states] == [(5, width) for width in WIDTHS]
    assert all(torch.equal(s, t.mean(dim=1)) for s, t in zip(states, tokens, strict=True))
    assert torch.equal(whole, torch.cat(states, dim=1))


def test_a_cache_holds_every_layer_behind_the_other(encoder, store, tmp_path):
    made = extract(encoder, store, tmp_path / "features", batch=7)
    reopened = Features.open(made.folder)
    live = live_states(encoder, store)
    assert made.states.shape == (60, sum(WIDTHS))
    assert torch.allclose(reopened.pooled().float(), live, atol=2**-10 * live.abs().max())
    assert tuple(layer.width for layer in reopened.layers) == WIDTHS
    assert reopened.norm.normalized_shape == (24,)
    assert reopened.info == made.info
    assert torch.equal(Stream(encoder, store).pooled(), reopened.pooled())


def test_a_cache_of_another_shape_than_its_layers_is_refused(store, tmp_path):
    made = extract(drawn(), store, tmp_path / "features")
    np.save(made.folder / "states.npy", np.zeros((60, 3, 24), np.float16))
    with pytest.raises(InputError, match=r"states of float16 \(60, 3, 24\) do not fit 60 records"):
        Features.open(made.folder)


def test_an_encoder_of_raw_records_goes_from_store_to_probe(tmp_path):
    wanted = Wanted(500, 10.0, LEADS)
    raw = prepare(entries(60, 0), tmp_path / "raw", wanted, source="sim", jobs=1)
    encoder = drawn(INPUTS["steps"])
    (folder,) = probe(extract(encoder, raw, tmp_path / "f"), recipe("last"), tmp_path / "r")
    record = next(iter(entries(60, 0))).read()
    (states, *_) = Model(encoder).hidden_states([record])
    assert np.allclose(states[0], Features.open(tmp_path / "f").states[0, :8], atol=2e-3)
    assert Run.read(folder).encoder == encoder.info


def parts_of(states: Tensor) -> list[Tensor]:
    """The states of each layer, the last one normed."""
    *parts, last = states.split(WIDTHS, dim=1)
    return [*parts, drawn().norm(last).detach()]


@pytest.mark.parametrize("layer", range(3))
def test_a_single_layer_is_read_alone(generator, layer):
    states = torch.randn(6, sum(WIDTHS), generator=generator)
    readout = build_pooled("layer", drawn().norm, WIDTHS, layer)
    assert torch.equal(readout(states), parts_of(states)[layer])
    assert readout.features == WIDTHS[layer]
    assert readout.layer_weights(states).tolist() == [[float(k == layer) for k in range(3)]] * 6


def test_the_last_layer_and_all_blocks_are_read_as_they_are(generator):
    states = torch.randn(6, sum(WIDTHS), generator=generator)
    last, concat = (build_pooled(name, drawn().norm, WIDTHS) for name in ("last", "concat"))
    assert torch.equal(last(states), parts_of(states)[2])
    assert torch.equal(concat(states), torch.cat(parts_of(states)[1:], dim=1))
    assert concat.layer_weights(states)[0].tolist() == [0, 0.5, 0.5]
    assert (last.features, concat.features) == (24, 36)


def test_layers_of_one_width_have_the_readouts_that_they_had():
    norm = nn.LayerNorm(12)
    for name, builder in POOLED.items():
        assert type(build_pooled(name, norm, [12] * 4)) is type(builder(norm, 12, 3))
    assert not isinstance(build_pooled("layer", norm, [12] * 4, 2), SideBySide)


@pytest.mark.parametrize("head", ["linear", "ridge", "mlp"])
def test_layers_and_concatenation_are_probed_and_score_live_states_alike(
    features, store, tmp_path, head
):
    given = recipe("last", "layers", "concat", heads=(head,), penalties=(0.1, 1.0))
    folders = probe(features, given, tmp_path, test=True)
    names = ["last", "layer-00", "layer-01", "layer-02", "concat"]
    assert [folder.name for folder in folders] == [f"{name}-{head}" for name in names]
    states = live_states(drawn(), store)
    rows = np.flatnonzero(store.records["fold"].isin(SPLIT.test))
    order = np.argsort(store.records["id"].to_numpy()[rows])
    for folder in folders:
        (saved,) = load_runs(folder)
        (classifier,) = read_classifiers(folder, features.norm, features.layers)
        with torch.inference_mode():
            scores = classifier(states[rows]).sigmoid().numpy()
        assert np.allclose(saved.predictions("test").scores[0], scores[order], atol=1e-2)
    # The last layer is the same readout by either name.
    last, *_, third, _ = (Run.read(folder).test.main.macro.value for folder in folders)
    assert last == pytest.approx(third, abs=1e-6)


def test_tokens_of_the_last_layer_are_probed(store, tmp_path):
    given = recipe("attentive-tokens", "efficient-tokens")
    for folder in probe(Stream(drawn(), store), given, tmp_path):
        assert Run.read(folder).layer_weights.mean == pytest.approx((0, 0, 1))


SUMS = [name for name in READOUTS if name not in WITHOUT_SUM]


@pytest.mark.parametrize("name", SUMS)
def test_readouts_that_sum_layers_are_refused_by_name(features, store, tmp_path, name):
    message = rf"readout '{name}' sums layers, and these differ in width \(8, 12, 24\); take last"
    with pytest.raises(InputError, match=message):
        probe(features, recipe("last", name), tmp_path / "runs")
    if name in POOLED:
        with pytest.raises(InputError, match=message):
            finetune(tuning(readout=name), drawn(), store, tmp_path / "tuned")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def planted(made_unequal) -> Features:
    """Layer 1 of three knows the labels of 600 records."""
    rng = np.random.default_rng(0)
    labels = rng.random(600) < 0.5
    states = rng.normal(size=(600, sum(WIDTHS)))
    states[:, WIDTHS[0]] += 2 * labels - 1
    return made_unequal(states, [["scp:IMI"] if label else ["scp:NORM"] for label in labels])


@pytest.fixture(scope="module")
def made_unequal(features, tmp_path_factory):
    """Features of given states and codes, of an encoder that nobody has."""

    def make(states: np.ndarray, codes: Sequence[Sequence[str]]) -> Features:
        ids = [f"made{k}" for k in range(len(states))]
        records = pd.DataFrame({"source": "made", "id": ids, "patient": ids, "sha256": ids})
        records = records.assign(codes=list(codes), fold=1 + np.arange(len(states)) % 10)
        records = records.assign(fingerprint="-" * 128, known="")
        return replace(features, states=states.astype(np.float16), records=records)

    return make


def test_the_layer_that_knows_is_found_and_cross_fitted(planted, tmp_path):
    given = recipe("last", "layers", task="ptbxl-superdiagnostic", split=Split())
    runs = cross_fit(planted, given, (8, 9, 10), tmp_path / "rotations", tmp_path / "results")
    found = {folder.name: Run.read(folder).test.main.macro.value for folder in runs}
    assert found["layer-01-linear"] > 0.85
    assert found[f"{BEST_LAYER}-linear"] == pytest.approx(found["layer-01-linear"], abs=1e-6)
    assert found["last-linear"] < 0.65


def test_its_layers_are_measured(features, store, tmp_path):
    layers = probe(features, recipe("layers"), tmp_path / "runs")
    measure_layers(drawn(), store, layers, tmp_path / "out")
    found = LayerMeasures.read(tmp_path / "out")
    for name in ("probe", "effective_rank", "state_entropy", "token_similarity"):
        assert [point.layer for point in found.measures[name]] == [0, 1, 2]
    assert np.allclose(np.diag(found.alignment), 1)
    assert found.encoder.width is None


@pytest.mark.parametrize("readout", ["last", "concat"])
def test_it_is_fine_tuned(features, store, tmp_path, readout):
    (probed,) = probe(features, recipe(readout), tmp_path / "probed")
    given = tuning(readout=readout)
    out = finetune(given, drawn(), store, tmp_path / "tuned", probe=probed, test=True)
    assert Run.read(out).test.records == 12
    assert read_classifiers(out, drawn().norm, features.layers)
    shape = ClassifierShape(task=TASK, classes=("A", "B"), readout=readout, head="linear")
    model = build(given, drawn(), shape, None, 0)
    model(torch.randn(4, 12, 100)).square().sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_model_gives_one_array_a_layer(store):
    model = Model(drawn())
    record = next(iter(entries(60, 0, rate=100.0))).read()
    alone, several = model.hidden_states(record), model.hidden_states([record, record])
    assert [states.shape for states in alone] == [(width,) for width in WIDTHS]
    assert [states.shape for states in several] == [(2, width) for width in WIDTHS]
    expected = live_states(drawn(), store)[0].split(WIDTHS)
    assert all(np.allclose(a, b, atol=1e-2) for a, b in zip(alone, expected, strict=True))
    assert "3 layers of width 8 to 24" in repr(model)


def fitted(states: Tensor, widths: Sequence[int], width: int) -> LayerMaps:
    maps = LayerMaps(widths, width)
    fit_maps(maps, states)
    return maps


def test_maps_are_principal_components_of_one_length(generator):
    mixed = torch.randn(200, 44, generator=generator) @ torch.randn(44, 44, generator=generator)
    states = mixed + 3
    found = fitted(states, WIDTHS, 8)(states)
    for layer, part in enumerate(states.split(WIDTHS, dim=1)):
        expected = PCA(8).fit_transform(part.double().numpy())
        scale = np.sqrt(8 / np.square(expected).sum(axis=1).mean())
        assert np.allclose(np.abs(found[:, layer].numpy()), np.abs(scale * expected), atol=1e-3)
    assert torch.allclose(found.square().sum(dim=2).mean(dim=0), torch.full((3,), 8.0), atol=1e-3)


def test_a_map_does_not_depend_on_the_order_of_records_or_the_sign_of_an_axis(generator):
    states = torch.randn(50, 44, generator=generator)
    maps = fitted(states, WIDTHS, 8)
    again = fitted(states[torch.randperm(50, generator=generator)], WIDTHS, 8)
    assert torch.allclose(maps.directions, again.directions, atol=1e-5)
    for own in maps.directions.split(WIDTHS):
        assert (own.gather(0, own.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_a_layer_with_fewer_axes_is_filled_up_with_zeros(generator):
    states = torch.randn(50, 44, generator=generator)
    states[:, 8:20] = 1.0  # a constant layer
    found = fitted(states, WIDTHS, 16)(states)
    assert found.shape == (50, 3, 16)
    assert not found[:, 0, 8:].any()
    assert not found[:, 1].any()
    assert found[:, 2].any(dim=0).all()


def test_layers_of_one_width_are_mapped_too(generator):
    states = torch.randn(50, 3, 12, generator=generator)
    joined = fitted(states.flatten(1), (12,) * 3, 8)
    assert torch.equal(fitted(states, (12,) * 3, 8)(states), joined(states.flatten(1)))


@pytest.fixture(scope="module")
def mapped(features, tmp_path_factory) -> dict[str, Path]:
    """Runs on layers mapped to eight dimensions."""
    given = recipe("last", "layers", "ppa", "pma", "loes", "concat", common_width=8)
    folders = probe(features, given, tmp_path_factory.mktemp("mapped"), test=True)
    return {folder.name.removesuffix("-linear"): folder for folder in folders}


@pytest.mark.slow
def test_every_readout_reads_layers_that_were_mapped_to_one_width(planted, tmp_path):
    few = replace(planted, states=planted.states[:100], records=planted.records[:100])
    given = recipe(*POOLED, common_width=4, task="ptbxl-superdiagnostic", split=Split())
    folders = probe(few, given, tmp_path)
    assert [folder.name for folder in folders] == [f"{name}-linear" for name in POOLED]
    for name, folder in zip(POOLED, folders, strict=True):
        run = Run.read(folder)
        assert (run.common_width, run.recipe.common_width) == (4, 4), name
        assert sum(run.layer_weights.mean) == pytest.approx(1), name
        (classifier,) = read_classifiers(folder, nn.Identity(), planted.layers)
        assert classifier(few.pooled().float()).shape == (100, 2), name


@pytest.mark.parametrize("name", ["layer-01", "ppa", "pma", "loes", "concat"])
def test_a_probe_of_mapped_layers_predicts_the_same_of_a_record(features, store, mapped, name):
    encoder = drawn()
    run, classifier = read_probe(mapped[name], encoder)
    model = Model(encoder, classifier, run.shape)
    rows = np.flatnonzero(store.records["fold"].isin(SPLIT.test))
    given = list(entries(60, 0, rate=100.0))
    found = model.predict_proba([given[row].read() for row in rows])
    (saved,) = load_runs(mapped[name])
    order = np.argsort(store.records["id"].to_numpy()[rows])
    assert np.allclose(saved.predictions("test").scores[0], found[order], atol=2e-2)
    assert model.layer_weights(given[0].read()).sum() == pytest.approx(1)


def test_a_shipped_form_of_a_mapped_probe_is_opened_by_its_folder(store, tmp_path):
    with_own = from_pretrained().encoder
    small = prepare(entries(60, 0), tmp_path / "store", wanted_by(with_own), source="s", jobs=1)
    Checkpoint(replace(with_own, pretrained_on=trained_on_nothing()), {}).save(tmp_path / "own")
    own = from_pretrained(tmp_path / "own").encoder
    features = extract(own, small, tmp_path / "features")
    (folder,) = probe(features, recipe("ppa", common_width=16), tmp_path / "runs", test=True)
    model = from_pretrained(tmp_path / "own", probe=folder)
    rows = np.flatnonzero(small.records["fold"].isin(SPLIT.test))
    given = list(entries(60, 0))
    found = model.predict_proba([given[row].read() for row in rows])
    (saved,) = load_runs(folder)
    order = np.argsort(small.records["id"].to_numpy()[rows])
    assert np.allclose(saved.predictions("test").scores[0], found[order], atol=2e-2)


def wanted_by(encoder) -> Wanted:
    stated = encoder.input
    return Wanted(stated.rate, 10.0, stated.leads, stated.band)


def test_maps_are_fitted_on_training_records_alone(features, mapped, tmp_path):
    others = ~features.records["fold"].isin(SPLIT.train).to_numpy()
    states = np.array(features.states)
    states[others] = 10 * states[others] + 1
    (folder,) = probe(replace(features, states=states), recipe("ppa", common_width=8), tmp_path)
    one, other = (
        read_classifiers(each, nn.Identity(), features.layers)[0].readout.maps
        for each in (folder, mapped["ppa"])
    )
    assert torch.equal(one.directions, other.directions)
    assert torch.equal(one.means, other.means)


def test_mapped_probes_are_scored_on_another_data_set(features, mapped, tmp_path):
    wanted = Wanted(100, 10.0, LEADS)
    elsewhere = prepare(
        entries(60, 1, rate=100.0), tmp_path / "store", wanted, source="elsewhere", jobs=1
    )
    target = extract(drawn(), elsewhere, tmp_path / "features")
    (folder,) = transfer([mapped["ppa"]], features, target, tmp_path / "out")
    assert (Run.read(folder).common_width, Run.read(folder).source) == (8, "elsewhere")


def test_mapped_and_unmapped_layers_stand_apart_in_a_report(features, mapped, tmp_path):
    (unmapped,) = probe(features, recipe("last"), tmp_path / "runs", test=True)
    page = write_report([unmapped, mapped["last"]], tmp_path / "report").read_text()
    assert "layers mapped to 8 dimensions" in page


def test_a_fine_tuning_does_not_start_from_a_mapped_probe(store, mapped, tmp_path):
    with pytest.raises(InputError, match="a probe of common_width 8, not None; choose another"):
        finetune(tuning(readout="last"), drawn(), store, tmp_path / "out", probe=mapped["last"])


def test_what_a_common_width_does_not_go_with_is_refused(store, tmp_path):
    with pytest.raises(ValueError, match="fitted on all training records; leave fraction at 1"):
        recipe("ppa", common_width=8, fraction=0.5)
    with pytest.raises(ValueError, match="multiple of 4"):
        recipe("alf", common_width=6)
    with pytest.raises(InputError, match="not tokens; leave attentive-tokens out"):
        probe(Stream(drawn(), store), recipe("attentive-tokens", common_width=8), tmp_path)
