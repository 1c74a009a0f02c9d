"""A stack of models trains each of them as if it were alone."""

import pytest
import torch
from torch import nn

from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout
from myocard.nn.readouts.stack import Stack

SEEDS, CELLS, VARIANTS = 2, 3, 2


def model(readout: str, head: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    norm = nn.LayerNorm(12).requires_grad_(requires_grad=False)
    made = Classifier(build_readout(readout, norm, 12, 3), HEADS[head](12, 4))
    for part in made.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0  # a stack draws other dropout than a model on its own
    return made


def models(readout: str = "pma", head: str = "mlp") -> list[list[list[nn.Module]]]:
    return [
        [
            [model(readout, head, 100 * s + 10 * c + v) for v in range(VARIANTS)]
            for c in range(CELLS)
        ]
        for s in range(SEEDS)
    ]


def each(stack_of_models):
    for s, cells in enumerate(stack_of_models):
        for c, variants in enumerate(cells):
            for v, one in enumerate(variants):
                yield (s, c, v), one


def test_a_stack_says_what_its_models_say(generator):
    alone = models()
    stack = Stack(alone).eval()
    inputs = torch.randn(SEEDS, CELLS, 8, 4, 12, generator=generator)
    found = stack(inputs)
    assert found.shape == (SEEDS, CELLS, VARIANTS, 8, 4)
    for (s, c, v), one in each(alone):
        assert torch.allclose(found[s, c, v], one.eval()(inputs[s, c]), atol=1e-5)


@pytest.mark.parametrize("readout", ["pma", "scalar-mix", "alf"])
@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_members_equal_the_same_models_trained_one_by_one(readout, head, generator):
    alone = models(readout, head)
    stack = Stack(alone).train()
    inputs = torch.randn(5, SEEDS, CELLS, 16, 4, 12, generator=generator)
    targets = torch.randn(5, SEEDS, CELLS, 16, 4, generator=generator)
    penalties = torch.tensor([0.0, 0.1])

    def errors(outputs, wanted):
        return (outputs - wanted).square().mean(dim=(-1, -2))

    optimiser = torch.optim.SGD(stack.parameters(), lr=0.1)
    for x, y in zip(inputs, targets, strict=True):
        squares = sum(stack.half_squares().values())
        loss = errors(stack(x), y[:, :, None]) + penalties * squares
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()

    for (s, c, v), one in each(alone):
        trained = [p for p in one.train().parameters() if p.requires_grad]
        optimiser = torch.optim.SGD(trained, lr=0.1)
        for x, y in zip(inputs[:, s, c], targets[:, s, c], strict=True):
            squares = sum(p.square().sum() for p in trained if p.ndim > 1) / 2
            optimiser.zero_grad()
            (errors(one(x), y) + penalties[v] * squares).backward()
            optimiser.step()
        member = stack.member(s, c, v).state_dict()
        for name, value in one.state_dict().items():
            assert torch.allclose(member[name].float(), value.float(), atol=1e-5), name


@pytest.mark.parametrize(("readout", "count"), [("pma", 5), ("pma-frozen-gate", 2)])
def test_half_squares_are_those_of_each_models_trained_matrices(readout, count):
    alone = models(readout, "mlp")
    found = Stack(alone).half_squares()
    assert len(found) == count
    for name, value in found.items():
        assert value.shape == (SEEDS, CELLS, VARIANTS)
        for place, one in each(alone):
            matrix = one.get_parameter(name).detach()
            assert matrix.ndim == 2
            assert float(value.detach()[place]) == pytest.approx(
                float(matrix.square().sum()) / 2, rel=1e-5
            )


def test_a_member_comes_back_as_it_went_in():
    alone = models()
    stack = Stack(alone)
    for place, one in each(alone):
        member = stack.member(*place)
        assert not member.training
        for name, value in one.state_dict().items():
            assert torch.equal(member.state_dict()[name], value)


def test_members_draw_their_own_dropout():
    torch.manual_seed(0)
    twins = [[[nn.Sequential(nn.Linear(50, 50), nn.Dropout(0.5))] * 2]]
    outputs = Stack(twins).train()(torch.ones(1, 1, 1, 50))
    assert not torch.equal(outputs[0, 0, 0] == 0, outputs[0, 0, 1] == 0)
