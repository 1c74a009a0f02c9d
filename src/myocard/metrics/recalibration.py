"""Cox's calibration line: do probabilities lie too far out, or too high?"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from myocard.metrics.scores import Flags, Reals

_TOLERANCE = 1e-8  # Of the gradient.
_EDGE = 1e-12  # Probabilities of 0 and 1 have no logit.


class Line(NamedTuple):
    """The line of the outcomes' logits over those that were predicted, NaN where there is none.

    Attributes:
        slope: 1 where calibrated; below, the probabilities are too extreme.
        intercept: 0 where calibrated, at a slope of 1; above, they are too low.
    """

    slope: float
    intercept: float


def calibration_line(target: Flags, probability: Reals) -> Line:
    """Fit the calibration line of one class (Cox, Biometrika 45, 1958).

    Slope and intercept are two fits (Van Calster et al., BMC Medicine 17, 2019). Neither exists for
    a class without positives or negatives, and no slope where one threshold parts them.

    Args:
        target: ``(records,)``.
        probability: ``(records,)``.
    """
    if target.all() or not target.any():
        return Line(np.nan, np.nan)
    given = logit(np.clip(np.asarray(probability, float), _EDGE, 1 - _EDGE))
    ones = np.ones((len(given), 1))
    (intercept,) = _logistic(ones, target, given)
    yes, no = given[target], given[~target]
    parted = yes.min() >= no.max() or no.min() >= yes.max()
    slope = np.nan if parted else _logistic(np.column_stack([ones, given]), target)[1]
    return Line(float(slope), float(intercept))


def _logistic(inputs: Reals, target: Flags, offset: Reals | float = 0.0) -> Reals:
    """Weights of the likeliest logistic regression."""

    def loss(weights: Reals) -> tuple[float, Reals]:
        logits = inputs @ weights + offset
        missed = np.logaddexp(0, np.where(target, -logits, logits)).mean()
        return float(missed), inputs.T @ (expit(logits) - target) / len(target)

    found = minimize(loss, np.zeros(inputs.shape[1]), jac=True, options={"gtol": _TOLERANCE})
    return np.asarray(found.x)
