"""An encoder's norm is rebuilt from its shape and weights, and no other norm is taken for one."""

import pytest
import torch
from torch import nn

from myocard.errors import InputError
from myocard.nn.readouts.norms import NormShape


@pytest.mark.parametrize(
    "norm",
    [
        nn.LayerNorm(12),
        nn.LayerNorm(12, eps=1e-2),
        nn.LayerNorm(12, eps=0.0),
        nn.LayerNorm(12, bias=False),
        nn.RMSNorm(12),
        nn.RMSNorm(12, eps=1e-2),
        nn.Identity(),
    ],
    ids=str,
)
def test_a_norm_that_is_rebuilt_does_what_it_did_and_is_frozen(norm, generator):
    for value in norm.parameters():
        nn.init.normal_(value)
    rebuilt = NormShape.of(norm, 12).build()
    rebuilt.load_state_dict(norm.state_dict())
    states = 0.1 * torch.randn(5, 4, 12, generator=generator)
    assert torch.equal(rebuilt(states), norm(states))
    assert not any(value.requires_grad for value in rebuilt.parameters())


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(12), nn.LayerNorm(6), nn.LayerNorm((4, 12)), nn.RMSNorm(6)], ids=str
)
def test_a_norm_of_another_kind_or_width_is_refused(norm):
    with pytest.raises(InputError, match=r"cannot be kept .* LayerNorm or RMSNorm .* width 12"):
        NormShape.of(norm, 12)
