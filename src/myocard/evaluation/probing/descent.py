"""Classifiers of pooled states that are trained by gradient descent.

All seeds and penalties (and for the layer curve, all layers) are trained at once, as one stack of
models, through the common loop. Their gradients do not meet: the loss is a sum.
"""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Shuffled
from myocard.evaluation.probing.job import CHUNK, Job, headlines_of
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import Readout
from myocard.nn.readouts.stack import Stack
from myocard.results.run import Stop
from myocard.training.loop import seeded

Candidates = list[list[Classifier]]
"""The classifiers of one probe, by seed and penalty."""


def descend(
    job: Job, head: str, readouts: Sequence[Sequence[Readout]]
) -> list[tuple[Candidates, list[list[Stop]]]]:
    """Train the classifiers of probes together by gradient descent.

    Args:
        job: The common ground of the probes.
        head: Name of their head.
        readouts: ``readouts[seed][probe]``, all of one architecture.

    Returns:
        Each probe's classifiers, and the end of the training of each: ``stops[seed][penalty]``.
    """
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
            [_classifier(readout, course.kept(row, probe, k)) for k in penalties]
            for row, readout in enumerate(column)
        ]
        stops = [course.stops(seed, (row, probe)) for row, seed in enumerate(job.recipe.seeds)]
        found.append((candidates, stops))
    return found


def trains(readout: Readout) -> bool:
    """Tell whether a readout has anything to train."""
    return any(p.requires_grad for p in readout.parameters())


@torch.inference_mode()
def _headlines(job: Job, stack: Stack, inputs: Sequence[Sequence[Tensor]]) -> NDArray[np.float64]:
    """Headline score on validation of every member as it is, ``(seeds, probes, penalties)``."""
    stack.eval()
    rows, logits = torch.from_numpy(job.cohort.rows["validation"]), []
    device = next(stack.parameters()).device
    for some in rows.split(CHUNK):
        shown = torch.stack([torch.stack([states[some] for states in row]) for row in inputs])
        logits.append(stack(shown.float().to(device)).cpu())
    return headlines_of(job, torch.cat(logits, dim=-2))


def _models(job: Job, head: str, readout: Readout, seed: int) -> list[nn.Module]:
    """Build one model for each penalty, all from the same draws."""
    models: list[nn.Module] = []
    for _ in job.recipe.penalties:
        with seeded(seed):
            drawn = HEADS[head](readout.features, len(job.cohort.classes))
        models.append(Classifier(deepcopy(readout), drawn) if trains(readout) else drawn)
    return models


@torch.no_grad()
def _inputs(job: Job, readout: Readout) -> Tensor:
    """Input of the stack: states, or the features of a readout with nothing to train."""
    states = job.source.pooled()
    if trains(readout):
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
        picked = [
            states.index_select(0, r)  # Copies whole rows, which indexing does not.
            for row, r in zip(inputs, rows, strict=True)
            for states in row
        ]
        targets = torch.stack([job.targets[r] for r in rows])[:, None, None]
        yield torch.stack(picked).float().unflatten(0, (len(rows), -1)), targets


def _classifier(readout: Readout, trained: nn.Module) -> Classifier:
    """Return a trained model, with its readout where that is no part of it."""
    return trained if isinstance(trained, Classifier) else Classifier(readout, trained)
