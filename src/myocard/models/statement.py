"""Statement of a model without its weights: enough to prepare signals and to read its scores."""

import hashlib
import json
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from myocard.data.signal import Preprocessing
from myocard.metrics.summary import Frozen
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import Decision

Int8 = Literal["dynamic", "static"]
"""Quantisation to integers: of activations as they come, or by what calibration records had."""


class Graph(Frozen):
    """An exported graph, as its file was written.

    Attributes:
        opset: Version of ONNX's operators.
        size: Bytes of the file before the statement, which stands at its end.
        sha256: Hash of these bytes.
        statement: Hash of all else that the statement says.
        int8: Way in which it was quantised.
        difference: Largest difference of its scores from the model's on windows of noise.
    """

    opset: int
    size: int
    sha256: str
    statement: str
    int8: Int8 | None = None
    difference: float


def stated_hash(text: str) -> str:
    """Hash what a statement in JSON says, but for its graph."""
    told = {key: value for key, value in json.loads(text).items() if key != "graph"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


class Statement(Frozen):
    """A model without its weights, which travels in the file that it is exported to.

    Attributes:
        encoder: Name of the encoder.
        hashes: Hash of the encoder, and of readout and head.
        input: The signals that the model expects.
        layers: Name of each hidden state; the embedding first.
        widths: Width of each hidden state.
        shape: Task, classes, readout and head.
        decision: Temperature, thresholds and sets.
        licence: Sentences on the licence of an encoder that others made.
        graph: The graph, once it was exported.
        myocard: Version of myocard that made this.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    version: Literal[1] = Field(default=1, alias="format")
    encoder: str
    hashes: tuple[str | None, str]
    input: Preprocessing
    layers: tuple[str, ...]
    widths: tuple[int, ...]
    shape: ClassifierShape
    decision: Decision
    licence: str | None = None
    graph: Graph | None = None
    myocard: str

    @property
    def key(self) -> dict[str, Any]:
        """All that scores depend on, as JSON can hold it."""
        encoder, classifier = self.hashes
        stated = {
            "encoder": encoder,
            "classifier": classifier,
            "shape": self.shape.model_dump(mode="json"),
            "decision": self.decision.model_dump(mode="json"),
        }
        return stated if self.graph is None else stated | {"graph": self.graph.sha256}

    @property
    def sha256(self) -> str:
        """Hash of all that scores depend on."""
        return hashlib.sha256(json.dumps(self.key, sort_keys=True).encode()).hexdigest()


class Reading(NamedTuple):
    """Scores and layer weights of some windows.

    Attributes:
        scores: ``(records, classes)``.
        layer_weights: ``(records, layers)``.
    """

    scores: NDArray[np.float32]
    layer_weights: NDArray[np.float32]


@runtime_checkable
class Predictor(Protocol):
    """A model with decisions, whatever runs it."""

    @property
    def statement(self) -> Statement:
        """The model without its weights.

        Raises:
            InputError: When it has no decision.
        """
        ...

    def read(self, windows: NDArray[np.float32]) -> Reading:
        """Read windows ``(records, leads, samples)`` that are as its input states them."""
        ...
