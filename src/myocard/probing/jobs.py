"""Training cells: all seeds and penalties, and all cells of one architecture, as one stack."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.cohort import Cohort
from myocard.data.batches import Shuffled
from myocard.nn.classifier import Classifier, classification_loss, probabilities
from myocard.nn.heads import HEADS
from myocard.nn.readouts import Readout, build_readout
from myocard.nn.stack import Stack
from myocard.recipe import ProbeRecipe
from myocard.results import Scores, choose_penalties
from myocard.training import fit, steps_per_epoch

MIXTURE_PENALTY = 1e-2
"""Of the squared weights of a gate, which learns its records by heart without it."""


@dataclass(frozen=True)
class Cell:
    """One readout under one head: what becomes a run."""

    readout: str
    head: str
    layer: int | None = None

    @property
    def name(self) -> str:
        return f"{self.readout if self.layer is None else f'layer-{self.layer:02d}'}-{self.head}"


@dataclass(frozen=True, eq=False)
class Trained:
    """A cell, trained.

    Attributes:
        classifiers: One a seed, under the penalty that was chosen for it.
        scores: Theirs.
        chosen: Seed, penalty and macro AUROC on validation.
    """

    classifiers: list[Classifier]
    scores: Scores
    chosen: list[dict[str, float]]


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

    def readouts(self, cells: Sequence[Cell]) -> list[list[Readout]]:
        """Those of every seed and cell, as drawn."""
        return [[self._readout(cell, seed) for cell in cells] for seed in self.recipe.seeds]

    def train(
        self, head: str, readouts: Sequence[Sequence[Readout]], splits: Sequence[str]
    ) -> list[Trained]:
        """Train each cell's readouts, ``readouts[seed][cell]``, under a head; score the splits."""
        stack, inputs = self.build(head, readouts)
        self.fit(stack, inputs)
        scores = {split: self.predict(stack, inputs, self.cohort.rows[split]) for split in splits}
        found = []
        for place in range(len(readouts[0])):
            variants, chosen = choose_penalties(
                self.cohort,
                scores["validation"][:, place],
                self.recipe.seeds,
                self.recipe.penalties,
            )
            kept = {
                split: np.stack([v[place, k] for v, k in zip(values, variants, strict=True)])
                for split, values in scores.items()
            }
            classifiers = [
                _whole(readouts[seed][place], stack.member(seed, place, k))
                for seed, k in enumerate(variants)
            ]
            found.append(Trained(classifiers, kept, chosen))
        return found

    def build(
        self, head: str, readouts: Sequence[Sequence[Readout]]
    ) -> tuple[Stack, list[list[Tensor]]]:
        """The stack of all models, and what each seed and cell of it reads."""
        models = [
            [self._models(head, readout, seed) for readout in row]
            for seed, row in zip(self.recipe.seeds, readouts, strict=True)
        ]
        return Stack(models), [[self._inputs(readout) for readout in row] for row in readouts]

    def _readout(self, cell: Cell, seed: int) -> Readout:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build_readout(cell.readout, self.norm, self.states.shape[1] - 1, cell.layer)

    @torch.inference_mode()
    def _inputs(self, readout: Readout) -> Tensor:
        """What the stack reads: states, or the features of a readout with nothing to train."""
        return self.states if _trains(readout) else readout.eval()(self.states)

    def _models(self, name: str, readout: Readout, seed: int) -> list[nn.Module]:
        """One model a penalty, all from the same draws."""
        models: list[nn.Module] = []
        for _ in self.recipe.penalties:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                head = HEADS[name](readout.features, len(self.cohort.classes))
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

        def batches(numbers: Iterable[int]) -> Iterator[tuple[Tensor, Tensor]]:
            for number in numbers:
                rows = [
                    mine[[index for index, _ in order[number]]]
                    for mine, order in zip(train, orders, strict=True)
                ]
                yield _gather(inputs, rows), torch.stack([targets[r] for r in rows])

        def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
            logits = model(batch[0])
            wanted = batch[1][:, None, None].expand_as(logits)
            each = classification_loss(logits, wanted, exclusive=cohort.exclusive).mean(dim=-1)
            return (each + penalty(stack, penalties.to(each.device))).sum()

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


def penalty(stack: Stack, penalties: Tensor) -> Tensor:
    """Of each model: its own on the head's matrices, the mixtures' common one on the readout's."""
    shares = [
        (MIXTURE_PENALTY if name.startswith("readout.") else penalties) * value
        for name, value in stack.half_squares().items()
    ]
    return torch.stack(shares).sum(dim=0)


def _trains(readout: Readout) -> bool:
    return any(p.requires_grad for p in readout.parameters())


def _whole(readout: Readout, trained: nn.Module) -> Classifier:
    return trained if isinstance(trained, Classifier) else Classifier(readout, trained)


def _gather(inputs: Sequence[Sequence[Tensor]], rows: Sequence[Tensor]) -> Tensor:
    """``(seeds, cells, records, …)`` of the rows of each seed."""
    picked = [torch.stack([x[r] for x in row]) for row, r in zip(inputs, rows, strict=True)]
    return torch.stack(picked)
