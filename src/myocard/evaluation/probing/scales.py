"""Coordinates in which a loss curves about equally along every axis.

L-BFGS then needs ten steps where it would need hundreds, since features of a Transformer vary much
along few axes and little along the rest. Both kinds map these coordinates to weights and biases
``(classes, features + 1)`` (``stretch``), back (``shrink``), and derivatives by weights and biases
to derivatives by them (``slopes``).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.linalg import solve_triangular

AXES = 128
"""Number of the features' axes along which the loss is made to curve as along all others."""


class FullScales:
    """Scales from the whole curvature of each class's loss, H = LLᵀ: weights are L⁻ᵀ inner.

    Args:
        curvatures: Second derivatives of each class's loss by its weights and bias, unpenalised.
        penalty: Penalty of squared weights.
    """

    def __init__(self, curvatures: Float[Tensor, "classes own own"], penalty: float) -> None:
        # Not below: without a penalty, some axis may not curve at all.
        least = torch.full(curvatures.shape[-1:], penalty + 1e-5)
        least[-1] = 1e-4
        for widened in (1.0, 10.0, 100.0, 1000.0):
            self.factors, failed = torch.linalg.cholesky_ex(curvatures + widened * least.diag())
            if not failed.any():
                break

    def stretch(self, inner: Tensor) -> Tensor:
        return solve_triangular(self.factors.mT, inner[..., None], upper=True)[..., 0]

    def shrink(self, outer: Tensor) -> Tensor:
        return (self.factors.mT @ outer[..., None])[..., 0]

    def slopes(self, gradient: Tensor) -> Tensor:
        return solve_triangular(self.factors, gradient[..., None], upper=False)[..., 0]


class AxisScales:
    """Scales from the features' variance along some axes, and the same along all others.

    Args:
        axes: Principal axes of the features, and the variances along them.
        curvatures: Curvature of each class's loss in its logit.
        penalty: Penalty of squared weights.
    """

    def __init__(self, axes: tuple[Tensor, Tensor], curvatures: Tensor, penalty: float) -> None:
        self.axes, variances = axes
        # Not below: without a penalty, some axis may not curve at all.
        along = (curvatures[:, None] * variances + penalty).clamp(min=1e-6).rsqrt()
        self.rest, self.bias = along.amax(dim=1, keepdim=True), curvatures[:, None].rsqrt()
        self.along = along

    def stretch(self, inner: Tensor) -> Tensor:
        return self._scale(inner, self.along, self.rest, self.bias)

    def slopes(self, gradient: Tensor) -> Tensor:
        return self.stretch(gradient)

    def shrink(self, outer: Tensor) -> Tensor:
        return self._scale(outer, 1 / self.along, 1 / self.rest, 1 / self.bias)

    def _scale(self, given: Tensor, along: Tensor, rest: Tensor, bias: Tensor) -> Tensor:
        weights = given[:, :-1]
        scaled = weights * rest + ((weights @ self.axes) * (along - rest)) @ self.axes.T
        return torch.cat([scaled, given[:, -1:] * bias], dim=1)


Scales = FullScales | AxisScales


def principal_axes(features: Float[Tensor, "records features"]) -> tuple[Tensor, Tensor]:
    """The principal axes ``(features, axes)`` of features, and the variances along them."""
    count = min(AXES, *features.shape)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        _, values, axes = torch.svd_lowrank(features, q=count)
    return axes, values.square() / len(features)
