"""References that a page on one record compares a model with, on disk beside it.

``reference.json`` and ``single-layers.safetensors``: how the layer weights of the validation
records are spread, and what each layer says alone. Both come from the folder of the model's run and
from the runs beside it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from myocard.encoders.files import read_weights
from myocard.encoders.protocol import ECGEncoder
from myocard.files.manifest import Manifest
from myocard.metrics.calibration import scale
from myocard.models.classifier import load_classifier, read_probe, scores_of
from myocard.nn.readouts.classifier import Classifier
from myocard.results.reference import Reference, SingleLayer, single_layers, weights_of_records
from myocard.results.run import Run

WEIGHTS = "single-layers.safetensors"
FILES = (Reference.FILE, WEIGHTS)


@dataclass(frozen=True, eq=False)
class LayerReference:
    """A reference with the weights of its classifiers.

    Attributes:
        stated: The reference.
        classifiers: One for each of its layers.
    """

    stated: Reference
    classifiers: tuple[Classifier, ...]

    @classmethod
    def collect(cls, folder: Path, encoder: ECGEncoder) -> "LayerReference":
        """Collect what the run in ``folder`` and those beside it say.

        Raises:
            InputError: When a run is not whole, or of another encoder.
        """
        from myocard.results.validation import temperature_of

        run, found = Run.read(folder), list(single_layers(folder))
        layers = tuple(
            SingleLayer(
                shape=other.shape,
                temperature=temperature_of(place, other),
                score=other.validation.main.macro.value,
            )
            for place, other in found
        )
        weights = weights_of_records(folder, run)
        stated = Reference(metric=run.validation.headline, weights=weights, layers=layers)
        return cls(stated, tuple(read_probe(place, encoder)[1] for place, _ in found))

    @classmethod
    def read(cls, folder: Path, manifest: Manifest, encoder: ECGEncoder) -> "LayerReference | None":
        """Read what ``write`` wrote; None where a model has none.

        Raises:
            InputError: When a file is missing or altered.
        """
        if Reference.FILE not in manifest.hashes(folder):
            return None
        manifest.read(folder, FILES)
        stated, file = Reference.read(folder), folder / WEIGHTS
        weights, classifiers = read_weights(file, manifest.fix), []
        for each in stated.layers:
            prefix = _prefix(each)
            own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
            about = encoder.norm, encoder.layers
            classifiers.append(load_classifier(each.shape, own, file, *about))
        return cls(stated, tuple(classifiers))

    def write(self, folder: Path) -> tuple[str, ...]:
        """Write the two files into a folder that is there; return their names."""
        weights = {
            f"{_prefix(each)}{name}": value.detach().cpu().clone()
            for each, classifier in zip(self.stated.layers, self.classifiers, strict=True)
            for name, value in classifier.state_dict().items()
        }
        self.stated.write(folder)
        save_file(weights, folder / WEIGHTS)
        return FILES

    @torch.inference_mode()
    def answers(self, states: Tensor, layers: int) -> NDArray[np.float64]:
        """Ask each layer alone about a record, ``(layers, outputs)``; NaN where none is known.

        Probabilities at the layer's own temperature, or numbers in their unit.

        Args:
            states: The record's states, as the first of a batch.
            layers: Number of the encoder's layers.
        """
        found: dict[int, NDArray[np.floating]] = {}
        for each, classifier in zip(self.stated.layers, self.classifiers, strict=True):
            scores = scores_of(each.shape, classifier(states)).numpy().astype(float)
            if each.temperature is not None:
                exclusive = each.shape.outcome == "one"
                scores = scale(scores, each.temperature, exclusive=exclusive)
            assert each.shape.layer is not None
            found[each.shape.layer] = scores[0]
        outputs = next((len(row) for row in found.values()), 0)
        nothing = np.full(outputs, np.nan)
        return np.array([found.get(layer, nothing) for layer in range(layers)])


def _prefix(layer: SingleLayer) -> str:
    return f"{layer.shape.layer}."
