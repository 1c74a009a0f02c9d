"""Readouts and heads on frozen states: every readout of one encoder, from one cache.

For each readout and head, all seeds and penalties (and for the layer curve, all layers) are trained
at once, as one stack of models through the common training loop. Their gradients do not meet: the
loss is a sum.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
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
from myocard.features import Features
from myocard.nn.classifier import Classifier, classification_loss, probabilities
from myocard.nn.heads import HEADS
from myocard.nn.readouts import Readout, build_readout
from myocard.nn.stack import Stack
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results import validation_auroc, write_run
from myocard.tasks import task
from myocard.training import fit


@dataclass(frozen=True)
class Cell:
    """One readout under one head: what becomes a run."""

    readout: str
    head: str
    layer: int | None = None

    @property
    def name(self) -> str:
        return f"{self.readout if self.layer is None else f'layer-{self.layer:02d}'}-{self.head}"


def probe(
    features: Features,
    recipe: ProbeRecipe,
    out: Path,
    *,
    test: bool = False,
    report: Callable[[str], None] = lambda cell: None,
) -> list[Path]:
    """Train every readout and head of ``recipe`` on cached states, a run folder for each.

    Runs that are there already are left alone, so that a sweep that was stopped goes on.

    Args:
        test: Score the test folds too. Until then they are not touched, and a run that has scored
            them is not made again.

    Raises:
        InputError: For a leak, a patient in two splits, features by lead, or runs of another
            recipe.
    """
    if features.states.ndim != 3:
        raise InputError(f"{features.folder}: features by lead; extract without --by-lead to probe")
    cohort = assemble(features.records, task(recipe.task), recipe.split, recipe.min_positives)
    target = out / features.about["name"] / recipe.task
    sweep = [
        [(cell, target / cell.name) for cell in cells] for cells in stacks(recipe, features.depth)
    ]
    unfinished = [
        stack
        for stack in sweep
        if not all(_finished(folder, recipe, features, test=test) for _, folder in stack)
    ]
    if unfinished:
        states = torch.from_numpy(np.asarray(features.states, dtype=np.float32))
        job = Job(features.norm, states, cohort, recipe)
    for stack in unfinished:
        cells, folders = zip(*stack, strict=True)
        report(f"{features.about['name']}: {cells[0].readout}, {cells[0].head}")
        _train(cells, folders, job, features, test=test)
    return [folder for stack in sweep for _, folder in stack]


def stacks(recipe: ProbeRecipe, depth: int) -> list[list[Cell]]:
    """The cells of a recipe, those together that are trained as one stack."""
    return [
        [Cell("layer", head, layer) for layer in range(depth + 1)]
        if readout == "layers"
        else [Cell(readout, head)]
        for head, readout in product(recipe.heads, recipe.readouts)
    ]


def _finished(folder: Path, recipe: ProbeRecipe, features: Features, *, test: bool) -> bool:
    path = folder / "run.json"
    if not path.exists():
        return False
    run = json.loads(path.read_text())
    if run["recipe"] != _settings(recipe) or run["hashes"] != _hashes(features):
        raise InputError(
            f"{folder}: a run of another recipe, encoder or store; choose another folder"
        )
    return not test or run["test"] is not None


def _settings(recipe: ProbeRecipe) -> dict[str, Any]:
    """What a run depends on: all but which other runs the recipe asks for."""
    return recipe.model_dump(mode="json", exclude={"readouts", "heads"})


def _train(
    cells: Sequence[Cell], folders: Sequence[Path], job: "Job", features: Features, *, test: bool
) -> None:
    began = time.perf_counter()
    recipe, cohort = job.recipe, job.cohort
    readouts, stack, inputs = job.build(cells)
    job.fit(stack, inputs)
    splits = ("validation", "test") if test else ("validation",)
    scores = {split: job.predict(stack, inputs, cohort.rows[split]) for split in splits}
    seconds = (time.perf_counter() - began) / len(cells)
    for place, (cell, folder) in enumerate(zip(cells, folders, strict=True)):
        mine = {split: values[:, place] for split, values in scores.items()}
        variants, chosen = job.choose(mine["validation"])
        kept = {
            split: np.stack([v[k] for v, k in zip(values, variants, strict=True)])
            for split, values in mine.items()
        }
        classifiers = [
            _whole(readouts[s][place], stack.member(s, place, k)) for s, k in enumerate(variants)
        ]
        about = _about(cell, features, recipe) | {
            "chosen": chosen,
            "seconds": round(seconds, 2),
        }
        about["layer_weights"] = layer_weights(classifiers, job.states, cohort, splits[-1])
        _write(folder, cohort, kept, classifiers[0], recipe, about)


def _whole(readout: Readout, trained: nn.Module) -> Classifier:
    return trained if isinstance(trained, Classifier) else Classifier(readout, trained)


@dataclass(frozen=True, eq=False)
class Job:
    """What all cells of a sweep share.

    Attributes:
        norm: The encoder's final norm.
        states: In float32, ``(records, layers, width)``.
        cohort: Who is trained on, chosen by and tested.
        recipe: How.
    """

    norm: nn.LayerNorm
    states: Tensor
    cohort: Cohort
    recipe: ProbeRecipe

    def build(self, cells: Sequence[Cell]) -> tuple[list[list[Readout]], Stack, list[list[Tensor]]]:
        """Readouts of every seed and cell, the stack of all models, and what the stack reads."""
        readouts = [[self.readout(cell, seed) for cell in cells] for seed in self.recipe.seeds]
        models = [
            [self.models(cell, readout, seed) for cell, readout in zip(cells, row, strict=True)]
            for seed, row in zip(self.recipe.seeds, readouts, strict=True)
        ]
        return readouts, Stack(models), [[self.inputs(each) for each in row] for row in readouts]

    def readout(self, cell: Cell, seed: int) -> Readout:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build_readout(cell.readout, self.norm, self.states.shape[1] - 1, cell.layer)

    @torch.inference_mode()
    def inputs(self, readout: Readout) -> Tensor:
        """What the stack reads: states, or the features of a readout with nothing to train."""
        return self.states if _trains(readout) else readout.eval()(self.states)

    def models(self, cell: Cell, readout: Readout, seed: int) -> list[nn.Module]:
        """One model a penalty, all from the same draws."""
        models: list[nn.Module] = []
        for _ in self.recipe.penalties:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                head = HEADS[cell.head](readout.features, len(self.cohort.classes))
            models.append(Classifier(deepcopy(readout), head) if _trains(readout) else head)
        return models

    def fit(self, stack: Stack, inputs: Sequence[Sequence[Tensor]]) -> None:
        cohort, settings = self.cohort, self.recipe.optimisation
        seeds = self.recipe.seeds
        drawn = [cohort.training_rows(self.recipe.fraction, seed) for seed in seeds]
        train = [torch.from_numpy(rows) for rows in drawn]
        targets = torch.from_numpy(cohort.targets).float()
        penalties = torch.tensor(self.recipe.penalties)
        orders = [
            Shuffled(len(rows), min(settings.batch, len(rows)), seed)
            for rows, seed in zip(train, seeds, strict=True)
        ]

        def batches(start: int) -> Iterator[tuple[Tensor, Tensor]]:
            for step in zip(*(order.stream(start) for order in orders), strict=True):
                rows = [
                    mine[[index for index, _ in indices]]
                    for mine, indices in zip(train, step, strict=True)
                ]
                yield _gather(inputs, rows), torch.stack([targets[r] for r in rows])

        def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            logits = model(batch[0])
            wanted = batch[1][:, None, None].expand_as(logits)
            each = classification_loss(logits, wanted, exclusive=cohort.exclusive).mean(dim=-1)
            return (each + stack.half_squares() * penalties.to(each.device)).sum()

        fit(
            stack,
            loss=loss,
            batches=batches,
            # Fewer labels, not less training: the steps are those of all training records.
            steps_per_epoch=steps_per_epoch(len(cohort.rows["train"]), settings),
            settings=settings,
        )

    @torch.inference_mode()
    def predict(
        self, stack: Stack, inputs: Sequence[Sequence[Tensor]], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scores of all members, ``(seeds, cells, variants, records, classes)``."""
        device = next(stack.parameters()).device
        parts = []
        for some in torch.from_numpy(rows).split(512):
            logits = stack(_gather(inputs, [some] * len(inputs)).to(device))
            parts.append(probabilities(logits, exclusive=self.cohort.exclusive).cpu())
        return torch.cat(parts, dim=3).numpy()

    def choose(self, scores: NDArray[np.float32]) -> tuple[list[int], list[dict[str, float]]]:
        """For each seed the penalty of best macro AUROC on validation, the strongest of equals.

        Args:
            scores: ``(seeds, variants, records, classes)`` on the validation records.
        """
        variants, chosen = [], []
        for seed, mine in zip(self.recipe.seeds, scores, strict=True):
            areas = [validation_auroc(self.cohort, each) for each in mine]
            best = max(range(len(areas)), key=lambda k: (areas[k], self.recipe.penalties[k]))
            variants.append(best)
            penalty = self.recipe.penalties[best]
            chosen.append({"seed": seed, "penalty": penalty, "validation_auroc": areas[best]})
        return variants, chosen


def steps_per_epoch(records: int, settings: Optimisation) -> int:
    return max(1, records // min(settings.batch, records) // settings.accumulate)


def _trains(readout: Readout) -> bool:
    return any(p.requires_grad for p in readout.parameters())


def _gather(inputs: Sequence[Sequence[Tensor]], rows: Sequence[Tensor]) -> Tensor:
    """``(seeds, cells, records, …)`` of the rows of each seed."""
    picked = [torch.stack([x[r] for x in row]) for row, r in zip(inputs, rows, strict=True)]
    return torch.stack(picked)


@torch.inference_mode()
def layer_weights(
    models: Sequence[Classifier], states: Tensor, cohort: Cohort, split: str
) -> dict[str, Any]:
    """How much of each layer was read in a split, on average and for each class's positives."""
    rows = cohort.rows[split]
    by_seed = torch.stack([model.readout.weights(states[rows]) for model in models])
    weights = by_seed.mean(dim=0).numpy()
    targets = cohort.targets[rows]
    by_class = {name: weights[targets[:, k]] for k, name in enumerate(cohort.classes)}
    return {
        "split": split,
        "mean": weights.mean(axis=0).tolist(),
        "by_class": {name: found.mean(axis=0).tolist() for name, found in by_class.items()},
    }


def _hashes(features: Features) -> dict[str, str]:
    return {name: features.about[name] for name in ("encoder", "store")}


def _about(cell: Cell, features: Features, recipe: ProbeRecipe) -> dict[str, Any]:
    origin = features.about["about"]
    return {
        "kind": "probe",
        "name": f"{features.about['name']}/{recipe.task}/{cell.name}",
        "encoder": {
            "name": features.about["name"],
            "hash": features.about["encoder"],
            "random": bool(origin.get("random", False)),
            "mixture": origin.get("mixture"),
            "layers": features.depth + 1,
            "width": features.states.shape[-1],
            "input": origin.get("input"),
        },
        "readout": cell.readout,
        "layer": cell.layer,
        "head": cell.head,
        "leads": features.about["preprocessing"]["leads"],
        "fraction": recipe.fraction,
        "hashes": _hashes(features),
        "recipe": _settings(recipe),
    }


def _write(
    folder: Path,
    cohort: Cohort,
    scores: dict[str, NDArray[np.float32]],
    classifier: Classifier,
    recipe: ProbeRecipe,
    about: dict[str, Any],
) -> None:
    def write(fresh: Path) -> None:
        write_run(fresh, cohort, scores, recipe.seeds, resamples=recipe.resamples, about=about)
        weights = {k: v.contiguous() for k, v in classifier.state_dict().items()}
        save_file(weights, fresh / WEIGHTS)

    replace_folder(folder, write)
