"""Readouts that look at single tokens of a frozen encoder: attention with learned queries.

Query m weighs the tokens x_i that it is shown, and a linear map of its own follows:

    a_m = softmax_i(u_m · x_i),    z = [W_1 Σ_i a_1i x_i ; … ; W_M Σ_i a_Mi x_i].

The usual multi-head cross-attention is of this form: a map of keys is part of the query, and a map
of values may follow the mean (the equivalence that efficient probing, arXiv 2506.10178, rests on).
So all that is computed for each token is its scores, and no token is copied.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.shapes import (
    LayerWeights,
    LeadTokens,
    Representation,
    Signals,
    Tokens,
    ViewedTokens,
)

Queries = Float[Tensor, "queries width"]
Answers = Float[Tensor, "batch queries width"]
Attention = Float[Tensor, "batch queries viewed tokens"]


@dataclass(frozen=True)
class View:
    """What a readout looks at.

    Attributes:
        layers: Consecutive ones, up to the last.
        pool: What it makes of a layer's patches.
    """

    layers: range
    pool: Callable[[LeadTokens], Tokens]


def each_patch(patches: LeadTokens) -> Tokens:
    return patches.flatten(1, 2)


def lead_means(patches: LeadTokens) -> Tokens:
    return patches.mean(dim=2)


def look(
    encoder: Encoder, signals: Signals, leads: Sequence[str], views: Collection[View]
) -> dict[View, ViewedTokens]:
    """What each view shows, under the encoder's final norm; of other layers nothing is kept."""
    found: dict[View, list[Tokens]] = {view: [] for view in views}
    for place, tokens in enumerate(encoder.layers(encoder.tokens(signals, leads))):
        patches = patch_tokens(tokens, len(leads))
        for view, parts in found.items():
            if place in view.layers:
                parts.append(encoder.norm(view.pool(patches)))
    return {view: torch.stack(parts, dim=1) for view, parts in found.items()}


def attend(queries: Queries, tokens: ViewedTokens) -> tuple[Answers, Attention]:
    """The mean of all tokens of all layers by each query's weights, and these weights."""
    flat = tokens.flatten(1, 2)
    attention = torch.einsum("md,btd->bmt", queries, flat).softmax(dim=2)
    return attention @ flat, attention.unflatten(2, tokens.shape[1:3])


class TokenReadout(nn.Module, ABC):
    """Tokens in, features out.

    Args:
        width: Of a token, and of the features; ``count`` divides it.
        view: What it looks at.
        count: Of queries, M.
    """

    def __init__(self, width: int, view: View, count: int) -> None:
        super().__init__()
        self.view = view
        self.count = count
        self.features = width
        # W_1 … W_M, one below the other.
        self.values = nn.Linear(width, width, bias=False)

    @abstractmethod
    def queries(self) -> Queries: ...

    def forward(self, tokens: ViewedTokens) -> Representation:
        return self.combine(attend(self.queries(), tokens)[0])

    def weights(self, tokens: ViewedTokens) -> LayerWeights:
        """The share of each layer in the attention to a record; rows sum to one."""
        return self.shares(attend(self.queries(), tokens)[1])

    def combine(self, answers: Answers) -> Representation:
        values = self.values.weight.unflatten(0, (self.count, -1))
        return torch.einsum("bmd,mod->bmo", answers, values).flatten(1)

    def shares(self, attention: Attention) -> LayerWeights:
        viewed = attention.sum(dim=3).mean(dim=1)
        return nn.functional.pad(viewed, (self.view.layers.start, 0))


class EfficientProbe(TokenReadout):
    """Queries of full width, without a map of keys (arXiv 2506.10178): u_m = q_m / √D."""

    def __init__(self, width: int, view: View, count: int) -> None:
        super().__init__(width, view, count)
        self.query = nn.Parameter(torch.empty(count, width).normal_(std=0.02))

    def queries(self) -> Queries:
        return self.query / self.features**0.5


class AttentiveProbe(TokenReadout):
    """Multi-head cross-attention of one learned query: u_m = K_m^T q_m / √(D/M).

    After the probes of CAE (arXiv 2202.03026) and AIM (arXiv 2401.08541). Biases are left out: on
    keys, the softmax takes them away; on values, the batch norm that every head begins with.
    """

    def __init__(self, width: int, view: View, count: int) -> None:
        super().__init__(width, view, count)
        self.keys = nn.Linear(width, width, bias=False)
        self.query = nn.Parameter(torch.empty(count, width // count).normal_(std=0.02))

    def queries(self) -> Queries:
        keys = self.keys.weight.unflatten(0, self.query.shape)
        return torch.einsum("mo,mod->md", self.query, keys) / self.query.shape[1] ** 0.5


def attentive_probe(width: int, depth: int) -> TokenReadout:
    """The last layer's patches, by four heads."""
    return AttentiveProbe(width, View(range(depth, depth + 1), each_patch), 4)


def efficient_probe(width: int, depth: int) -> TokenReadout:
    """The last layer's patches, by twelve queries: a number that divides every encoder's width."""
    return EfficientProbe(width, View(range(depth, depth + 1), each_patch), 12)


def fusion_of_leads(width: int, depth: int) -> TokenReadout:
    """The mean of each lead in every block, by four heads.

    Our reading of ALF (arXiv 2601.09322), whose queries attend over each layer's class token and
    mean of patches: this encoder has no class token, and twelve leads instead.
    """
    return AttentiveProbe(width, View(range(1, depth + 1), lead_means), 4)


def fusion_of_tokens(width: int, depth: int) -> TokenReadout:
    """All patches of all blocks, by four heads: ALF without any pooling."""
    return AttentiveProbe(width, View(range(1, depth + 1), each_patch), 4)


TOKEN_READOUTS: dict[str, Callable[[int, int], TokenReadout]] = {
    "attentive-tokens": attentive_probe,
    "efficient-tokens": efficient_probe,
    "alf-leads": fusion_of_leads,
    "alf-tokens": fusion_of_tokens,
}


class TokenClassifier(nn.Module):
    """Tokens in, one logit per class out."""

    def __init__(self, readout: TokenReadout, head: nn.Module) -> None:
        super().__init__()
        self.readout = readout
        self.head = head

    def forward(self, tokens: ViewedTokens) -> Float[Tensor, "batch classes"]:
        return self.head(self.readout(tokens))


class TokenProbes(nn.Module):
    """Classifiers side by side on the tokens of one pass, all their queries asked at once.

    Gradients of one do not reach another, so that the sum of their losses trains each as if it were
    alone.
    """

    def __init__(self, members: Sequence[TokenClassifier]) -> None:
        super().__init__()
        self.members = tuple(members)
        self.registered = nn.ModuleList(members)

    def forward(
        self, tokens: Mapping[View, ViewedTokens]
    ) -> Float[Tensor, "members batch classes"]:
        parts = zip(self.members, self._ask(tokens), strict=True)
        return torch.stack([each.head(each.readout.combine(found)) for each, (found, _) in parts])

    def weights(self, tokens: Mapping[View, ViewedTokens]) -> Float[Tensor, "members batch layers"]:
        parts = zip(self.members, self._ask(tokens), strict=True)
        return torch.stack([each.readout.shares(attention) for each, (_, attention) in parts])

    def half_squares(self) -> tuple[Float[Tensor, " members"], Float[Tensor, " members"]]:
        """Half the squares of the matrices of each member's readout, and of its head."""
        readouts = torch.stack([_squares(each.readout) for each in self.members])
        return readouts / 2, torch.stack([_squares(each.head) for each in self.members]) / 2

    def _ask(self, tokens: Mapping[View, ViewedTokens]) -> list[tuple[Tensor, Tensor]]:
        """Each member's answers and attention: one product for all that have the same view."""
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for view in dict.fromkeys(member.readout.view for member in self.members):
            readouts = {k: m.readout for k, m in enumerate(self.members) if m.readout.view == view}
            queries = torch.cat([readout.queries() for readout in readouts.values()])
            counts = [readout.count for readout in readouts.values()]
            both = (each.split(counts, dim=1) for each in attend(queries, tokens[view]))
            found.update(zip(readouts, zip(*both, strict=True), strict=True))
        return [found[k] for k in range(len(self.members))]


def _squares(module: nn.Module) -> Tensor:
    return torch.stack([p.square().sum() for p in module.parameters() if p.ndim > 1]).sum()
