"""A loss and its gradient, recorded at the first batch and replayed at all others.

Small models spend most of a step between their operations: in modules, ``vmap`` and autograd. A
recording is the list of these operations alone, in their order, with the same random draws, so that
what it computes is the same bit for bit.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from myocard.training.loop import Loss


class Recorded:
    """A loss for the loop, of one model in training mode on batches of one shape.

    Args:
        model: The model that is trained.
        loss: Maps it and a batch to a number; it may not look at a value.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        self._trained = [each for each in model.parameters() if each.requires_grad]
        self._loss = loss
        self._graph: GraphModule | None = None

    def __call__(self, module: nn.Module, batch: Any) -> Tensor:
        if self._graph is None:
            self.record(module, batch)
        found: Tensor = _Replayed.apply(self._graph, tree_leaves(batch), *self._trained)
        return found

    def record(self, module: nn.Module, batch: Any) -> None:
        """Record what ``module``, the model as the loop wraps it, does with a batch."""
        tensors, form = tree_flatten(batch)

        def step(*given: Tensor) -> tuple[Tensor, ...]:
            value = self._loss(module, tree_unflatten(given, form))
            return value.detach(), *torch.autograd.grad(value, self._trained)

        # Recording computes, too: what batch norms hold is put back, and so are draws.
        held = [(buffer, buffer.clone()) for buffer in module.buffers()]
        with torch.random.fork_rng():
            self._graph = make_fx(step)(*tensors)
        for buffer, before in held:
            buffer.copy_(before)


class _Replayed(torch.autograd.Function):
    """The recorded value, whose gradient is computed with it."""

    @staticmethod
    def forward(ctx: Any, graph: GraphModule, batch: list[Tensor], *trained: Tensor) -> Tensor:
        value, *ctx.gradients = graph(*batch)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        torch._foreach_mul_(ctx.gradients, gradient)
        return None, None, *ctx.gradients
