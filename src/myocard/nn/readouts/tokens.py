"""Readouts of single tokens of a frozen encoder: attention with learned queries.

Query m weighs the tokens x_i of its view, and a linear map of its own follows:

    a_m = softmax_i(u_m · x_i),    z = [W_1 Σ_i a_1i x_i ; … ; W_M Σ_i a_Mi x_i].

The usual multi-head cross-attention is of this form: a map of keys is part of the query, and a map
of values may follow the mean (the equivalence behind efficient probing, arXiv 2506.10178). So only
scores are computed for each token, and no token is copied.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.nn.readouts.classifier import Classifier
from myocard.nn.shapes import LayerWeights, Representation, ViewedTokens

Queries = Float[Tensor, "queries width"]
Answers = Float[Tensor, "batch queries width"]
Attention = Float[Tensor, "batch queries viewed tokens"]


@dataclass(frozen=True)
class View:
    """The part of an encoder's states that a readout reads, after the encoder's norm.

    Attributes:
        layers: Consecutive layers, up to the last.
        pool: All tokens as they are, or the mean of each lead's tokens.
    """

    layers: range
    pool: Literal["tokens", "leads"]


def attend(queries: Queries, tokens: ViewedTokens) -> tuple[Answers, Attention]:
    """Return the mean of all tokens of all layers by each query's weights, and these weights."""
    flat = tokens.flatten(1, 2)
    attention = torch.einsum("md,btd->bmt", queries, flat).softmax(dim=2)
    return attention @ flat, attention.unflatten(2, tokens.shape[1:3])


class TokenReadout(nn.Module, ABC):
    """Module from tokens to features.

    Args:
        width: Width of a token, and of the features; ``count`` divides it.
        view: The states that it reads.
        count: Number of queries, M.
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

    def layer_weights(self, tokens: ViewedTokens) -> LayerWeights:
        """Return the share of each layer in the attention to a record; rows sum to one."""
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

    After the probes of CAE (arXiv 2202.03026) and AIM (arXiv 2401.08541). Biases are left out: the
    softmax removes them from keys, and the batch norm at the start of every head from values.
    """

    def __init__(self, width: int, view: View, count: int) -> None:
        super().__init__(width, view, count)
        self.keys = nn.Linear(width, width, bias=False)
        self.query = nn.Parameter(torch.empty(count, width // count).normal_(std=0.02))

    def queries(self) -> Queries:
        keys = self.keys.weight.unflatten(0, self.query.shape)
        return torch.einsum("mo,mod->md", self.query, keys) / self.query.shape[1] ** 0.5


def attentive_probe(width: int, depth: int) -> TokenReadout:
    """Build a readout of the last layer's patches, by four heads."""
    return AttentiveProbe(width, View(range(depth, depth + 1), "tokens"), 4)


def efficient_probe(width: int, depth: int) -> TokenReadout:
    """Build a readout of the last layer's patches, by twelve queries or the most that divide D."""
    count = max(count for count in range(1, 13) if width % count == 0)
    return EfficientProbe(width, View(range(depth, depth + 1), "tokens"), count)


def fusion_of_leads(width: int, depth: int) -> TokenReadout:
    """Build a readout of the mean of each lead in every block, by four heads.

    Our reading of ALF (arXiv 2601.09322), whose queries attend over each layer's class token and
    mean of patches: this encoder has no class token, and twelve leads instead.
    """
    return AttentiveProbe(width, View(range(1, depth + 1), "leads"), 4)


def fusion_of_tokens(width: int, depth: int) -> TokenReadout:
    """Build a readout of all patches of all blocks, by four heads: ALF without any pooling."""
    return AttentiveProbe(width, View(range(1, depth + 1), "tokens"), 4)


class TokenProbes(nn.Module):
    """Classifiers side by side on the tokens of one pass, with all their queries in one product.

    Gradients of one do not reach another, so that the sum of their losses trains each as if it were
    alone.

    Args:
        members: The classifiers, in the order of a flattened ``shape``.
        shape: Leading dimensions of the logits, such as (probes, seeds, penalties).
    """

    def __init__(self, members: Sequence[Classifier], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.members = tuple(members)
        self.registered = nn.ModuleList(members)
        self.shape = shape

    def forward(self, tokens: Mapping[View, ViewedTokens]) -> Float[Tensor, "... batch classes"]:
        parts = zip(self.members, self._ask(tokens), strict=True)
        logits = [each.head(each.readout.combine(answers)) for each, (answers, _) in parts]
        return torch.stack(logits).unflatten(0, self.shape)

    def layer_weights(
        self, tokens: Mapping[View, ViewedTokens]
    ) -> Float[Tensor, "... batch layers"]:
        parts = zip(self.members, self._ask(tokens), strict=True)
        shares = [each.readout.shares(attention) for each, (_, attention) in parts]
        return torch.stack(shares).unflatten(0, self.shape)

    def member(self, *index: int) -> Classifier:
        """Copy one of the classifiers, to the CPU and in evaluation mode."""
        flat = 0
        for place, size in zip(index, self.shape, strict=True):
            flat = flat * size + place
        return deepcopy(self.members[flat]).cpu().eval()

    def half_squares(self) -> dict[str, Tensor]:
        """Return half the squares of the matrices of each member's ``readout.`` and ``head.``."""
        readouts = torch.stack([_squares(member.readout) for member in self.members]) / 2
        heads = torch.stack([_squares(member.head) for member in self.members]) / 2
        shape = self.shape
        return {"readout.": readouts.unflatten(0, shape), "head.": heads.unflatten(0, shape)}

    def _ask(self, tokens: Mapping[View, ViewedTokens]) -> list[tuple[Tensor, Tensor]]:
        """Return each member's answers and attention: one product for all with the same view."""
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
