"""Weighted sums of layers, with the states shared by a stack of models."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def weighted_sum(
    weights: Float[Tensor, "*batch layers"], states: Float[Tensor, "*batch layers width"]
) -> Float[Tensor, "*batch width"]:
    """Compute Σ_l w_l h_l of each record; cheap to ``vmap`` over ``weights``."""
    return weighted_sums(weights[..., None, :], states)[..., 0, :]


def weighted_sums(
    weights: Float[Tensor, "*batch sums layers"], states: Float[Tensor, "*batch layers width"]
) -> Float[Tensor, "*batch sums width"]:
    """Compute several such sums of the same states."""
    found: Tensor = _Sums.apply(weights, states)
    return found


class _Sums(torch.autograd.Function):
    """``(…, sums, layers)`` weights times ``(…, layers, width)`` states.

    By default, ``vmap`` copies the states for every model that shares them. Here these models'
    weights become rows of one matrix, so that states are read once for all.
    """

    @staticmethod
    def forward(weights: Tensor, states: Tensor) -> Tensor:
        return weights @ states

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        weights, states = ctx.saved_tensors
        # Under autocast the product is in bf16, and its factors may not be.
        gradient = gradient.to(states.dtype)
        of_weights = gradient @ states.mT if ctx.needs_input_grad[0] else None
        of_states = weights.mT.to(states.dtype) @ gradient if ctx.needs_input_grad[1] else None
        return of_weights, of_states

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], weights: Tensor, states: Tensor
    ) -> tuple[Tensor, int]:
        of_weights, of_states = in_dims
        if of_states is None:
            assert of_weights is not None
            rows = weights.movedim(of_weights, -3).flatten(-3, -2)
            found: Tensor = _Sums.apply(rows, states)
            return found.unflatten(-2, (info.batch_size, -1)), found.ndim - 2
        if of_weights is None:
            weights, of_weights = weights.expand(info.batch_size, *weights.shape), 0
        return _Sums.apply(weights.movedim(of_weights, 0), states.movedim(of_states, 0)), 0
