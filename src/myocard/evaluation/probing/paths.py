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
from myocard.evaluation.probing.freedom import (
    Choice,
    Solved,
    best_penalty,
    choose,
    folds_of,
)
from myocard.evaluation.probing.gating import Gating
from myocard.evaluation.probing.job import Job
from myocard.evaluation.probing.mixtures import Mixing, Solution
from myocard.evaluation.probing.solving import EPSILON, solved_head
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import ClassMixture, GatedMix, ScalarMix, mixture_of_norms
from myocard.outcomes import Outcome
from myocard.results.mixture import Optimum

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
    outcome: Outcome
    groups: Sequence[slice]

    def on(self, rows: NDArray[np.int64]) -> list[Mixing]:
        """The mixture of each group of classes, on some of the records."""
        whole = Mixing(self.blocks[:, rows], self.norm, self.targets[rows], self.outcome)
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
    held = np.setdiff1d(job.cohort.rows["validation"], train)  # estimators train on all records
    rows = np.concatenate([train, held])
    problem = _problem(job, readout, rows)
    choice = _cross_validate(problem, job, rows)
    if isinstance(readout, GatedMix):
        return _solve_gate(job, readout, problem, choice, rows, len(train))
    mixings, optima = problem.on(np.arange(len(train))), []
    paths = [list(mixing.path(choice.penalty, SHRINKAGES)) for mixing in mixings]
    steps = [list(solutions) for solutions in zip(*paths, strict=True)]
    if choice.step:  # equal shares are given, not an optimum
        found = zip(mixings, steps[choice.step], strict=True)
        optima = [mixing.optima(choice.penalty, solution) for mixing, solution in found]
        steps[choice.step] = [each[0] for each in optima]
    return Solved(
        [_classifier(readout, mixings, solutions) for solutions in steps],
        choice,
        (None, *SHRINKAGES),
        [tuple(np.mean([s.shares for s in solutions], axis=0).tolist()) for solutions in steps],
        tuple(
            _optimum(job.cohort.classes[group], found, choice.shares[:, choice.step, k])
            for k, (group, found) in enumerate(zip(problem.groups, optima, strict=False))
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
    embeddings = torch.cat([states[:, 0] for states in job.read(rows)])
    headlines, shares = [], []
    for fitted, held in folds_of(job.cohort.patients[rows]):
        gating, solution = _gating(problem, embeddings, fitted, static)
        inputs, blocks = gating.standardised(embeddings[held]), problem.blocks[:, held]
        path = list(gating.path(static.penalty, solution, PULLS))
        headlines.append([job.score(rows[held], gating.logits(x, inputs, blocks)) for x in path])
        shares.append([[x.shares(inputs).mean(dim=0).tolist()] for x in path])
    choice = choose(np.array(headlines), np.array(shares), static.penalty)
    gating, solution = _gating(problem, embeddings, np.arange(train), static)
    path = list(gating.path(static.penalty, solution, PULLS))
    return Solved(
        [Classifier(gating.readout(readout, each), gating.head(each)).eval() for each in path],
        choice,
        (None, *PULLS),
        [tuple(each.shares(gating.inputs).mean(dim=0).tolist()) for each in path],
        slope=path[choice.step].slope,
    )


def _gating(
    problem: _Problem,
    embeddings: Float[Tensor, "records width"],
    rows: NDArray[np.int64],
    static: Choice,
) -> tuple[Gating, Solution]:
    """The gate's problem on some records, and the static mixture that it starts from."""
    (mixing,) = problem.on(rows)
    *_, solution = mixing.path(static.penalty, SHRINKAGES[: static.step])
    return Gating(mixing, embeddings[rows]), solution


def _problem(job: Job, readout: Solvable, rows: NDArray[np.int64]) -> _Problem:
    groups = [slice(None)]
    if isinstance(readout, ClassMixture):
        if not LIKELIHOODS[job.cohort.outcome].separate:
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
    return _Problem(blocks, after, job.targets[rows], job.cohort.outcome, groups)


def _cross_validate(problem: _Problem, job: Job, rows: NDArray[np.int64]) -> Choice:
    """Choose the head's penalty at equal shares, and then the step, on held-out patients."""
    penalties, split = job.recipe.penalties, folds_of(job.cohort.patients[rows])
    at_equal = []
    for train, held in split:
        mixings, blocks = problem.on(train), problem.blocks[:, held]
        heads = zip(*(mixing.logits_at_equal(penalties, blocks) for mixing in mixings), strict=True)
        at_equal.append([job.score(rows[held], torch.cat(each, dim=1)) for each in heads])
    penalty = best_penalty(np.array(at_equal), penalties)
    headlines, shares = [], []
    for train, held in split:
        mixings, blocks = problem.on(train), problem.blocks[:, held]
        steps = list(zip(*(m.path(penalty, SHRINKAGES) for m in mixings), strict=True))
        logits = [
            torch.cat([m.logits(x, blocks) for m, x in zip(mixings, step, strict=True)], dim=1)
            for step in steps
        ]
        headlines.append([job.score(rows[held], each) for each in logits])
        shares.append([[solution.shares for solution in step] for step in steps])
    return choose(np.array(headlines), np.array(shares), penalty)


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
