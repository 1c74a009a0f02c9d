"""Learning classes from the signals of a store: any model that maps signals to logits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Labelled, Part, Shuffled, Windows, in_order, shuffled
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.nn.readouts.classifier import classification_loss, probabilities
from myocard.recipe import Optimisation
from myocard.tasks.cohort import Cohort
from myocard.training.loop import Progress, fit, steps_per_epoch

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class Supervision:
    """What the models of a run share, whatever they are.

    Attributes:
        store: Whose records.
        preprocessing: What the models are fed: random windows to train on.
        cohort: Who is trained on, and who is scored.
        optimisation: How; its seed is replaced by each model's.
        crops: Windows, spread evenly over a record, of which its scores are the mean.
        fraction: Of the training records.
    """

    store: Store
    preprocessing: Preprocessing
    cohort: Cohort
    optimisation: Optimisation
    crops: int = 1
    fraction: float = 1.0

    def train(
        self,
        build: Callable[[int], Model],
        seeds: Sequence[int],
        splits: Sequence[str],
        *,
        folder: Path,
        about: Mapping[str, Any],
        report: Callable[[Progress], None],
    ) -> tuple[list[Model], dict[str, NDArray[np.float32]]]:
        """A model of each seed, and their scores: ``(seeds, records, classes)`` of each split.

        Args:
            build: Makes the untrained model of a seed.
            seeds: One training each.
            splits: To score.
            folder: Where a run that is stopped is kept, and taken up again.
            about: All that its weights depend on, besides the optimisation.
            report: Called after every step.
        """
        models, scores = [], []
        for seed in seeds:
            model = build(seed)
            self._fit(model, seed, folder / f"seed-{seed}", about, report)
            models.append(model)
            scores.append([self._score(model, split) for split in splits])
        by_split = zip(splits, zip(*scores, strict=True), strict=True)
        return models, {split: np.stack(values) for split, values in by_split}

    def _fit(
        self,
        model: nn.Module,
        seed: int,
        folder: Path,
        about: Mapping[str, Any],
        report: Callable[[Progress], None],
    ) -> None:
        cohort = self.cohort
        rows = cohort.training_rows(self.fraction, seed)
        targets = torch.from_numpy(cohort.targets[rows]).float()
        labelled = Labelled(Windows([Part(self.store, rows)], self.preprocessing), targets)
        settings = self.optimisation.model_copy(update={"seed": seed})
        order = Shuffled(len(rows), min(settings.batch, len(rows)), seed)

        def loss(module: nn.Module, batch: Sequence[Tensor]) -> Tensor:
            signals, wanted = batch
            return classification_loss(module(signals), wanted, exclusive=cohort.exclusive).mean()

        fit(
            model,
            loss=loss,
            batches=lambda numbers: shuffled(labelled, order, numbers, settings.workers),
            # Fewer labels, not less training: the steps are those of all training records.
            steps_per_epoch=steps_per_epoch(len(cohort.rows["train"]), settings),
            settings=settings,
            folder=folder,
            about=about,
            report=report,
        )

    def _score(self, model: nn.Module, split: str) -> NDArray[np.float32]:
        windows = Windows([Part(self.store, self.cohort.rows[split])], self.preprocessing)
        batch, exclusive = self.optimisation.batch, self.cohort.exclusive
        return predict(model, windows, crops=self.crops, batch=batch, exclusive=exclusive)


@torch.inference_mode()
def predict(
    model: nn.Module, windows: Windows, *, crops: int, batch: int, exclusive: bool
) -> NDArray[np.float32]:
    """Each record's probabilities, ``(records, classes)``: the mean over evenly spread windows."""
    device = next(model.parameters()).device
    draws = (np.arange(crops) + 0.5) / crops
    total: Any = 0
    for draw in draws:
        parts = [
            probabilities(model(x.to(device)), exclusive=exclusive)
            for x in in_order(windows, batch, float(draw))
        ]
        total = total + torch.cat(parts).float().cpu()
    return (total / len(draws)).numpy()
