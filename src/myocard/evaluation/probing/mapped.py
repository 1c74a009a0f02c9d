"""Layers of any widths mapped to one width, by principal components of the training records.

A layer's axes are those of its states' covariance, the largest variance first. One factor a layer
brings the mean squared length of its centred states to N, the common width, as a norm would: no
layer counts for more because its numbers are larger. A layer with fewer axes than N is filled up
with zeros. The encoder's norm does not fit what comes of it and is left out.
"""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.encoders.protocol import Layer
from myocard.evaluation.features import Features
from myocard.evaluation.probing.stream import Stream
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.widths import LayerMaps, Mapped

_CHUNK = 512


class MappedSource:
    """A source of states whose layers are mapped to one width; it has the names of ``Features``.

    Args:
        source: The states as they are.
        rows: The training records, on which the maps are fitted when they are first needed.
        width: The common width.
    """

    def __init__(self, source: Features | Stream, rows: NDArray[np.int64], width: int) -> None:
        self.encoder, self.store, self.leads = source.encoder, source.store, source.leads
        self.records, self.known, self.seconds = source.records, source.known, source.seconds
        self.layers = tuple(Layer(layer.name, width) for layer in source.layers)
        self.norm = nn.Identity()
        self._source, self._rows, self._width = source, rows, width

    @cached_property
    def maps(self) -> LayerMaps:
        maps = LayerMaps([layer.width for layer in self._source.layers], self._width)
        fit_maps(maps, self._source.pooled()[self._rows])
        return maps

    def pooled(self) -> Tensor:
        """All states, ``(records, layers, width)``."""
        return self._pooled

    @cached_property
    @torch.no_grad()
    def _pooled(self) -> Tensor:
        parts = self._source.pooled().split(_CHUNK)
        return torch.cat([self.maps(some.float()) for some in parts])

    def unmapped(self, classifier: Classifier) -> Classifier:
        """The same classifier, of states as they are."""
        return Classifier(Mapped(self.maps, classifier.readout), classifier.head)

    @torch.no_grad()
    def states_of(self, rows: NDArray[np.int64]) -> Tensor:
        """The states of some records."""
        mapped: Tensor = self.maps(self._source.states_of(rows).float())
        return mapped


@torch.no_grad()
def fit_maps(maps: LayerMaps, states: Tensor) -> None:
    """Fit the maps on states ``(records, layers, width)``, or with layers one behind the other."""
    width, found = maps.directions.shape[1], []
    for part in states.flatten(1).split(maps.widths, dim=1):
        layer = part.double()
        mean = layer.mean(dim=0)
        found.append((mean, _directions(layer - mean, width)))
    means, directions = zip(*found, strict=True)
    maps.means.copy_(torch.cat(means))
    maps.directions.copy_(torch.cat(directions))


def _directions(centred: Float[Tensor, "records own"], width: int) -> Float[Tensor, "own width"]:
    """The scaled principal axes; each has its largest component above zero."""
    variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    variances, axes = variances.flip(0)[:width], axes.flip(1)[:, :width]
    signs = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    whole = variances.clamp(min=0).sum()
    factor = (width / whole).sqrt() if whole > 0 else whole
    return nn.functional.pad(factor * signs * axes, (0, width - axes.shape[1]))
