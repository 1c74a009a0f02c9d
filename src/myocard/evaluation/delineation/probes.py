"""Probes of the tokens of every layer: fitted in one pass over an encoder, scored in another."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Part, Windows, in_order
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, differ_in_width
from myocard.errors import InputError
from myocard.evaluation.delineation.tokens import LABELS, Grid, in_rows
from myocard.evaluation.probing.ridge import Moments
from myocard.metrics.boundaries import Tallies, runs, tally
from myocard.waves import Delineation

BATCH = 16

Rows = NDArray[np.int64]
Heads = Sequence[Sequence[nn.Module]]
"""The heads of each layer."""


@dataclass(frozen=True, eq=False)
class Reader:
    """An encoder, and records whose waves are known.

    Attributes:
        encoder: In evaluation mode, on the device where it is to run.
        store: The records.
        truth: The waves of each record in the encoder's window, a delineation a row of tokens.
        progress: Called with the number of records of every batch.
    """

    encoder: ECGEncoder
    store: Store
    truth: Sequence[Sequence[Delineation]]
    progress: Callable[[int], object]

    @torch.inference_mode()
    def gather(self, rows: Rows) -> list[Moments]:
        """Gather the moments of every layer's tokens and of their labels, one layer at a time.

        Raises:
            InputError: When there is no token of which all samples are known.
        """
        found: list[Moments] = []
        samples, rate = self.encoder.input.samples, self.encoder.input.rate
        for some, layers in self._batches(rows):
            delineations = [self.truth[row] for row in some]
            labels = torch.from_numpy(
                np.stack([[x.labels(samples, rate) for x in each] for each in delineations])
            )
            for layer, tokens in enumerate(layers):
                grid = Grid(samples, tokens.shape[2])
                if layer == len(found):
                    found.append(Moments(tokens.shape[3], grid.positions * LABELS, number=True))
                targets, known = grid.targets(labels)
                found[layer].add(tokens[known], targets[known])
        if not all(moments.records for moments in found):
            raise InputError(
                f"{self.store.folder}: no token of {self.encoder.info.name} stands for samples "
                "whose waves are known; give marks of its leads and of its window"
            )
        return found

    @torch.inference_mode()
    def score(self, rows: Rows, heads: Heads) -> Tallies:
        """Count what every head finds: ``(records, layers, heads, …)``, as ``tally`` does."""
        found = []
        for some, layers in self._batches(rows):
            by_layer = [self._of_layer(some, *each) for each in zip(layers, heads, strict=True)]
            found.append(np.stack(by_layer, axis=1))
        return np.concatenate(found)

    def _of_layer(self, rows: Sequence[int], tokens: Tensor, heads: Sequence[nn.Module]) -> Tallies:
        grid, shape = Grid(self.encoder.input.samples, tokens.shape[2]), tokens.shape[:3]
        by_head = []
        for head in heads:
            labels = grid.labels(head(tokens.flatten(0, 2)).unflatten(0, shape))
            by_head.append([self._of_record(*each) for each in zip(rows, labels, strict=True)])
        return np.stack(by_head, axis=1)

    def _of_record(self, row: int, labels: NDArray[np.int8]) -> Tallies:
        rate, truth = self.encoder.input.rate, self.truth[row]
        pairs = zip(truth, labels, strict=True)
        return np.sum([tally(true, runs(found, rate)) for true, found in pairs], axis=0)

    def _batches(self, rows: Rows) -> Iterator[tuple[list[int], Iterator[Tensor]]]:
        """Rows of the store, and the tokens of each layer, ``(records, rows, tokens, width)``."""
        device = next(self.encoder.network.parameters()).device
        windows = Windows([Part(self.store, rows)], self.encoder.input)
        for place, signals in enumerate(in_order(windows, BATCH)):
            yield rows[place * BATCH :][:BATCH].tolist(), self._layers(signals.to(device))
            self.progress(len(signals))

    def _layers(self, signals: Tensor) -> Iterator[Tensor]:
        unequal = differ_in_width(self.encoder.layers)
        norm = nn.Identity() if unequal else self.encoder.norm
        for tokens in self.encoder.hidden_states(signals):
            yield in_rows(self.encoder, norm(tokens)).float().cpu()
