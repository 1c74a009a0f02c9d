"""Mixtures of an encoder's layers, read from pooled states (ECG-Soup, arXiv 2509.00102).

Every readout takes the hidden states h_0 … h_L of a record, returns the features that a head reads,
and states by ``layer_weights`` the share of each layer in them. Pooling and mixing are both
linear, so the same modules serve cached states (probing) and live ones (fine-tuning).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from myocard.nn.readouts.dropout import Dropout
from myocard.nn.readouts.sums import weighted_sum, weighted_sums
from myocard.nn.shapes import LayerWeights, Representation, States


class Readout(nn.Module, ABC):
    """Module from states to features.

    Attributes:
        features: Width of what ``forward`` returns.
    """

    features: int

    @abstractmethod
    def forward(self, states: States) -> Representation: ...

    @abstractmethod
    def layer_weights(self, states: States) -> LayerWeights:
        """Return the share of each layer in the features of each record; rows sum to one."""


Combine = Callable[[nn.Module, LayerWeights, States], Representation]
"""Features from the encoder's final norm, the weights of layers and their states."""


def norm_of_mixture(norm: nn.Module, weights: LayerWeights, states: States) -> Representation:
    """Compute Z = LN(Σ_l g_l h_l), as in ECG-Soup: a layer of larger norm counts for more."""
    mixed: Representation = norm(weighted_sum(weights, states))
    return mixed


def mixture_of_norms(norm: nn.Module, weights: LayerWeights, states: States) -> Representation:
    """Compute Z = Σ_l g_l LN(h_l): each layer counts by its weight, whatever its norm."""
    return weighted_sum(weights, norm(states))


class LayerMixture(Readout, ABC):
    """The layers of a record summed with one weight each.

    Args:
        norm: The encoder's final norm.
        width: Width of a state.
        combine: ``norm_of_mixture`` or ``mixture_of_norms``.
    """

    def __init__(self, norm: nn.Module, width: int, combine: Combine = norm_of_mixture) -> None:
        super().__init__()
        self.norm = norm
        self.combine = combine
        self.features = width

    def forward(self, states: States) -> Representation:
        return self.combine(self.norm, self.layer_weights(states), states)


class FixedMixture(LayerMixture):
    """A mixture with the same given weights for every record."""

    def __init__(
        self, norm: nn.Module, width: int, shares: Tensor, combine: Combine = norm_of_mixture
    ) -> None:
        super().__init__(norm, width, combine)
        self.shares = nn.Buffer(shares)

    def layer_weights(self, states: States) -> LayerWeights:
        return self.shares.to(states).expand(states.shape[0], -1)


class PPA(FixedMixture):
    """Post-pretraining averaging (Scheme I): z = LN((1/L) Σ_{l=1..L} h_l)."""

    def __init__(
        self, norm: nn.Module, width: int, depth: int, combine: Combine = norm_of_mixture
    ) -> None:
        shares = torch.full((depth + 1,), 1 / depth)
        shares[0] = 0
        super().__init__(norm, width, shares, combine)


class ScalarMix(LayerMixture):
    """One learned weight per layer for all records (ELMo, Peters et al. 2018, eq. 1).

    The weights start equal; under a linear head they are solved. ELMo's global scale is left out:
    every head begins with a batch norm, which undoes it. The embedding h_0 is not mixed in.
    """

    def __init__(
        self, norm: nn.Module, width: int, depth: int, combine: Combine = norm_of_mixture
    ) -> None:
        super().__init__(norm, width, combine)
        self.scores = nn.Parameter(torch.zeros(depth))

    @torch.no_grad()
    def set_shares(self, shares: Tensor) -> None:
        """Let ``shares`` of the blocks be the weights."""
        self.scores.copy_(shares.clamp(min=1e-30).log())

    def layer_weights(self, states: States) -> LayerWeights:
        shares = torch.cat([self.scores.new_zeros(1), self.scores.softmax(dim=0)])
        return shares.expand(states.shape[0], -1)


GateInput = Callable[[States], Representation]


def embedding(states: States) -> Representation:
    """Return h_0."""
    return states[:, 0]


def last_block(states: States) -> Representation:
    """Return h_L."""
    return states[:, -1]


def mean_block(states: States) -> Representation:
    """Return (1/L) Σ_{l=1..L} h_l."""
    return states[:, 1:].mean(dim=1)


class PMA(LayerMixture):
    """Post-pretraining mixture with a gate (Scheme II): weights of layers 1 … L for each record.

    The gate is LayerNorm, D–256–128–L with GELU and dropout .1.

    Args:
        norm: The encoder's final norm.
        width: Width of a state, D.
        depth: Number of blocks, L.
        reads: The state that the gate reads; the embedding in ECG-Soup.
    """

    def __init__(
        self, norm: nn.Module, width: int, depth: int, reads: GateInput = embedding
    ) -> None:
        super().__init__(norm, width)
        self.reads = reads
        self.gate = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 256),
            nn.GELU(),
            Dropout(0.1),
            nn.Linear(256, 128),
            nn.GELU(),
            Dropout(0.1),
            nn.Linear(128, depth),
        )

    def layer_weights(self, states: States) -> LayerWeights:
        shares = self.gate(self.reads(states)).softmax(dim=1)
        return torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1)


class GatedMix(LayerMixture):
    """A static mixture that each record may leave: weights softmax(a + G x) of layers 1 … L.

    x is h_0, standardised. Under a linear head, the gate starts from the solved static mixture, and
    how far it may leave it is chosen by cross-validation.
    """

    def __init__(self, norm: nn.Module, width: int, depth: int) -> None:
        super().__init__(norm, width)
        self.gate = nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Linear(width, depth))

    def layer_weights(self, states: States) -> LayerWeights:
        shares = self.gate(embedding(states)).softmax(dim=1)
        return torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1)


class Concatenation(Readout):
    """All blocks' states side by side, each normalised; weighing them is left to the head."""

    def __init__(self, norm: nn.Module, width: int, depth: int) -> None:
        super().__init__()
        self.norm = norm
        self.features = depth * width

    def forward(self, states: States) -> Representation:
        return self.norm(states[:, 1:]).flatten(1)

    def layer_weights(self, states: States) -> LayerWeights:
        shares = torch.full_like(states[:, :, 0], 1 / (states.shape[1] - 1))
        return torch.cat([torch.zeros_like(shares[:, :1]), shares[:, 1:]], dim=1)


class ClassMixture(Concatenation):
    """One weight per layer and class for all records; layers are normalised first.

    A class's mixture of standardised layers is a linear map of all of them, so that the head of
    the concatenation holds it. ``layer_weights`` are the mean over classes.
    """

    def __init__(self, norm: nn.Module, width: int, depth: int) -> None:
        super().__init__(norm, width, depth)
        self.shares = nn.Buffer(torch.full((depth,), 1 / depth))

    def set_shares(self, shares: Tensor) -> None:
        """Let ``shares`` of the blocks, averaged over classes, be the weights."""
        self.shares.copy_(shares)

    def layer_weights(self, states: States) -> LayerWeights:
        shares = torch.cat([self.shares.new_zeros(1), self.shares]).to(states)
        return shares.expand(states.shape[0], -1)


class LayerSubspaces(Concatenation):
    """A few directions of one layer after another (after LOES, arXiv 2605.23033).

    ``evaluation/probing/subspaces.py`` chooses them: each layer adds what those before it leave
    unexplained. Until then they are drawn at random. ``layer_weights`` are the shares of what they
    explain together.
    """

    RANK = 8
    """Most directions of a layer."""

    def __init__(self, norm: nn.Module, width: int, depth: int) -> None:
        super().__init__(norm, width, depth)
        self.features = depth * self.RANK
        self.shares = nn.Buffer(torch.full((depth,), 1 / depth))
        self.directions = nn.Buffer(torch.randn(depth, width, self.RANK) / width**0.5)

    def forward(self, states: States) -> Representation:
        return torch.einsum("nld,ldr->nlr", self.norm(states[:, 1:]), self.directions).flatten(1)

    def layer_weights(self, states: States) -> LayerWeights:
        shares = torch.cat([self.shares.new_zeros(1), self.shares]).to(states)
        return shares.expand(states.shape[0], -1)


class AttentiveFusion(Readout):
    """Learned queries attend over the blocks' normalised states (after ALF, arXiv 2601.09322).

    Each head has one query and weighs its own slice of the width. Values are the states themselves:
    a linear map of them could be part of the head that follows.
    """

    def __init__(self, norm: nn.Module, width: int, depth: int, heads: int = 4) -> None:
        super().__init__()
        self.norm = norm
        self.features = width
        # Without bias: it would add the same to every layer's score, which the softmax takes away.
        self.keys = nn.Linear(width, width, bias=False)
        self.queries = nn.Parameter(torch.empty(heads, width // heads).normal_(std=0.02))

    def forward(self, states: States) -> Representation:
        normed = self.norm(states[:, 1:])
        # Each head sums the whole width and keeps its slice: cheaper than to copy the slices.
        sums = weighted_sums(self.attention(normed).mT, normed)
        slices = sums.unflatten(-1, self.queries.shape).diagonal(dim1=1, dim2=2)
        return slices.mT.flatten(1)

    def attention(self, normed: States) -> Tensor:
        # qᵀ(Wx) = (Wᵀq)ᵀx: one product a head in place of one a layer and record.
        keys = self.keys.weight.unflatten(0, self.queries.shape)
        queries = torch.einsum("hdw,hd->hw", keys, self.queries)
        # Heads are rows, and so are those of all models of a stack: one product, rows side by side.
        scores = (queries @ normed.flatten(0, 1).mT).unflatten(1, normed.shape[:2]).movedim(0, 2)
        return (scores / self.queries.shape[1] ** 0.5).softmax(dim=1)

    def layer_weights(self, states: States) -> LayerWeights:
        shares = self.attention(self.norm(states[:, 1:])).mean(dim=2)
        return torch.cat([torch.zeros_like(shares[:, :1]), shares], dim=1)


def single_layer(norm: nn.Module, width: int, depth: int, layer: int) -> Readout:
    """Build the readout Z = LN(h_layer)."""
    shares = torch.zeros(depth + 1)
    shares[layer] = 1
    return FixedMixture(norm, width, shares)


def last_layer(norm: nn.Module, width: int, depth: int) -> Readout:
    """Build the readout Z = LN(h_L): the common practice."""
    return single_layer(norm, width, depth, depth)


def frozen_gate(norm: nn.Module, width: int, depth: int) -> Readout:
    """Build PMA with its gate frozen as drawn: the ablation that a trained gate has to beat."""
    readout = PMA(norm, width, depth)
    # The gate alone is frozen: the norm is the encoder's and may be trained with it.
    readout.gate.requires_grad_(requires_grad=False)
    return readout
