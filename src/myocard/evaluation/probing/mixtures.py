"""Static mixtures of layers, solved to a certified optimum with the head inside.

For given shares of the layers the head is convex and solved (``solving.py``). The loss that it
leaves is a function of the shares alone, minimised over the simplex by variable projection (Golub
and Pereyra 1973): by the envelope theorem its gradient is that of the loss at the solved head.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, rel_entr
from torch import Tensor, nn
from torch.nn.functional import batch_norm, linear

from myocard.evaluation.probing.scales import Scales
from myocard.evaluation.probing.solving import Regression, solve, solved_head
from myocard.nn.outcomes import LIKELIHOODS
from myocard.outcomes import Outcome

Shares = NDArray[np.float64]
"""Share of each block in a mixture, ``(blocks,)``; they sum to one."""

SAME = 0.02
"""Largest difference between the shares of what counts as one optimum."""
GAP = 1e-4
"""Nats that may be left at a step of a path; a tenth of it at a certified optimum.

Heads are solved to a gradient of as much, in coordinates of about unit curvature.
"""
CURVATURE = 0.2
"""Curvature of the loss along the shares, before anything is known of it."""
_LEAST = 1e-9
"""Share that a shrunken mixture leaves each block, where the slope of its divergence is finite."""
_CLOSE = 1e-4
"""Change of the shares that is not worth a step."""
_ROUGH = 1e-3
"""Tolerance of a head far from an optimum; a head to 1e-5 takes three times as long."""
_STEPS = 60
_STIFF = 5.0
"""Factor of the model, whose curvature SLSQP takes to be about one."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Shares and the head that is best for them.

    Attributes:
        shares: Share of each block.
        head: Weights and bias, ``(classes, features + 1)``.
        scales: Scales of the loss around the head.
        tolerance: Largest derivative of the head that was asked for.
        objective: Loss with both penalties, in nats.
        slopes: Derivative of the loss by each share, in nats.
        shrinkage: Strength of the pull toward equal shares.
        curvature: Second derivatives of the loss by the shares, as far as they are known.
    """

    shares: Shares
    head: Tensor
    scales: Scales
    tolerance: float
    objective: float
    slopes: NDArray[np.float64]
    shrinkage: float
    curvature: NDArray[np.float64]

    def under(self, shrinkage: float) -> "Solution":
        """The same under another shrinkage, which the head does not depend on."""
        change = (shrinkage - self.shrinkage) * _divergence(self.shares)
        return replace(self, objective=self.objective + change, shrinkage=shrinkage)

    def is_same(self, other: "Solution") -> bool:
        """Tell whether two optima count as one."""
        return bool(np.abs(self.shares - other.shares).max() <= SAME)

    @property
    def prices(self) -> NDArray[np.float64]:
        """Change of the loss by a first share of each block in place of the mixture, in nats."""
        return self.slopes - self.shares @ self.slopes

    @property
    def gap(self) -> float:
        """Nats by which the objective, were it convex, could at most be lower (Frank and Wolfe).

        It is 0 where the conditions of Karush, Kuhn and Tucker hold.
        """
        least = -self.slopes.min()
        if self.shrinkage:
            scaled = -self.slopes / self.shrinkage - np.log(len(self.shares))
            least = self.shrinkage * (logsumexp(scaled) + _divergence(self.shares))
        return float(max(0.0, self.shares @ self.slopes + least))


@dataclass(frozen=True, eq=False)
class Mixing:
    """A static mixture and its head, on the records that they are trained on.

    Attributes:
        states: ``(blocks, records, features)`` float32.
        norm: Module applied to the sum of the blocks.
        targets: As ``myocard.outcomes`` has them.
        outcome: Kind of the targets.
    """

    states: Float[Tensor, "blocks records features"]
    norm: nn.Module
    targets: Float[Tensor, "records classes"]
    outcome: Outcome

    @property
    def equal(self) -> Shares:
        return np.full(len(self.states), 1 / len(self.states))

    def of_classes(self, columns: slice) -> "Mixing":
        """The mixture of some classes alone."""
        return replace(self, targets=self.targets[:, columns])

    @torch.no_grad()
    def moments(self, solution: Solution) -> tuple[Tensor, Tensor]:
        """Mean and variance of each feature of a solution's mixture."""
        mixed = self.norm(_mixed(self.states, solution.shares))
        variance, mean = torch.var_mean(mixed, dim=0, correction=0)
        return mean, variance

    def head(self, solution: Solution) -> nn.Sequential:
        """The head of a solution."""
        return solved_head(*self.moments(solution), solution.head)

    @torch.no_grad()
    def logits(
        self, solution: Solution, states: Float[Tensor, "blocks records features"]
    ) -> Float[Tensor, "records classes"]:
        """Logits of other records."""
        return self.head(solution)(self.norm(_mixed(states, solution.shares)))

    @torch.no_grad()
    def logits_at_equal(
        self, penalties: Sequence[float], states: Float[Tensor, "blocks others features"]
    ) -> list[Float[Tensor, "others classes"]]:
        """Logits of other records at equal shares, of each penalty of the head."""
        mixed, others = (self.norm(_mixed(each, self.equal)) for each in (self.states, states))
        heads = solve(mixed, self.targets, penalties, outcome=self.outcome)
        return [head(others) for head in heads]

    def _standardised(self, mixed: Tensor) -> Tensor:
        return batch_norm(self.norm(mixed), None, None, training=True)

    def at(
        self,
        shares: Shares,
        penalty: float,
        shrinkage: float = 0.0,
        near: Solution | None = None,
        tolerance: float = GAP,
    ) -> Solution:
        """Solve the head of given shares to a tolerance, from that of a solution ``near`` by."""
        mixed = _mixed(self.states, shares).requires_grad_()
        features = self._standardised(mixed)
        regression = Regression(features.detach(), self.targets, self.outcome)
        start = near.head if near else regression.start()
        # Scales of other shares cost more steps than they save.
        head, scales = regression.minimise(penalty, start, tolerance)
        weights = head[:, :-1]
        logits = linear(features, weights, head[:, -1])
        loss = LIKELIHOODS[self.outcome].loss(logits, self.targets).mean()
        (pull,) = torch.autograd.grad(loss, mixed)
        slopes = (self.states.flatten(1) @ pull.flatten()).double().numpy()
        objective = float(loss.detach()) + penalty * float(weights.square().sum()) / 2
        objective += shrinkage * _divergence(shares)
        curvature = near.curvature if near else CURVATURE * np.eye(len(shares))
        return Solution(shares, head, scales, tolerance, objective, slopes, shrinkage, curvature)

    def descend(
        self, penalty: float, start: Solution, gap: float = GAP, known: Sequence[Solution] = ()
    ) -> Solution:
        """Find the optimum downhill of ``start``, under the same shrinkage, up to ``gap`` nats.

        It ends at one of the optima that are ``known`` when it comes as near to one as counts as
        the same, and is no better.

        Each step minimises a model of the objective in which the divergence is exact and the loss
        is quadratic, its curvature gathered on the way (BFGS). Its head is as exact as the gap
        before it asks for.
        """
        here = start
        for _ in range(_STEPS):
            for each in known:
                if each.is_same(here) and each.objective < here.objective + gap:
                    return each
            shares = _minimum(here) if here.gap > gap else here.shares
            stays = np.abs(shares - here.shares).max() < _CLOSE
            if stays and here.tolerance <= gap:
                break
            if stays:
                here = self.at(here.shares, penalty, here.shrinkage, here, gap)
                continue
            exact = float(np.clip(here.gap / 10, gap, _ROUGH))
            ahead = self.at(shares, penalty, here.shrinkage, here, exact)
            curvature = _updated(here, ahead)
            if ahead.objective <= here.objective:
                here = replace(ahead, curvature=curvature)
            else:
                # The model promised too much: it has to be steeper, and the next step shorter.
                here = replace(here, curvature=2 * curvature)
        return (
            here
            if here.tolerance <= gap
            else self.at(here.shares, penalty, here.shrinkage, here, gap)
        )

    def path(self, penalty: float, shrinkages: Sequence[float]) -> Iterator[Solution]:
        """Solve from equal shares on under ever weaker shrinkage, each from the one before."""
        found = self.at(self.equal, penalty)
        yield found
        for shrinkage in shrinkages:
            found = self.descend(penalty, found.under(shrinkage))
            yield found

    def optima(self, penalty: float, start: Solution) -> list[Solution]:
        """Find the optima downhill of ``start``, equal shares and every single block, best first.

        Those that are the same but for ``SAME`` are listed once.
        """
        alone = np.eye(len(self.states))
        if start.shrinkage:
            alone = 0.9 * alone + 0.1 * self.equal
        begun = [
            self.at(each, penalty, start.shrinkage, start, _ROUGH) for each in (self.equal, *alone)
        ]
        found: list[Solution] = []
        for each in (start, *begun):
            found.append(self.descend(penalty, each, GAP / 10, found))
        distinct: list[Solution] = []
        for each in sorted(found, key=lambda solution: solution.objective):
            if not any(each.is_same(other) for other in distinct):
                distinct.append(each)
        return distinct


def _mixed(
    states: Float[Tensor, "blocks records features"], shares: Shares
) -> Float[Tensor, "records features"]:
    flat = torch.from_numpy(shares).float() @ states.flatten(1)
    return flat.view(states.shape[1:])


def _divergence(shares: Shares) -> float:
    """Kullback-Leibler divergence of shares from equal ones, in nats."""
    return float(rel_entr(shares, 1 / len(shares)).sum())


def _minimum(here: Solution) -> Shares:
    """The minimum over the simplex of the model of the objective around ``here``."""
    blocks, least = len(here.shares), _LEAST if here.shrinkage else 0.0

    def model(shares: Shares) -> tuple[float, Shares]:
        away = shares - here.shares
        pull = here.curvature @ away
        logs = np.log(np.maximum(shares, _LEAST) * blocks)
        value = away @ (here.slopes + pull / 2) + here.shrinkage * (shares @ logs)
        slopes = here.slopes + pull + here.shrinkage * logs
        return _STIFF * value, _STIFF * (slopes - slopes.mean())

    found = minimize(
        model,
        np.clip(here.shares, least, 1),
        jac=True,
        method="SLSQP",
        bounds=[(least, 1.0)] * blocks,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 200},
    )
    shares = np.clip(found.x, 0, None)
    return shares / shares.sum()


def _updated(here: Solution, ahead: Solution) -> NDArray[np.float64]:
    """The curvature after a step (BFGS, damped after Powell so that it stays positive)."""
    step, change = ahead.shares - here.shares, ahead.slopes - here.slopes
    known = here.curvature @ step
    length = step @ known
    if length <= 0:
        return here.curvature
    told = step @ change
    if told < 0.2 * length:
        share = 0.8 * length / (length - told)
        change = share * change + (1 - share) * known
    along = np.outer(known, known) / length
    return here.curvature - along + np.outer(change, change) / (step @ change)
