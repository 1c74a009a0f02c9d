"""Classes learned from the signals of a store, by any model that maps signals to logits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Labelled, Part, Shuffled, Windows, in_order, shuffled
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.files.progress import Progress
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.shapes import Signals
from myocard.outcomes import Outcome
from myocard.recipe import FinetuneRecipe, NetworkRecipe
from myocard.results.run import SplitName
from myocard.tasks.cohort import Cohort
from myocard.training.loop import fit, steps_per_epoch
from myocard.training.state import Step
from myocard.training.tracking import Tracking, following

Model = TypeVar("Model", bound=nn.Module)


class SignalClassifier(nn.Module):
    """An encoder and a classifier on its states, trained end to end: signals in, logits out."""

    def __init__(self, encoder: ECGEncoder, classifier: Classifier) -> None:
        super().__init__()
        # Kept in a tuple so that an encoder that is a module itself is not registered twice.
        self.encoders = (encoder,)
        self.network = encoder.network
        self.classifier = classifier

    def forward(self, signals: Signals) -> Float[Tensor, "batch classes"]:
        return self.classifier(joined_states(self.encoders[0], signals))

    def rate_shares(self, signals: Signals, decay: float) -> dict[str, float]:
        """Share of the learning rate of each of the encoder's parameters: ``decay`` a layer.

        A parameter belongs to the first hidden state that depends on it; the last state's have
        ``decay``, the embedding's ``decay`` to the power of the number of layers.
        """
        encoder, shares = self.encoders[0], dict[str, float]()
        with torch.enable_grad():
            for layer, tokens in enumerate(encoder.hidden_states(signals)):
                left = {
                    name: parameter
                    for name, parameter in self.network.named_parameters()
                    if parameter.requires_grad and name not in shares
                }
                if not left or not tokens.requires_grad:
                    continue
                found = torch.autograd.grad(
                    tokens.sum(), list(left.values()), retain_graph=True, allow_unused=True
                )
                reached = [
                    name for name, slope in zip(left, found, strict=True) if slope is not None
                ]
                shares |= dict.fromkeys(reached, decay ** (len(encoder.layers) - layer))
        return {f"network.{name}": share for name, share in shares.items()}


@dataclass(frozen=True, eq=False)
class Supervision:
    """The settings that the models of a run share.

    Attributes:
        store: The records.
        preprocessing: The signals that models are fed: random windows to train on.
        cohort: The splits and targets.
        recipe: Settings of the training; the seed of its optimisation is replaced by each model's.
        tracking: Tracker to mirror the log of each model's training in.
    """

    store: Store
    preprocessing: Preprocessing
    cohort: Cohort
    recipe: FinetuneRecipe | NetworkRecipe
    tracking: Tracking | None = None

    def train(
        self,
        build: Callable[[int], Model],
        splits: Sequence[SplitName],
        folder: Path,
        what: str,
        progress: Progress,
    ) -> tuple[list[Model], dict[SplitName, NDArray[np.float32]]]:
        """Train a model of each seed, and score them: ``(seeds, records, classes)`` by split.

        Args:
            build: Makes the untrained model of a seed.
            splits: Splits to score.
            folder: The folder in which a stopped run is kept and taken up again.
            what: Name of the work, for ``progress``.
            progress: Called after every step.
        """
        models, scores = [], []
        for seed in self.recipe.seeds:
            model = build(seed)
            self._fit(model, seed, folder / f"seed-{seed}", f"{what}, seed {seed}", progress)
            models.append(model)
            scores.append([self._score(model, split) for split in splits])
        by_split = zip(splits, zip(*scores, strict=True), strict=True)
        return models, {split: np.stack(values) for split, values in by_split}

    def _fit(
        self, model: nn.Module, seed: int, folder: Path, what: str, progress: Progress
    ) -> None:
        cohort = self.cohort
        rows = cohort.training_rows(self.recipe.fraction, seed)
        targets = torch.from_numpy(cohort.targets[rows]).float()
        labelled = Labelled(Windows([Part(self.store, rows)], self.preprocessing), targets)
        settings = self.recipe.optimisation.model_copy(update={"seed": seed})
        order = Shuffled(len(rows), min(settings.batch, len(rows)), seed)

        def loss(module: nn.Module, batch: Sequence[Tensor]) -> Tensor:
            signals, wanted = batch
            return LIKELIHOODS[cohort.outcome].loss(module(signals), wanted).mean()

        shares = None
        if isinstance(model, SignalClassifier) and isinstance(self.recipe, FinetuneRecipe):
            shares = model.rate_shares(labelled.windows[[(0, None)]], self.recipe.layer_decay)

        with following(
            self.tracking, folder, what, self.recipe.model_dump(mode="json") | {"seed": seed},
            records=settings.batch * settings.accumulate,
        ) as told:  # fmt: skip

            def report(done: Step) -> None:
                told(done)
                progress(what, done.step, done.steps)

            fit(
                model,
                loss=loss,
                shares=shares,
                batches=lambda numbers: shuffled(labelled, order, numbers, settings.workers),
                # Fewer labels, not less training: the steps are those of all training records.
                steps_per_epoch=steps_per_epoch(len(cohort.rows["train"]), settings),
                settings=settings,
                folder=folder,
                report=report,
            )

    def _score(self, model: nn.Module, split: SplitName) -> NDArray[np.float32]:
        windows = Windows([Part(self.store, self.cohort.rows[split])], self.preprocessing)
        batch, outcome = self.recipe.optimisation.batch, self.cohort.outcome
        return predict(model, windows, crops=self.recipe.crops, batch=batch, outcome=outcome)


@torch.inference_mode()
def predict(
    model: nn.Module, windows: Windows, *, crops: int, batch: int, outcome: Outcome
) -> NDArray[np.float32]:
    """Each record's scores, ``(records, outputs)``: the mean over evenly spread windows."""
    device = next(model.parameters()).device
    draws = (np.arange(crops) + 0.5) / crops
    total = torch.zeros(())
    for draw in draws:
        parts = [
            LIKELIHOODS[outcome].scores(model(x.to(device)))
            for x in in_order(windows, batch, float(draw))
        ]
        total = total + torch.cat(parts).float().cpu()
    return (total / len(draws)).numpy()
