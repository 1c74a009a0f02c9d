"""Layers that differ in width: read side by side, or mapped to one width.

States of such layers lie one behind the other in each record.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from myocard.nn.readouts.pooled import Readout
from myocard.nn.shapes import JoinedStates, LayerWeights, Representation, States


class SideBySide(Readout):
    """Some layers of different widths side by side; weighing them is left to the head.

    Args:
        norm: The encoder's final norm. It fits the last layer, and is applied to that one alone.
        widths: Width of every layer.
        layers: The layers that are read.
    """

    def __init__(self, norm: nn.Module, widths: Sequence[int], layers: Sequence[int]) -> None:
        super().__init__()
        self.norm = norm
        self.widths, self.layers = tuple(widths), tuple(layers)
        self.features = sum(widths[layer] for layer in layers)

    def forward(self, states: JoinedStates) -> Representation:
        *parts, last = states.split(self.widths, dim=1)
        parts.append(self.norm(last))
        return torch.cat([parts[layer] for layer in self.layers], dim=1)

    def layer_weights(self, states: JoinedStates) -> LayerWeights:
        shares = states.new_zeros(len(self.widths))
        shares[list(self.layers)] = 1 / len(self.layers)
        return shares.expand(states.shape[0], -1)


class LayerMaps(nn.Module):
    """Linear maps of every layer to one width; zeros until they are fitted.

    Attributes:
        widths: Width of every layer.
        means: Taken off the states, ``(sum of widths,)``.
        directions: The maps, one below the other: ``(sum of widths, width)``.
    """

    def __init__(self, widths: Sequence[int], width: int) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.means = nn.Buffer(torch.zeros(sum(widths)))
        self.directions = nn.Buffer(torch.zeros(sum(widths), width))

    def forward(self, states: Tensor) -> States:
        """Map ``(records, layers, width)``, or layers one behind the other."""
        parts = (states.flatten(1) - self.means).split(self.widths, dim=1)
        maps = self.directions.split(self.widths)
        return torch.stack([part @ own for part, own in zip(parts, maps, strict=True)], dim=1)


class Mapped(Readout):
    """A readout of layers of one width, behind the maps that bring them to it."""

    def __init__(self, maps: LayerMaps, readout: Readout) -> None:
        super().__init__()
        self.maps, self.readout = maps, readout
        self.features = readout.features

    def forward(self, states: Tensor) -> Representation:
        features: Representation = self.readout(self.maps(states))
        return features

    def layer_weights(self, states: Tensor) -> LayerWeights:
        return self.readout.layer_weights(self.maps(states))
