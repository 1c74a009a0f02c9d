"""The contract of every objective of pretraining, on simulated records and a small encoder."""

from itertools import repeat

import numpy as np
import pytest
import torch
from torch.nn.functional import cosine_similarity

from myocard.nn.analysis.representation import effective_rank
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.contrastive import summary
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.objectives.views import View, two_times
from myocard.pretraining.objectives import OBJECTIVES
from myocard.pretraining.observation import COLLAPSED
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe
from myocard.training.loop import fit

SHAPE = EncoderShape(samples=1000, patch=50, width=24, depth=2, heads=2)
HOW = Optimisation(
    epochs=40, batch=16, base_learning_rate=0.06, weight_decay=0.01, precision="fp32"
)
LEADS = ("I", "II", "V1", "V5")
every_objective = pytest.mark.parametrize("name", list(OBJECTIVES))


def built(name: str):
    torch.manual_seed(4)
    recipe = PretrainRecipe(name="x", corpus=(CorpusPart(),), size="nano", objective=name)
    return OBJECTIVES[name].build(Encoder(SHAPE), recipe)


@pytest.fixture(scope="module")
def records(store) -> torch.Tensor:
    """Sixteen simulated records of four leads."""
    stated = InputSettings(leads=LEADS).preprocessing()
    return torch.from_numpy(store.windows(range(16), stated))


def own_loss(model, batch: torch.Tensor) -> torch.Tensor:
    return model(batch, LEADS).loss


def trained(model, records: torch.Tensor, loss=own_loss) -> list[float]:
    losses = []
    fit(
        model,
        loss=loss,
        batches=lambda numbers: repeat(records, len(numbers)),
        steps_per_epoch=1,
        settings=HOW,
        report=lambda done: losses.append(done.loss),
    )
    return losses


@every_objective
def test_the_loss_falls_on_simulated_records(name, records):
    losses = trained(built(name), records)
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])


@every_objective
def test_gradients_reach_every_weight_of_the_encoder(name, records):
    model = built(name)
    model(records[:4], LEADS).loss.backward()
    weights = dict(model.encoder.named_parameters())
    missed = [k for k, v in weights.items() if v.grad is None or not v.grad.any()]
    assert missed == []


@every_objective
def test_it_states_whether_it_masks_and_hides_as_much_of_every_lead(name, records):
    model, stated = built(name), OBJECTIVES[name]
    assert isinstance(model, MaskedAutoencoder) == stated.masked
    if stated.masked:
        hidden = model(records, LEADS).hidden.sum(dim=2)
        assert bool((hidden == hidden[:1, :1]).all()) == stated.hides_alike


@every_objective
def test_as_few_leads_as_it_states_are_enough(name, records):
    few = OBJECTIVES[name].leads
    assert built(name)(records[:, :few], LEADS[:few]).loss.isfinite()


@every_objective
def test_the_encoder_keeps_records_of_a_batch_apart(name, records):
    model = built(name)
    outputs: list[torch.Tensor] = []
    model.encoder.blocks[-1].register_forward_hook(lambda *call: outputs.append(call[-1].detach()))

    def states(batch: torch.Tensor) -> torch.Tensor:
        outputs.clear()
        torch.manual_seed(5)
        model(batch, LEADS)
        return torch.cat([x.flatten(1) for x in outputs])

    batch = records[:4].clone()
    before = states(batch)
    batch[1] = records[5]
    moved = (states(batch) - before).abs().amax(dim=1) > 1e-5
    assert moved.sum() == len(moved) / 4


def rank_of(model, records: torch.Tensor) -> float:
    with torch.no_grad():
        return effective_rank(summary(model.encoder, View(model.encoder.embed(records)), LEADS))


def test_what_is_only_drawn_together_collapses_and_the_effective_rank_tells(records):
    """Train without negatives, without a predictor, and with a gradient on both sides."""

    def drawn_together(model, batch):
        views = two_times(model.encoder, batch)
        one, other = (summary(model.encoder, view, LEADS) for view in views)
        return 1 - cosine_similarity(one, other).mean()

    model = built("cmsc")
    before = rank_of(model, records)
    trained(model, records, drawn_together)
    assert before > 2 * COLLAPSED
    assert rank_of(model, records) < COLLAPSED


@pytest.mark.parametrize("name", ["moco", "jepa"])
def test_objectives_with_a_slow_copy_do_not_collapse_here(name, records):
    model = built(name)
    trained(model, records)
    assert rank_of(model, records) > COLLAPSED
