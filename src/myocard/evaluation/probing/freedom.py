"""The freedom of a mixture: a path from none to all of it, and the choice of how much pays.

The steps of a path are fitted on the training records. Which step pays is asked of training and
validation records together, by cross-validation over patients: one validation fold is too small to
tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from torch import Tensor

from myocard.metrics.scores import auroc, macro
from myocard.nn.readouts.classifier import Classifier
from myocard.results.run import Mixture, Optimum, SplitName, Step

FOLDS = 5


@dataclass(frozen=True, eq=False)
class Choice:
    """The step that pays.

    Attributes:
        step: Its index.
        penalties: The best penalty of every step.
        means: Mean AUROC of every step over the folds.
        lost: How much less it is than the best step's.
        errors: The standard error of that.
        shares: ``(folds, steps, groups, blocks)``, each step under its penalty.
    """

    step: int
    penalties: list[float]
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
        optima: Certificates of that step.
    """

    classifiers: list[Classifier]
    choice: Choice
    pulls: Sequence[float | None]
    weights: list[tuple[float, ...]]
    optima: tuple[Optimum, ...]

    @property
    def chosen(self) -> int:
        return self.choice.step

    def account(self, scores: Sequence[dict[SplitName, float]]) -> Mixture:
        """Tell of the path, given the macro AUROC of every step by split."""
        choice = self.choice
        path = [
            Step(
                pull=self.pulls[k],
                penalty=penalty,
                auroc=choice.means[k],
                lost=choice.lost[k],
                error=choice.errors[k],
                weights=self.weights[k],
                scores=scores[k],
            )
            for k, penalty in enumerate(choice.penalties)
        ]
        folds = len(choice.shares)
        return Mixture(chosen=choice.step, folds=folds, path=tuple(path), optima=self.optima)


def folds_of(patients: NDArray[np.object_]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to train on and rows to hold out, patients apart."""
    folds = GroupKFold(min(FOLDS, len(set(patients))))
    return list(folds.split(patients, groups=patients))


def area_of(targets: NDArray[np.bool_], logits: Float[Tensor, "records classes"]) -> float:
    """Macro AUROC; one half where no class has both, so that no step is better than another."""
    once = np.ones((1, len(targets)), dtype=np.int64)
    return float(np.nan_to_num(macro(auroc(targets, logits.numpy(), once))[0], nan=0.5))


def choose(
    areas: NDArray[np.float64], shares: NDArray[np.float64], penalties: Sequence[float]
) -> Choice:
    """Choose the first step within one standard error of the best, of equal penalties the stronger.

    The error is that of the difference over folds.
    """
    order = np.argsort(penalties)[::-1]
    best = order[areas.mean(axis=0)[order].argmax(axis=0)]
    steps = np.arange(len(best))
    of_step = areas[:, best, steps]
    means = of_step.mean(axis=0)
    less = of_step[:, [means.argmax()]] - of_step
    errors = less.std(axis=0) / np.sqrt(max(len(less) - 1, 1))
    lost = less.mean(axis=0)
    step = int(np.argmax(lost <= errors))
    return Choice(step, [penalties[k] for k in best], means, lost, errors, shares[:, best, steps])
