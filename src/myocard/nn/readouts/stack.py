"""Many small models of one architecture, trained as one."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

_Tensors = dict[str, Tensor]
_Forward = Callable[[_Tensors, _Tensors, Tensor], Tensor]


class Stack(nn.Module):
    """Models of one architecture whose parameters carry three leading dimensions.

    Seeds, which see their own records in their own order; cells, which see the same records through
    their own inputs; and variants, which see the same inputs, such as under other penalties.
    Gradients of one do not reach another, so that the sum of their losses trains each as if it were
    alone. A frozen module that is the same in all (the encoder's norm) is kept once, and its
    outputs on inputs that several share are computed once.

    Args:
        models: ``models[seed][cell][variant]``.
    """

    def __init__(self, models: Sequence[Sequence[Sequence[nn.Module]]]) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = (len(models), len(models[0]), len(models[0][0]))
        flat = [model for cells in models for variants in cells for model in variants]
        parameters, buffers = stack_module_state(flat)
        # In a list, so that it is no submodule: its code is used, not its values.
        self.template = [flat[0]]
        shared = [name for name, value in parameters.items() if _is_shared(value)]
        for name in shared:
            only = parameters.pop(name)[0].detach()
            self.register_parameter(_flat(name), nn.Parameter(only, requires_grad=False))
        for name, value in parameters.items():
            spread = value.detach().unflatten(0, self.shape)
            self.register_parameter(_flat(name), nn.Parameter(spread, value.requires_grad))
        for name, value in buffers.items():
            self.register_buffer(_flat(name), value.unflatten(0, self.shape))
        self.names = (list(parameters), list(buffers))
        self.shared = shared

    def train(self, mode: bool = True) -> "Stack":
        self.template[0].train(mode)
        return super().train(mode)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map ``(seeds, cells, records, …)`` to ``(seeds, cells, variants, records, classes)``."""
        seeds, cells, variants = self.shape
        of_variants = _mapped(self._one, variants, inputs=None)
        return _mapped(_mapped(of_variants, cells), seeds)(*self.values(), inputs)

    def _one(self, parameters: _Tensors, buffers: _Tensors, inputs: Tensor) -> Tensor:
        whole = (self._common(), parameters, buffers)
        return functional_call(self.template[0], whole, (inputs,))

    def _common(self) -> _Tensors:
        return {name: self.get_parameter(_flat(name)) for name in self.shared}

    def values(self) -> tuple[_Tensors, _Tensors]:
        """Return the parameters and buffers that are not shared, by their names in one model."""
        parameters, buffers = self.names
        return (
            {name: self.get_parameter(_flat(name)) for name in parameters},
            {name: self.get_buffer(_flat(name)) for name in buffers},
        )

    def half_squares(self) -> _Tensors:
        """Return half the squares of each trained matrix by model, ``(seeds, cells, variants)``."""
        parameters, _ = self.values()
        return {
            name: _HalfSquares.apply(value.flatten(3))
            for name, value in parameters.items()
            if value.requires_grad and value.ndim > 4
        }

    def member(self, *index: int) -> nn.Module:
        """Copy one of the models ``(seed, cell, variant)``, to the CPU and in evaluation mode."""
        parameters, buffers = self.values()
        model = deepcopy(self.template[0]).cpu().eval()
        own = {k: v[index].detach().cpu() for k, v in (parameters | buffers).items()}
        model.load_state_dict(own | self._common())
        return model


class _HalfSquares(torch.autograd.Function):
    """Half the squares along the last axis; autograd passes over all values twice as often."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return torch.linalg.vecdot(values, values) / 2

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        return gradient[..., None] * values


def _mapped(function: _Forward, count: int, inputs: int | None = 0) -> _Forward:
    """Map a function over a leading dimension of parameters and buffers, and of ``inputs`` if 0."""
    if count > 1:
        return vmap(function, in_dims=(0, 0, inputs), randomness="different")

    def alone(parameters: _Tensors, buffers: _Tensors, given: Tensor) -> Tensor:
        # vmap takes as long for one model as for many.
        own, kept = ({k: v.squeeze(0) for k, v in x.items()} for x in (parameters, buffers))
        return function(own, kept, given if inputs is None else given.squeeze(0)).unsqueeze(0)

    return alone


def _is_shared(stacked: Tensor) -> bool:
    return not stacked.requires_grad and bool((stacked == stacked[:1]).all())


def _flat(name: str) -> str:
    return name.replace(".", ":")
