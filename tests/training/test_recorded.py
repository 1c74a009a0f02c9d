"""A recorded loss is the loss itself: values, gradients, draws and what batch norms hold."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout
from myocard.nn.readouts.stack import Stack
from myocard.recipe import Optimisation
from myocard.training.loop import fit
from myocard.training.recorded import Recorded

SETTINGS = Optimisation(
    epochs=6, batch=8, base_learning_rate=0.1, weight_decay=0.0, precision="fp32"
)


def stack(readout: str, head: str) -> Stack:
    torch.manual_seed(0)
    built = [build_readout(readout, nn.LayerNorm(8).requires_grad_(False), 8, 4) for _ in range(2)]
    models = [[[Classifier(each, HEADS[head](8, 3)) for _ in range(2)]] for each in built]
    return Stack(models)


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    logits = model(batch["states"])
    return binary_cross_entropy_with_logits(logits, batch["targets"].expand_as(logits))


def batches(numbers):
    for number in numbers:
        generator = torch.Generator().manual_seed(number)
        states = torch.randn(2, 1, 8, 5, 8, generator=generator)
        yield {"states": states, "targets": (states[:, :, None, :, 0, :3] > 0).float()}


def trained(model: nn.Module, loss) -> list[float]:
    values: list[float] = []
    with torch.random.fork_rng():
        fit(
            model,
            loss=loss,
            batches=batches,
            steps_per_epoch=3,
            settings=SETTINGS,
            report=lambda done: values.append(done.loss),
        )
    return values


@pytest.mark.parametrize("head", ["linear", "mlp"])
@pytest.mark.parametrize("readout", ["pma", "alf"])
def test_training_is_the_same_bit_for_bit(readout, head):
    model = stack(readout, head)
    other = deepcopy(model)
    assert trained(model, Recorded(model, loss)) == trained(other, loss)
    for (name, one), two in zip(
        model.state_dict().items(), other.state_dict().values(), strict=True
    ):
        assert torch.equal(one, two), name


def test_a_recording_follows_the_weights():
    model = stack("alf", "linear")
    recorded = Recorded(model.train(), loss)
    (batch,) = batches([0])
    before = recorded(model, batch)
    with torch.no_grad():
        for each in model.parameters():
            each.mul_(3)
    after = recorded(model, batch)
    assert after.item() == loss(model, batch).item() != before.item()


def test_recording_leaves_no_trace():
    model = stack("pma", "linear").train()
    held = deepcopy(model.state_dict())
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    recorded = Recorded(model, loss)
    (batch,) = batches([0])
    recorded.record(model, batch)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(held[name], value) for name, value in model.state_dict().items())
