"""What one pass of a frozen encoder over some windows tells of each of its layers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import layer_norm

from myocard.data.batches import Part, Windows, in_order
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.nn.analysis.attention import attention_statistics, attention_weights
from myocard.nn.analysis.regression import normal_equations, solve_ridge, squared_errors
from myocard.nn.analysis.representation import matrix_entropy, token_similarity
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.objectives.masked import standardise_patches
from myocard.nn.objectives.masks import each_lead
from myocard.nn.patches import patchify
from myocard.nn.shapes import Layers, Patches, Signals, States
from myocard.nn.transformer import Block

BATCH = 16
MASK_RATIO = 0.75
PENALTY = 1.0

Report = Callable[[int], None]
Maps = dict[str, Float[Tensor, "layers columns patch"]]
"""From a layer's tokens to the patch that each stands for (``own``) and to a hidden one beside it
(``hidden``)."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """An encoder in evaluation mode, on the device where it is to run, and what it is fed."""

    encoder: Encoder
    preprocessing: Preprocessing

    @property
    def leads(self) -> tuple[str, ...]:
        return self.preprocessing.leads

    def batches(self, store: Store, rows: NDArray[np.int64]) -> Iterator[Signals]:
        windows = Windows([Part(store, rows)], self.preprocessing)
        device = self.encoder.positions.device
        return (signals.to(device) for signals in in_order(windows, BATCH))


class Description(NamedTuple):
    """What is true of the states of some records.

    Attributes:
        states: Pooled, of every record.
        halves: Pooled, of the two halves of every record.
        measures: By name, one number a record and layer; NaN where a layer has none.
        maps: Fitted on the records.
    """

    states: States
    halves: Float[Tensor, "records halves layers width"]
    measures: dict[str, Float[Tensor, "records layers"]]
    maps: Maps


class Misses(NamedTuple):
    """How far a map was from the patches of each record, and what there was to miss.

    Attributes:
        errors: Sums of squared errors.
        squares: Sums of the patches' squares.
        sums: Of the patches, sample by sample.
        number: Of patches.
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
def describe(specimen: Specimen, batches: Iterable[Signals], report: Report) -> Description:
    """Describe every layer, and fit the maps from its tokens to patches."""
    states, halves, measures = [], [], []
    equations: dict[str, Tensor] = {}
    for signals in batches:
        layers = specimen.encoder(signals, specimen.leads)
        states.append(_pooled(specimen, layers))
        halves.append(
            torch.stack([_pooled(specimen, x) for x in _halves(specimen, signals)], dim=1)
        )
        measures.append(_of_tokens(specimen, layers) | _of_attention(specimen, layers))
        for name, pairs in _pairs(specimen, signals, layers):
            found = normal_equations(pairs.tokens, pairs.patches)
            equations[name] = equations.get(name, 0) + found
        report(len(signals))
    return Description(
        torch.cat(states).cpu(),
        torch.cat(halves).cpu(),
        {name: torch.cat([each[name] for each in measures]).cpu() for name in measures[0]},
        {name: solve_ridge(total, PENALTY) for name, total in equations.items()},
    )


@torch.inference_mode()
def reconstruct(
    specimen: Specimen, maps: Maps, batches: Iterable[Signals], report: Report
) -> dict[str, Misses]:
    """Apply maps that were fitted on other records."""
    found: dict[str, list[Misses]] = {name: [] for name in maps}
    for signals in batches:
        layers = specimen.encoder(signals, specimen.leads)
        for name, pairs in _pairs(specimen, signals, layers):
            found[name].append(_misses(pairs, maps[name], len(signals)))
        report(len(signals))
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


def _pairs(specimen: Specimen, signals: Signals, layers: Layers) -> Iterator[tuple[str, Pairs]]:
    patches = standardise_patches(patchify(signals, specimen.encoder.shape.patch))
    yield "own", _paired(specimen, layers, patches, torch.ones_like(patches[..., 0]).bool())
    yield "hidden", _hidden_pairs(specimen, signals, patches)


def _hidden_pairs(specimen: Specimen, signals: Signals, patches: Patches) -> Pairs:
    """The visible tokens of a masked input, and the patch behind each, where it is hidden."""
    encoder = specimen.encoder
    embedded = encoder.embed(signals)
    mask = each_lead(embedded, MASK_RATIO)
    tokens = encoder.assemble(mask.visible(embedded), specimen.leads)
    layers = torch.stack(list(encoder.layers(tokens)))
    # The last patch has none behind it; where it is visible, it is not hidden.
    behind = (mask.patches + 1).clamp(max=patches.shape[2] - 1)
    nearby = patches.gather(2, behind[..., None].expand(*behind.shape, patches.shape[-1]))
    return _paired(specimen, layers, nearby, mask.hidden.gather(2, behind))


def _paired(
    specimen: Specimen,
    layers: Layers,
    patches: Patches,
    chosen: Bool[Tensor, "batch leads patches"],
) -> Pairs:
    tokens = torch.stack([patch_tokens(x, len(specimen.leads))[chosen] for x in layers])
    return Pairs(layer_norm(tokens, tokens.shape[-1:]), patches[chosen], chosen.nonzero()[:, 0])


def _pooled(specimen: Specimen, layers: Layers) -> States:
    means = [patch_tokens(x, len(specimen.leads)).mean(dim=(1, 2)) for x in layers]
    return torch.stack(means, dim=1)


def _halves(specimen: Specimen, signals: Signals) -> Iterator[Layers]:
    """The first and the last half of each window, each read as a record of that length."""
    patch = specimen.encoder.shape.patch
    samples = signals.shape[-1] // patch // 2 * patch
    for half in (signals[..., :samples], signals[..., -samples:]):
        yield specimen.encoder(half, specimen.leads)


def _of_tokens(specimen: Specimen, layers: Layers) -> dict[str, Tensor]:
    tokens = [patch_tokens(x, len(specimen.leads)).flatten(1, 2) for x in layers]
    return {
        "token_entropy": torch.stack([matrix_entropy(x) for x in tokens], dim=1),
        "token_similarity": torch.stack([token_similarity(x) for x in tokens], dim=1),
    }


def _of_attention(specimen: Specimen, layers: Layers) -> dict[str, Tensor]:
    """Of the block that a layer comes out of; the embedding comes out of none."""
    found = []
    blocks = cast("Sequence[Block]", specimen.encoder.blocks)
    for block, tokens in zip(blocks, layers[:-1], strict=True):
        weights = attention_weights(block.attention, block.attention_norm(tokens))
        found.append(attention_statistics(weights, len(specimen.leads)))
    entropy, distance, across, separators = (
        torch.stack([torch.full_like(each[0], torch.nan), *each], dim=1)
        for each in zip(*found, strict=True)
    )
    return {
        "attention_entropy": entropy,
        "attention_seconds": distance * specimen.encoder.shape.patch / specimen.preprocessing.rate,
        "attention_across": across,
        "attention_separators": separators,
    }
