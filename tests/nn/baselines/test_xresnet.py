"""xresnet1d101 is what its papers say: so deep, so wide, and at first the identity."""

import pytest
import torch
from torch import nn
from torch.nn.functional import relu

from myocard.nn.baselines.xresnet import BLOCKS, Bottleneck, XResNet


def convolutions(module: nn.Module) -> list[nn.Conv1d]:
    return [each for each in module.modules() if isinstance(each, nn.Conv1d)]


def test_it_is_101_layers_deep():
    model = XResNet(12)
    in_blocks = sum(len(convolutions(block.residual)) for block in model.blocks)
    stem, linear = 1, 1
    assert stem + in_blocks + linear == 101
    assert len(convolutions(model.stem)) == 3


def test_its_parameters_are_those_of_its_layers():
    def unit(inputs: int, outputs: int, kernel: int) -> int:
        return inputs * outputs * kernel + 2 * outputs

    block = unit(256, 64, 1) + unit(64, 64, 5) + unit(64, 256, 1)
    first = (
        block - (256 - 64) * 64 + unit(64, 256, 1)
    )  # fewer channels in, and a shortcut of its own
    stem = unit(12, 32, 5) + unit(32, 32, 5) + unit(32, 64, 5)
    found = sum(p.numel() for p in XResNet(12).parameters())
    assert found == stem + first + (sum(BLOCKS) - 1) * block


@pytest.mark.parametrize("samples", [200, 250, 333])
def test_time_is_halved_five_times_rounding_up(samples):
    model = XResNet(2, blocks=(1, 1, 1, 1), width=4)
    maps = model.blocks(model.stem(torch.randn(2, 2, samples)))
    expected = samples
    for _ in range(5):
        expected = -(-expected // 2)
    assert maps.shape == (2, 16, expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_new_block_passes_on_its_shortcut_alone(generator, stride):
    block = Bottleneck(16, 4, stride)
    maps = torch.randn(3, 16, 10, generator=generator)
    averaged = maps.unflatten(2, (-1, stride)).mean(dim=3)
    assert torch.allclose(block(maps), relu(averaged), atol=1e-6)


def test_features_are_the_mean_and_the_maximum_over_time(generator):
    model = XResNet(2, blocks=(1, 1), width=4).eval()
    signals = torch.randn(3, 2, 64, generator=generator)
    maps = model.blocks(model.stem(signals))
    features = model(signals)
    assert features.shape == (3, model.features)
    assert torch.equal(features, torch.cat([maps.mean(dim=2), maps.max(dim=2).values], dim=1))
