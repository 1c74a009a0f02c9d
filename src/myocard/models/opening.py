"""Models from what a user names: a folder, a file, a shipped encoder, a place on the hub."""

from dataclasses import replace
from pathlib import Path

from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.registry import added_encoder
from myocard.errors import InputError
from myocard.files.manifest import CHECKPOINT, MODEL
from myocard.models import foreign
from myocard.models.checkpoint import Checkpoint, open_place
from myocard.models.classifier import load_classifier, read_probe
from myocard.models.model import Model
from myocard.models.places import found, of_encoder
from myocard.models.reference import LayerReference

NANO = "ecg-nano"
"""The encoder that comes with myocard."""


def from_pretrained(given: Path | str = NANO, probe: Path | str | None = None) -> Model:
    """Load an encoder, and the readout and head that go with it.

    Args:
        given: A model that was saved, a pretrained encoder or a fine-tuned model, as
            ``open_checkpoint`` takes it: its folder or file, its name, or its place on the Hugging
            Face hub. By default the encoder that comes with myocard, for which no network is asked.
        probe: The run folder of a probe of that encoder.

    Raises:
        InputError: When it is not whole, or the probe is of another encoder.
    """
    added = added_encoder(str(given))
    if added is not None:
        return _probed(added, probe)
    place = found(Path(given))
    if probe is None and (place / MODEL.file).exists():
        model = Model(*foreign.read(place), place=of_encoder(place))
        return replace(model, reference=LayerReference.read(place, MODEL, model.encoder))
    opened = open_place(place)
    if not isinstance(opened, Checkpoint):
        return _probed(opened, probe, of_encoder(place))
    encoder, shape = opened.encoder, opened.classifier
    if probe is not None or shape is None:
        return _probed(encoder, probe, place)
    file, weights = place / "model.safetensors", dict(opened.rest)
    classifier = load_classifier(shape, weights, file, encoder.norm, encoder.layers)
    reference = LayerReference.read(place, CHECKPOINT, encoder)
    return Model(encoder, classifier, shape, opened.decision, place, reference)


def decided_model(given: Path | str, probe: Path | str | None = None) -> Model:
    """Load a model with its decisions.

    Args:
        given: A saved model; or an encoder, with ``probe``.
        probe: The run folder of a probe of that encoder; thresholds are those of the best F1.

    Raises:
        InputError: As ``from_pretrained``, or when the model has no decision.
    """
    model = from_pretrained(given, probe)
    if probe is not None:
        return model.decided(probe)
    if model.decision is None:
        raise InputError(
            f"{given}: has no thresholds; save it with its run (`myocard save`), or give the "
            "encoder and the run of a probe (--probe)"
        )
    return model


def _probed(encoder: ECGEncoder, probe: Path | str | None, place: Path | None = None) -> Model:
    if probe is None:
        return Model(encoder, place=place)
    run, classifier = read_probe(Path(probe), encoder)
    return Model(encoder, classifier, run.shape, place=place)
