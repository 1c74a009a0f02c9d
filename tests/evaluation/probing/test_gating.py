"""A gate leaves the static mixture where records need it, and stays where they do not."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from myocard.evaluation.probing import paths, probe
from myocard.evaluation.probing.gating import Gating
from myocard.evaluation.probing.mixtures import Mixing, Solution
from myocard.models.classifier import read_classifiers
from myocard.recipe import ProbeRecipe
from myocard.results.run import Run
from myocard.results.saved import load_runs

RECORDS, BLOCKS, WIDTH = 600, 3, 8
PENALTY = 1e-2


def drawn(seed: int, *, switched: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings, blocks and labels; the sign of x_0 says which block knows, if ``switched``."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(RECORDS, WIDTH, generator=generator)
    states = torch.randn(BLOCKS, RECORDS, WIDTH, generator=generator)
    knowing = torch.where(embeddings[:, :1] > 0, states[0], states[2])
    known = knowing if switched else states[0] + states[2]
    return embeddings, states, (known[:, :1] > 0).float()


def gating_of(seed: int, *, switched: bool) -> tuple[Gating, Solution]:
    embeddings, states, targets = drawn(seed, switched=switched)
    mixing = Mixing(states, nn.Identity(), targets, outcome="any")
    return Gating(mixing, embeddings), [*mixing.path(PENALTY, (0.01,))][-1]


def test_a_gate_that_nothing_moves_is_the_static_mixture():
    gating, static = gating_of(0, switched=True)
    start = gating.start(static)
    shares = gating.mixing.logits(static, gating.mixing.states)
    logits = gating.logits(start, gating.inputs, gating.mixing.states)
    assert torch.allclose(logits, shares, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_each_record_is_read_from_the_block_that_knows(seed):
    gating, static = gating_of(seed, switched=True)
    *_, free = gating.path(PENALTY, static, paths.PULLS)
    shares, first = free.shares(gating.inputs), gating.embeddings[:, 0] > 0
    assert shares[first].mean(dim=0).argmax() == 0
    assert shares[~first].mean(dim=0).argmax() == 2


def test_less_pull_lowers_the_objective_step_by_step():
    gating, static = gating_of(0, switched=True)
    values = [each.objective for each in gating.path(PENALTY, static, paths.PULLS)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.05


@pytest.fixture(scope="module", params=[True, False], ids=["switched", "static"])
def run(request, made_features, tmp_path_factory):
    embeddings, states, targets = drawn(1, switched=request.param)
    whole = torch.cat([embeddings[None], states]).transpose(0, 1).numpy()
    codes = [["scp:IMI" if each else "scp:NORM"] for each in targets[:, 0].tolist()]
    features = made_features(whole, codes, f"gate{request.param}")
    recipe = ProbeRecipe(
        task="ptbxl-superdiagnostic", readouts=("gated-mix", "scalar-mix"), heads=("linear",),
        seeds=(0,), penalties=(1e-2,), resamples=50,
    )  # fmt: skip
    folders = probe(features, recipe, tmp_path_factory.mktemp("runs"), test=True)
    return request.param, features, folders


def test_the_gate_that_pays_is_taken_and_none_where_none_pays(run):
    switched, _, (gated, static) = run
    mixture = Run.read(gated).mixtures[0]
    assert [step.pull for step in mixture.path] == [None, *paths.PULLS]
    headlines = [Run.read(folder).test.main.macro.value for folder in (gated, static)]
    if switched:
        assert mixture.slope < 1e-3
        assert mixture.chosen > 0
        assert headlines[0] > headlines[1] + 0.02
    else:
        assert mixture.chosen == 0
        assert headlines[0] == pytest.approx(headlines[1], abs=5e-3)


def test_a_gate_is_read_again_as_it_was_written(run):
    _, features, (gated, _) = run
    (saved,) = load_runs(gated)
    (classifier,) = read_classifiers(gated, features.norm, features.layers)
    rows = features.records["fold"] == 10
    states = torch.from_numpy(features.states[rows].astype(np.float32))
    order = np.argsort(features.records["id"][rows])
    with torch.no_grad():
        scores = classifier(states).sigmoid().numpy()[order]
    assert np.allclose(scores, saved.predictions("test").scores[0], atol=1e-5)
