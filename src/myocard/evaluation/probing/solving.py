"""The optimum of the linear head on features that do not change.

A regression (logistic, linear or Cox's) with squared weights penalised is convex, so that there is
one answer, and no learning rate, order or number of epochs in it. All outputs are solved as one, in
full batches, from the strongest penalty to the weakest, each starting where the last one ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import linear

from myocard.evaluation.probing.scales import AxisScales, FullScales, Scales, principal_axes
from myocard.nn.outcomes import LIKELIHOODS, Likelihood
from myocard.nn.readouts.heads import linear as linear_head
from myocard.outcomes import Outcome

WIDE = 1024
"""Width up to which all of the loss's curvature is looked at."""
_ROWS = 4
"""Records that tell the curvature, for each feature; more change it little."""
_ROUND = 25
"""Steps after which the curvature is taken again where they have led."""
_ROUNDS = 20
_MOST = 500
_FOUND, _LOST = 0, 2
"""SciPy's words for an optimum, and for a line search that found no lower point."""

EPSILON = nn.BatchNorm1d(1).eps
"""Added to a variance before a feature is divided by its root."""
TOLERANCE = 1e-4
"""Tolerance of the gradient where the loss curves about 1 along each axis: its excess is 1e-6."""


def solve(
    features: Float[Tensor, "records features"],
    targets: Float[Tensor, "records classes"],
    penalties: Sequence[float],
    *,
    outcome: Outcome,
) -> list[nn.Module]:
    """The trained linear head of each penalty, which is of half the squared weights."""
    standardised = linear_head(features.shape[1], 1)[0](features)
    regression = Regression(standardised, targets, outcome)
    found: dict[float, Tensor] = {}
    start = regression.start()
    for penalty in sorted(set(penalties), reverse=True):
        start, _ = regression.minimise(penalty, start)
        found[penalty] = start
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
    """All outputs' regressions on the same records.

    A solution is ``(classes, features + 1)``: weights, and the bias, which is not penalised.

    Attributes:
        features: Standardised.
        targets: As ``myocard.outcomes`` has them.
        outcome: Kind of the targets.
    """

    features: Float[Tensor, "records features"]
    targets: Float[Tensor, "records classes"]
    outcome: Outcome

    def start(self) -> Tensor:
        """Weights of zero, and the logits of a model without features."""
        weights = torch.zeros(self.targets.shape[1], self.features.shape[1])
        return torch.cat([weights, self.likelihood.start(self.targets)[:, None]], dim=1)

    @property
    def likelihood(self) -> Likelihood:
        return LIKELIHOODS[self.outcome]

    @cached_property
    def axes(self) -> tuple[Tensor, Tensor]:
        return principal_axes(self.features)

    def minimise(
        self,
        penalty: float,
        start: Tensor,
        tolerance: float = TOLERANCE,
    ) -> tuple[Tensor, Scales]:
        """Find the solution under a penalty, by L-BFGS from ``start``.

        Args:
            penalty: Penalty of half the squared weights.
            start: Weights and biases, ``(classes, features + 1)``.
            tolerance: Largest derivative that may be left, in the coordinates of the scales.

        Returns:
            The solution, and the scales that led to it.
        """
        scales = self.scales(start, penalty)
        lost = 0
        for _ in range(_ROUNDS):
            start, status = self._descend(penalty, start, tolerance, scales)
            # A line search that is lost twice has met the rounding of float32.
            lost += status == _LOST
            if status == _FOUND or lost > 1:
                break
            if not isinstance(scales, AxisScales):
                scales = self.scales(start, penalty, exact=True)
        return start, scales

    def gap(self, solution: Tensor, penalty: float) -> float:
        """Nats by which the objective could be lower, to second order: half Newton's decrement."""
        _, gradient = self._value_and_gradient(solution, penalty)
        scales = self.scales(solution, penalty, exact=True)
        return float(scales.slopes(gradient).square().sum()) / 2

    def _descend(
        self, penalty: float, start: Tensor, tolerance: float, scales: Scales
    ) -> tuple[Tensor, int]:
        def objective(flat: object) -> tuple[float, object]:
            solution = scales.stretch(torch.as_tensor(flat).float().view_as(start))
            value, gradient = self._value_and_gradient(solution, penalty)
            return value, scales.slopes(gradient).double().flatten().numpy()

        first = scales.shrink(start).double().flatten().numpy()
        steps = _MOST if isinstance(scales, AxisScales) else _ROUND
        options = {"gtol": tolerance, "ftol": 1e-9, "maxiter": steps, "maxcor": 20, "maxls": 8}
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
        solution = scales.stretch(torch.from_numpy(found.x).float().view_as(start))
        return solution, found.status

    def scales(self, solution: Tensor, penalty: float, *, exact: bool = False) -> Scales:
        """Scales of the loss around a solution.

        All outputs have the curvature of the same features but for a factor; ``exact`` counts how
        sure each output is of each record, which takes longer.
        """
        if self.features.shape[1] > WIDE:
            return AxisScales(self.axes, self._curvatures_at_start, penalty)
        logits = linear(self._sample, solution)
        curvatures = self.likelihood.curvatures(logits, self.targets[:: self._step])
        if not exact:
            return FullScales(curvatures.mean(dim=0)[:, None, None] * self._gram, penalty)
        weighted = (self._sample.T * each @ self._sample for each in curvatures.T)
        return FullScales(torch.stack([*weighted]) / len(self._sample), penalty)

    @cached_property
    def _curvatures_at_start(self) -> Float[Tensor, " outputs"]:
        """Curvature of each output's loss in its logit, where nothing is known of a record."""
        flat = self.likelihood.start(self.targets).expand_as(self.targets)
        return self.likelihood.curvatures(flat, self.targets).mean(dim=0)

    @property
    def _step(self) -> int:
        return max(1, len(self.features) // (_ROWS * self.features.shape[1]))

    @cached_property
    def _sample(self) -> Float[Tensor, "some whole"]:
        """Features of enough records to tell the curvature, and a one."""
        features = self.features[:: self._step]
        return torch.cat([features, torch.ones(len(features), 1)], dim=1)

    @cached_property
    def _gram(self) -> Float[Tensor, "whole whole"]:
        return self._sample.T @ self._sample / len(self._sample)

    def _value_and_gradient(self, solution: Tensor, penalty: float) -> tuple[float, Tensor]:
        weights, bias = solution[:, :-1], solution[:, -1]
        logits = linear(self.features, weights, bias)
        each = self.likelihood.loss(logits, self.targets)
        value = each.mean(dtype=torch.float64) + penalty * weights.square().sum() / 2
        missed = self.likelihood.slopes(logits, self.targets)
        # Contiguous rows: a product with few columns is many times slower in the other layout.
        missed = missed.T.contiguous() / len(self.targets)
        pull = missed @ self.features + penalty * weights
        return float(value), torch.cat([pull, missed.sum(dim=1, keepdim=True)], dim=1)
