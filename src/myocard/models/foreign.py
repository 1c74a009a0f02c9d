"""A model on an encoder that others made, as a folder that carries it all.

``encoder/`` (the published files as they are), ``classifier.safetensors`` (readout and head),
``decision.json`` if it has one, ``model.json`` (task, classes, readout and head; hashes) and
``README.md`` (the card).
"""

import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from myocard.encoders.files import CONFIG, checkpoints, read_weights
from myocard.encoders.files import WEIGHTS as ON_HUB
from myocard.encoders.published import PublishedEncoder
from myocard.encoders.registry import open_published, tell_licence
from myocard.errors import InputError
from myocard.files.manifest import MODEL
from myocard.models.card import licence_of, model_card
from myocard.models.classifier import WEIGHTS, load_classifier, write_classifiers
from myocard.models.places import ENCODER, of_encoder
from myocard.nn.readouts.classifier import Classifier
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import DECISION, Decision


def published_files(place: Path) -> list[Path]:
    """List the files of a published checkpoint, as ``read_content`` takes it."""
    if place.is_file():
        return [place]
    as_on_hub = [place / CONFIG, place / ON_HUB]
    return as_on_hub if all(path.exists() for path in as_on_hub) else checkpoints(place)


def write(
    folder: Path,
    encoder: PublishedEncoder,
    place: Path,
    classifier: Classifier,
    shape: ClassifierShape,
    decision: Decision | None,
    written: Sequence[str] = (),
) -> None:
    """Write a model into a folder that is there.

    Args:
        folder: The folder.
        encoder: The encoder.
        place: The file or folder that it was read from, which is copied.
        classifier: Readout and head.
        shape: What they are.
        decision: Thresholds and the like.
        written: Names of further files that are in the folder, which the manifest is to hold.

    Raises:
        InputError: When ``place`` holds another encoder by now.
    """
    write_classifiers(folder, [classifier])
    about = licence_of(encoder.opened.card)
    if decision is not None:
        decision.write(folder)
        about = model_card(encoder.name, shape, decision, about)
    (folder / "README.md").write_text(about, encoding="utf-8")
    content = {
        "encoder": encoder.info.hash,
        "classifier": shape.model_dump(mode="json"),
        "myocard": version("myocard"),
    }
    own = [WEIGHTS] if decision is None else [WEIGHTS, DECISION]
    MODEL.write(folder, content, [*own, *written])
    (folder / ENCODER).mkdir()
    for path in published_files(place):
        shutil.copyfile(path, folder / ENCODER / path.name)
    _open(folder, encoder.info.hash)


def read(folder: Path) -> tuple[PublishedEncoder, Classifier, ClassifierShape, Decision | None]:
    """Read what ``write`` wrote.

    Raises:
        InputError: When a file is missing or altered, or the encoder is another one.
    """
    hashed = tuple(MODEL.hashes(folder))
    content = MODEL.read(folder, hashed)
    try:
        shape = ClassifierShape.model_validate(content["classifier"])
        wanted = content["encoder"]
    except (KeyError, ValidationError) as error:
        raise InputError(f"{folder}: not a readable model ({error!r}); {MODEL.fix}") from error
    encoder, file = _open(folder, wanted), folder / WEIGHTS
    weights = read_weights(file, MODEL.fix)
    classifier = load_classifier(shape, weights, file, encoder.norm, encoder.layers)
    decision = Decision.read(folder) if DECISION in hashed else None
    tell_licence(encoder.opened.card)
    return encoder, classifier, shape, decision


def _open(folder: Path, wanted: str | None) -> PublishedEncoder:
    encoder = open_published(of_encoder(folder))
    if encoder.info.hash != wanted:
        raise InputError(f"{folder}: holds another encoder than it was made with; {MODEL.fix}")
    return encoder
