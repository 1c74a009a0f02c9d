"""Penalties pull on the head and on mixtures, each as strongly as is said."""

import pytest
import torch
from torch import nn

from myocard.evaluation.probing.job import MIXTURE_PENALTY, penalty
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import TOKENS, build_readout
from myocard.nn.readouts.stack import Stack
from myocard.nn.readouts.tokens import TokenProbes
from myocard.training.loop import seeded

PENALTIES = torch.tensor([0.01, 1.0])


def classifiers(readout: str) -> list[Classifier]:
    norm = nn.LayerNorm(12).requires_grad_(requires_grad=False)
    return [Classifier(build_readout(readout, norm, 12, 3), HEADS["mlp"](12, 4)) for _ in PENALTIES]


def strength(name: str, index: int) -> float:
    return MIXTURE_PENALTY if name.startswith("readout") else float(PENALTIES[index])


@pytest.mark.parametrize("readout", ["pma", "alf"])
def test_a_penalty_pulls_on_the_head_alone_and_on_mixtures_alike_under_every_penalty(readout):
    stack = Stack([[classifiers(readout)]])
    penalty(stack, PENALTIES).sum().backward()
    parameters, _ = stack.values()
    matrices = {name: p for name, p in parameters.items() if p.grad is not None}
    assert {name.split(".")[0] for name in matrices} == {"readout", "head"}
    for name, value in matrices.items():
        assert value.ndim == 5
        for index in range(len(PENALTIES)):
            expected = strength(name, index) * value.detach()[0, 0, index]
            assert torch.allclose(value.grad[0, 0, index], expected), name


@pytest.mark.parametrize("readout", list(TOKENS))
def test_a_penalty_pulls_on_readouts_of_tokens_in_the_same_way(readout):
    members = classifiers(readout)
    penalty(TokenProbes(members, (1, 1, 2)), PENALTIES).sum().backward()
    for index, member in enumerate(members):
        for name, value in member.named_parameters():
            if value.ndim > 1:
                assert torch.allclose(value.grad, strength(name, index) * value.detach()), name
            else:
                assert value.grad is None, name


def test_a_draw_depends_on_its_seed_alone_and_changes_no_other_draw():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed):
            drawn.append(torch.rand(4))
    one, same, other = drawn
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
