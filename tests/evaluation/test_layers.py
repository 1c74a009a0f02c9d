"""The measures of every layer: made from what they say, on the records they say, and no others."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import pooled_states
from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.evaluation.layers import measure_layers
from myocard.evaluation.layers.estimates import averages, explained, jackknifed, resampled
from myocard.evaluation.layers.observation import (
    Misses,
    Observer,
    PatchObserver,
    describe,
    reconstruct,
)
from myocard.evaluation.probing import probe
from myocard.nn.encoder import patch_tokens
from myocard.nn.objectives.masked import standardise_patches
from myocard.nn.patches import patchify
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results.layers import LayerMeasures
from myocard.results.run import Run
from myocard.tasks.own.making import make_task
from myocard.tasks.own.settings import OwnTaskSettings

RECIPE = ProbeRecipe(
    task="ptbxl-superdiagnostic",
    readouts=("layers",),
    heads=("linear",),
    seeds=(0,),
    penalties=(1e-2,),
    resamples=50,
    optimisation=Optimisation(epochs=2, base_learning_rate=8e-3, weight_decay=0),
)
MEASURES = {
    "probe", "effective_rank", "state_entropy", "lidar", "token_entropy", "token_similarity",
    "attention_entropy", "attention_seconds", "attention_across", "attention_separators",
    "r2_own", "r2_hidden",
}  # fmt: skip


@pytest.fixture
def encoder(encoder) -> MyocardEncoder:
    """The tiny encoder, trained on nothing."""
    return replace(encoder, pretrained_on=trained_on_nothing())


@pytest.fixture
def probes(encoder, store, tmp_path) -> list[Path]:
    features = extract(encoder, store, tmp_path / "features")
    return probe(features, RECIPE, tmp_path / "runs", test=True)


def test_probes_that_have_not_scored_the_test_folds_are_refused(encoder, store, tmp_path):
    features = extract(encoder, store, tmp_path / "features")
    recipe = RECIPE.model_copy(update={"readouts": ("layers",)})
    runs = probe(features, recipe, tmp_path / "runs")
    with pytest.raises(InputError, match="no probe of a single layer that has scored test; probe"):
        measure_layers(encoder, store, runs, tmp_path / "out", test=True)
    assert not (tmp_path / "out").exists()


def observe(encoder: MyocardEncoder, store: Store) -> PatchObserver:
    """Observe an encoder without telling anybody of progress."""
    observer = Observer.of(encoder, store, lambda done: None)
    assert isinstance(observer, PatchObserver)
    return observer


@pytest.fixture
def observer(encoder, store) -> PatchObserver:
    return observe(encoder, store)


def store_of(signals: torch.Tensor, store: Store) -> Store:
    """A store of these signals, which must lie within ±4."""
    made = replace(store.made, samples=signals.shape[2])
    stored = (signals * 8000).round().short().numpy()
    return replace(store, made=made, signals=stored, records=store.records.iloc[: len(signals)])


def test_every_measure_is_told_of_every_layer_with_its_interval(encoder, store, probes, tmp_path):
    assert measure_layers(encoder, store, probes, tmp_path / "out") == tmp_path / "out"
    found = LayerMeasures.read(tmp_path / "out")
    assert found.measures.keys() == MEASURES
    for name, points in found.measures.items():
        first = 1 if name.startswith("attention") else 0
        assert [point.layer for point in points] == list(range(first, 4)), name
        assert all(p.low <= p.value <= p.high for p in points), name
    assert np.array(found.alignment).shape == (4, 4)
    assert np.allclose(np.diag(found.alignment), 1)
    table = pd.read_csv(tmp_path / "out/layers.csv")
    assert set(table["measure"]) == MEASURES
    assert (found.split, found.encoder) == ("validation", encoder.info)


def test_the_curve_is_that_of_the_probes(encoder, store, probes, tmp_path):
    measure_layers(encoder, store, probes, tmp_path / "out", test=True)
    found = LayerMeasures.read(tmp_path / "out")
    runs = [Run.read(folder) for folder in probes]
    for point, run in zip(found.measures["probe"], runs, strict=True):
        assert point.value == run.test.main.macro.value
    best = np.argmax([run.validation.main.macro.value for run in runs])
    assert (found.best_layer, found.split) == (best, "test")
    assert found.hashes == runs[0].hashes


def test_test_records_are_not_touched_until_asked(encoder, store, probes, tmp_path):
    spoilt = store.signals.copy()
    spoilt[store.records["fold"] == 10] = spoilt[0]
    spoilt = replace(store, signals=spoilt)
    for folder, test in (("validation", False), ("test", True)):
        found = []
        for place, where in enumerate((store, spoilt)):
            out = tmp_path / folder / str(place)
            measure_layers(encoder, where, probes, out, test=test)
            found.append((out / "layers.csv").read_text())
        assert (found[0] == found[1]) is not test


def test_the_same_measures_come_out_again_and_are_not_made_again(encoder, store, probes, tmp_path):
    told = []
    measure_layers(encoder, store, probes, tmp_path / "again")
    for _ in range(2):
        measure_layers(
            encoder, store, probes, tmp_path / "out", progress=lambda *said: told.append(said)
        )
    one, other = ((tmp_path / name / "layers.csv").read_text() for name in ("out", "again"))
    assert one == other
    records = sum(LayerMeasures.read(tmp_path / "out").records.values())
    assert told == [("layers of tiny", done, records) for done in sorted({x[1] for x in told})]
    assert told[-1][1] == records > 40


def test_measures_of_fewer_records_are_refused_and_those_without_test_made_again(
    encoder, store, probes, tmp_path
):
    measure_layers(encoder, store, probes, tmp_path / "out")
    with pytest.raises(InputError, match="out: made from other inputs: records is 512, not 20;"):
        measure_layers(encoder, store, probes, tmp_path / "out", records=20)
    measure_layers(encoder, store, probes, tmp_path / "out", test=True)
    assert LayerMeasures.read(tmp_path / "out").split == "test"
    measure_layers(encoder, store, probes, tmp_path / "out")
    assert LayerMeasures.read(tmp_path / "out").split == "test"


def test_probes_of_another_encoder_or_store_are_refused(encoder, store, probes, tmp_path):
    other = replace(store, records=store.records.assign(sha256="x"))
    for encoder_, store_ in ((encoder.randomised(3), store), (encoder, other)):
        with pytest.raises(InputError, match=r"layer-00-linear: a probe of another encoder or"):
            measure_layers(encoder_, store_, probes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_probes_under_two_heads_are_refused(encoder, store, probes, tmp_path):
    features = extract(encoder, store, tmp_path / "features")
    changes = {"heads": ("mlp",), "readouts": ("layers",)}
    others = probe(features, RECIPE.model_copy(update=changes), tmp_path / "others")
    with pytest.raises(InputError, match=r"layer-00-mlp: a probe under the head mlp, not linear"):
        measure_layers(encoder, store, [*probes, *others], tmp_path / "out")


def test_probes_of_labels_that_their_task_no_longer_has_are_refused(
    encoder, store, probes, tmp_path
):
    run = Run.read(probes[1])
    run.model_copy(update={"labels": "00ff"}).write(probes[1])
    with pytest.raises(InputError, match="layer-01-linear: its task has other labels now; probe"):
        measure_layers(encoder, store, probes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_measures_tell_the_labels_of_their_probes(encoder, store, tmp_path):
    table = store.records[["id"]].assign(sick=np.arange(len(store.records)) // 10 % 2)
    table.to_csv(tmp_path / "labels.csv", index=False)
    asked = OwnTaskSettings(id="id", target=("sick",), kind="binary")
    made = make_task(tmp_path / "labels.csv", store.records, asked, tmp_path / "sick")
    recipe = RECIPE.model_copy(update={"task": str(tmp_path / "sick")})
    features = extract(encoder, store, tmp_path / "features")
    measure_layers(encoder, store, probe(features, recipe, tmp_path / "runs"), tmp_path / "out")
    assert LayerMeasures.read(tmp_path / "out").labels == made.hash is not None


def test_too_few_patients_are_refused(encoder, store, tmp_path):
    few = replace(store, records=store.records.assign(patient=store.records["fold"].astype(str)))
    probes = probe(extract(encoder, few, tmp_path / "features"), RECIPE, tmp_path / "runs")
    with pytest.raises(InputError, match="fewer than 10 patients in train of ptbxl-superdiag"):
        measure_layers(encoder, few, probes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_any_leads_will_do(encoder, store, tmp_path):
    few = replace(encoder, input=Preprocessing(100, 100, ("V5",)))
    runs = probe(extract(few, store, tmp_path / "features"), RECIPE, tmp_path / "runs")
    measure_layers(few, store, runs, tmp_path / "out", records=20)
    found = LayerMeasures.read(tmp_path / "out")
    assert found.records["train"] == 20
    assert MEASURES - found.measures.keys() == {"attention_across"}  # there is no other lead


def test_the_pooled_states_are_the_encoders(observer, encoder):
    rows = np.arange(20)
    found = describe(observer, rows)
    signals = torch.cat(list(observer.batches(rows)))
    with torch.inference_mode():
        expected = pooled_states(encoder, signals)
    assert torch.allclose(torch.stack(found.states, dim=1), expected, atol=1e-5)
    assert found.halves.shape == (20, 2, 4, 12)
    assert (found.halves[:, 0] - found.halves[:, 1]).abs().max() > 0.1


def test_records_that_repeat_after_half_a_window_have_two_equal_halves(encoder, store, generator):
    half = torch.randn(3, 12, 50, generator=generator).clamp(-4, 4)
    repeated = store_of(torch.cat([half, half], dim=2), store)
    found = describe(observe(encoder, repeated), np.arange(3))
    assert torch.allclose(found.halves[:, 0], found.halves[:, 1], atol=1e-6)


def test_the_map_to_the_own_patch_is_ridge_regression(observer, encoder):
    train, held_out = np.arange(30), np.arange(30, 60)
    maps = describe(observer, train).maps
    misses = reconstruct(observer, maps, held_out)["own"]
    found = explained(misses, resampled(np.arange(30).astype(object), 10))

    def pairs(rows):
        signals = torch.cat(list(observer.batches(rows)))
        with torch.inference_mode():
            tokens = encoder.network(signals, encoder.input.leads)[2]
        patches = standardise_patches(patchify(signals, 10)).flatten(0, 2)
        tokens = patch_tokens(tokens, 12).flatten(0, 2)
        return torch.nn.functional.layer_norm(tokens, (12,)).numpy(), patches.numpy()

    ridge = Ridge(1.0).fit(*(x.astype(float) for x in pairs(train)))
    tokens, patches = pairs(held_out)
    expected = r2_score(patches, ridge.predict(tokens), multioutput="variance_weighted")
    assert found[2].value == pytest.approx(expected, abs=1e-4)


def test_a_hidden_patch_can_be_told_only_where_its_neighbour_tells_it(encoder, store, generator):
    # In a sawtooth every patch is the same, and in noise none tells of the next.
    sawtooth = (torch.arange(100.0) % 10 / 10).expand(40, 12, 100)
    noise = torch.randn(40, 12, 100, generator=generator).clamp(-3, 3)
    noise -= noise.unflatten(-1, (10, 10)).mean(dim=-1).repeat_interleave(10, dim=-1)
    rows = np.arange(40)
    for signals, low, high in ((sawtooth, -0.1, 0.05), (noise, -0.3, 0.05)):
        observer = observe(encoder, store_of(signals, store))
        maps = describe(observer, rows).maps
        misses = reconstruct(observer, maps, rows[::-1].copy())["hidden"]
        if signals is sawtooth:
            assert misses.errors.max() < 1e-3 * misses.squares.max()
        else:
            found = explained(misses, resampled(np.arange(40).astype(object), 10))
            assert all(low < point.value < high for point in found)


def test_means_and_their_intervals_are_over_patients():
    values = torch.tensor([[1.0, torch.nan], [1, torch.nan], [4, torch.nan]]).double()
    alone = averages(values, resampled(np.array(["a", "b", "c"], object), 500))
    assert [point.layer for point in alone] == [0]
    assert (alone[0].value, alone[0].low, alone[0].high) == (2, 1, 4)
    by_patient = averages(values, resampled(np.array(list("aab"), object), 9))
    assert by_patient[0].value == alone[0].value


def test_the_jackknifes_interval_of_a_mean_is_students(generator):
    states = torch.randn(500, 1, generator=generator)
    (found,) = jackknifed(lambda x: x.mean().item(), [states], np.arange(500).astype(object))
    blocks = np.array([states[k::10].mean() for k in range(10)])
    half = 2.2622 * blocks.std(ddof=1) / np.sqrt(10)
    assert found.high - found.value == pytest.approx(half, rel=1e-3)
    assert found.value - found.low == pytest.approx(half, rel=1e-3)


def test_all_variance_is_explained_by_no_error_and_none_by_the_mean():
    patches = torch.tensor([[1.0, 2], [3, 2], [5, 8]])
    errors = (patches - patches.mean(dim=0)).square().sum(dim=1)
    squares, number = patches.square().sum(dim=1), torch.ones(3)
    misses = Misses(torch.stack([0 * errors, errors], dim=1), squares, patches, number)
    counts = resampled(np.arange(3).astype(object), 3)[:1].repeat(2, axis=0)
    assert [point.value for point in explained(misses, counts)] == pytest.approx([1, 0])
