"""Explanations of what a model says of one record."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from myocard.data.window import span_read
from myocard.encoders.protocol import joined_states
from myocard.evaluation.explaining.attribution import attribute
from myocard.leads import LEADS
from myocard.models.model import Model
from myocard.models.records import window
from myocard.record import Record
from myocard.results.explanation import Explanation

# Cached states bring the training loop, for which a page should not wait that needs none.
if TYPE_CHECKING:
    from myocard.evaluation.explaining.neighbours import TrainingRecords


def explain(
    model: Model,
    record: Record,
    *,
    name: str = "",
    training: "TrainingRecords | None" = None,
    layer: int | None = None,
) -> Explanation:
    """Explain what a model says of a record.

    Args:
        model: A model with a decision (``Model.decided``), and best with a reference, as a saved
            one has it (``Model.compared``).
        record: The record; its middle window is read.
        name: What to call it.
        training: The model's training records, of which the nearest are named.
        layer: The layer at which they are; by default the one that weighs most in this record.

    Raises:
        InputError: For a model without a decision, or a record that it cannot read.
    """
    statement, encoder = model.statement, model.encoder
    signals = torch.from_numpy(window(record, encoder.input))
    reading = model.read(signals[None].numpy())
    with torch.inference_mode():
        states = joined_states(encoder, signals[None])
    weights, layers = reading.layer_weights[0], len(encoder.layers)
    chosen = int(weights.argmax()) if layer is None else layer
    single = np.full((layers, len(statement.shape.classes)), np.nan)
    if model.reference is not None and model.reference.classifiers:
        single = model.reference.answers(states, layers)
    return Explanation(
        name=name,
        record=_read_part(record, model),
        seconds=record.seconds,
        encoder=encoder.info,
        shape=statement.shape,
        decision=statement.decision,
        layers=statement.layers,
        scores=reading.scores[0],
        weights=weights,
        reference=None if model.reference is None else model.reference.stated,
        single=single,
        attribution=attribute(model, signals),
        neighbours=None if training is None else training.near(states.numpy(), chosen),
    )


def _read_part(record: Record, model: Model) -> Record:
    """Cut out what the model reads of a record, with all leads in their usual order."""
    start, stop = span_read(record.signal.shape[1], record.rate, model.encoder.input)
    ordered = record.select([lead for lead in LEADS if lead in record.leads])
    cut = ordered.signal[:, start:stop]
    return replace(ordered, signal=cut, start=record.start + start / record.rate)
