"""The heads, as the page on the method states them."""

import pytest
import torch
from torch import nn

from myocard.nn.readouts.heads import HEADS


@pytest.mark.parametrize("name", list(HEADS))
def test_a_head_gives_one_score_a_class(name, generator):
    head = HEADS[name](12, 5)
    assert head(torch.randn(8, 12, generator=generator)).shape == (8, 5)


def test_the_linear_head_folds_into_one_linear_layer(generator):
    head = HEADS["linear"](12, 5)
    for _ in range(3):
        head(2 + 3 * torch.randn(64, 12, generator=generator))
    norm, linear = head.eval()
    weight = linear.weight / (norm.running_var + norm.eps).sqrt()
    bias = linear.bias - weight @ norm.running_mean
    features = torch.randn(8, 12, generator=generator)
    expected = nn.functional.linear(features, weight, bias)
    assert torch.allclose(head(features), expected, atol=1e-5)


def test_the_papers_head_has_its_layers_and_widths():
    kinds = [type(part).__name__ for part in HEADS["mlp"](12, 5)]
    assert kinds == ["BatchNorm1d", "Dropout", "Linear", "ReLU", "BatchNorm1d", "Dropout", "Linear"]
    # BatchNorm 2·12, Linear 12·256 + 256, BatchNorm 2·256, Linear 256·5 + 5.
    count = sum(p.numel() for p in HEADS["mlp"](12, 5).parameters())
    assert count == 24 + 12 * 256 + 256 + 512 + 256 * 5 + 5
    assert [m.p for m in HEADS["mlp"](12, 5).modules() if isinstance(m, nn.Dropout)] == [0.25, 0.5]
