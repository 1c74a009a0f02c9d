"""MiniRocket (Dempster, Schmidt, Webb, KDD 2021, arXiv 2012.08791): features without learning.

A baseline that an encoder should beat: 84 fixed convolution kernels at many dilations, and for
each the share of time its output lies above a bias. A ridge classifier does the rest.
"""

import math
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from myocard.nn.shapes import Representation, Signals

_LENGTH = 9
_MOST_DILATIONS = 32
_GOLDEN = (math.sqrt(5) + 1) / 2

Mixing = Float[Tensor, "dilations 84 leads"]
Biases = Float[Tensor, "84 biases"]


def kernels() -> Float[Tensor, "84 9"]:
    """Return all kernels of nine weights, six of them −1 and three 2: each sums to zero."""
    rows = torch.full((math.comb(_LENGTH, 3), _LENGTH), -1.0)
    for row, places in zip(rows, combinations(range(_LENGTH), 3), strict=True):
        row[list(places)] = 2.0
    return rows


def dilations(samples: int, biases: int) -> dict[int, int]:
    """Return the dilations that fit a signal, and the number of a kernel's ``biases`` of each.

    They are exponentially spaced; the widest kernel is as long as the signal.
    """
    if samples < _LENGTH:
        raise ValueError(f"{samples} samples are fewer than a kernel's {_LENGTH}")
    steps = min(biases, _MOST_DILATIONS)
    top = math.log2((samples - 1) / (_LENGTH - 1))
    spaced = torch.logspace(0, top, steps, base=2, dtype=torch.float64)
    # 2^log2(n) may fall just short of a whole n.
    found, often = (spaced + 1e-9).long().unique(return_counts=True)
    shares = (often * biases / steps).long()
    shares[: biases - int(shares.sum())] += 1
    return dict(zip(found.tolist(), shares.tolist(), strict=True))


class MiniRocket(nn.Module):
    """Shares of positive values of fixed convolutions.

    Args:
        spread: Dilations, and the number of biases of each, as ``dilations`` gives them.
        mixing: 1 where a kernel at a dilation reads a lead; the leads it reads are added up.
        biases: Biases of every kernel, dilation after dilation.
    """

    def __init__(self, spread: dict[int, int], mixing: Mixing, biases: Biases) -> None:
        super().__init__()
        self.spread = spread
        self.mixing = nn.Buffer(mixing)
        self.biases = nn.Buffer(biases)
        self.kernels = nn.Buffer(kernels())

    @classmethod
    def fit(cls, signals: Signals, *, features: int = 9996, seed: int = 0) -> "MiniRocket":
        """Draw leads at random, and biases from the outputs of random examples.

        Args:
            signals: Training examples, of at least nine samples.
            features: Number of features, rounded down to a multiple of 84.
            seed: The same seed gives the same features.
        """
        count = len(kernels())
        spread = dilations(signals.shape[2], features // count)
        generator = torch.Generator().manual_seed(seed)
        mixing = _random_leads(len(spread), signals.shape[1], generator)
        rocket = cls(spread, mixing.to(signals), torch.empty(count, features // count).to(signals))
        quantiles = (torch.arange(1, features // count * count + 1).double() * _GOLDEN) % 1
        parts = quantiles.split([count * each for each in spread.values()])
        drawn = []
        for index, part in enumerate(parts):
            chosen = torch.randint(len(signals), (count,), generator=generator)
            outputs = rocket._convolve(signals[chosen], index).diagonal().T
            drawn.append(_quantiles(outputs, part.reshape(count, -1).to(signals)))
        rocket.biases = nn.Buffer(torch.cat(drawn, dim=1))
        return rocket

    @torch.inference_mode()
    def forward(self, signals: Signals) -> Representation:
        parts = self.biases.split(list(self.spread.values()), dim=1)
        shares = [self._shares(signals, index, part) for index, part in enumerate(parts)]
        return torch.cat(shares, dim=1)

    def _shares(self, signals: Signals, index: int, biases: Biases) -> Representation:
        """Return the shares of all kernels at one dilation; every other one skips the padding."""
        padding = _LENGTH // 2 * list(self.spread)[index]
        outputs = self._convolve(signals, index)
        shares = torch.empty(*outputs.shape[:2], biases.shape[1]).to(signals)
        for first, part in ((0, outputs), (1, outputs[..., padding:-padding])):
            rows = slice((index + first) % 2, None, 2)
            for place, bias in enumerate(biases[rows].unbind(dim=1)):
                above = (part[:, rows] > bias[:, None]).sum(dim=-1, dtype=torch.int32)
                shares[:, rows, place] = above / part.shape[-1]
        return shares.flatten(1)

    def _convolve(self, signals: Signals, index: int) -> Float[Tensor, "batch 84 samples"]:
        dilation = list(self.spread)[index]
        weights = self.mixing[index, :, :, None] * self.kernels[:, None]
        padding = _LENGTH // 2 * dilation
        return functional.conv1d(signals, weights, padding=padding, dilation=dilation)


def _random_leads(dilations: int, leads: int, generator: torch.Generator) -> Mixing:
    """Draw 1 to 9 leads for each kernel at each dilation; fewer are likelier."""
    shape = (dilations, math.comb(_LENGTH, 3), leads)
    top = math.log2(min(leads, _LENGTH) + 1)
    often = (2 ** (torch.rand(shape[:2], generator=generator) * top)).floor()
    ranks = torch.rand(shape, generator=generator).argsort(dim=-1).argsort(dim=-1)
    return (ranks < often[..., None]).float()


def _quantiles(
    values: Float[Tensor, "rows samples"], levels: Float[Tensor, "rows biases"]
) -> Float[Tensor, "rows biases"]:
    """Compute quantiles of each row at levels of its own, linear between its values."""
    ordered = values.sort(dim=1).values
    place = levels * (values.shape[1] - 1)
    below = place.long()
    above = (below + 1).clamp(max=values.shape[1] - 1)
    return torch.lerp(ordered.gather(1, below), ordered.gather(1, above), place - below)
