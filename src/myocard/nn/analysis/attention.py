"""Where a block looks: its attention weights, and what they say in one number a record."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from myocard.nn.shapes import Tokens
from myocard.nn.transformer import Attention

Weights = Float[Tensor, "batch heads tokens tokens"]


class AttentionStatistics(NamedTuple):
    """Of every record, the mean over heads and over patches as queries.

    Attributes:
        entropy: Of a row of weights, in nats; at most log(tokens), where a patch looks everywhere.
        distance: In patches, in time, from a patch to the patches that it looks at, in any lead.
        across: Share of other leads in the attention that goes to patches.
        separators: Share of all attention that goes to separators, which stand at no time.
    """

    entropy: Float[Tensor, " batch"]
    distance: Float[Tensor, " batch"]
    across: Float[Tensor, " batch"]
    separators: Float[Tensor, " batch"]


def attention_weights(attention: Attention, normed: Tokens) -> Weights:
    """What ``attention`` multiplies its values by; ``normed`` is its input."""
    qkv = attention.qkv(normed).unflatten(-1, (3, attention.heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    return (query @ key.mT / query.shape[-1] ** 0.5).softmax(dim=-1)


def attention_statistics(weights: Weights, leads: int) -> AttentionStatistics:
    """Entropy, reach in time and reach across leads of one block's weights.

    Args:
        weights: Of tokens in the encoder's order: lead by lead, a separator at both ends of each.
        leads: Number of leads.
    """
    entropy = -torch.special.xlogy(weights, weights).sum(dim=-1).mean(dim=1)
    # (batch, lead and patch that look, lead and patch that are looked at)
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
