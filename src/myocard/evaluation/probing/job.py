"""Common ground of the probes of a source: targets, loss, choice of penalties."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.evaluation.features import Features
from myocard.evaluation.probing.mapped import MappedSource
from myocard.evaluation.probing.memory import InMemory
from myocard.evaluation.probing.stopping import Course
from myocard.evaluation.probing.stream import Stream
from myocard.files.progress import Progress, silent
from myocard.metrics.outcomes import CHANCE
from myocard.nn.outcomes import LIKELIHOODS, Likelihood
from myocard.nn.readouts.classifier import Classifier
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results.mixture import Mixture
from myocard.results.run import Choice, SplitName, Stop
from myocard.results.scoring import Scores, choose_penalties, headline_of
from myocard.tasks.cohort import Cohort
from myocard.training.loop import fit, steps_per_epoch
from myocard.training.recorded import Recorded

CHUNK = 512
"""Records that are read at once."""
MIXTURE_PENALTY = 1e-2
"""Penalty of a gate's squared weights; without it, a gate learns its records by heart."""


Source = Features | Stream
"""Source of a frozen encoder's states."""


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
    """A probe, trained.

    Attributes:
        classifiers: One a seed, under the penalty that was chosen for it.
        scores: Their scores.
        layer_weights: ``(seeds, records, layers)`` of each split that was scored.
        chosen: The penalty of each seed.
        mixtures: The path of each seed's mixture, where it was solved.
        stops: The end of each seed's training, where it was trained.
    """

    classifiers: list[Classifier]
    scores: Scores
    layer_weights: dict[SplitName, NDArray[np.floating]]
    chosen: tuple[Choice, ...]
    mixtures: tuple[Mixture, ...] = ()
    stops: tuple[Stop, ...] = ()


@runtime_checkable
class Members(Protocol):
    """Models that are trained together.

    Attributes:
        shape: Their leading dimensions; the last is penalties.
    """

    shape: tuple[int, ...]

    def member(self, *index: int) -> nn.Module:
        """Copy one of the models, to the CPU and in evaluation mode."""
        ...

    def half_squares(self) -> dict[str, Tensor]:
        """Half the squares of matrices, by names that begin with ``readout.`` or not."""
        ...


@dataclass(frozen=True, eq=False)
class Job:
    """The common ground of a recipe's probes.

    Attributes:
        source: The states; mapped, where the recipe has a common width.
        cohort: The splits and targets.
        recipe: Settings of the probes.
        splits: The splits to score.
        progress: Called after every step.
    """

    source: Source | MappedSource | InMemory
    cohort: Cohort
    recipe: ProbeRecipe
    splits: Sequence[SplitName] = ("validation",)
    progress: Progress = silent

    @cached_property
    def targets(self) -> Tensor:
        return torch.from_numpy(self.cohort.targets).float()

    @property
    def likelihood(self) -> Likelihood:
        return LIKELIHOODS[self.cohort.outcome]

    @property
    def widths(self) -> list[int]:
        """Width of every layer."""
        return [layer.width for layer in self.source.layers]

    @property
    def width(self) -> int:
        """Width of the last layer, and of all where they do not differ."""
        return self.widths[-1]

    @property
    def depth(self) -> int:
        """Number of blocks, L; there are L+1 states."""
        return len(self.source.layers) - 1

    def read(self, rows: NDArray[np.int64]) -> Iterator[Tensor]:
        """Pooled states of ``rows`` in float32, some records at a time."""
        states = self.source.pooled()
        return (states[some].float() for some in torch.from_numpy(rows).split(CHUNK))

    def fit(
        self,
        model: nn.Module,
        members: Members,
        batches: Callable[[range], Iterator[tuple[Any, Tensor]]],
        what: str,
        headlines: Callable[[], NDArray[np.float64]],
        settings: Optimisation,
        folder: Path | None = None,
    ) -> Course:
        """Train all members as one, until twice the steps change nothing (``stopping.py``).

        Args:
            model: Maps what a batch holds to logits, ``(…, penalties, records, classes)``.
            members: The same, asked for its matrices.
            batches: Yields inputs, and targets that broadcast to the logits.
            what: Name of the work, for ``progress``.
            headlines: Headline score of each member on validation, as they are.
            settings: The optimisation.
            folder: The folder in which a stopped run is kept and taken up again.

        Returns:
            The members as they were at the steps that are kept.
        """
        rows = self.cohort.training_rows(self.recipe.fraction, self.recipe.seeds[0])
        in_step = min(settings.batch, len(rows)) * settings.accumulate
        course = Course(members.shape, in_step, lambda index: members.member(*index), folder)
        penalties = torch.tensor(self.recipe.penalties)

        def loss(module: nn.Module, batch: tuple[Any, Tensor]) -> Tensor:
            logits = module(batch[0])
            targets = batch[1].expand_as(logits)
            each = self.likelihood.loss(logits, targets).mean(dim=-1)
            return (each + penalty(members, penalties.to(each.device))).sum()

        def is_enough(step: int) -> bool:
            if course.is_due(step):
                course.look(step, headlines())
                model.train()
            return course.is_over

        in_epoch = steps_per_epoch(len(self.cohort.rows["train"]), settings)
        fit(
            model,
            loss=Recorded(model, loss),
            batches=batches,
            # Fewer labels, not less training: the steps are those of all training records.
            steps_per_epoch=in_epoch,
            settings=settings,
            folder=folder,
            report=lambda done: self.progress(what, done.step, done.steps),
            is_enough=is_enough,
        )
        last = max(1, round(settings.epochs * in_epoch))
        if course.seen < last and not is_enough(course.seen):
            course.look(last, headlines())
        return course

    def score(self, rows: NDArray[np.int64], logits: Tensor) -> float:
        """Headline score of logits; that of chance where nothing can be scored.

        No step of a training is then better than another.
        """
        cohort = self.cohort
        value = headline_of(cohort, rows, logits.numpy())
        return CHANCE[cohort.outcome] if np.isnan(value) else value

    def choose(
        self, scores: dict[SplitName, NDArray[np.floating]]
    ) -> tuple[list[int], Scores, tuple[Choice, ...]]:
        """Choose each seed's penalty from scores ``(seeds, penalties, records, classes)``.

        Returns:
            The index of each seed's penalty, its scores, and what ``run.json`` says of the choice.
        """
        seeds, penalties = self.recipe.seeds, self.recipe.penalties
        best, chosen = choose_penalties(self.cohort, scores["validation"], seeds, penalties)
        kept = {split: values[np.arange(len(best)), best] for split, values in scores.items()}
        return best, kept, chosen


def headlines_of(job: Job, logits: Tensor) -> NDArray[np.float64]:
    """Headline score on validation of members' logits ``(…, records, outputs)``."""
    rows = job.cohort.rows["validation"]
    flat = [job.score(rows, each) for each in logits.flatten(0, -3)]
    return np.array(flat).reshape(logits.shape[:-2])


def penalty(members: Members, penalties: Tensor) -> Tensor:
    """Each member's penalty: its own on the head's matrices, a common one on the readout's."""
    shares = [
        (MIXTURE_PENALTY if name.startswith("readout.") else penalties) * value
        for name, value in members.half_squares().items()
    ]
    return torch.stack(shares).sum(dim=0)
