"""Readout and head on disk: what a probe or a fine-tuned model says of its classifier."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from myocard.errors import InputError
from myocard.models.checkpoint import Checkpoint
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import READOUTS, build_readout

WEIGHTS = "classifier.safetensors"


def weights_file(place: int) -> str:
    """The file of a run's classifier, by the place of its seed among the run's seeds."""
    return WEIGHTS if place == 0 else f"classifier-{place + 1}.safetensors"


def digest(run: Path) -> str:
    """A hash of the classifiers of all seeds of a run."""
    found = hashlib.sha256()
    for file in sorted(run.glob("classifier*.safetensors")):
        found.update(file.read_bytes())
    return found.hexdigest()


@dataclass(frozen=True)
class ClassifierShape:
    """What a classifier is made of; it travels with its weights.

    Attributes:
        task: What it was trained on.
        classes: Its outputs, in order.
        readout: One of ``READOUTS``, or ``layer``.
        layer: The one layer that ``layer`` reads.
        head: One of ``HEADS``.
    """

    task: str
    classes: tuple[str, ...]
    readout: str
    layer: int | None
    head: str

    @classmethod
    def parse(cls, stated: Mapping[str, Any], where: Path) -> "ClassifierShape":
        """What the file ``where`` states.

        Raises:
            InputError: When something is missing, or a readout or head is unknown.
        """
        try:
            readout, layer, head = stated["readout"], stated["layer"], stated["head"]
            shape = cls(stated["task"], tuple(stated["classes"]), readout, layer, head)
        except (KeyError, TypeError) as error:
            raise InputError(f"{where}: states no readout and head ({error!r})") from error
        if head not in HEADS or (layer is None and readout not in READOUTS):
            raise InputError(f"{where}: readout {readout!r} or head {head!r} is unknown")
        return shape

    def build(self, norm: nn.LayerNorm, depth: int) -> Classifier:
        readout = build_readout(self.readout, norm, depth, self.layer)
        return Classifier(readout, HEADS[self.head](readout.features, len(self.classes)))


def read_run(folder: Path) -> tuple[dict[str, Any], ClassifierShape, list[dict[str, Tensor]]]:
    """What a probe's run says, what its classifiers are made of, and each seed's weights.

    Raises:
        InputError: When it is no probe's run.
    """
    path = folder / "run.json"
    try:
        run = json.loads(path.read_text())
        places = range(len(run["seeds"]))
        weights = [load_file(folder / weights_file(place)) for place in places]
    except (OSError, LookupError, TypeError, ValueError, RecursionError, SafetensorError) as error:
        raise _no_probe(folder, error) from error
    return run, ClassifierShape.parse(run, path), weights


def read_probe(probe: Path, checkpoint: Checkpoint) -> tuple[ClassifierShape, dict[str, Tensor]]:
    """What the run in the folder ``probe`` trained on the states of ``checkpoint``, first seed.

    Raises:
        InputError: When it is no probe's run, or one of another encoder.
    """
    run, shape, weights = read_run(probe)
    try:
        key = run["encoder"]["hash"]
    except (KeyError, TypeError) as error:
        raise _no_probe(probe, error) from error
    if key != checkpoint.key:
        raise InputError(
            f"{probe}: a probe of another encoder than {checkpoint.name}; give the run of a probe "
            "of its features"
        )
    return shape, weights[0]


def _no_probe(folder: Path, error: Exception) -> InputError:
    return InputError(
        f"{folder}: not the run folder of a probe ({error!r}); give one that `myocard probe` made"
    )
