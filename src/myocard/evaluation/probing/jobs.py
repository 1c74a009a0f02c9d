"""Training cells: what is convex is solved, all else learned, all seeds and penalties as one."""

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Shuffled
from myocard.evaluation.probing.solving import solve
from myocard.nn.readouts.classifier import Classifier, classification_loss, probabilities
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import Readout, build_readout
from myocard.nn.readouts.stack import Stack
from myocard.recipe import ProbeRecipe
from myocard.results.run import Scores, choose_penalties
from myocard.tasks.cohort import Cohort
from myocard.training.loop import fit, steps_per_epoch

MIXTURE_PENALTY = 1e-2
"""Of the squared weights of a gate, which learns its records by heart without it."""


CHUNK = 512
"""Records that are read at once."""

Candidates = list[list[Classifier]]
"""Of one cell, by seed and penalty."""


@dataclass(frozen=True)
class Probe:
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
        states: ``(records, layers, width)``, as cached.
        cohort: Who is trained on, chosen by and tested.
        recipe: How.
    """

    norm: nn.LayerNorm
    states: Tensor
    cohort: Cohort
    recipe: ProbeRecipe

    def readouts(self, cells: Sequence[Probe]) -> list[list[Readout]]:
        """Those of every seed and cell, as drawn."""
        return [[self._readout(cell, seed) for cell in cells] for seed in self.recipe.seeds]

    def train(
        self, head: str, readouts: Sequence[Sequence[Readout]], splits: Sequence[str]
    ) -> list[Trained]:
        """Train each cell's readouts, ``readouts[seed][cell]``, under a head; score the splits.

        The linear head is solved, on mixtures that are trained first if there is anything to train.
        """
        if head == "linear":
            fit = self._refit if is_learned(head, readouts[0][0]) else self._solve
            found = [fit(column) for column in zip(*readouts, strict=True)]
        else:
            found = self.descend(head, readouts)
        return [self._choose(classifiers, splits) for classifiers in found]

    def descend(self, head: str, readouts: Sequence[Sequence[Readout]]) -> list[Candidates]:
        """Each cell's classifiers, trained together by gradient descent."""
        stack, inputs = self.build(head, readouts)
        self.fit(stack, inputs)
        penalties = range(len(self.recipe.penalties))
        return [
            [
                [_whole(readout, stack.member(seed, cell, k)) for k in penalties]
                for seed, readout in enumerate(column)
            ]
            for cell, column in enumerate(zip(*readouts, strict=True))
        ]

    def _refit(self, readouts: Sequence[Readout]) -> Candidates:
        """One cell's trained mixtures, each under the head that is best for it."""
        (trained,) = self.descend("linear", [[readout] for readout in readouts])
        return [
            [
                self.solve(each.readout, seed, [penalty])[0]
                for each, penalty in zip(mine, self.recipe.penalties, strict=True)
            ]
            for mine, seed in zip(trained, self.recipe.seeds, strict=True)
        ]

    def _solve(self, readouts: Sequence[Readout]) -> Candidates:
        """One cell's heads on what does not change; seeds that differ in nothing share theirs."""
        found: Candidates = []
        problems: list[tuple[Readout, NDArray[np.int64]]] = []
        for readout, seed in zip(readouts, self.recipe.seeds, strict=True):
            rows = self.cohort.training_rows(self.recipe.fraction, seed)
            known = next((k for k, each in enumerate(problems) if _same(each, (readout, rows))), -1)
            heads = found[known] if known >= 0 else self.solve(readout, seed, self.recipe.penalties)
            found.append(heads)
            problems.append((readout, rows))
        return found

    @torch.no_grad()
    def solve(self, readout: Readout, seed: int, penalties: Sequence[float]) -> list[Classifier]:
        """The best linear head of each penalty on a readout as it is."""
        rows = torch.from_numpy(self.cohort.training_rows(self.recipe.fraction, seed))
        readout = readout.eval()
        features = torch.cat([readout(self.states[some].float()) for some in rows.split(CHUNK)])
        heads = solve(features, self.targets[rows], penalties, exclusive=self.cohort.exclusive)
        return [Classifier(readout, head) for head in heads]

    def _choose(self, classifiers: Candidates, splits: Sequence[str]) -> Trained:
        """Of each seed, its best penalty's."""
        scores = {split: self.score(classifiers, self.cohort.rows[split]) for split in splits}
        seeds, penalties = self.recipe.seeds, self.recipe.penalties
        best, chosen = choose_penalties(self.cohort, scores["validation"], seeds, penalties)
        kept = {split: values[np.arange(len(best)), best] for split, values in scores.items()}
        return Trained([mine[k] for mine, k in zip(classifiers, best, strict=True)], kept, chosen)

    @torch.inference_mode()
    def score(self, classifiers: Candidates, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of one cell's classifiers, ``(seeds, penalties, records, classes)``."""
        flat = [each for mine in classifiers for each in mine]
        parts = []
        for some in torch.from_numpy(rows).split(CHUNK):
            states = self.states[some].float()
            read = {readout: readout(states) for readout in {each.readout for each in flat}}
            logits = torch.stack([each.head(read[each.readout]) for each in flat])
            parts.append(probabilities(logits, exclusive=self.cohort.exclusive))
        whole = torch.cat(parts, dim=1).unflatten(0, (len(classifiers), -1))
        return whole.numpy()

    def build(
        self, head: str, readouts: Sequence[Sequence[Readout]]
    ) -> tuple[Stack, list[list[Tensor]]]:
        """The stack of all models, and what each seed and cell of it reads."""
        models = [
            [self._models(head, readout, seed) for readout in row]
            for seed, row in zip(self.recipe.seeds, readouts, strict=True)
        ]
        return Stack(models), [[self._inputs(readout) for readout in row] for row in readouts]

    def _readout(self, cell: Probe, seed: int) -> Readout:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build_readout(cell.readout, self.norm, self.states.shape[1] - 1, cell.layer)

    @torch.no_grad()
    def _inputs(self, readout: Readout) -> Tensor:
        """What the stack reads: states, or the features of a readout with nothing to train."""
        if _trains(readout):
            return self.states
        return torch.cat([readout.eval()(some.float()) for some in self.states.split(CHUNK)])

    def _models(self, name: str, readout: Readout, seed: int) -> list[nn.Module]:
        """One model a penalty, all from the same draws."""
        models: list[nn.Module] = []
        for _ in self.recipe.penalties:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                head = HEADS[name](readout.features, len(self.cohort.classes))
            models.append(Classifier(deepcopy(readout), head) if _trains(readout) else head)
        return models

    @cached_property
    def targets(self) -> Tensor:
        return torch.from_numpy(self.cohort.targets).float()

    def fit(self, stack: Stack, inputs: Sequence[Sequence[Tensor]]) -> None:
        cohort, settings = self.cohort, self.recipe.optimisation
        seeds = self.recipe.seeds
        drawn = [cohort.training_rows(self.recipe.fraction, seed) for seed in seeds]
        train = [torch.from_numpy(rows) for rows in drawn]
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
                yield _gather(inputs, rows), torch.stack([self.targets[r] for r in rows])

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


def penalty(stack: Stack, penalties: Tensor) -> Tensor:
    """Of each model: its own on the head's matrices, the mixtures' common one on the readout's."""
    shares = [
        (MIXTURE_PENALTY if name.startswith("readout.") else penalties) * value
        for name, value in stack.half_squares().items()
    ]
    return torch.stack(shares).sum(dim=0)


def is_learned(head: str, readout: Readout) -> bool:
    """Whether something is trained by gradient descent: all but a linear head on fixed features."""
    return head != "linear" or _trains(readout)


def _trains(readout: Readout) -> bool:
    return any(p.requires_grad for p in readout.parameters())


def _same(one: tuple[Readout, NDArray[np.int64]], other: tuple[Readout, NDArray[np.int64]]) -> bool:
    """Whether two readouts are the same and to be trained on the same records."""
    mine, others = (each[0].state_dict().values() for each in (one, other))
    return np.array_equal(one[1], other[1]) and all(map(torch.equal, mine, others))


def _whole(readout: Readout, trained: nn.Module) -> Classifier:
    return trained if isinstance(trained, Classifier) else Classifier(readout, trained)


def _gather(inputs: Sequence[Sequence[Tensor]], rows: Sequence[Tensor]) -> Tensor:
    """``(seeds, cells, records, …)`` of the rows of each seed."""
    picked = [torch.stack([x[r] for x in row]) for row, r in zip(inputs, rows, strict=True)]
    return torch.stack(picked).float()
