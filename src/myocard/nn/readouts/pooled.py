"""What to read from an encoder: mixtures of its layers' pooled states (ECG-Soup, arXiv 2509.00102).

Every readout takes the states h_0 … h_L of a record, returns the features that a head reads, and
tells by ``weights`` how much of each layer went into them. Pooling and mixing are both linear, so
the same modules serve cached states (probing) and live ones (fine-tuning).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import vmap

from myocard.nn.readouts.sums import weighted_sum
from myocard.nn.shapes import LayerWeights, Representation, States


class Readout(nn.Module, ABC):
    """States in, features out.

    Attributes:
        features: Width of what ``forward`` returns.
    """

    features: int

    @abstractmethod
    def forward(self, states: States) -> Representation: ...

    @abstractmethod
    def weights(self, states: States) -> LayerWeights:
        """The share of each layer in the features of each record; rows sum to one."""


Combine = Callable[[nn.LayerNorm, LayerWeights, States], Representation]
"""From the encoder's final norm, the weights of layers and their states to features."""


def norm_of_mixture(norm: nn.LayerNorm, weights: LayerWeights, states: States) -> Representation:
    """Z = LN(Σ_l g_l h_l), as in ECG-Soup: a layer of larger norm counts for more."""
    return norm(weighted_sum(weights, states))


def mixture_of_norms(norm: nn.LayerNorm, weights: LayerWeights, states: States) -> Representation:
    """Z = Σ_l g_l LN(h_l): each layer counts by its weight, whatever its norm."""
    return weighted_sum(weights, norm(states))


class LayerMixture(Readout, ABC):
    """The layers of a record summed with one weight each.

    Args:
        norm: The encoder's final norm.
        combine: Whether it comes after the sum or before.
    """

    def __init__(self, norm: nn.LayerNorm, combine: Combine = norm_of_mixture) -> None:
        super().__init__()
        self.norm = norm
        self.combine = combine
        self.features = norm.normalized_shape[0]

    def forward(self, states: States) -> Representation:
        return self.combine(self.norm, self.weights(states), states)


class FixedMixture(LayerMixture):
    """The same given weights for every record: a single layer, or PPA's average (Scheme I)."""

    shares: Tensor

    def __init__(
        self, norm: nn.LayerNorm, shares: Tensor, combine: Combine = norm_of_mixture
    ) -> None:
        super().__init__(norm, combine)
        self.register_buffer("shares", shares)

    def weights(self, states: States) -> LayerWeights:
        return self.shares.to(states).expand(states.shape[0], -1)


class ScalarMixture(LayerMixture):
    """One learned weight per layer for all records (ELMo, Peters et al. 2018, eq. 1).

    The weights start equal. ELMo's global scale is left out: every head begins with a batch norm,
    which undoes it. The embedding h_0 is not mixed in.
    """

    def __init__(self, norm: nn.LayerNorm, depth: int, combine: Combine = norm_of_mixture) -> None:
        super().__init__(norm, combine)
        self.scores = nn.Parameter(torch.zeros(depth))

    def weights(self, states: States) -> LayerWeights:
        shares = torch.cat([self.scores.new_zeros(1), self.scores.softmax(dim=0)])
        return shares.expand(states.shape[0], -1)


GateInput = Callable[[States], Representation]


def embedding(states: States) -> Representation:
    """h_0."""
    return states[:, 0]


def last_block(states: States) -> Representation:
    """h_L."""
    return states[:, -1]


def mean_block(states: States) -> Representation:
    """(1/L) Σ_{l=1..L} h_l."""
    return states[:, 1:].mean(dim=1)


class GatedMixture(LayerMixture):
    """PMA (Scheme II): a gate looks at one state of a record and weighs layers 1 … L for it.

    Args:
        norm: The encoder's final norm.
        gate: From that state to a score for each block.
        reads: Which state it looks at; the embedding in ECG-Soup.
    """

    def __init__(self, norm: nn.LayerNorm, gate: nn.Module, reads: GateInput = embedding) -> None:
        super().__init__(norm)
        self.gate = gate
        self.reads = reads

    def weights(self, states: States) -> LayerWeights:
        shares = self.gate(self.reads(states)).softmax(dim=1)
        return torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1)


class Concatenation(Readout):
    """All blocks' states side by side, each normalised; weighing them is left to the head."""

    def __init__(self, norm: nn.LayerNorm, depth: int) -> None:
        super().__init__()
        self.norm = norm
        self.features = depth * norm.normalized_shape[0]

    def forward(self, states: States) -> Representation:
        return self.norm(states[:, 1:]).flatten(1)

    def weights(self, states: States) -> LayerWeights:
        shares = torch.full_like(states[:, :, 0], 1 / (states.shape[1] - 1))
        return torch.cat([torch.zeros_like(shares[:, :1]), shares[:, 1:]], dim=1)


class AttentiveFusion(Readout):
    """Learned queries attend over the blocks' normalised states (after ALF, arXiv 2601.09322).

    Each head has one query and weighs its own slice of the width. Values are the states themselves:
    a linear map of them would only repeat what the head that follows can do.
    """

    def __init__(self, norm: nn.LayerNorm, heads: int = 4) -> None:
        super().__init__()
        width = norm.normalized_shape[0]
        self.norm = norm
        self.features = width
        # Without bias: it would add the same to every layer's score, which the softmax takes away.
        self.keys = nn.Linear(width, width, bias=False)
        self.queries = nn.Parameter(torch.empty(heads, width // heads).normal_(std=0.02))

    def forward(self, states: States) -> Representation:
        normed = self.norm(states[:, 1:])
        values = normed.unflatten(-1, self.queries.shape)
        heads = vmap(weighted_sum, in_dims=2, out_dims=1)
        return heads(self.attention(normed), values).flatten(1)

    def attention(self, normed: States) -> Tensor:
        # qᵀ(Wx) = (Wᵀq)ᵀx: one product a head in place of one a layer and record.
        keys = self.keys.weight.unflatten(0, self.queries.shape)
        asked = torch.einsum("hdw,hd->hw", keys, self.queries)
        # Heads are rows, and so are those of all models of a stack: one product, rows side by side.
        scores = (asked @ normed.flatten(0, 1).mT).unflatten(1, normed.shape[:2]).movedim(0, 2)
        return (scores / self.queries.shape[1] ** 0.5).softmax(dim=1)

    def weights(self, states: States) -> LayerWeights:
        shares = self.attention(self.norm(states[:, 1:])).mean(dim=2)
        return torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1)


def single_layer(norm: nn.LayerNorm, depth: int, layer: int) -> Readout:
    """Z = LN(h_layer)."""
    shares = torch.zeros(depth + 1)
    shares[layer] = 1
    return FixedMixture(norm, shares)


def last_layer(norm: nn.LayerNorm, depth: int) -> Readout:
    """Z = LN(h_L): what everybody reads."""
    return single_layer(norm, depth, depth)


def equal_shares(depth: int) -> Tensor:
    """The same for every block, nothing for the embedding."""
    shares = torch.full((depth + 1,), 1 / depth)
    shares[0] = 0
    return shares


def average(norm: nn.LayerNorm, depth: int) -> Readout:
    """PPA: z = LN((1/L) Σ_{l=1..L} h_l)."""
    return FixedMixture(norm, equal_shares(depth))


def average_of_normed(norm: nn.LayerNorm, depth: int) -> Readout:
    """PPA of normalised states: z = (1/L) Σ_{l=1..L} LN(h_l)."""
    return FixedMixture(norm, equal_shares(depth), mixture_of_norms)


def scalar_mix(norm: nn.LayerNorm, depth: int) -> Readout:
    return ScalarMixture(norm, depth)


def scalar_mix_of_normed(norm: nn.LayerNorm, depth: int) -> Readout:
    return ScalarMixture(norm, depth, mixture_of_norms)


def gate(width: int, depth: int) -> nn.Module:
    """The gate of PMA: LayerNorm, D–256–128–L with GELU and dropout .1 (ECG-Soup)."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, 256),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(256, 128),
        nn.GELU(),
        nn.Dropout(0.1),
        nn.Linear(128, depth),
    )


def gated(norm: nn.LayerNorm, depth: int) -> Readout:
    """PMA with a trained gate."""
    return GatedMixture(norm, gate(norm.normalized_shape[0], depth))


def gated_by_last(norm: nn.LayerNorm, depth: int) -> Readout:
    """PMA whose gate looks at h_L."""
    return GatedMixture(norm, gate(norm.normalized_shape[0], depth), last_block)


def gated_by_mean(norm: nn.LayerNorm, depth: int) -> Readout:
    """PMA whose gate looks at the mean of the blocks."""
    return GatedMixture(norm, gate(norm.normalized_shape[0], depth), mean_block)


def gated_at_random(norm: nn.LayerNorm, depth: int) -> Readout:
    """PMA whose gate stays as it was drawn: the ablation that a gate has to beat."""
    # The gate alone is frozen: the norm is the encoder's and may be trained with it.
    frozen = gate(norm.normalized_shape[0], depth).requires_grad_(requires_grad=False)
    return GatedMixture(norm, frozen)


def concatenation(norm: nn.LayerNorm, depth: int) -> Readout:
    return Concatenation(norm, depth)


def attentive(norm: nn.LayerNorm, depth: int) -> Readout:
    return AttentiveFusion(norm)


Builder = Callable[[nn.LayerNorm, int], Readout]

READOUTS: dict[str, Builder] = {
    "last": last_layer,
    "ppa": average,
    "ppa-normed": average_of_normed,
    "pma": gated,
    "pma-frozen-gate": gated_at_random,
    "pma-last": gated_by_last,
    "pma-mean": gated_by_mean,
    "scalar-mix": scalar_mix,
    "scalar-mix-normed": scalar_mix_of_normed,
    "concat": concatenation,
    "alf": attentive,
}


def build_readout(name: str, norm: nn.LayerNorm, depth: int, layer: int | None = None) -> Readout:
    """A readout by name over ``norm``, the encoder's own; ``layer`` reads that layer alone."""
    return READOUTS[name](norm, depth) if layer is None else single_layer(norm, depth, layer)
