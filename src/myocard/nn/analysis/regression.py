"""Ridge regression on more rows than fit in memory, from sums over batches."""

import torch
from jaxtyping import Float
from torch import Tensor

Inputs = Float[Tensor, "layers rows width"]
Targets = Float[Tensor, "rows outputs"]
Coefficients = Float[Tensor, "layers width+1 outputs"]


def normal_equations(
    inputs: Inputs, targets: Targets
) -> Float[Tensor, "layers width+1 width+1+outputs"]:
    """Return [X 1]ᵀ [X 1 Y] of a batch for every layer, in float64; those of batches add up."""
    extended = _with_one(inputs)
    everything = torch.cat([extended, targets.expand(len(inputs), -1, -1)], dim=-1)
    return (extended.mT @ everything).double()


def solve_ridge(
    equations: Float[Tensor, "layers columns all"], penalty: float
) -> Float[Tensor, "layers columns outputs"]:
    """Return the coefficients, the intercept last, that minimise |Y − XW − b|² + penalty · |W|²."""
    columns = equations.shape[1]
    gram, products = equations[..., :columns], equations[..., columns:]
    penalties = torch.full((columns,), penalty).to(gram)
    penalties[-1] = 0
    return torch.linalg.solve(gram + penalties.diag(), products)


def squared_errors(
    inputs: Inputs, targets: Targets, coefficients: Coefficients
) -> Float[Tensor, "layers rows"]:
    """Return the squared error of every row, summed over the outputs."""
    return (targets - _with_one(inputs) @ coefficients.to(inputs)).square().sum(dim=-1)


def _with_one(inputs: Inputs) -> Float[Tensor, "layers rows width+1"]:
    return torch.cat([inputs, torch.ones_like(inputs[..., :1])], dim=-1)
