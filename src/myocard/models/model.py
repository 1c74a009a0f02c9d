"""One record at a time: the states of all layers, how a readout weighs them, and the scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.signal import Preprocessing, conform, crop, resampled_length, standardise
from myocard.errors import InputError
from myocard.leads import parse_leads
from myocard.models.checkpoint import Checkpoint, load_weights
from myocard.models.classifier import WEIGHTS, ClassifierShape, read_probe
from myocard.nn.readouts.classifier import Classifier, probabilities
from myocard.record import Record
from myocard.tasks.task import task


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint ready to be asked about records.

    Every method takes a ``Record`` in any rate, lead order and unit, and reads its middle window.
    ``leads`` names some of the leads that the encoder states; without it, a record must have them
    all.

    Attributes:
        checkpoint: The encoder and what it expects.
        classifier: Readout and head, if there are any.
        shape: What they are.
    """

    checkpoint: Checkpoint
    classifier: Classifier | None = None
    shape: ClassifierShape | None = None

    def states(self, record: Record, leads: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The pooled state of every layer, ``(layers, width)``; layer 0 is the embedding."""
        return self._states(record, leads)[0].numpy()

    def weights(self, record: Record, leads: Sequence[str] | None = None) -> NDArray[np.float32]:
        """How much of each layer the readout takes for this record, ``(layers,)``; sums to one."""
        with torch.inference_mode():
            return self._classifier().readout.weights(self._states(record, leads))[0].numpy()

    def scores(self, record: Record, leads: Sequence[str] | None = None) -> dict[str, float]:
        """The probability of each class."""
        classifier = self._classifier()
        assert self.shape is not None
        with torch.inference_mode():
            logits = classifier(self._states(record, leads))
            found = probabilities(logits, exclusive=task(self.shape.task).exclusive)
        return dict(zip(self.shape.classes, found[0].tolist(), strict=True))

    def _classifier(self) -> Classifier:
        if self.classifier is None:
            raise InputError(
                f"{self.checkpoint.name} is an encoder without a readout: load it with the run "
                "folder of a probe, or load a fine-tuned model"
            )
        return self.classifier

    @torch.inference_mode()
    def _states(self, record: Record, leads: Sequence[str] | None) -> Tensor:
        stated = self.checkpoint.preprocessing
        chosen = self._leads(leads)
        record = record.select(chosen)
        _check(record, stated)
        signal = conform(record.signal, record.rate, stated.rate, stated.band)
        window = standardise(crop(signal, stated.samples), stated.standardise)
        return self.checkpoint.encoder.pooled(torch.from_numpy(window)[None], chosen)

    def _leads(self, leads: Sequence[str] | None) -> tuple[str, ...]:
        stated = self.checkpoint.preprocessing.leads
        if leads is None:
            return stated
        chosen = parse_leads(leads)
        if not chosen or not set(chosen) <= set(stated):
            raise InputError(
                f"leads {', '.join(chosen) or 'of no name'}: {self.checkpoint.name} reads "
                f"{', '.join(stated)}; name some of these"
            )
        return chosen


def _check(record: Record, stated: Preprocessing) -> None:
    length = resampled_length(record.signal.shape[1], record.rate, stated.rate)
    if length < stated.samples:
        raise InputError(
            f"a record of {record.seconds:g} s is shorter than the encoder's window of "
            f"{stated.samples / stated.rate:g} s; give a longer one"
        )
    if record.not_finite:
        raise InputError(
            f"lead {', '.join(record.not_finite)} holds values that are not finite; fix it, or "
            "name the other leads with `leads`"
        )
    if record.flat:
        named = ", ".join(record.flat)
        raise InputError(f"lead {named} is constant; name the other leads with `leads`")


def load(folder: Path | str, probe: Path | str | None = None) -> Model:
    """Load a checkpoint's folder, and the readout and head that go with it.

    Args:
        folder: A pretrained encoder, or a fine-tuned model.
        probe: The run folder of a probe of that encoder.

    Raises:
        InputError: When a folder is not whole, or the probe is of another encoder.
    """
    checkpoint = Checkpoint.load(Path(folder))
    if probe is not None:
        shape, weights = read_probe(Path(probe), checkpoint)
        file = Path(probe) / WEIGHTS
    elif "classifier" in checkpoint.about:
        shape = ClassifierShape.parse(checkpoint.about["classifier"], Path(folder) / "config.json")
        weights, file = checkpoint.rest, Path(folder) / "model.safetensors"
    else:
        return Model(checkpoint)
    classifier = shape.build(checkpoint.encoder.norm, checkpoint.encoder.shape.depth)
    load_weights(classifier, weights, "", file)
    return Model(checkpoint, classifier.eval(), shape)
