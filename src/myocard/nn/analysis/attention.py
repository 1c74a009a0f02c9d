"""Attention weights of a block, and their statistics: one number a record."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from myocard.nn.shapes import Tokens
from myocard.nn.transformer import Attention

Weights = Float[Tensor, "batch heads tokens tokens"]


class AttentionStatistics(NamedTuple):
    """Statistics of every record: means over heads and over patches as queries.

    Attributes:
        entropy: Entropy of a row of weights (nats); log(tokens) for uniform weights, the maximum.
        distance: Distance in time (patches) from a patch to the patches it attends to, in any lead.
        across: Share of other leads in the attention that goes to patches.
        separators: Share of all attention that goes to separators, which have no time.
    """

    entropy: Float[Tensor, " batch"]
    distance: Float[Tensor, " batch"]
    across: Float[Tensor, " batch"]
    separators: Float[Tensor, " batch"]


def attention_weights(attention: Attention, normed: Tokens) -> Weights:
    """Return the weights by which ``attention`` averages its values; ``normed`` is its input."""
    qkv = attention.qkv(normed).unflatten(-1, (3, attention.heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)


def attention_statistics(weights: Weights, leads: int) -> AttentionStatistics:
    """Measure entropy, distance in time and attention across leads of one block's weights.

    Args:
        weights: Weights of tokens in the encoder's order: lead by lead, separators at both ends.
        leads: Number of leads.
    """
    entropy = -torch.special.xlogy(weights, weights).sum(dim=-1).mean(dim=1)
    # (batch, lead and patch of the query, lead and patch of the key)
    seen = weights.mean(dim=1).unflatten(2, (leads, -1)).unflatten(1, (leads, -1))
    seen = seen[:, :, 1:-1, :, 1:-1]
    total = seen.sum(dim=(1, 2, 3, 4))
    queries, time = seen.shape[1] * seen.shape[2], torch.arange(seen.shape[2]).to(seen)
    apart = (time[:, None] - time).abs()
    return AttentionStatistics(
        entropy.unflatten(1, (leads, -1))[:, :, 1:-1].mean(dim=(1, 2)),
        torch.einsum("bipjq,pq->b", seen, apart) / total,
        1 - torch.einsum("bipiq->b", seen) / total,
        1 - total / queries,
    )
