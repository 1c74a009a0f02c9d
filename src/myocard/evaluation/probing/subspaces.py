"""Directions of one layer after another, each orthogonal to those before (after LOES).

LOES (arXiv 2605.23033) picks subspaces of layers by their residual error under orthogonality; its
abstract alone is known here, so that this is our reading. At every step the targets that are left
are regressed on each layer that is left, its features made orthogonal to all that was chosen; the
layer with the least residual error is taken.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Subspaces(NamedTuple):
    """Directions of every layer.

    Attributes:
        directions: Zero where a layer has fewer than the most.
        shares: Share of each layer in what all of them explain.
    """

    directions: Float[Tensor, "layers width rank"]
    shares: Float[Tensor, " layers"]


class Products(NamedTuple):
    """Products of all standardised features with each other and with the targets.

    They take (L·D)² numbers.
    """

    of_features: Float[Tensor, "all all"]
    with_targets: Float[Tensor, "all classes"]
    scale: Float[Tensor, "layers width"]


def products_of(
    states: Float[Tensor, "records layers width"], targets: Float[Tensor, "records classes"]
) -> Products:
    """Multiply the features of all layers, so that the records are not needed again."""
    variance, mean = torch.var_mean(states, dim=0, correction=0)
    scale = (variance + 1e-5).rsqrt()
    features = ((states - mean) * scale).flatten(1).double()
    left = (targets - targets.mean(dim=0)).double()
    return Products(features.T @ features / len(left), features.T @ left / len(left), scale)


def choose_subspaces(given: Products, penalty: float, rank: int) -> Subspaces:
    """Choose up to ``rank`` directions of every layer, under a ridge penalty."""
    products, crossed, scale = given
    layers, width = scale.shape
    blocks = [slice(k * width, (k + 1) * width) for k in range(layers)]
    ridge = max(penalty, 1e-6) * torch.eye(width, dtype=torch.float64)
    directions, gains = torch.zeros(layers, width, rank), torch.zeros(layers)
    order: list[int] = []
    while len(order) < layers:
        fitted = {
            k: torch.linalg.solve(products[blocks[k], blocks[k]] + ridge, crossed[blocks[k]])
            for k in range(layers)
            if k not in order
        }
        explained = {k: _explained(products, crossed, blocks[k], w) for k, w in fitted.items()}
        best = max(explained, key=lambda k: explained[k])
        order.append(best)
        gains[best] = max(explained[best], 0.0)
        own, _, _ = torch.linalg.svd(fitted[best], full_matrices=False)
        own = own[:, :rank]
        directions[best, :, : own.shape[1]] = (own * scale[best, :, None]).float()
        products, crossed = _without(products, crossed, blocks[best], own)
    whole = gains.sum()
    shares = gains / whole if whole > 0 else torch.full_like(gains, 1 / layers)
    return Subspaces(directions, shares)


def _explained(products: Tensor, crossed: Tensor, block: slice, weights: Tensor) -> float:
    """The fall of the mean squared error by a regression on a block."""
    fit = (
        2 * (weights * crossed[block]).sum() - (weights * (products[block, block] @ weights)).sum()
    )
    return float(fit)


def _without(
    products: Tensor, crossed: Tensor, block: slice, directions: Tensor
) -> tuple[Tensor, Tensor]:
    """All products, once features and targets are orthogonal to a block's directions."""
    along = products[:, block] @ directions
    gram = directions.T @ along[block]
    inverse = torch.linalg.pinv(gram, hermitian=True)
    told = directions.T @ crossed[block]
    return products - along @ inverse @ along.T, crossed - along @ inverse @ told
