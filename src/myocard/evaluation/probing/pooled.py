"""Probes of pooled states: what is convex is solved, all else trained, all models as one.

The linear head has one best answer for each penalty, which is solved for. A mixture that is
learned, or another head, is trained by gradient descent (``descent.py``).
"""

from collections.abc import Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from itertools import groupby
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from myocard.evaluation.probing import ridge
from myocard.evaluation.probing.descent import Candidates, descend, trains
from myocard.evaluation.probing.job import Job, Probe, Trained
from myocard.evaluation.probing.paths import Solvable, solve_mixture
from myocard.evaluation.probing.solving import solve
from myocard.evaluation.probing.subspaces import choose_subspaces, products_of
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.pooled import LayerSubspaces, Readout
from myocard.nn.readouts.registry import build_pooled
from myocard.results.run import Choice, Stop
from myocard.results.scoring import headline
from myocard.training.loop import seeded
from myocard.training.threads import one_thread

SMALL = 2_000_000
"""Numbers in the training records' features up to which one thread is faster than several, which
would take ten times as long to hand them out as to compute."""


def train(job: Job, probes: Sequence[Probe]) -> list[Trained]:
    """Train probes of one head as one, and score the splits."""
    readouts = [[_drawn(job, probe, seed) for probe in probes] for seed in job.recipe.seeds]
    numbers = len(job.cohort.rows["train"]) * job.width
    with one_thread() if numbers < SMALL else nullcontext():
        return train_readouts(job, probes[0].head, readouts)


def train_readouts(job: Job, head: str, readouts: Sequence[Sequence[Readout]]) -> list[Trained]:
    """Train given readouts, ``readouts[seed][probe]``, under a head, and score the splits.

    The linear head is solved, and a static mixture with it; other mixtures are trained first. So is
    ridge regression, for readouts with nothing to train.
    """
    if head == ridge.HEAD:
        return ridge.train(job, readouts)
    columns = list(zip(*readouts, strict=True))
    if head != "linear":
        # One stack holds models of one architecture alone.
        alike = groupby(columns, key=lambda column: column[0].features)
        stacks = [list(zip(*members, strict=True)) for _, members in alike]
        return [_chosen(job, *each) for rows in stacks for each in descend(job, head, rows)]
    if isinstance(readouts[0][0], Solvable):
        return [_solve_mixtures(job, column) for column in columns]
    if isinstance(readouts[0][0], LayerSubspaces):
        return [_chosen(job, _solve_subspaces(job, column)) for column in columns]
    if trains(readouts[0][0]):
        return [_chosen(job, *_refit(job, column)) for column in columns]
    return [_chosen(job, _solve_all(job, column)) for column in columns]


@torch.inference_mode()
def layer_weights(
    job: Job, classifiers: Sequence[Classifier], rows: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Share of each layer in each seed's readout, ``(seeds, records, layers)``."""
    parts = [
        torch.stack([each.readout.layer_weights(states) for each in classifiers])
        for states in job.read(rows)
    ]
    return torch.cat(parts, dim=1).numpy()


@torch.inference_mode()
def score(job: Job, candidates: Candidates, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scores of one probe's classifiers, ``(seeds, penalties, records, classes)``."""
    flat = [classifier for of_seed in candidates for classifier in of_seed]
    parts = []
    for states in job.read(rows):
        features = {readout: readout(states) for readout in {each.readout for each in flat}}
        logits = torch.stack([each.head(features[each.readout]) for each in flat])
        parts.append(job.likelihood.scores(logits))
    return torch.cat(parts, dim=1).unflatten(0, (len(candidates), -1)).numpy()


def _drawn(job: Job, probe: Probe, seed: int) -> Readout:
    with seeded(seed):
        return build_pooled(probe.readout, job.source.norm, job.widths, probe.layer)


def _chosen(job: Job, candidates: Candidates, stops: Sequence[Sequence[Stop]] = ()) -> Trained:
    """Keep each seed's classifier with the best validation score."""
    rows = {split: job.cohort.rows[split] for split in job.splits}
    scores = {split: score(job, candidates, some) for split, some in rows.items()}
    best, kept, chosen = job.choose(scores)
    classifiers = [of_seed[k] for of_seed, k in zip(candidates, best, strict=True)]
    weights = {split: layer_weights(job, classifiers, some) for split, some in rows.items()}
    ends = tuple(of_seed[k] for of_seed, k in zip(stops, best, strict=False))
    return Trained(classifiers, kept, weights, chosen, stops=ends)


def _solve_mixtures(job: Job, readouts: Sequence[Readout]) -> Trained:
    """Solve one probe's static mixtures, and score every step of their paths."""
    seeds = job.recipe.seeds
    rows = [job.cohort.training_rows(job.recipe.fraction, seed) for seed in seeds]
    same = [next(k for k, each in enumerate(rows) if np.array_equal(each, own)) for own in rows]
    once = {k: solve_mixture(job, cast(Solvable, readouts[k]), rows[k]) for k in set(same)}
    solved = [once[k] for k in same]
    candidates = [each.classifiers for each in solved]
    scores = {split: score(job, candidates, job.cohort.rows[split]) for split in job.splits}
    best = [each.chosen for each in solved]
    mixtures = []
    for seed, each in enumerate(solved):
        headlines: list[dict[str, float]] = [
            {s: headline(job.cohort, s, values[seed, k]) for s, values in scores.items()}
            for k in range(len(each.classifiers))
        ]
        mixtures.append(each.account(headlines))
    classifiers = [of_seed[k] for of_seed, k in zip(candidates, best, strict=True)]
    return Trained(
        classifiers,
        {split: values[np.arange(len(best)), best] for split, values in scores.items()},
        {s: layer_weights(job, classifiers, job.cohort.rows[s]) for s in job.splits},
        tuple(
            Choice(
                seed=seed,
                penalty=each.penalty,
                validation=each.path[each.chosen].scores["validation"],
            )
            for seed, each in zip(seeds, mixtures, strict=True)
        ),
        tuple(mixtures),
    )


def _solve_all(job: Job, readouts: Sequence[Readout]) -> Candidates:
    """Solve one probe's heads on fixed features; seeds with the same problem share the answer."""
    candidates: Candidates = []
    problems: list[tuple[Readout, NDArray[np.int64]]] = []
    for readout, seed in zip(readouts, job.recipe.seeds, strict=True):
        rows = job.cohort.training_rows(job.recipe.fraction, seed)
        same = [k for k, each in enumerate(problems) if _same(each, (readout, rows))]
        solved = candidates[same[0]] if same else _solve(job, readout, seed, job.recipe.penalties)
        candidates.append(solved)
        problems.append((readout, rows))
    return candidates


def _refit(job: Job, readouts: Sequence[Readout]) -> tuple[Candidates, list[list[Stop]]]:
    """Train one probe's mixtures, then solve each penalty's head on them.

    They are trained under the penalty that is best at equal shares.
    """
    equal = build_pooled("ppa", job.source.norm, job.widths)
    at_equal = _chosen(job, _solve_all(job, [equal] * len(readouts)))
    recipe = job.recipe.model_copy(update={"penalties": (most_chosen(at_equal.chosen),)})
    ((trained, stops),) = descend(
        replace(job, recipe=recipe), "linear", [[readout] for readout in readouts]
    )
    candidates = [
        _solve(job, classifier.readout, seed, job.recipe.penalties)
        for (classifier,), seed in zip(trained, job.recipe.seeds, strict=True)
    ]
    return candidates, [stop * len(job.recipe.penalties) for stop in stops]


@torch.no_grad()
def _solve_subspaces(job: Job, readouts: Sequence[Readout]) -> Candidates:
    """Choose each penalty's directions, and solve its head on them."""
    ridge.require_fitting(job.cohort, "loes", "scalar-mix")
    candidates: Candidates = []
    problems: list[NDArray[np.int64]] = []
    for readout, seed in zip(readouts, job.recipe.seeds, strict=True):
        rows = job.cohort.training_rows(job.recipe.fraction, seed)
        same = [k for k, each in enumerate(problems) if np.array_equal(each, rows)]
        problems.append(rows)
        if same:
            candidates.append(candidates[same[0]])
            continue
        drawn = cast(LayerSubspaces, readout)
        normed = torch.cat([drawn.norm(states[:, 1:]) for states in job.read(rows)])
        products, of_seed = products_of(normed, job.targets[rows]), []
        for penalty in job.recipe.penalties:
            own = deepcopy(drawn)
            found = choose_subspaces(products, penalty, own.RANK)
            own.directions.copy_(found.directions)
            own.shares.copy_(found.shares)
            of_seed += _solve(job, own, seed, [penalty])
        candidates.append(of_seed)
    return candidates


def most_chosen(choices: Sequence[Choice]) -> float:
    """The penalty that most seeds chose, the strongest of equals."""
    penalties = [choice.penalty for choice in choices]
    return max(penalties, key=lambda penalty: (penalties.count(penalty), penalty))


@torch.no_grad()
def _solve(job: Job, readout: Readout, seed: int, penalties: Sequence[float]) -> list[Classifier]:
    """Solve the linear head of each penalty on a readout as it is."""
    rows = job.cohort.training_rows(job.recipe.fraction, seed)
    readout = readout.eval()
    features = torch.cat([readout(states) for states in job.read(rows)])
    heads = solve(features, job.targets[rows], penalties, outcome=job.cohort.outcome)
    return [Classifier(readout, head) for head in heads]


def _same(one: tuple[Readout, NDArray[np.int64]], other: tuple[Readout, NDArray[np.int64]]) -> bool:
    """Tell if two readouts are the same and to be trained on the same records."""
    first, second = (each[0].state_dict().values() for each in (one, other))
    return np.array_equal(one[1], other[1]) and all(map(torch.equal, first, second))
