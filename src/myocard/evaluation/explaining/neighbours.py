"""Training records whose states are near a record's."""

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.models.model import Model
from myocard.outcomes import Outcome
from myocard.results.explanation import Neighbour, Neighbours
from myocard.tasks.cohort import are_labelled
from myocard.tasks.registry import task as task_named
from myocard.tasks.task import Task

NEAREST = 5
States = NDArray[np.floating]


class TrainingRecords:
    """States and labels of the records of a model's training folds.

    Those that it was not trained on are among them: copies that were dropped, and what a
    ``fraction`` left out.

    Args:
        model: A model with a decision.
        features: Cached states of its encoder.
        task: Its task, by name or folder; None where its name tells.
        names: True if ids are to be shown.

    Raises:
        InputError: When the states are another encoder's, the task is not known, or has none of
            these records.
    """

    def __init__(
        self, model: Model, features: Features, *, task: str | None = None, names: bool = False
    ) -> None:
        assert model.decision is not None
        assert model.shape is not None
        if features.encoder.hash != model.encoder.info.hash:
            raise InputError(
                f"{features.folder}: states of {features.encoder.name}, another encoder than the "
                "model's; extract them with its own"
            )
        asked = _task(task or model.shape.task)
        labelled = asked.label(features.records)
        folds = model.decision.basis.splits["train"].folds
        kept = labelled.kept & np.isin(labelled.folds, folds)
        kept &= are_labelled(labelled.targets, asked.outcome)
        if not kept.any():
            numbers = ", ".join(map(str, folds))
            raise InputError(
                f"{features.folder}: no record of the training folds ({numbers}) of {asked.name}; "
                "give the features that the model was trained on"
            )
        self.features, self.rows, self.names = features, np.flatnonzero(kept), names
        self.key = {"store": features.store, "labels": asked.hash, "names": names}
        self.labels = [labels_of(row, asked) for row in labelled.targets[kept]]
        self.ids = features.records["id"].to_numpy()[kept]

    def near(self, states: States, layer: int) -> Neighbours:
        """Find the records that are nearest at a layer.

        Args:
            states: The record's states, as one row of ``features.states``.
            layer: The layer.

        Raises:
            InputError: When there is no such layer.
        """
        widths = [each.width for each in self.features.layers]
        if layer not in range(len(widths)):
            raise InputError(f"layer {layer}: the encoder has layers 0 to {len(widths) - 1}")
        start = sum(widths[:layer])
        columns = slice(start, start + widths[layer])
        flat = self.features.states.reshape(len(self.features.states), -1)
        known = flat[self.rows, columns].astype(np.float64)
        own = states.reshape(-1)[columns].astype(np.float64)
        similarity = cosines(own, known)
        best = np.argsort(-similarity, kind="stable")[:NEAREST]
        found = tuple(
            Neighbour(
                float(similarity[k]), self.labels[k], str(self.ids[k]) if self.names else None
            )
            for k in best
        )
        return Neighbours(layer, len(known), found)


def cosines(own: States, known: States) -> NDArray[np.float64]:
    """Cosine of a state with each of ``known``, standardised by their means and deviations."""
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    spread = np.where(deviation > 0, deviation, 1)
    one, others = (own - mean) / spread, (known - mean) / spread
    lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(one)
    return others @ one / np.where(lengths > 0, lengths, 1)


def labels_of(targets: NDArray[np.float64], task: Task) -> str:
    """The labels of a record in words."""
    said = zip(task.classes, targets, strict=True)
    known = [(name, value) for name, value in said if not np.isnan(value)]
    told = [_words(name, value, task.outcome, task.unit or "") for name, value in known]
    return ", ".join(each for each in told if each) or "none"


def _words(name: str, value: float, outcome: Outcome, unit: str) -> str:
    if outcome == "number":
        return f"{name} {value:g} {unit}".rstrip()
    if outcome == "time":
        return f"{name} {'after' if value > 0 else 'not within'} {abs(value):g} {unit}".rstrip()
    return name if value == 1 else ""


def _task(name: str) -> Task:
    try:
        return task_named(name)
    except InputError as error:
        raise InputError(f"{name}: a task of your own; give its folder (--task)") from error
