"""Probes of tokens, trained while the frozen encoder runs.

Tokens are too many for a cache: each batch is encoded when its turn comes, once for all readouts,
heads, seeds and penalties.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.batches import Shuffled
from myocard.errors import InputError
from myocard.evaluation.probing.job import Job, Probe, Trained, headlines_of
from myocard.evaluation.probing.stopping import Course
from myocard.evaluation.probing.stream import Stream, TokenStream
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import TOKENS
from myocard.nn.readouts.tokens import TokenProbes, View
from myocard.results.run import SplitName
from myocard.training.loop import seeded


def train(job: Job, probes: Sequence[Probe], folder: Path) -> list[Trained]:
    """Train probes of tokens as one, and score the splits.

    Args:
        job: Its source is a stream.
        probes: The probes.
        folder: The folder in which a stopped training is kept and taken up again.
    """
    stream = _stream(job, probes)
    members = build(job, probes)
    settings = job.recipe.optimisation
    rows = job.cohort.rows["train"]
    order = Shuffled(len(rows), min(settings.batch, len(rows)), settings.seed)

    def batches(numbers: Iterable[int]) -> Iterator[tuple[dict[View, Tensor], Tensor]]:
        for number in numbers:
            chosen = rows[order.records(number)]
            yield stream[chosen], job.targets[chosen]

    what = f"probe tokens of {job.source.encoder.name}"
    rows_of = job.cohort.rows

    def headlines() -> NDArray[np.float64]:
        scores, _ = _predict(job, members.eval(), stream, rows_of["validation"])
        return headlines_of(job, torch.from_numpy(scores))

    course = job.fit(members, members, batches, what, headlines, settings, folder)
    kept = [course.kept(*index) for index in np.ndindex(members.shape)]
    best = TokenProbes([each for each in kept if isinstance(each, Classifier)], members.shape)
    predicted = {split: _predict(job, best, stream, rows_of[split]) for split in job.splits}
    return [_chosen(job, best, index, predicted, course) for index in range(len(probes))]


def views_of(readouts: Iterable[str], width: int, depth: int) -> tuple[View, ...]:
    """The views of these readouts, each once."""
    return tuple(dict.fromkeys(TOKENS[name](width, depth).view for name in readouts))


def build(job: Job, probes: Sequence[Probe]) -> TokenProbes:
    """Build a classifier for every probe, seed and penalty, in this order."""
    recipe, classes, members = job.recipe, len(job.cohort.classes), []
    for probe, seed, _ in product(probes, recipe.seeds, recipe.penalties):
        with seeded(seed):
            readout = TOKENS[probe.readout](job.width, job.depth)
            head = HEADS[probe.head](readout.features, classes)
        members.append(Classifier(readout, head))
    return TokenProbes(members, (len(probes), len(recipe.seeds), len(recipe.penalties)))


def _stream(job: Job, probes: Sequence[Probe]) -> TokenStream:
    if not isinstance(job.source, Stream):
        raise InputError(
            f"readout {probes[0].readout!r} looks at tokens, which a cache of pooled states does "
            "not have; probe with --encoder and --store in place of a cache"
        )
    if job.recipe.fraction < 1:
        raise InputError("readouts of tokens are trained on all labels; leave fraction at 1")
    views = views_of((probe.readout for probe in probes), job.width, job.depth)
    return job.source.tokens(views, job.recipe.keep * 1e9)


@torch.inference_mode()
def _predict(
    job: Job, members: TokenProbes, stream: TokenStream, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores and layer weights: ``(probes, seeds, penalties, records, classes or layers)``."""
    device, batch = next(members.parameters()).device, job.recipe.optimisation.batch
    scores, weights = [], []
    for first in range(0, len(rows), batch):
        some = stream[rows[first : first + batch]]
        tokens = {view: shown.to(device) for view, shown in some.items()}
        scores.append(job.likelihood.scores(members(tokens)).cpu())
        weights.append(members.layer_weights(tokens).cpu())
    return torch.cat(scores, dim=-2).numpy(), torch.cat(weights, dim=-2).numpy()


def _chosen(
    job: Job,
    members: TokenProbes,
    index: int,
    predicted: dict[SplitName, tuple[NDArray[np.float32], NDArray[np.float32]]],
    course: Course,
) -> Trained:
    """Keep each seed's classifier with the best validation score."""
    best, kept, chosen = job.choose({s: scores[index] for s, (scores, _) in predicted.items()})
    seeds = np.arange(len(best))
    weights = {s: layers[index, seeds, best] for s, (_, layers) in predicted.items()}
    places = np.ravel_multi_index((np.full_like(seeds, index), seeds, best), members.shape)
    ends = [course.stops(seed, (index, k)) for k, seed in enumerate(job.recipe.seeds)]
    stops = tuple(of_seed[k] for of_seed, k in zip(ends, best, strict=True))
    return Trained([members.members[place] for place in places], kept, weights, chosen, stops=stops)
