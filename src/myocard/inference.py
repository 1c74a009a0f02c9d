"""One record at a time: the states of all layers, how a readout weighs them, and the scores."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from myocard.checkpoint import Checkpoint, load_weights
from myocard.classifiers import WEIGHTS, ClassifierShape, read_probe
from myocard.data.signal import conform, crop, standardise
from myocard.errors import InputError
from myocard.leads import parse_leads
from myocard.nn.classifier import Classifier, probabilities
from myocard.record import Record
from myocard.tasks import task


@dataclass(frozen=True, eq=False)
class Model:
    """A checkpoint ready to be asked about records.

    Every method takes a ``Record`` in any rate, lead order and unit. ``leads`` restricts what is
    read; without it, a record must have all leads that the encoder states.

    Attributes:
        checkpoint: The encoder and what it expects.
        classifier: Readout and head, if there are any.
        shape: What they are.
    """

    checkpoint: Checkpoint
    classifier: Classifier | None = None
    shape: ClassifierShape | None = None

    def states(self, record: Record, leads: tuple[str, ...] | None = None) -> NDArray[np.float32]:
        """The pooled state of every layer, ``(layers, width)``; layer 0 is the embedding."""
        return self._states(record, leads)[0].numpy()

    def weights(self, record: Record, leads: tuple[str, ...] | None = None) -> NDArray[np.float32]:
        """How much of each layer the readout takes for this record, ``(layers,)``; sums to one."""
        with torch.inference_mode():
            return self._classifier().readout.weights(self._states(record, leads))[0].numpy()

    def scores(self, record: Record, leads: tuple[str, ...] | None = None) -> dict[str, float]:
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
    def _states(self, record: Record, leads: tuple[str, ...] | None) -> Tensor:
        stated = self.checkpoint.preprocessing
        chosen = stated.leads if leads is None else parse_leads(leads)
        record = record.select(chosen)
        if not np.isfinite(record.signal).all():
            raise InputError(
                "the record holds values that are not finite; mend it or leave out its lead"
            )
        flat = [n for n, x in zip(record.leads, record.signal, strict=True) if np.ptp(x) == 0]
        if flat:
            raise InputError(f"lead {', '.join(flat)} is constant; leave it out with `leads`")
        signal = conform(record.signal, record.rate, stated.rate, stated.band)
        if signal.shape[1] < stated.samples:
            raise InputError(
                f"a record of {record.seconds:g} s is shorter than the encoder's window of "
                f"{stated.samples / stated.rate:g} s"
            )
        window = standardise(crop(signal, stated.samples), stated.standardise)
        return self.checkpoint.encoder.pooled(torch.from_numpy(window)[None], chosen)


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
        shape = read_probe(Path(probe), checkpoint)
        weights = load_file(Path(probe) / WEIGHTS)
    elif "classifier" in checkpoint.about:
        stated = checkpoint.about["classifier"]
        shape = ClassifierShape(**stated | {"classes": tuple(stated["classes"])})
        weights = checkpoint.rest
    else:
        return Model(checkpoint)
    classifier = shape.build(checkpoint.encoder.norm, checkpoint.encoder.shape.depth)
    load_weights(classifier, weights, "", Path(probe or folder))
    return Model(checkpoint, classifier.eval(), shape)
