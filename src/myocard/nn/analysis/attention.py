"""Attention weights as they are computed, and their statistics: one number a record."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import multi_head_attention_forward, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from myocard.nn.shapes import Tokens

Weights = Float[Tensor, "batch heads tokens tokens"]


class TokenGrid(NamedTuple):
    """The tokens that stand for a part of the signal.

    Attributes:
        places: Their places among all tokens, in order: a row for each lead, or one row where
            tokens are of several leads.
        seconds: Time from a token to the next in its row; None where a row is not over time.
    """

    places: Int[Tensor, "leads times"]
    seconds: float | None


class AttentionStatistics(NamedTuple):
    """Statistics of every record: means over heads and over the signal's tokens as queries.

    Attributes:
        entropy: Entropy of a row of weights (nats); log(tokens) for uniform weights, the maximum.
        distance: Distance in a row of places from a token to those it attends to, in any row.
        across: Share of other leads in the attention that goes to the signal's tokens.
        separators: Share of all attention that goes to tokens that stand for no part of the signal.
    """

    entropy: Float[Tensor, " batch"]
    distance: Float[Tensor, " batch"]
    across: Float[Tensor, " batch"]
    separators: Float[Tensor, " batch"]


def watched(states: Iterator[Tokens]) -> Iterator[tuple[Tokens, list[Weights]]]:
    """Yield every state with the weights of each attention that was computed on the way to it.

    Attention is seen where a module calls PyTorch's own, whatever the module is.
    """
    while True:
        with _Watch() as watch:
            tokens = next(states, None)
        if tokens is None:
            return
        yield tokens, watch.weights


class _Watch(TorchFunctionMode):
    """Keeps the weights of the attention that is computed in a ``with`` block."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Weights] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is scaled_dot_product_attention:
            query, key, _, *rest = args
            # Values of the identity are mixed to the weights, whatever mask and scale are given.
            values = torch.eye(key.shape[-2]).to(key).expand(*key.shape[:-1], -1)
            self.weights.append(func(query, key, values, *rest, **kwargs))
        elif func is multi_head_attention_forward:
            each_head = {"need_weights": True, "average_attn_weights": False}
            self.weights.append(func(*args, **kwargs | each_head)[1])
        return func(*args, **kwargs)


def attention_statistics(
    weights: Weights, places: Int[Tensor, "leads times"]
) -> AttentionStatistics:
    """Measure the weights of one attention, given the places of the signal's tokens."""
    leads, times = places.shape
    signal = places.flatten()
    rows = weights[:, :, signal]
    # (batch, lead and time of the query, lead and time of the key)
    seen = rows.mean(dim=1)[:, :, signal].unflatten(2, (leads, times)).unflatten(1, (leads, times))
    total, time = seen.sum(dim=(1, 2, 3, 4)), torch.arange(times).to(seen)
    apart = (time[:, None] - time).abs()
    return AttentionStatistics(
        -torch.special.xlogy(rows, rows).sum(dim=-1).mean(dim=(1, 2)),
        torch.einsum("bipjq,pq->b", seen, apart) / total,
        1 - torch.einsum("bipiq->b", seen) / total,
        1 - total / len(signal),
    )
