"""Readouts of tokens on a frozen encoder, trained while the encoder runs.

What is trained on pooled states has them all in a small cache. Tokens are too many for that: each
batch is encoded when its turn comes, once for all readouts, heads, seeds and penalties.
"""

import shutil
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Shuffled
from myocard.data.leaks import seen
from myocard.evaluation.probing import runs
from myocard.evaluation.probing.jobs import MIXTURE_PENALTY, Probe
from myocard.evaluation.probing.streaming import TokenStream
from myocard.nn.encoder import EncoderShape
from myocard.nn.readouts.classifier import classification_loss, probabilities
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.tokens import TOKEN_READOUTS, TokenClassifier, TokenProbes, View
from myocard.recipe import TokenProbeRecipe
from myocard.results.run import average_weights, choose_penalties, encoder_statement
from myocard.tasks.cohort import Cohort, assemble
from myocard.tasks.task import task
from myocard.training.loop import Progress, fit, steps_per_epoch


def probe_tokens(
    recipe: TokenProbeRecipe,
    stream: TokenStream,
    out: Path,
    *,
    test: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> list[Path]:
    """Train every readout and head of ``recipe`` on tokens, a run folder for each.

    Runs that are there already are left alone; a training that was stopped is taken up again.

    Args:
        stream: It has the views of the recipe's readouts.
        test: Score the test folds too. Until then they are not touched, and a run that has scored
            them is not made again.

    Raises:
        InputError: For a leak, a patient in two splits, or runs of another recipe.
    """
    checkpoint, store = stream.checkpoint, stream.store
    records = store.records.assign(seen=seen(checkpoint.corpus, store.records))
    cohort = assemble(records, task(recipe.task), recipe.split, recipe.min_positives)
    target = out / checkpoint.name / recipe.task
    folders = {cell: target / cell.name for cell in cells(recipe)}
    origin = _origin(recipe, stream)
    missing = {f for f in folders.values() if not runs.is_finished(f, origin, test=test)}
    if missing:
        # All are trained, and as one: whether some are there must not change the others.
        job = TokenJob(recipe, stream, cohort, tuple(folders))
        work = target / f".{'+'.join(cell.name for cell in folders)}.run"
        _make(job, folders, missing, work, test=test, report=report)
    return [*folders.values()]


def cells(recipe: TokenProbeRecipe) -> list[Probe]:
    return [Probe(readout, head) for head, readout in product(recipe.heads, recipe.readouts)]


def views(readouts: Iterable[str], shape: EncoderShape) -> list[View]:
    """What these readouts look at in an encoder, each view once."""
    built = (TOKEN_READOUTS[name](shape.width, shape.depth) for name in readouts)
    return list(dict.fromkeys(readout.view for readout in built))


def build(
    recipe: TokenProbeRecipe, wanted: Iterable[Probe], shape: EncoderShape, classes: int
) -> TokenProbes:
    """A classifier for every cell, seed and penalty, in this order."""
    members = []
    for cell, seed, _ in product(wanted, recipe.seeds, recipe.penalties):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            readout = TOKEN_READOUTS[cell.readout](shape.width, shape.depth)
            members.append(TokenClassifier(readout, HEADS[cell.head](readout.features, classes)))
    return TokenProbes(members)


def _make(
    job: "TokenJob",
    folders: Mapping[Probe, Path],
    missing: Container[Path],
    work: Path,
    *,
    test: bool,
    report: Callable[[Progress], None],
) -> None:
    """Train the cells of a job and write the missing runs; of each seed, its best penalty's."""
    began = time.perf_counter()
    recipe, cohort, stream = job.recipe, job.cohort, job.stream
    shape = stream.checkpoint.encoder.shape
    probes = build(recipe, folders, shape, len(cohort.classes))
    job.fit(probes, work, report)
    splits = ("validation", "test") if test else ("validation",)
    found = {split: job.predict(probes, cohort.rows[split]) for split in splits}
    seconds = round((time.perf_counter() - began) / len(folders), 2)
    for place, (cell, folder) in enumerate(folders.items()):
        if folder not in missing:
            continue
        validation, _ = found["validation"]
        best, chosen = choose_penalties(cohort, validation[place], recipe.seeds, recipe.penalties)
        kept = (place, np.arange(len(best)), best)
        weights = found[splits[-1]][1][kept].mean(axis=0)
        about = _about(cell, job) | {"chosen": chosen, "seconds": seconds}
        about["layer_weights"] = average_weights(weights, cohort, splits[-1])
        members = [np.ravel_multi_index((place, *each), job.shape) for each in enumerate(best)]
        trained = [probes.members[member].state_dict() for member in members]
        scores = {split: values[kept] for split, (values, _) in found.items()}
        runs.write(folder, cohort, recipe, scores, trained, about, {})
    shutil.rmtree(work)


@dataclass(frozen=True, eq=False)
class TokenJob:
    """Cells that are trained on one stream, all seeds and penalties at once."""

    recipe: TokenProbeRecipe
    stream: TokenStream
    cohort: Cohort
    cells: tuple[Probe, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells, seeds, penalties."""
        return len(self.cells), len(self.recipe.seeds), len(self.recipe.penalties)

    def fit(self, probes: TokenProbes, work: Path, report: Callable[[Progress], None]) -> None:
        cohort, settings = self.cohort, self.recipe.optimisation
        rows, targets = cohort.rows["train"], torch.from_numpy(cohort.targets).float()
        penalties = torch.tensor(self.recipe.penalties).repeat(self.shape[0] * self.shape[1])
        order = Shuffled(len(rows), min(settings.batch, len(rows)), settings.seed)

        def batches(numbers: Iterable[int]) -> Iterator[tuple[dict[View, Tensor], Tensor]]:
            for number in numbers:
                chosen = rows[[index for index, _ in order[number]]]
                yield self.stream.tokens(chosen), targets[chosen]

        def loss(model: nn.Module, batch: tuple[dict[View, Tensor], Tensor]) -> Tensor:
            logits = model(batch[0])
            wanted = batch[1].expand_as(logits)
            each = classification_loss(logits, wanted, exclusive=cohort.exclusive).mean(dim=1)
            readouts, heads = probes.half_squares()
            penalised = heads * penalties.to(each.device) + readouts * MIXTURE_PENALTY
            return (each + penalised).sum()

        fit(
            probes,
            loss=loss,
            batches=batches,
            steps_per_epoch=steps_per_epoch(len(rows), settings),
            settings=settings,
            folder=work,
            about=_origin(self.recipe, self.stream),
            report=report,
        )

    @torch.inference_mode()
    def predict(
        self, probes: TokenProbes, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores and layers' weights: ``(cells, seeds, penalties, records, classes or layers)``."""
        device, batch = next(probes.parameters()).device, self.recipe.optimisation.batch
        scores, weights = [], []
        for first in range(0, len(rows), batch):
            some = self.stream.tokens(rows[first : first + batch])
            tokens = {view: shown.to(device) for view, shown in some.items()}
            scores.append(probabilities(probes(tokens), exclusive=self.cohort.exclusive))
            weights.append(probes.weights(tokens))
        both = (torch.cat(parts, dim=1).unflatten(0, self.shape) for parts in (scores, weights))
        of_scores, of_weights = (found.cpu().numpy() for found in both)
        return of_scores, of_weights


def _origin(recipe: TokenProbeRecipe, stream: TokenStream) -> dict[str, Any]:
    hashes = {"encoder": stream.checkpoint.key, "store": stream.store.key}
    return {"hashes": hashes, "recipe": runs.settings(recipe)}


def _about(cell: Probe, job: TokenJob) -> dict[str, Any]:
    checkpoint = job.stream.checkpoint
    return {
        "kind": "probe",
        "name": f"{checkpoint.name}/{job.recipe.task}/{cell.name}",
        "encoder": encoder_statement(
            checkpoint.name,
            checkpoint.key,
            checkpoint.about,
            layers=checkpoint.encoder.shape.depth + 1,
            width=checkpoint.encoder.shape.width,
        ),
        "readout": cell.readout,
        "layer": None,
        "head": cell.head,
        "leads": list(checkpoint.preprocessing.leads),
        **_origin(job.recipe, job.stream),
    }
