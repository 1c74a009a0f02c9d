"""Contrastive objectives: two views of a record are to be found among views of other records."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.objectives.momentum import follow, slow_copy
from myocard.nn.objectives.views import Pair, View, augment
from myocard.nn.shapes import Representation, Signals

Agreement = Callable[[Representation, Representation], Float[Tensor, ""]]
"""How badly each row of one finds its own in the other."""


class Outcome(NamedTuple):
    """What an objective without a decoder made of a batch.

    Attributes:
        loss: To be minimised.
    """

    loss: Float[Tensor, ""]


def nt_xent(
    one: Representation, other: Representation, temperature: float = 0.1
) -> Float[Tensor, ""]:
    """NT-Xent (SimCLR, arXiv 2002.05709, eq. 1): 2N − 2 negatives, from both views."""
    views = normalize(torch.cat([one, other]).float(), dim=1)
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(one))
    return cross_entropy(similarity, partner)


def info_nce(
    queries: Representation, keys: Representation, temperature: float = 0.2
) -> Float[Tensor, ""]:
    """InfoNCE (MoCo v3, arXiv 2104.02057, eq. 1): N − 1 negatives, from the keys alone."""
    cosine = normalize(queries.float(), dim=1) @ normalize(keys.float(), dim=1).T
    return cross_entropy(cosine / temperature, torch.arange(len(keys), device=keys.device))


def both_ways(one: Representation, other: Representation) -> Float[Tensor, ""]:
    """The loss of CLOCS (arXiv 2005.13249, eq. 2–3): InfoNCE from one to the other and back."""
    return (info_nce(one, other, 0.1) + info_nce(other, one, 0.1)) / 2


def summary(encoder: Encoder, view: View, leads: Sequence[str]) -> Representation:
    """LN(h_L) of a view: what the readout ``last`` would read."""
    *_, last = encoder.layers(encoder.assemble(view.patches, leads, view.leads))
    return encoder.norm(patch_tokens(last, view.patches.shape[1]).mean(dim=(1, 2)))


def perceptron(width: int) -> nn.Module:
    """A head between representation and loss, which is thrown away (SimCLR, section 4.2).

    Its batch norms (MoCo v3, section 4.1) take away what all records have in common: at first
    nearly all of a representation, and the cosines are stuck at one.
    """
    return nn.Sequential(
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width, affine=False),
    )


class Contrastive(nn.Module):
    """Views, encoder, head, agreement: SimCLR, CMSC and CMLC, by what is passed in.

    A batch's other records are the negatives, also where they are of the same patient.
    """

    def __init__(self, encoder: Encoder, *, pair: Pair, agreement: Agreement) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = perceptron(encoder.shape.width)
        self.pair = pair
        self.agreement = agreement

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Outcome:
        views = self.pair(self.encoder, signals)
        one, other = (self.head(summary(self.encoder, view, leads)) for view in views)
        return Outcome(self.agreement(one, other))


class MoCo(nn.Module):
    """MoCo v3 (arXiv 2104.02057, algorithm 1): keys come from a slow copy of encoder and head.

    Args:
        encoder: Any ``Encoder``.
        momentum: Of the copy; constant, where the paper raises .99 to 1.
    """

    def __init__(self, encoder: Encoder, *, momentum: float = 0.99) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = perceptron(encoder.shape.width)
        self.predictor = perceptron(encoder.shape.width)
        self.target_encoder = slow_copy(encoder)
        self.target_head = slow_copy(self.head)
        self.momentum = momentum

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Outcome:
        if self.training:
            follow(self.target_encoder, self.encoder, self.momentum)
            follow(self.target_head, self.head, self.momentum)
        one, other = (augment(signals, self.encoder.shape.patch) for _ in range(2))
        return Outcome((self._half(one, other, leads) + self._half(other, one, leads)) / 2)

    def _half(self, asked: Signals, kept: Signals, leads: Sequence[str]) -> Float[Tensor, ""]:
        view = View(self.encoder.embed(asked))
        queries = self.predictor(self.head(summary(self.encoder, view, leads)))
        with torch.no_grad():
            view = View(self.target_encoder.embed(kept))
            keys = self.target_head(summary(self.target_encoder, view, leads))
        return info_nce(queries, keys)
