"""Static mixtures, mixtures by class and gates under a linear head: solved step by step.

A static path leads from equal shares (PPA) to shares that nothing pulls back; a gate's leads from
the static mixture that was chosen to a gate that nothing holds.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.errors import InputError
from myocard.evaluation.probing.freedom import Choice, Solved, area_of, choose, folds_of
from myocard.evaluation.probing.gating import Gating
from myocard.evaluation.probing.job import Job
from myocard.evaluation.probing.mixtures import Mixing, Solution
from myocard.evaluation.probing.solving import EPSILON, solved_head
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import ClassMixture, GatedMix, ScalarMix, mixture_of_norms
from myocard.results.run import Optimum

SHRINKAGES = (0.1, 0.03, 0.01, 0.003, 0.0)
"""Pull toward equal shares at every step but the first, in nats per nat of divergence."""
PULLS = (3.0, 1.0, 0.3, 0.1, 0.03)
"""Penalties of half a gate's squares at every step but the first."""

Solvable = ScalarMix | ClassMixture | GatedMix


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
    choice = choose(*_cross_validate(problem, job, rows), job.recipe.penalties)
    if isinstance(readout, GatedMix):
        return _solve_gate(job, readout, problem, choice, rows, len(train))
    mixings = problem.on(np.arange(len(train)))
    paths = [_fitted(mixing, choice.penalties) for mixing in mixings]
    step, optima = choice.step, []
    steps = [list(solutions) for solutions in zip(*paths, strict=True)]
    if step:  # equal shares are given, not an optimum
        penalty = choice.penalties[step]
        optima = [m.optima(penalty, path[step]) for m, path in zip(mixings, paths, strict=True)]
        steps[step] = [found[0] for found in optima]
    return Solved(
        [_classifier(readout, mixings, solutions) for solutions in steps],
        choice,
        (None, *SHRINKAGES),
        [tuple(np.mean([s.shares for s in solutions], axis=0).tolist()) for solutions in steps],
        tuple(
            _optimum(job.cohort.classes[problem.groups[k]], found, choice.shares[:, step, k])
            for k, found in enumerate(optima)
        ),
    )


def _solve_gate(
    job: Job,
    readout: GatedMix,
    problem: _Problem,
    static: Choice,
    rows: NDArray[np.int64],
    train: int,
) -> Solved:
    """Solve the gates on the path from the static mixture that was chosen, and choose one."""
    penalty, targets = static.penalties[static.step], job.cohort.targets[rows]
    embeddings = torch.cat([states[:, 0] for states in job.read(rows)])
    areas, shares = [], []
    for fitted, held in folds_of(job.cohort.patients[rows]):
        gating, solution = _gating(problem, embeddings, fitted, penalty, static.step)
        inputs, blocks = gating.standardised(embeddings[held]), problem.blocks[:, held]
        for found in gating.path(penalty, solution, PULLS):
            logits = gating.logits(found, inputs, blocks)
            areas.append(area_of(targets[held], logits))
            shares.append(found.shares(inputs).mean(dim=0).double().numpy())
    shape = (-1, 1, len(PULLS) + 1)
    whole = np.array(shares).reshape(*shape, 1, job.depth)
    choice = choose(np.array(areas).reshape(shape), whole, [penalty])
    gating, solution = _gating(problem, embeddings, np.arange(train), penalty, static.step)
    path = list(gating.path(penalty, solution, PULLS))
    return Solved(
        [Classifier(gating.readout(readout, each), gating.head(each)).eval() for each in path],
        choice,
        (None, *PULLS),
        [tuple(each.shares(gating.inputs).mean(dim=0).tolist()) for each in path],
        (),
    )


def _gating(
    problem: _Problem,
    embeddings: Float[Tensor, "records width"],
    rows: NDArray[np.int64],
    penalty: float,
    step: int,
) -> tuple[Gating, Solution]:
    """The gate's problem on some records, and the static mixture of a step that it starts from."""
    (mixing,) = problem.on(rows)
    *_, solution = mixing.path(penalty, SHRINKAGES[:step])
    return Gating(mixing, embeddings[rows]), solution


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
    """Try the steps on held-out patients, under the penalty that is best at the first.

    Returns:
        Macro AUROC ``(folds, penalties, steps)``, lowest where nothing was tried, and shares
        ``(folds, penalties, steps, groups, blocks)``.
    """
    targets, split = job.cohort.targets[rows], folds_of(job.cohort.patients[rows])
    penalties, steps = job.recipe.penalties, len(SHRINKAGES) + 1
    areas = np.full((len(split), len(penalties), steps), -np.inf)
    shares = np.zeros((*areas.shape, len(problem.groups), len(problem.blocks)))
    order = [*np.argsort(penalties)]
    attempts: tuple[tuple[float, ...], ...] = ((), SHRINKAGES)
    for tried in attempts:
        if tried:
            best = areas[:, order, 0].mean(axis=0).argmax()
            order = [order[best]]
        for fold, (train, held) in enumerate(split):
            mixings, blocks = problem.on(train), problem.blocks[:, held]
            for k in order:
                paths = zip(*(m.path(penalties[k], tried) for m in mixings), strict=True)
                for step, solutions in enumerate(paths):
                    found = zip(mixings, solutions, strict=True)
                    logits = torch.cat([m.logits(each, blocks) for m, each in found], dim=1)
                    areas[fold, k, step] = area_of(targets[held], logits)
                    shares[fold, k, step] = [each.shares for each in solutions]
    return areas, shares


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
    readout: ScalarMix | ClassMixture, mixings: Sequence[Mixing], solutions: Sequence[Solution]
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
