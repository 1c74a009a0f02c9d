"""The freedom of a mixture: a path from none to all of it, and the choice of how much pays.

The steps of a path are fitted on the training records. Which step pays is asked of training and
validation records together, by cross-validation over patients: one validation fold is too small to
tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from myocard.nn.readouts.classifier import Classifier
from myocard.results.mixture import Mixture, Optimum, Step

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Choice:
    """The step that pays.

    Attributes:
        step: Its index.
        penalty: Penalty of the head, at every step.
        means: Mean score of every step over the folds.
        lost: How much less it is than the best step's.
        errors: The standard error of that.
        shares: ``(folds, steps, groups, blocks)``.
    """

    step: int
    penalty: float
    means: NDArray[np.float64]
    lost: NDArray[np.float64]
    errors: NDArray[np.float64]
    shares: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Solved:
    """The mixtures of one seed.

    Attributes:
        classifiers: One for each step of the path.
        choice: The step that pays.
        pulls: Strength of what holds each step back.
        weights: Share of each block at each step.
        optima: Certificates of that step of a static mixture.
        slope: Largest derivative that is left of a gate at that step.
    """

    classifiers: list[Classifier]
    choice: Choice
    pulls: Sequence[float | None]
    weights: list[tuple[float, ...]]
    optima: tuple[Optimum, ...] = ()
    slope: float | None = None

    @property
    def chosen(self) -> int:
        return self.choice.step

    def account(self, scores: Sequence[dict[str, float]]) -> Mixture:
        """Tell of the path, given the score of every step by split."""
        choice = self.choice
        path = [
            Step(
                pull=pull,
                score=choice.means[k],
                lost=choice.lost[k],
                error=choice.errors[k],
                weights=self.weights[k],
                scores=scores[k],
            )
            for k, pull in enumerate(self.pulls)
        ]
        return Mixture(
            chosen=choice.step,
            penalty=choice.penalty,
            folds=len(choice.shares),
            path=tuple(path),
            optima=self.optima,
            slope=self.slope,
        )


def folds_of(patients: NDArray[np.object_]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to train on and rows to hold out, patients apart."""
    folds = GroupKFold(min(FOLDS, len(set(patients))))
    return list(folds.split(patients, groups=patients))


def best_penalty(headlines: NDArray[np.float64], penalties: Sequence[float]) -> float:
    """The penalty of best mean score ``(folds, penalties)``, the strongest of equals."""
    return max(zip(headlines.mean(axis=0), penalties, strict=True))[1]


def choose(headlines: NDArray[np.float64], shares: NDArray[np.float64], penalty: float) -> Choice:
    """Choose the first step within one standard error of the best.

    The error is that of the difference over folds.

    Args:
        headlines: Headline scores, ``(folds, steps)``.
        shares: ``(folds, steps, groups, blocks)``.
        penalty: Penalty of the head, at every step.
    """
    means = headlines.mean(axis=0)
    less = headlines[:, [means.argmax()]] - headlines
    lost, errors = less.mean(axis=0), less.std(axis=0, ddof=1) / np.sqrt(len(less))
    return Choice(int(np.argmax(lost <= errors)), penalty, means, lost, errors, shares)
