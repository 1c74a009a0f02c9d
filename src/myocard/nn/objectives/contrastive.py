"""Contrastive objectives: match two views of a record among the views of other records."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.objectives.momentum import follow, slow_copy
from myocard.nn.objectives.views import Pair, View, augment
from myocard.nn.shapes import Loss, Representation, Signals

Agreement = Callable[[Representation, Representation], Loss]
"""Loss of matching each row of one with its own in the other."""


class Outcome(NamedTuple):
    """Loss of an objective without a decoder for a batch."""

    loss: Loss


def nt_xent(one: Representation, other: Representation, temperature: float = 0.1) -> Loss:
    """Compute NT-Xent (SimCLR, arXiv 2002.05709, eq. 1): 2N − 2 negatives, from both views."""
    views = normalize(torch.cat([one, other]).float(), dim=1)
    similarity = (views @ views.T / temperature).fill_diagonal_(-torch.inf)
    partner = torch.arange(len(views), device=views.device).roll(len(one))
    return cross_entropy(similarity, partner)


def info_nce(queries: Representation, keys: Representation, temperature: float = 0.2) -> Loss:
    """Compute InfoNCE (MoCo v3, arXiv 2104.02057, eq. 1): N − 1 negatives, from the keys alone."""
    cosine = normalize(queries.float(), dim=1) @ normalize(keys.float(), dim=1).T
    return cross_entropy(cosine / temperature, torch.arange(len(keys), device=keys.device))


def both_ways(one: Representation, other: Representation) -> Loss:
    """Compute the loss of CLOCS (arXiv 2005.13249, eq. 2–3): InfoNCE in both directions."""
    return (info_nce(one, other, 0.1) + info_nce(other, one, 0.1)) / 2


def summary(encoder: Encoder, view: View, leads: Sequence[str]) -> Representation:
    """Return LN(h_L) of a view, as the readout ``last`` does."""
    *_, last = encoder.layers(encoder.assemble(view.patches, leads, view.leads))
    return encoder.norm(patch_tokens(last, view.patches.shape[1]).mean(dim=(1, 2)))


def perceptron(width: int) -> nn.Module:
    """Build the head between representation and loss, which is discarded (SimCLR, section 4.2).

    Its batch norms (MoCo v3, section 4.1) remove the common mean of all records: at first nearly
    all of a representation, so that the cosines would stay at one.
    """
    return nn.Sequential(
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        nn.BatchNorm1d(width, affine=False),
    )


class Contrastive(nn.Module):
    """Views, encoder, head, agreement: SimCLR, CMSC or CMLC.

    A batch's other records are the negatives, also those of the same patient.
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
        momentum: Momentum of the copy; constant, while the paper raises .99 to 1.
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

    def _half(self, query: Signals, key: Signals, leads: Sequence[str]) -> Loss:
        view = View(self.encoder.embed(query))
        queries = self.predictor(self.head(summary(self.encoder, view, leads)))
        with torch.no_grad():
            view = View(self.target_encoder.embed(key))
            keys = self.target_head(summary(self.target_encoder, view, leads))
        return info_nce(queries, keys)
