"""Readout and head on disk: what a probe or a fine-tuned model says of its classifier."""

import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from myocard.checkpoint import Checkpoint
from myocard.errors import InputError
from myocard.nn.classifier import Classifier
from myocard.nn.heads import HEADS
from myocard.nn.readouts import build_readout

WEIGHTS = "classifier.safetensors"


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

    def build(self, norm: nn.LayerNorm, depth: int) -> Classifier:
        readout = build_readout(self.readout, norm, depth, self.layer)
        return Classifier(readout, HEADS[self.head](readout.features, len(self.classes)))


def read_probe(probe: Path, checkpoint: Checkpoint) -> ClassifierShape:
    """What the run in the folder ``probe`` trained on the states of ``checkpoint``.

    Raises:
        InputError: When it is no probe's run, or one of another encoder.
    """
    try:
        run = json.loads((probe / "run.json").read_text())
        shape = ClassifierShape(
            run["task"], tuple(run["classes"]), run["readout"], run["layer"], run["head"]
        )
        key = run["encoder"]["hash"]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise InputError(f"{probe}: not the run folder of a probe ({error!r})") from error
    if key != checkpoint.key:
        raise InputError(f"{probe}: a probe of another encoder than {checkpoint.name}")
    return shape
