"""The measures of every layer: made from what they say, on the records they say, and no others."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.evaluation.layers import dissect
from myocard.evaluation.layers.estimates import averages, explained, jackknifed, resampled
from myocard.evaluation.layers.observation import Misses, Specimen, describe, reconstruct
from myocard.evaluation.probing import probe
from myocard.models.checkpoint import Checkpoint
from myocard.nn.encoder import patch_tokens
from myocard.nn.objectives.masked import standardise_patches
from myocard.nn.patches import patchify
from myocard.recipe import Optimisation, ProbeRecipe

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
    "auroc", "effective_rank", "state_entropy", "lidar", "token_entropy", "token_similarity",
    "attention_entropy", "attention_seconds", "attention_across", "attention_separators",
    "r2_own", "r2_hidden",
}  # fmt: skip


def ignore(done: int) -> None:
    """Progress that nobody looks at."""


@pytest.fixture
def checkpoint(checkpoint) -> Checkpoint:
    """The tiny encoder, trained on nothing."""
    return replace(checkpoint, corpus=checkpoint.corpus.iloc[:0])


@pytest.fixture
def probes(checkpoint, store, tmp_path) -> list[Path]:
    features = extract(checkpoint, store, tmp_path / "features")
    return probe(features, RECIPE, tmp_path / "runs", test=True)


@pytest.fixture
def specimen(checkpoint) -> Specimen:
    return Specimen(checkpoint.encoder, checkpoint.preprocessing)


def test_every_measure_is_told_of_every_layer_with_its_interval(
    checkpoint, store, probes, tmp_path
):
    dissect(checkpoint, store, probes, tmp_path / "out")
    found = json.loads((tmp_path / "out/layers.json").read_text())
    assert found["measures"].keys() == MEASURES
    for name, points in found["measures"].items():
        first = 1 if name.startswith("attention") else 0
        assert [point["layer"] for point in points] == list(range(first, 4)), name
        assert all(p["low"] <= p["value"] <= p["high"] for p in points), name
    assert np.array(found["alignment"]).shape == (4, 4)
    assert np.allclose(np.diag(found["alignment"]), 1)
    table = pd.read_csv(tmp_path / "out/layers.csv")
    assert set(table["measure"]) == MEASURES
    assert (found["split"], found["encoder"]["name"]) == ("validation", "tiny")


def test_the_curve_is_that_of_the_probes(checkpoint, store, probes, tmp_path):
    dissect(checkpoint, store, probes, tmp_path / "out", test=True)
    found = json.loads((tmp_path / "out/layers.json").read_text())
    runs = [json.loads((run / "run.json").read_text()) for run in probes]
    for point, run in zip(found["measures"]["auroc"], runs, strict=True):
        assert point["value"] == run["test"]["auroc"]["macro"]["value"]
    best = np.argmax([run["validation"]["auroc"]["macro"]["value"] for run in runs])
    assert (found["best_layer"], found["split"]) == (best, "test")


def test_test_records_are_not_touched_until_asked(checkpoint, store, probes, tmp_path):
    spoilt = store.signals.copy()
    spoilt[store.records["fold"] == 10] = spoilt[0]
    spoilt = replace(store, signals=spoilt)
    for folder, test in (("validation", False), ("test", True)):
        found = []
        for place, where in enumerate((store, spoilt)):
            out = tmp_path / folder / str(place)
            dissect(checkpoint, where, probes, out, test=test)
            found.append((out / "layers.csv").read_text())
        assert (found[0] == found[1]) is not test


def test_the_same_measures_come_out_again_and_are_not_made_again(
    checkpoint, store, probes, tmp_path
):
    done = []
    dissect(checkpoint, store, probes, tmp_path / "out", report=done.append)
    assert sum(done) > 40
    dissect(checkpoint, store, probes, tmp_path / "again")
    one, other = ((tmp_path / name / "layers.csv").read_text() for name in ("out", "again"))
    assert one == other
    dissect(checkpoint, store, probes, tmp_path / "out", report=done.clear)
    assert done


def test_measures_of_something_else_are_refused_and_those_without_test_made_again(
    checkpoint, store, probes, tmp_path
):
    dissect(checkpoint, store, probes, tmp_path / "out")
    with pytest.raises(InputError, match="out: measures of another"):
        dissect(checkpoint, store, probes, tmp_path / "out", records=20)
    dissect(checkpoint, store, probes, tmp_path / "out", test=True)
    assert json.loads((tmp_path / "out/layers.json").read_text())["split"] == "test"


def test_any_leads_will_do(checkpoint, store, tmp_path):
    few = replace(checkpoint, preprocessing=Preprocessing(100, 100, ("V5",)))
    runs = probe(extract(few, store, tmp_path / "features"), RECIPE, tmp_path / "runs")
    dissect(few, store, runs, tmp_path / "out", records=20)
    found = json.loads((tmp_path / "out/layers.json").read_text())
    assert found["records"]["train"] == 20
    assert {point["value"] for point in found["measures"]["attention_across"]} == {0}


def test_the_pooled_states_are_the_encoders(specimen, store, checkpoint):
    rows = np.arange(20)
    found = describe(specimen, specimen.batches(store, rows), ignore)
    signals = torch.cat(list(specimen.batches(store, rows)))
    with torch.inference_mode():
        expected = checkpoint.encoder.pooled(signals, specimen.leads)
    assert torch.allclose(found.states, expected, atol=1e-5)
    assert found.halves.shape == (20, 2, 4, 12)
    assert (found.halves[:, 0] - found.halves[:, 1]).abs().max() > 0.1


def test_records_that_repeat_after_half_a_window_have_two_equal_halves(specimen, generator):
    half = torch.randn(3, 12, 50, generator=generator)
    found = describe(specimen, [torch.cat([half, half], dim=2)], ignore)
    assert torch.allclose(found.halves[:, 0], found.halves[:, 1], atol=1e-6)


def test_the_map_to_the_own_patch_is_ridge_regression(specimen, store):
    train, held_out = np.arange(30), np.arange(30, 60)
    maps = describe(specimen, specimen.batches(store, train), ignore).maps
    misses = reconstruct(specimen, maps, specimen.batches(store, held_out), ignore)["own"]
    found = explained(misses, resampled(np.arange(30).astype(object), 10))

    def pairs(rows):
        signals = torch.cat(list(specimen.batches(store, rows)))
        with torch.inference_mode():
            tokens = patch_tokens(specimen.encoder(signals, specimen.leads)[2], 12).flatten(0, 2)
        patches = standardise_patches(patchify(signals, 10)).flatten(0, 2)
        return torch.nn.functional.layer_norm(tokens, (12,)).numpy(), patches.numpy()

    ridge = Ridge(1.0).fit(*(x.astype(float) for x in pairs(train)))
    tokens, patches = pairs(held_out)
    expected = r2_score(patches, ridge.predict(tokens), multioutput="variance_weighted")
    assert found[2]["value"] == pytest.approx(expected, abs=1e-4)


def test_a_hidden_patch_can_be_told_only_where_its_neighbour_tells_it(specimen, generator):
    """In a sawtooth every patch is the same, and in noise none tells of the next."""
    sawtooth = (torch.arange(100.0) % 10).expand(40, 12, 100).contiguous()
    noise = torch.randn(40, 12, 100, generator=generator)
    noise -= noise.unflatten(-1, (10, 10)).mean(dim=-1).repeat_interleave(10, dim=-1)
    for signals, low, high in ((sawtooth, -0.1, 0.05), (noise, -0.3, 0.05)):
        maps = describe(specimen, [signals], ignore).maps
        misses = reconstruct(specimen, maps, [signals.flip(0)], ignore)["hidden"]
        if signals is sawtooth:
            assert misses.errors.max() < 1e-3 * misses.squares.max()
        else:
            found = explained(misses, resampled(np.arange(40).astype(object), 10))
            assert all(low < point["value"] < high for point in found)


def test_means_and_their_intervals_are_over_patients():
    values = torch.tensor([[1.0, torch.nan], [1, torch.nan], [4, torch.nan]]).double()
    alone = averages(values, resampled(np.array(["a", "b", "c"], object), 500))
    assert [point["layer"] for point in alone] == [0]
    assert (alone[0]["value"], alone[0]["low"], alone[0]["high"]) == (2, 1, 4)
    assert (
        alone[0]["value"]
        == averages(values, resampled(np.array(list("aab"), object), 9))[0]["value"]
    )


def test_the_jackknifes_interval_of_a_mean_is_students(generator):
    states = torch.randn(500, 1, generator=generator)
    (found,) = jackknifed(lambda x: x.mean().item(), [states], np.arange(500).astype(object))
    blocks = np.array([states[k::10].mean() for k in range(10)])
    half = 2.2622 * blocks.std(ddof=1) / np.sqrt(10)
    assert found["high"] - found["value"] == pytest.approx(half, rel=1e-3)
    assert found["value"] - found["low"] == pytest.approx(half, rel=1e-3)


def test_all_variance_is_explained_by_no_error_and_none_by_the_mean():
    patches = torch.tensor([[1.0, 2], [3, 2], [5, 8]])
    errors = (patches - patches.mean(dim=0)).square().sum(dim=1)
    squares, number = patches.square().sum(dim=1), torch.ones(3)
    misses = Misses(torch.stack([0 * errors, errors], dim=1), squares, patches, number)
    counts = resampled(np.arange(3).astype(object), 3)[:1].repeat(2, axis=0)
    assert [point["value"] for point in explained(misses, counts)] == pytest.approx([1, 0])
