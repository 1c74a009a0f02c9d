"""The optimum of the linear head on features that do not change.

Logistic regression with squared weights penalised is convex, so that there is one answer, and no
learning rate, order or number of epochs in it. All classes are solved as one, in full batches, from
the strongest penalty to the weakest, each starting where the last one ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import linear

from myocard.nn.readouts.classifier import classification_loss, probabilities
from myocard.nn.readouts.heads import linear as linear_head

AXES = 128
"""Number of the features' axes along which the loss is made to curve as along all others."""

EPSILON = nn.BatchNorm1d(1).eps
"""Added to a variance before a feature is divided by its root."""
TOLERANCE = 1e-4
"""Tolerance of the gradient where the loss curves about 1 along each axis: its excess is 1e-6."""


def solve(
    features: Float[Tensor, "records features"],
    targets: Float[Tensor, "records classes"],
    penalties: Sequence[float],
    *,
    exclusive: bool,
) -> list[nn.Module]:
    """The trained linear head of each penalty, which is of half the squared weights."""
    standardised = linear_head(features.shape[1], 1)[0](features)
    regression = Regression(standardised, targets, exclusive, principal_axes(standardised))
    found: dict[float, Tensor] = {}
    start = regression.start()
    for penalty in sorted(set(penalties), reverse=True):
        start = found[penalty] = regression.minimise(penalty, start)
    variance, mean = torch.var_mean(features, dim=0, correction=0)
    return [solved_head(mean, variance, found[penalty]) for penalty in penalties]


def solved_head(
    mean: Float[Tensor, " features"],
    variance: Float[Tensor, " features"],
    solution: Float[Tensor, "classes weights"],
) -> nn.Sequential:
    """The linear head of a solution, on features of this mean and variance."""
    head = linear_head(len(mean), len(solution)).eval()
    known = {"running_mean": mean, "running_var": variance, "num_batches_tracked": torch.tensor(1)}
    head[0].load_state_dict(known)
    head[1].load_state_dict({"weight": solution[:, :-1], "bias": solution[:, -1]})
    return head


@dataclass(frozen=True, eq=False)
class Regression:
    """All classes' logistic regressions on the same records.

    A solution is ``(classes, features + 1)``: weights, and the bias, which is not penalised.

    Attributes:
        features: Standardised.
        targets: Zeros and ones.
        exclusive: True for one softmax over the classes, False for a sigmoid each.
        axes: About the principal axes of the features, and the variances along them; they decide
            how fast a solution is found, not which.
    """

    features: Float[Tensor, "records features"]
    targets: Float[Tensor, "records classes"]
    exclusive: bool
    axes: tuple[Tensor, Tensor]

    def start(self) -> Tensor:
        """Weights of zero, and the logit of each class's frequency."""
        weights = torch.zeros(self.targets.shape[1], self.features.shape[1])
        return torch.cat([weights, class_rates(self.targets).logit()[:, None]], dim=1)

    def minimise(self, penalty: float, start: Tensor, tolerance: float = TOLERANCE) -> Tensor:
        """The solution under a penalty, by L-BFGS from ``start``."""
        scales = Scales(self.axes, class_curvatures(self.targets), penalty)

        def objective(flat: object) -> tuple[float, object]:
            solution = scales.stretch(torch.as_tensor(flat).float().view_as(start))
            value, gradient = self._value_and_gradient(solution, penalty)
            return value, scales.stretch(gradient).double().flatten().numpy()

        first = scales.shrink(start).double().flatten().numpy()
        options = {"gtol": tolerance, "ftol": 1e-9, "maxiter": 500, "maxcor": 20}
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
        return scales.stretch(torch.from_numpy(found.x).float().view_as(start))

    def _value_and_gradient(self, solution: Tensor, penalty: float) -> tuple[float, Tensor]:
        weights, bias = solution[:, :-1], solution[:, -1]
        logits = linear(self.features, weights, bias)
        each = classification_loss(logits, self.targets, exclusive=self.exclusive)
        value = each.mean(dtype=torch.float64) + penalty * weights.square().sum() / 2
        missed = probabilities(logits, exclusive=self.exclusive) - self.targets
        # Contiguous rows: a product with few columns is many times slower in the other layout.
        missed = missed.T.contiguous() / len(self.targets)
        pull = missed @ self.features + penalty * weights
        return float(value), torch.cat([pull, missed.sum(dim=1, keepdim=True)], dim=1)


def class_rates(targets: Float[Tensor, "records classes"]) -> Float[Tensor, " classes"]:
    """Frequency of each class; never 0 or 1."""
    return (targets.sum(dim=0) + 0.5) / (len(targets) + 1)


def class_curvatures(targets: Float[Tensor, "records classes"]) -> Float[Tensor, " classes"]:
    """Curvature of each class's loss in its logit, where nothing is known of a record."""
    rates = class_rates(targets)
    return rates * (1 - rates)


def principal_axes(features: Float[Tensor, "records features"]) -> tuple[Tensor, Tensor]:
    """The principal axes ``(features, axes)`` of features, and the variances along them."""
    count = min(AXES, *features.shape)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        _, values, axes = torch.svd_lowrank(features, q=count)
    return axes, values.square() / len(features)


class Scales:
    """Coordinates in which the loss curves about equally along every axis.

    L-BFGS then needs tens of steps where it would need hundreds, since features of a Transformer
    vary much along few axes and little along the rest.

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

    def shrink(self, outer: Tensor) -> Tensor:
        return self._scale(outer, 1 / self.along, 1 / self.rest, 1 / self.bias)

    def _scale(self, given: Tensor, along: Tensor, rest: Tensor, bias: Tensor) -> Tensor:
        weights = given[:, :-1]
        scaled = weights * rest + ((weights @ self.axes) * (along - rest)) @ self.axes.T
        return torch.cat([scaled, given[:, -1:] * bias], dim=1)
