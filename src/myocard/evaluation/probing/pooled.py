"""Probes of pooled states: what is convex is solved, all else trained, all models as one.

The linear head has one best answer for each penalty, which is solved for. A mixture that is
learned, or another head, is trained through the common loop, all seeds and penalties (and for the
layer curve, all layers) at once, as one stack of models. Their gradients do not meet: the loss is a
sum.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from itertools import groupby
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Shuffled
from myocard.evaluation.probing import ridge
from myocard.evaluation.probing.job import CHUNK, Job, Probe, Trained, headlines_of
from myocard.evaluation.probing.paths import Solvable, solve_mixture
from myocard.evaluation.probing.solving import solve
from myocard.evaluation.probing.subspaces import choose_subspaces, products_of
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import LayerSubspaces, Readout
from myocard.nn.readouts.registry import build_pooled
from myocard.nn.readouts.stack import Stack
from myocard.results.run import Choice, Stop
from myocard.results.scoring import headline
from myocard.training.loop import seeded

SMALL = 2_000_000
"""Numbers in the training records' features up to which one thread is faster than several."""

Candidates = list[list[Classifier]]
"""The classifiers of one probe, by seed and penalty."""


def train(job: Job, probes: Sequence[Probe]) -> list[Trained]:
    """Train probes of one head as one, and score the splits."""
    readouts = [[_drawn(job, probe, seed) for probe in probes] for seed in job.recipe.seeds]
    with _threads_for(len(job.cohort.rows["train"]) * job.width):
        return train_readouts(job, probes[0].head, readouts)


@contextmanager
def _threads_for(numbers: int) -> Iterator[None]:
    """Keep small problems on one thread: handing them out takes ten times as long as they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if numbers < SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
        return [_chosen(job, *each) for rows in stacks for each in _descend(job, head, rows)]
    if isinstance(readouts[0][0], Solvable):
        return [_solve_mixtures(job, column) for column in columns]
    if isinstance(readouts[0][0], LayerSubspaces):
        return [_chosen(job, _solve_subspaces(job, column)) for column in columns]
    if _trains(readouts[0][0]):
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
    ((trained, stops),) = _descend(
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


def _descend(
    job: Job, head: str, readouts: Sequence[Sequence[Readout]]
) -> list[tuple[Candidates, list[list[Stop]]]]:
    """Train each probe's classifiers together by gradient descent."""
    models = [
        [_models(job, head, readout, seed) for readout in row]
        for seed, row in zip(job.recipe.seeds, readouts, strict=True)
    ]
    stack = Stack(models)
    inputs = [[_inputs(job, readout) for readout in row] for row in readouts]
    train = [job.cohort.training_rows(job.recipe.fraction, seed) for seed in job.recipe.seeds]
    settings = job.recipe.optimisation_of(min(map(len, train)))
    course = job.fit(
        stack,
        stack,
        lambda numbers: _batches(job, inputs, train, settings.batch, numbers),
        f"train probes of {job.source.encoder.name}",
        lambda: _headlines(job, stack, inputs),
        settings,
    )
    penalties, found = range(len(job.recipe.penalties)), []
    for probe, column in enumerate(zip(*readouts, strict=True)):
        candidates = [
            [_whole(readout, course.kept(seed, probe, k)) for k in penalties]
            for seed, readout in enumerate(column)
        ]
        found.append(
            (candidates, [course.stops(s, (i, probe)) for i, s in enumerate(job.recipe.seeds)])
        )
    return found


@torch.inference_mode()
def _headlines(job: Job, stack: Stack, inputs: Sequence[Sequence[Tensor]]) -> NDArray[np.float64]:
    """Headline score on validation of every member as it is, ``(seeds, probes, penalties)``."""
    stack.eval()
    rows, logits = torch.from_numpy(job.cohort.rows["validation"]), []
    device = next(stack.parameters()).device
    for some in rows.split(CHUNK):
        shown = torch.stack([torch.stack([x[some] for x in row]) for row in inputs])
        logits.append(stack(shown.float().to(device)).cpu())
    return headlines_of(job, torch.cat(logits, dim=-2))


def _models(job: Job, head: str, readout: Readout, seed: int) -> list[nn.Module]:
    """Build one model for each penalty, all from the same draws."""
    models: list[nn.Module] = []
    for _ in job.recipe.penalties:
        with seeded(seed):
            drawn = HEADS[head](readout.features, len(job.cohort.classes))
        models.append(Classifier(deepcopy(readout), drawn) if _trains(readout) else drawn)
    return models


@torch.no_grad()
def _inputs(job: Job, readout: Readout) -> Tensor:
    """Input of the stack: states, or the features of a readout with nothing to train."""
    states = job.source.pooled()
    if _trains(readout):
        return states
    return torch.cat([readout.eval()(some.float()) for some in states.split(CHUNK)])


def _batches(
    job: Job,
    inputs: Sequence[Sequence[Tensor]],
    train: Sequence[NDArray[np.int64]],
    batch: int,
    numbers: Iterable[int],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs ``(seeds, probes, records, …)`` and targets; each seed has records of its own."""
    orders = [
        Shuffled(len(rows), min(batch, len(rows)), seed)
        for rows, seed in zip(train, job.recipe.seeds, strict=True)
    ]
    for number in numbers:
        rows = [
            torch.from_numpy(own[order.records(number)])
            for own, order in zip(train, orders, strict=True)
        ]
        picked = [x[r] for row, r in zip(inputs, rows, strict=True) for x in row]
        targets = torch.stack([job.targets[r] for r in rows])[:, None, None]
        yield torch.stack(picked).float().unflatten(0, (len(rows), -1)), targets


def _trains(readout: Readout) -> bool:
    return any(p.requires_grad for p in readout.parameters())


def _same(one: tuple[Readout, NDArray[np.int64]], other: tuple[Readout, NDArray[np.int64]]) -> bool:
    """Tell if two readouts are the same and to be trained on the same records."""
    first, second = (each[0].state_dict().values() for each in (one, other))
    return np.array_equal(one[1], other[1]) and all(map(torch.equal, first, second))


def _whole(readout: Readout, trained: nn.Module) -> Classifier:
    return trained if isinstance(trained, Classifier) else Classifier(readout, trained)
