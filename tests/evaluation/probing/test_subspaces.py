"""Layers are chosen one after another by what those before them leave unexplained."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from myocard.errors import InputError
from myocard.evaluation.probing import probe
from myocard.evaluation.probing.subspaces import choose_subspaces, products_of
from myocard.recipe import ProbeRecipe
from myocard.results.run import Run

RECORDS, LAYERS, WIDTH, RANK = 500, 4, 6, 3


@pytest.fixture
def planted(generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Layer 3 knows most of the targets and layer 1 the rest; layer 2 repeats layer 3."""
    states = torch.randn(RECORDS, LAYERS, WIDTH, generator=generator)
    states[:, 2] = states[:, 3] + 0.3 * torch.randn(RECORDS, WIDTH, generator=generator)
    targets = 3 * states[:, 3, :2] + states[:, 1, :2]
    return states, targets + 0.1 * torch.randn(RECORDS, 2, generator=generator)


def residual(features: np.ndarray, targets: np.ndarray) -> float:
    return float(
        np.square(targets - LinearRegression().fit(features, targets).predict(features)).mean()
    )


def test_the_second_layer_is_the_one_that_adds_most(planted):
    found = choose_subspaces(products_of(*planted), 1e-6, RANK)
    assert found.shares[3] > found.shares[1] > 10 * found.shares[2]
    assert found.shares.sum() == pytest.approx(1)


def test_the_directions_explain_as_much_as_the_layers_themselves(planted):
    states, targets = planted
    found = choose_subspaces(products_of(states, targets), 1e-6, RANK)
    chosen = torch.einsum("nld,ldr->nlr", states, found.directions)[:, [3, 1]].flatten(1)
    whole = states[:, [3, 1]].flatten(1)
    errors = [residual(x.numpy(), targets.numpy()) for x in (chosen, whole)]
    assert errors[0] == pytest.approx(errors[1], abs=1e-3 * targets.var().item())
    assert torch.linalg.matrix_rank(found.directions[3]) == 2


def test_the_readout_beats_every_layer_where_two_are_needed(made_features, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random(600) < 0.5
    hidden = 3 * rng.normal(size=600)
    states = rng.normal(size=(600, LAYERS, WIDTH))
    states[:, 1, 0] += 2 * (2 * labels - 1) + hidden
    states[:, 3, 0] -= hidden
    codes = [["scp:IMI"] if label else ["scp:NORM"] for label in labels]
    recipe = ProbeRecipe(
        task="ptbxl-superdiagnostic",
        readouts=("loes", "layers"),
        heads=("linear",),
        seeds=(0,),
        resamples=20,
    )
    runs = [Run.read(f) for f in probe(made_features(states, codes, "made"), recipe, tmp_path)]
    areas = {run.name.split("/")[-1]: run.validation.main.macro.value for run in runs}
    assert areas.pop("loes-linear") > max(areas.values()) + 0.05


@pytest.mark.parametrize("head", ["mlp", "ridge"])
def test_other_heads_than_the_linear_one_are_refused(made_features, tmp_path, head):
    states = np.random.default_rng(0).normal(size=(50, LAYERS, WIDTH))
    features = made_features(states, [["scp:NORM"]] * 50, "made")
    recipe = ProbeRecipe(task="superdiagnostic", readouts=("loes",), heads=("linear", head))
    with pytest.raises(InputError, match=f"'loes' is solved with the linear head, not with {head}"):
        probe(features, recipe, tmp_path)
