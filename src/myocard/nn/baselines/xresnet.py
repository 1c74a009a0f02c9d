"""xresnet1d101: the ResNet of "Bag of Tricks" (He et al. 2019, arXiv 1812.01187) over time.

The strongest convolutional network of the PTB-XL benchmark (Strodthoff et al. 2021, arXiv
2004.13701). Depth counts the stem as one layer, three convolutions a block, and a linear layer.
"""

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn.functional import relu

from myocard.nn.shapes import Representation, Signals

BLOCKS = (3, 4, 23, 3)
_KERNEL = 5
_EXPANSION = 4


class XResNet(nn.Module):
    """A stem of three convolutions, stages of bottlenecks, and the mean and maximum over time.

    Every stage is as wide as the first, where He et al. double the width: images shrink in two
    dimensions, signals in one.

    Args:
        leads: Rows of a signal.
        blocks: Bottlenecks of each stage; all stages but the first halve the time axis.
        width: Channels within a bottleneck; four times as many go in and out.

    Attributes:
        features: Width of what ``forward`` returns.
    """

    def __init__(self, leads: int, blocks: tuple[int, ...] = BLOCKS, width: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_activated(leads, 32, stride=2),
            *_activated(32, 32),
            *_activated(32, 64),
            nn.MaxPool1d(3, stride=2, padding=1),
        )
        stages = [[1] * blocks[0], *([2] + [1] * (count - 1) for count in blocks[1:])]
        strides = [stride for stage in stages for stride in stage]
        wide = width * _EXPANSION
        self.blocks = nn.Sequential(
            *(Bottleneck(wide if k else 64, width, stride) for k, stride in enumerate(strides))
        )
        self.features = 2 * wide

    def forward(self, signals: Signals) -> Representation:
        maps = self.blocks(self.stem(signals))
        return cat([maps.mean(dim=2), maps.amax(dim=2)], dim=1)


class Bottleneck(nn.Module):
    """Three convolutions around a shortcut; a new block passes on the shortcut alone.

    The stride is in the middle convolution, and the shortcut averages where it shrinks (ResNet-B
    and -D of He et al.).
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        wide = width * _EXPANSION
        self.residual = nn.Sequential(
            *_activated(channels, width, kernel=1),
            *_activated(width, width, stride=stride),
            *_convolution(width, wide, kernel=1, scale=0),
        )
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool1d(stride, ceil_mode=True))
        if channels != wide:
            self.shortcut.extend(_convolution(channels, wide, kernel=1))

    def forward(
        self, maps: Float[Tensor, "batch channels samples"]
    ) -> Float[Tensor, "batch wide fewer"]:
        return relu(self.shortcut(maps) + self.residual(maps))


def _convolution(
    inputs: int, outputs: int, *, kernel: int = _KERNEL, stride: int = 1, scale: float = 1
) -> list[nn.Module]:
    """Build a convolution and its batch norm, whose weight starts at ``scale``."""
    convolution = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    norm = nn.BatchNorm1d(outputs)
    nn.init.kaiming_normal_(convolution.weight)
    nn.init.constant_(norm.weight, scale)
    return [convolution, norm]


def _activated(
    inputs: int, outputs: int, *, kernel: int = _KERNEL, stride: int = 1
) -> list[nn.Module]:
    """Build a convolution, its batch norm and a ReLU."""
    return [*_convolution(inputs, outputs, kernel=kernel, stride=stride), nn.ReLU()]
