"""One pass of a frozen encoder over some windows: what it tells of each layer."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import layer_norm

from myocard.data.batches import Part, Windows, in_order
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.evaluation.layers.attention import with_attention
from myocard.nn.analysis.regression import normal_equations, solve_ridge, squared_errors
from myocard.nn.analysis.representation import matrix_entropy, token_similarity
from myocard.nn.encoder import patch_tokens
from myocard.nn.objectives.masked import standardise_patches
from myocard.nn.objectives.masks import each_lead
from myocard.nn.patches import patchify
from myocard.nn.shapes import Patches, Signals, Tokens

BATCH = 16
MASK_RATIO = 0.75
PENALTY = 1.0

Rows = NDArray[np.int64]
EveryLayer = list[Float[Tensor, "batch _ _"]]
"""The tokens of every layer, whose number and width may differ from layer to layer."""
Maps = dict[str, Float[Tensor, "layers columns patch"]]
"""Maps of a layer's tokens to the patch that each stands for (``own``) and to a hidden one beside
it (``hidden``)."""


@dataclass(frozen=True, eq=False)
class Observer:
    """An encoder on the device where it is to run, its records, and who is told of progress.

    Attributes:
        encoder: In evaluation mode.
        store: The records.
        progress: Called with the number of records that are done.
    """

    encoder: ECGEncoder
    store: Store
    progress: Callable[[int], object]

    @classmethod
    def of(cls, encoder: ECGEncoder, store: Store, progress: Callable[[int], object]) -> "Observer":
        """Observe any encoder; one whose patches are known tells how well tokens draw them."""
        encoder.network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        if isinstance(encoder, MyocardEncoder):
            return PatchObserver(encoder, store, progress)
        return cls(encoder, store, progress)

    def batches(self, rows: Rows, before: int = 0) -> Iterator[Signals]:
        """The windows of ``rows``; ``before`` records were done earlier."""
        device, done = next(self.encoder.network.parameters()).device, before
        for signals in in_order(Windows([Part(self.store, rows)], self.encoder.input), BATCH):
            yield signals.to(device)
            done += len(signals)
            self.progress(done)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        """Every layer in order, as the other methods take them."""
        return self.encoder.hidden_states(signals)

    def tokens(self, layers: EveryLayer) -> EveryLayer:
        """The tokens that stand for a part of the signal, of ``layers`` with all tokens."""
        return layers

    def halves(self, signals: Signals) -> Tensor | None:
        """Pooled states of the two halves of every window, where they can be read."""
        return None

    def measures(self, layers: EveryLayer) -> dict[str, Tensor]:
        """Measures of each record in every layer, ``(records, layers)``."""
        tokens = self.tokens(layers)
        return {
            "token_entropy": torch.stack([matrix_entropy(x) for x in tokens], dim=1),
            "token_similarity": torch.stack([token_similarity(x) for x in tokens], dim=1),
        }

    def pairs(self, signals: Signals, layers: EveryLayer) -> "Iterator[tuple[str, Pairs]]":
        """Tokens and the patches that they should tell, where tokens stand for patches."""
        return iter(())


class PatchObserver(Observer):
    """Observation of a Transformer over patches, whose patches are known."""

    encoder: MyocardEncoder

    def states(self, signals: Signals) -> Iterator[Tokens]:
        network = self.encoder.network
        return network.layers(network.tokens(signals, self.encoder.input.leads))

    def tokens(self, layers: EveryLayer) -> EveryLayer:
        leads = len(self.encoder.input.leads)
        return [patch_tokens(x, leads).flatten(1, 2) for x in layers]

    def halves(self, signals: Signals) -> Tensor:
        """Each half is read as a record of that length."""
        patch = self.encoder.network.shape.patch
        samples = signals.shape[-1] // patch // 2 * patch
        halves = (signals[..., :samples], signals[..., -samples:])
        return torch.stack([joined_states(self.encoder, half) for half in halves], dim=1)

    def pairs(self, signals: Signals, layers: EveryLayer) -> "Iterator[tuple[str, Pairs]]":
        patches = standardise_patches(patchify(signals, self.encoder.network.shape.patch))
        yield "own", self._paired(layers, patches, torch.ones_like(patches[..., 0]).bool())
        yield "hidden", self._hidden_pairs(signals, patches)

    def _hidden_pairs(self, signals: Signals, patches: Patches) -> "Pairs":
        """The visible tokens of a masked input, and the patch behind each, where it is hidden."""
        network = self.encoder.network
        embedded = network.embed(signals)
        mask = each_lead(embedded, MASK_RATIO)
        tokens = network.assemble(mask.visible(embedded), self.encoder.input.leads)
        layers = list(network.layers(tokens))
        # The last patch has none behind it; where it is visible, it is not hidden.
        behind = (mask.patches + 1).clamp(max=patches.shape[2] - 1)
        nearby = patches.gather(2, behind[..., None].expand(*behind.shape, patches.shape[-1]))
        return self._paired(layers, nearby, mask.hidden.gather(2, behind))

    def _paired(
        self, layers: EveryLayer, patches: Patches, chosen: Bool[Tensor, "batch leads patches"]
    ) -> "Pairs":
        leads = len(self.encoder.input.leads)
        tokens = torch.stack([patch_tokens(x, leads)[chosen] for x in layers])
        return Pairs(layer_norm(tokens, tokens.shape[-1:]), patches[chosen], chosen.nonzero()[:, 0])


class Description(NamedTuple):
    """Measures of the states of some records.

    Attributes:
        states: Pooled, of every record; one tensor a layer.
        halves: Pooled, of the two halves of every record; None where halves cannot be read.
        measures: By name, one number a record and layer; NaN where a layer has none.
        maps: Fitted on the records.
    """

    states: list[Float[Tensor, "records _"]]
    halves: Float[Tensor, "records halves layers width"] | None
    measures: dict[str, Float[Tensor, "records layers"]]
    maps: Maps


class Misses(NamedTuple):
    """Errors of a map on the patches of each record, and the variance that it could explain.

    Attributes:
        errors: Sums of squared errors.
        squares: Sums of the patches' squares.
        sums: Sums of the patches, sample by sample.
        number: Number of patches.
    """

    errors: Float[Tensor, "records layers"]
    squares: Float[Tensor, " records"]
    sums: Float[Tensor, "records patch"]
    number: Float[Tensor, " records"]


class Pairs(NamedTuple):
    """Every layer's tokens, normed as a decoder would, and the patch that each should tell."""

    tokens: Float[Tensor, "layers rows width"]
    patches: Float[Tensor, "rows patch"]
    records: Int[Tensor, " rows"]


@torch.inference_mode()
def describe(observer: Observer, rows: Rows) -> Description:
    """Describe every layer on some records, and fit the maps from its tokens to patches."""
    states, halves, measures = [], [], []
    equations: dict[str, Tensor] = {}
    for signals in observer.batches(rows):
        layers, attention = with_attention(observer.encoder, observer.states(signals))
        pooled = [observer.encoder.pool(tokens) for tokens in observer.tokens(layers)]
        states.append(pooled)
        halves.append(observer.halves(signals))
        measures.append(observer.measures(layers) | attention)
        for name, pairs in observer.pairs(signals, layers):
            sums = normal_equations(pairs.tokens, pairs.patches)
            equations[name] = equations.get(name, 0) + sums
    split = [each for each in halves if each is not None]
    return Description(
        [torch.cat(parts).cpu() for parts in zip(*states, strict=True)],
        torch.cat(split).cpu() if split else None,
        {name: torch.cat([each[name] for each in measures]).cpu() for name in measures[0]},
        {name: solve_ridge(total, PENALTY) for name, total in equations.items()},
    )


@torch.inference_mode()
def reconstruct(observer: Observer, maps: Maps, rows: Rows, before: int = 0) -> dict[str, Misses]:
    """Apply maps that were fitted on other records; ``before`` records were done earlier."""
    found: dict[str, list[Misses]] = {name: [] for name in maps}
    for signals in observer.batches(rows, before):
        for name, pairs in observer.pairs(signals, list(observer.states(signals))):
            found[name].append(_misses(pairs, maps[name], len(signals)))
    return {
        name: Misses(*(torch.cat(parts).cpu() for parts in zip(*each, strict=True)))
        for name, each in found.items()
    }


def _misses(pairs: Pairs, coefficients: Tensor, records: int) -> Misses:
    def by_record(rows: Tensor) -> Tensor:
        return rows.new_zeros(records, *rows.shape[1:]).index_add(0, pairs.records, rows)

    errors = squared_errors(pairs.tokens, pairs.patches, coefficients).T
    squares = pairs.patches.square().sum(dim=1)
    return Misses(
        by_record(errors), by_record(squares), by_record(pairs.patches),
        by_record(torch.ones_like(squares)),
    )  # fmt: skip
