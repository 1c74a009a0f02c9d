"""One step of training moves every trained weight, and no other."""

from itertools import repeat

import pytest
import torch
from torch import nn

from myocard.nn.objectives.decoders import Decoder, DecoderShape
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import READOUTS, TOKENS, build_readout
from myocard.recipe import Optimisation
from myocard.training.loop import decay_groups, fit

ONE_STEP = Optimisation(epochs=1, base_learning_rate=0.1, weight_decay=0.0, precision="fp32")


@pytest.mark.parametrize("mixture", list(MIXTURES))
def test_every_weight_of_the_autoencoder_moves_in_one_step(network, signals, mixture):
    decoder = Decoder(network, DecoderShape(width=8, depth=1, heads=2))
    model = MaskedAutoencoder(network, decoder, mixture=MIXTURES[mixture])
    before = {name: value.clone() for name, value in model.named_parameters()}
    fit(
        model,
        loss=lambda model, batch: model(batch).loss,
        batches=lambda numbers: repeat(signals, len(numbers)),
        steps_per_epoch=1,
        settings=ONE_STEP,
    )
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert still == []


@pytest.mark.parametrize("head", list(HEADS))
@pytest.mark.parametrize("readout", READOUTS)
def test_every_trained_weight_of_readout_and_head_moves_and_no_other(network, readout, head):
    torch.manual_seed(3)
    norm = network.norm.requires_grad_(requires_grad=False)
    chosen = build_readout(readout, norm, 12, 3)
    model = Classifier(chosen, HEADS[head](chosen.features, 5))
    before = {name: value.clone() for name, value in model.named_parameters()}
    shape = (len(chosen.view.layers), 7) if readout in TOKENS else (4,)
    states = torch.randn(16, *shape, 12)
    fit(
        model,
        loss=lambda model, batch: (model(batch) - 1).square().mean(),
        batches=lambda numbers: repeat(states, len(numbers)),
        steps_per_epoch=1,
        settings=ONE_STEP,
    )
    moved = {
        name for name, value in model.named_parameters() if not torch.equal(value, before[name])
    }
    frozen = {name for name in before if "norm" in name}
    if readout == "pma-frozen-gate":
        frozen |= {name for name in before if "gate" in name}
    assert moved == before.keys() - frozen
    gated = readout in {"pma", "pma-last", "pma-mean", "gated-mix"}
    assert gated == any("gate" in name for name in moved)


def test_only_matrices_decay():
    decayed, spared = decay_groups(
        nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), 0.3
    )
    assert [p.ndim for p in decayed["params"]] == [2, 2]
    assert [p.ndim for p in spared["params"]] == [1, 1, 1, 1]
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.3, 0.0)
