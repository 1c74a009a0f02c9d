"""Effects under layers four times as loud are found by what should find them, at every seed."""

import numpy as np
import pytest

from myocard.evaluation.probing import probe
from myocard.recipe import ProbeRecipe
from myocard.results.run import Run

RECORDS, DEPTH, WIDTH, LOUD = 700, 4, 8, 4.0
SEEDS = range(3)


def noise(rng: np.random.Generator) -> np.ndarray:
    """States in which the layers that nothing is planted in are loud."""
    return LOUD * rng.normal(size=(RECORDS, DEPTH + 1, WIDTH))


def one_layer(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Layer 2 knows the label."""
    labels, states = rng.random(RECORDS) < 0.5, noise(rng)
    states[:, 2] /= LOUD
    states[:, 2, 0] += 2 * labels - 1
    return states, labels


def two_layers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Layers 2 and 3 know the label together: what hides it in one is taken away by the other."""
    labels, states = rng.random(RECORDS) < 0.5, noise(rng)
    states[:, [2, 3]] /= LOUD
    hidden = 3 * rng.normal(size=RECORDS)
    states[:, 2, 0] += 2 * (2 * labels - 1) + hidden
    states[:, 3, 0] -= hidden
    return states, labels


def layer_of_the_record(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Layer 1 or 3 knows the label, and the embedding tells which."""
    labels, states = rng.random(RECORDS) < 0.5, noise(rng)
    states[:, [1, 3]] /= LOUD
    first = rng.random(RECORDS) < 0.5
    states[:, 0, 0] = 8 * np.where(first, 1, -1)
    signal = 1.5 * (2 * labels - 1)
    states[:, 1, 0] += np.where(first, signal, 0)
    states[:, 3, 0] += np.where(first, 0, signal)
    return states, labels


def probed(made_features, tmp_path, planted, seed: int, readout: str) -> Run:
    states, labels = planted(np.random.default_rng(seed))
    codes = [["scp:IMI"] if label else ["scp:NORM"] for label in labels]
    recipe = ProbeRecipe(
        task="ptbxl-superdiagnostic",
        readouts=(readout,),
        heads=("linear",),
        seeds=(0,),
        resamples=20,
    )
    (folder, *_) = probe(made_features(states, codes, "made"), recipe, tmp_path / readout)
    return Run.read(folder)


def area(run: Run) -> float:
    return run.validation.main.macro.value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("readout", ["scalar-mix", "scalar-mix-normed", "class-mix"])
def test_one_layer_is_found(made_features, tmp_path, seed, readout):
    found = probed(made_features, tmp_path, one_layer, seed, readout)
    assert np.argmax(found.layer_weights.mean) == 2
    assert found.layer_weights.mean[2] > 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_two_layers_are_found_together(made_features, tmp_path, seed):
    found = probed(made_features, tmp_path, two_layers, seed, "scalar-mix-normed")
    shares = found.layer_weights.mean
    assert shares[2] > 0.25
    assert shares[3] > 0.25
    assert shares[1] + shares[4] < 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_layer_that_depends_on_the_record_is_found_by_a_gate(made_features, tmp_path, seed):
    static = probed(made_features, tmp_path, layer_of_the_record, seed, "scalar-mix")
    gated = probed(made_features, tmp_path, layer_of_the_record, seed, "gated-mix")
    assert area(gated) > area(static) + 0.02
    assert gated.mixtures[0].chosen > 0
