"""What is trained under which penalty."""

import pytest
import torch
from torch import nn

from myocard.evaluation.probing.jobs import MIXTURE_PENALTY, penalty
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import build_readout
from myocard.nn.readouts.stack import Stack

PENALTIES = torch.tensor([0.01, 1.0])


@pytest.mark.parametrize("readout", ["pma", "alf"])
def test_a_penalty_pulls_on_the_head_alone_and_on_mixtures_alike_under_every_penalty(readout):
    norm = nn.LayerNorm(12).requires_grad_(requires_grad=False)
    models = [Classifier(build_readout(readout, norm, 3), HEADS["mlp"](12, 4)) for _ in PENALTIES]
    stack = Stack([[models]])
    penalty(stack, PENALTIES).sum().backward()
    parameters, _ = stack.values()
    matrices = {name: p for name, p in parameters.items() if p.grad is not None}
    assert {name.split(".")[0] for name in matrices} == {"readout", "head"}
    for name, value in matrices.items():
        assert value.ndim == 5
        for variant, strength in enumerate(PENALTIES):
            pull = MIXTURE_PENALTY if name.startswith("readout") else strength
            expected = pull * value.detach()[0, 0, variant]
            assert torch.allclose(value.grad[0, 0, variant], expected), name
