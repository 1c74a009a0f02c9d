"""Linear discriminants of many labels at once, from one pass over the tokens.

Ridge regression on indicators hides a rare label between two others; discriminant analysis of the
fitted values does not, and needs no more than the same moments (Hastie, Tibshirani and Buja 1994,
J Am Stat Assoc 89:1255).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from myocard.evaluation.delineation.tokens import LABELS
from myocard.evaluation.probing.ridge import Moments
from myocard.evaluation.probing.solving import EPSILON, solved_head

# Fitted indicators of a position sum to one: there is no variance along that direction.
_FLAT = 1e-6


def solve(moments: Moments, penalties: Sequence[float]) -> list[nn.Module]:
    """Solve the head of each penalty: it scores every label at every position of a token.

    Scores are log-probabilities but for a constant, if a label's tokens are normal with the
    covariance of all labels'. A label that a position never has scores minus infinity.

    Args:
        moments: Of tokens and of indicators ``(positions · LABELS)``, fitted as numbers.
        penalties: Of the squared weights of the regression, on standardised tokens.
    """
    return [_head(moments, ridge.double()) for ridge in moments.solve(penalties)]


def _head(moments: Moments, ridge: nn.Sequential) -> nn.Module:
    """Rotate the fitted indicators of each position to its discriminants."""
    mean = moments.of_features / moments.records
    covariance = moments.products / moments.records - mean.outer(mean)
    spread = (covariance.diagonal().clamp(min=0) + EPSILON).sqrt()
    standardised = _by_position(ridge.get_parameter("1.weight").detach())
    weights, shares = standardised / spread, _by_position(moments.of_targets / moments.records)
    centres = _by_position((moments.crossed / moments.of_targets.clamp(min=1)).T) - mean
    fitted = centres @ weights.mT  # of each label's mean token, less the mean of all
    between = fitted.mT @ (shares[..., None] * fitted)
    within = weights @ covariance @ weights.mT - between
    rotation = torch.linalg.pinv(within, rtol=_FLAT, hermitian=True) @ fitted.mT
    constants = shares.log() - (fitted.mT * rotation).sum(dim=1) / 2
    solution = torch.cat([rotation.mT @ standardised, constants[..., None]], dim=-1).flatten(0, 1)
    return solved_head(mean.float(), covariance.diagonal().clamp(min=0).float(), solution.float())


def _by_position(rows: Tensor) -> Tensor:
    return rows.unflatten(0, (-1, LABELS))
