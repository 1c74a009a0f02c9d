"""The classifiers of a run on disk: readout and head of every seed."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from myocard.encoders.files import read_weights
from myocard.encoders.protocol import ECGEncoder, Layer
from myocard.encoders.published import PublishedEncoder
from myocard.errors import InputError
from myocard.models.card import licences
from myocard.models.checkpoint import load_weights
from myocard.models.statement import Statement
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import POOLED, TOKENS, build_pooled
from myocard.nn.readouts.widths import LayerMaps, Mapped
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import Decision
from myocard.results.run import RUN, Run

WEIGHTS = "classifier.safetensors"
_FIX = "give the run folder of a probe"


def weights_file(index: int) -> str:
    """The file of a run's classifier, by the index of its seed among the run's seeds."""
    return WEIGHTS if index == 0 else f"classifier-{index + 1}.safetensors"


def write_classifiers(folder: Path, classifiers: Sequence[nn.Module]) -> None:
    """Write the classifier of every seed into a run's folder."""
    for index, classifier in enumerate(classifiers):
        weights = {k: v.cpu().contiguous() for k, v in classifier.state_dict().items()}
        save_file(weights, folder / weights_file(index))


def classifiers_hash(run: Path) -> str:
    """A hash of the classifiers of all seeds of a run."""
    digest = hashlib.sha256()
    for file in sorted(run.glob("classifier*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def scores_of(shape: ClassifierShape, logits: Tensor) -> Tensor:
    """Scores ``(records, outputs)`` from logits: probabilities, or numbers in their unit."""
    scores = LIKELIHOODS[shape.outcome].scores(logits)
    if not shape.scale:
        return scores
    scale = [(each.mean, each.deviation) for each in shape.scale]
    mean, deviation = torch.tensor(scale, dtype=scores.dtype).T
    return scores * deviation + mean


def state_hash(classifier: nn.Module) -> str:
    """A hash of the weights of one classifier."""
    digest = hashlib.sha256()
    for name, value in sorted(classifier.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def statement_of(
    encoder: ECGEncoder, classifier: Classifier, shape: ClassifierShape, decision: Decision
) -> Statement:
    """State all of a model but its weights."""
    card = encoder.opened.card if isinstance(encoder, PublishedEncoder) else None
    return Statement(
        encoder=encoder.info.name,
        hashes=(encoder.info.hash, state_hash(classifier)),
        input=encoder.input,
        layers=tuple(layer.name for layer in encoder.layers),
        widths=tuple(layer.width for layer in encoder.layers),
        shape=shape,
        decision=decision,
        licence=None if card is None else licences(card),
        myocard=version("myocard"),
    )


def build_classifier(
    shape: ClassifierShape, norm: nn.Module, layers: Sequence[Layer]
) -> Classifier:
    """Build an untrained classifier on the states of an encoder with these layers.

    Raises:
        InputError: For a readout that sums layers, where their widths differ.
    """
    widths, common = [layer.width for layer in layers], shape.common_width
    if common is None:
        readout = build_pooled(shape.readout, norm, widths, shape.layer)
    else:
        behind = build_pooled(shape.readout, nn.Identity(), [common] * len(widths), shape.layer)
        readout = Mapped(LayerMaps(widths, common), behind)
    return Classifier(readout, HEADS[shape.head](readout.features, len(shape.classes)))


def load_classifier(
    shape: ClassifierShape,
    weights: dict[str, Tensor],
    file: Path,
    norm: nn.Module,
    layers: Sequence[Layer],
) -> Classifier:
    """Build a classifier of pooled states and load its weights.

    Raises:
        InputError: When its readout or head is unknown, it reads tokens, or the weights do not fit.
    """
    if shape.readout in TOKENS:
        raise InputError(f"{file}: {shape.readout} reads tokens; give a probe of pooled states")
    name, known = f"readout {shape.readout!r}", shape.readout in POOLED
    if shape.layer is not None:
        name, known = f"layer {shape.layer}", shape.layer in range(len(layers))
    if shape.head not in HEADS or not known:
        raise InputError(f"{file}: {name} or head {shape.head!r} is unknown")
    classifier = build_classifier(shape, norm, layers)
    load_weights(classifier, weights, "", file)
    return classifier.eval()


def read_classifiers(folder: Path, norm: nn.Module, layers: Sequence[Layer]) -> list[Classifier]:
    """Read the classifiers of every seed of the run in ``folder``.

    Raises:
        InputError: When it is no run with classifiers, or they do not fit these layers.
    """
    run = Run.read(folder)
    files = [folder / weights_file(index) for index in range(len(run.seeds))]
    return [load_classifier(run, read_weights(f, _FIX), f, norm, layers) for f in files]


def read_probe(folder: Path, encoder: ECGEncoder) -> tuple[Run, Classifier]:
    """Read a probe's run on the states of ``encoder``, and its first seed's classifier.

    Raises:
        InputError: When it is no probe's run, or one of another encoder.
    """
    run, name = Run.read(folder), encoder.info.name
    if run.hashes.encoder != encoder.info.hash:
        raise InputError(
            f"{folder}: a probe of another encoder than {name}; give the run of a probe of its "
            "features"
        )
    if run.kind != "probe":
        raise InputError(f"{folder / RUN}: a {run.kind}, not a probe; {_FIX}")
    weights = read_weights(folder / WEIGHTS, _FIX)
    return run, load_classifier(run, weights, folder / WEIGHTS, encoder.norm, encoder.layers)
