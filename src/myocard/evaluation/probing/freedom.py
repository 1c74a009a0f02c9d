"""Static mixtures on the path from no freedom to all of it, and the choice of how much pays.

The path leads from equal shares (PPA) to shares that nothing pulls back. Its steps are fitted on
the training records. Which step pays is asked of training and validation records together, by
cross-validation over patients: one validation fold is too small to tell.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn

from myocard.errors import InputError
from myocard.evaluation.probing.job import Job
from myocard.evaluation.probing.mixtures import Mixing, Solution
from myocard.evaluation.probing.solving import EPSILON, solved_head
from myocard.metrics.scores import auroc, macro
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import ClassMixture, ScalarMix, mixture_of_norms
from myocard.results.run import Mixture, Optimum, SplitName, Step

SHRINKAGES = (0.1, 0.03, 0.01, 0.003, 0.0)
"""Pull toward equal shares at every step but the first, in nats per nat of divergence."""
FOLDS = 5

Solvable = ScalarMix | ClassMixture


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
        weights: Share of each block at each step.
        optima: Certificates of that step.
    """

    classifiers: list[Classifier]
    choice: Choice
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
                shrinkage=None if k == 0 else SHRINKAGES[k - 1],
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


@dataclass(frozen=True, eq=False)
class _Problem:
    """The blocks of some records, and the groups of classes that have shares of their own."""

    blocks: Float[Tensor, "blocks records features"]
    norm: nn.Module
    targets: Float[Tensor, "records classes"]
    exclusive: bool
    groups: Sequence[slice]

    def on(self, rows: NDArray[np.int64]) -> list[Mixing]:
        """The mixture of each group of classes, on some of the records."""
        whole = Mixing(self.blocks[:, rows], self.norm, self.targets[rows], self.exclusive)
        return [whole.of_classes(group) for group in self.groups]


def solve_mixture(job: Job, readout: Solvable, train: NDArray[np.int64]) -> Solved:
    """Solve the mixtures on the path, and choose one.

    Args:
        job: The common ground of the probes.
        readout: The mixture, as it was built.
        train: Rows of the training records.

    Raises:
        InputError: For shares by class, where classes exclude each other.
    """
    rows = np.concatenate([train, job.cohort.rows["validation"]])
    problem = _problem(job, readout, rows)
    choice = _choose(*_cross_validate(problem, job, rows), job.recipe.penalties)
    mixings = problem.on(np.arange(len(train)))
    paths = [_fitted(mixing, choice.penalties) for mixing in mixings]
    step = choice.step
    if step:
        penalty = choice.penalties[step]
        optima = [m.optima(penalty, path[step]) for m, path in zip(mixings, paths, strict=True)]
    else:
        optima = [[path[0]] for path in paths]  # equal shares are where they are
    steps = [list(solutions) for solutions in zip(*paths, strict=True)]
    steps[step] = [found[0] for found in optima]
    return Solved(
        [_classifier(readout, mixings, solutions) for solutions in steps],
        choice,
        [tuple(np.mean([s.shares for s in solutions], axis=0).tolist()) for solutions in steps],
        tuple(
            _optimum(job.cohort.classes[group], found, choice.shares[:, step, k])
            for k, (group, found) in enumerate(zip(problem.groups, optima, strict=True))
        ),
    )


def _problem(job: Job, readout: Solvable, rows: NDArray[np.int64]) -> _Problem:
    groups = [slice(None)]
    if isinstance(readout, ClassMixture):
        if job.cohort.exclusive:
            raise InputError(
                f"class-mix: classes of {job.cohort.task} exclude each other; take scalar-mix"
            )
        groups = [slice(k, k + 1) for k in range(len(job.cohort.classes))]
    normed = isinstance(readout, ClassMixture) or readout.combine is mixture_of_norms
    before, after = (readout.norm, nn.Identity()) if normed else (nn.Identity(), readout.norm)
    blocks = torch.empty(job.depth, len(rows), job.width)
    done = 0
    with torch.no_grad():
        for states in job.read(rows):
            blocks[:, done : done + len(states)] = before(states[:, 1:]).transpose(0, 1)
            done += len(states)
    return _Problem(blocks, after, job.targets[rows], job.cohort.exclusive, groups)


def _cross_validate(
    problem: _Problem, job: Job, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Try the steps on held-out patients, under the penalty that is best at the first and near it.

    Returns:
        Macro AUROC ``(folds, penalties, steps)``, lowest where nothing was tried, and shares
        ``(folds, penalties, steps, groups, blocks)``.
    """
    patients, targets = job.cohort.patients[rows], job.cohort.targets[rows]
    folds = GroupKFold(min(FOLDS, len(set(patients))))
    split = [*folds.split(rows, groups=patients)]
    penalties, steps = job.recipe.penalties, len(SHRINKAGES) + 1
    areas = np.full((len(split), len(penalties), steps), -np.inf)
    shares = np.zeros((*areas.shape, len(problem.groups), len(problem.blocks)))
    order = [*np.argsort(penalties)]
    attempts: tuple[tuple[float, ...], ...] = ((), SHRINKAGES)
    for tried in attempts:
        if tried:
            best = areas[:, order, 0].mean(axis=0).argmax()
            order = order[max(best - 1, 0) : best + 2]
        for fold, (train, held) in enumerate(split):
            mixings, blocks = problem.on(train), problem.blocks[:, held]
            once = np.ones((1, len(held)), dtype=np.int64)
            for k in order:
                paths = zip(*(m.path(penalties[k], tried) for m in mixings), strict=True)
                for step, solutions in enumerate(paths):
                    found = zip(mixings, solutions, strict=True)
                    logits = torch.cat([m.logits(each, blocks) for m, each in found], dim=1)
                    area = macro(auroc(targets[held], logits.numpy(), once))[0]
                    # Where no class has both, no step is better than another.
                    areas[fold, k, step] = np.nan_to_num(area, nan=0.5)
                    shares[fold, k, step] = [each.shares for each in solutions]
    return areas, shares


def _choose(
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


def _fitted(mixing: Mixing, penalties: Sequence[float]) -> list[Solution]:
    """The solution at each step of the path, under the penalty of that step."""
    paths = {penalty: list(mixing.path(penalty, SHRINKAGES)) for penalty in set(penalties)}
    return [paths[penalty][k] for k, penalty in enumerate(penalties)]


def _optimum(
    classes: Sequence[str], found: Sequence[Solution], shares: NDArray[np.float64]
) -> Optimum:
    best = found[0]
    return Optimum(
        classes=tuple(classes),
        weights=tuple(best.shares.tolist()),
        low=tuple(shares.min(axis=0).tolist()),
        high=tuple(shares.max(axis=0).tolist()),
        objective=best.objective,
        gap=best.gap,
        prices=tuple(best.prices.tolist()),
        optima=len(found),
        worse=found[-1].objective - best.objective,
    )


def _classifier(
    readout: Solvable, mixings: Sequence[Mixing], solutions: Sequence[Solution]
) -> Classifier:
    """The readout with the shares of a step, and its head."""
    own = deepcopy(readout)
    shares = torch.from_numpy(np.array([each.shares for each in solutions])).float()
    if isinstance(own, ScalarMix):
        own.set_shares(shares[0])
        return Classifier(own, mixings[0].head(solutions[0])).eval()
    own.set_shares(shares.mean(dim=0))
    # A class's mixture is a linear map of all blocks side by side, each standardised on its own.
    variance, mean = torch.var_mean(mixings[0].states, dim=1, correction=0)
    spread, rows = (variance + EPSILON).sqrt(), []
    for mixing, solution, share in zip(mixings, solutions, shares, strict=True):
        _, of_mixture = mixing.moments(solution)
        weights = share[:, None] * spread * solution.head[:, :-1] / (of_mixture + EPSILON).sqrt()
        rows.append(torch.cat([weights.flatten(), solution.head[0, -1:]]))
    head = solved_head(mean.flatten(), variance.flatten(), torch.stack(rows))
    return Classifier(own, head).eval()
