"""Readouts of tokens on a frozen encoder, trained while the encoder runs.

What is trained on pooled states has them all in a small cache. Tokens are too many for that: each
batch is encoded when its turn comes, once for all readouts, heads, seeds and penalties.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from myocard.checkpoint import replace_folder
from myocard.classifiers import WEIGHTS
from myocard.cohort import Cohort, assemble
from myocard.data.batches import Shuffled
from myocard.errors import InputError
from myocard.leaks import seen
from myocard.nn.classifier import classification_loss, probabilities
from myocard.nn.encoder import EncoderShape
from myocard.nn.heads import HEADS
from myocard.nn.token_readouts import TOKEN_READOUTS, TokenClassifier, TokenProbes, View
from myocard.recipe import TokenProbeRecipe
from myocard.results import average_weights, choose_penalties, write_run
from myocard.streaming import TokenStream
from myocard.tasks import task
from myocard.training import Progress, fit

Cell = tuple[str, str]
"""A readout under a head: what becomes a run."""

Report = Callable[[Progress], None]


def cells(recipe: TokenProbeRecipe) -> list[Cell]:
    return [*product(recipe.readouts, recipe.heads)]


def views(readouts: Iterable[str], shape: EncoderShape) -> list[View]:
    """What these readouts look at in an encoder, each view once."""
    built = (TOKEN_READOUTS[name](shape.width, shape.depth) for name in readouts)
    return list(dict.fromkeys(readout.view for readout in built))


def build(
    recipe: TokenProbeRecipe, wanted: Iterable[Cell], shape: EncoderShape, classes: int
) -> TokenProbes:
    """A classifier for every cell, seed and penalty, in this order."""
    members = []
    for (readout, head), seed, _ in product(wanted, recipe.seeds, recipe.penalties):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            drawn = TOKEN_READOUTS[readout](shape.width, shape.depth)
            members.append(TokenClassifier(drawn, HEADS[head](drawn.features, classes)))
    return TokenProbes(members)


def probe_tokens(
    recipe: TokenProbeRecipe,
    stream: TokenStream,
    out: Path,
    *,
    test: bool = False,
    report: Report = lambda progress: None,
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
    job = TokenJob(recipe, stream, cohort)
    target = out / checkpoint.name / recipe.task
    folders = {cell: target / "-".join(cell) for cell in cells(recipe)}
    missing = {cell: f for cell, f in folders.items() if not job.finished(f, test=test)}
    if missing:
        job.make(missing, target, test=test, report=report)
    return [*folders.values()]


@dataclass(frozen=True, eq=False)
class TokenJob:
    """What all readouts and heads of a recipe share."""

    recipe: TokenProbeRecipe
    stream: TokenStream
    cohort: Cohort

    @property
    def origin(self) -> dict[str, Any]:
        """What a run depends on: not which other runs the recipe asks for, nor how much memory."""
        checkpoint, store = self.stream.checkpoint, self.stream.store
        return {
            "hashes": {"encoder": checkpoint.key, "store": store.key},
            "recipe": self.recipe.model_dump(mode="json", exclude={"readouts", "heads", "keep"}),
        }

    def finished(self, folder: Path, *, test: bool) -> bool:
        path = folder / "run.json"
        if not path.exists():
            return False
        run = json.loads(path.read_text())
        if {key: run[key] for key in self.origin} != self.origin:
            raise InputError(
                f"{folder}: a run of another recipe, encoder or store; choose another folder"
            )
        return not test or run["test"] is not None

    def make(self, folders: dict[Cell, Path], target: Path, *, test: bool, report: Report) -> None:
        """Train these readouts and heads, all seeds and penalties at once, and write their runs."""
        began = time.perf_counter()
        work = target / f".{'+'.join(folder.name for folder in folders.values())}.run"
        shape = self.stream.checkpoint.encoder.shape
        probes = build(self.recipe, [*folders], shape, len(self.cohort.classes))
        self.fit(probes, work, report)
        splits = ("validation", "test") if test else ("validation",)
        found = {split: self.predict(probes, self.cohort.rows[split]) for split in splits}
        seconds = round((time.perf_counter() - began) / len(folders), 2)
        each = len(self.recipe.seeds) * len(self.recipe.penalties)
        for place, (cell, folder) in enumerate(folders.items()):
            mine = slice(place * each, (place + 1) * each)
            outcome = {split: (s[mine], w[mine]) for split, (s, w) in found.items()}
            self.write(folder, cell, probes.members[mine], outcome, seconds)
        shutil.rmtree(work)

    def fit(self, probes: TokenProbes, work: Path, report: Report) -> None:
        cohort, settings = self.cohort, self.recipe.optimisation
        penalties = torch.tensor(self.recipe.penalties)
        rows, targets = cohort.rows["train"], torch.from_numpy(cohort.targets).float()
        order = Shuffled(len(rows), min(settings.batch, len(rows)), settings.seed)

        def batches(start: int) -> Iterator[tuple[dict[View, Tensor], Tensor]]:
            for step in order.stream(start):
                chosen = rows[[index for index, _ in step]]
                yield self.stream.tokens(chosen), targets[chosen]

        def loss(model: nn.Module, batch: tuple[dict[View, Tensor], Tensor]) -> Tensor:
            tokens, wanted = batch
            logits = model(tokens)
            wanted = wanted.expand_as(logits)
            each = classification_loss(logits, wanted, exclusive=cohort.exclusive).mean(dim=1)
            squares = probes.half_squares().unflatten(0, (-1, len(penalties)))
            return each.sum() + (squares * penalties.to(each.device)).sum()

        fit(
            probes,
            loss=loss,
            batches=batches,
            steps_per_epoch=max(1, order.steps_per_epoch // settings.accumulate),
            settings=settings,
            folder=work,
            about=self.origin,
            report=report,
        )

    @torch.inference_mode()
    def predict(
        self, probes: TokenProbes, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of every member the scores, ``(members, records, classes)``, and its layers' weights."""
        device = next(probes.parameters()).device
        scores, weights = [], []
        for first in range(0, len(rows), self.recipe.optimisation.batch):
            some = self.stream.tokens(rows[first : first + self.recipe.optimisation.batch])
            tokens = {view: shown.to(device) for view, shown in some.items()}
            scores.append(probabilities(probes(tokens), exclusive=self.cohort.exclusive).cpu())
            weights.append(probes.weights(tokens).cpu())
        return torch.cat(scores, dim=1).numpy(), torch.cat(weights, dim=1).numpy()

    def write(
        self,
        folder: Path,
        cell: Cell,
        members: Sequence[TokenClassifier],
        outcome: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]],
        seconds: float,
    ) -> None:
        """Keep each seed's best penalty: its scores, and of the first seed the weights."""
        recipe, cohort, last = self.recipe, self.cohort, [*outcome][-1]
        count = len(recipe.penalties)
        validation = outcome["validation"][0].reshape(
            -1, count, *outcome["validation"][0].shape[1:]
        )
        best, chosen = choose_penalties(cohort, validation, recipe.seeds, recipe.penalties)
        places = [seed * count + penalty for seed, penalty in enumerate(best)]
        scores = {split: found[places] for split, (found, _) in outcome.items()}
        weights = outcome[last][1][places].mean(axis=0)
        about = self.about(*cell) | {
            "chosen": chosen,
            "seconds": seconds,
            "layer_weights": average_weights(weights, cohort, last),
        }

        def write(fresh: Path) -> None:
            write_run(fresh, cohort, scores, recipe.seeds, resamples=recipe.resamples, about=about)
            state = members[places[0]].state_dict()
            save_file({k: v.cpu().contiguous() for k, v in state.items()}, fresh / WEIGHTS)

        replace_folder(folder, write)

    def about(self, readout: str, head: str) -> dict[str, Any]:
        checkpoint = self.stream.checkpoint
        return {
            "kind": "probe",
            "name": f"{checkpoint.name}/{self.recipe.task}/{readout}-{head}",
            "encoder": {
                "name": checkpoint.name,
                "hash": checkpoint.key,
                "random": bool(checkpoint.about.get("random", False)),
                "mixture": checkpoint.about.get("mixture"),
                "layers": checkpoint.encoder.shape.depth + 1,
                "width": checkpoint.encoder.shape.width,
                "input": checkpoint.about.get("input"),
            },
            "readout": readout,
            "layer": None,
            "head": head,
            "leads": list(checkpoint.preprocessing.leads),
            **self.origin,
        }
