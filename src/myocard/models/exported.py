"""Models that ``myocard export`` wrote as ONNX, run by onnxruntime: without torch or pandas."""

import hashlib
import os
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from myocard.errors import InputError
from myocard.models.records import ArrayForm, Records, stacked
from myocard.models.statement import Predictor, Reading, Statement, stated_hash
from myocard.outcomes import CLASSES
from myocard.results.document import first_problem

ONNX = ".onnx"
STATEMENT = "myocard"
"""Key of the statement among the metadata of a file."""
SIGNALS = "signals"
SCORES, LAYER_WEIGHTS, STATES, RAW = "scores", "layer_weights", "states", "raw_scores"
"""Names of the input and the outputs."""
_BATCH = 16
_FIX = "give a file that `myocard export` wrote"


class ONNXModel:
    """A model in one file, which is asked as ``Model`` is.

    Args:
        file: A file that ``myocard export`` wrote.

    Raises:
        InputError: When it is not one, or was altered, or onnxruntime is not installed.
    """

    def __init__(self, file: Path | str) -> None:
        self.file = Path(file)
        self.session, self.statement = _opened(self.file)

    def __repr__(self) -> str:
        name, shape = self.statement.encoder, self.statement.shape
        return f"ONNXModel({name}: {shape.readout} and {shape.head} head for {shape.task})"

    @property
    def classes_(self) -> tuple[str, ...]:
        """The classes, in the order of ``predict_proba``."""
        return self.statement.shape.classes

    def hidden_states(
        self, records: Records, **form: Unpack[ArrayForm]
    ) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """The pooled state of every layer, ``(records, layers, width)``; as ``Model`` has it."""
        (states,), asked = self._asked(records, [STATES], **form)
        if states.ndim == 3:
            return states[asked]
        ends = np.cumsum(self.statement.widths)[:-1]
        return [each[asked] for each in np.split(states, ends, axis=1)]

    def layer_weights(self, records: Records, **form: Unpack[ArrayForm]) -> NDArray[np.float32]:
        """The share of each layer that the readout takes, ``(records, layers)``."""
        (weights,), asked = self._asked(records, [LAYER_WEIGHTS], **form)
        return weights[asked]

    def predict_proba(self, records: Records, **form: Unpack[ArrayForm]) -> NDArray[np.float32]:
        """The probability of each of ``classes_``, ``(records, classes)``."""
        shape = self.statement.shape
        if shape.outcome not in CLASSES:
            raise InputError(f"{shape.task}: outputs are no probabilities; call predict")
        return self.predict(records, **form)

    def predict(self, records: Records, **form: Unpack[ArrayForm]) -> NDArray[np.float32]:
        """The score of each of ``classes_``, ``(records, outputs)``; as ``Model`` has it."""
        (scores,), asked = self._asked(records, [RAW], **form)
        return scores[asked]

    def read(self, windows: NDArray[np.float32]) -> Reading:
        """Read windows ``(records, leads, samples)`` that are as its input states them."""
        return Reading(*self._run(windows, [RAW, LAYER_WEIGHTS]))

    def _asked(
        self, records: Records, outputs: list[str], **form: Unpack[ArrayForm]
    ) -> tuple[list[NDArray[np.float32]], int | slice]:
        windows, asked = stacked(records, self.statement.input, **form)
        return self._run(windows, outputs), asked

    def _run(self, windows: NDArray[np.float32], outputs: list[str]) -> list[NDArray[np.float32]]:
        starts = range(0, len(windows), _BATCH)
        batches = [
            self.session.run(outputs, {SIGNALS: windows[start : start + _BATCH]})
            for start in starts
        ]
        return [np.concatenate(each) for each in zip(*batches, strict=True)]


def open_predictor(given: Path | str, probe: Path | str | None = None) -> Predictor:
    """Open a model with its decisions: a saved one, one in ONNX, or a probe's.

    Args:
        given: A saved model, or a file that ``myocard export`` wrote; or an encoder, with
            ``probe``.
        probe: The run folder of a probe of that encoder.

    Raises:
        InputError: When it cannot be opened, or has no decision.
    """
    if Path(given).suffix != ONNX:
        # A model in ONNX should not wait for torch.
        from myocard.models.opening import decided_model

        return decided_model(given, probe)
    if probe is not None:
        raise InputError(f"{given}: holds readout and head already; leave the probe out")
    return ONNXModel(given)


def _opened(file: Path) -> tuple[Any, Statement]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); {_FIX}") from error
    session = _session(content, file)
    text = session.get_modelmeta().custom_metadata_map.get(STATEMENT)
    if text is None:
        raise InputError(f"{file}: a graph that does not say what it predicts; {_FIX}")
    try:
        stated = Statement.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{file}: {first_problem(error)}; {_FIX}") from error
    graph = stated.graph
    if graph is None or hashlib.sha256(content[: graph.size]).hexdigest() != graph.sha256:
        raise InputError(f"{file}: not the graph that was written; export the model again")
    if stated_hash(text) != graph.statement or not _fits(session, stated):
        raise InputError(f"{file}: not the statement that was written; export the model again")
    return session, stated


def _fits(session: Any, stated: Statement) -> bool:
    """Tell if a graph takes and gives what is stated."""
    shape = {each.name: each.shape[1:2] for each in (*session.get_inputs(), *session.get_outputs())}
    outputs, layers = [len(stated.shape.classes)], [len(stated.layers)]
    return (
        shape.get(SIGNALS) == [len(stated.input.leads)]
        and shape.get(SCORES) == shape.get(RAW) == outputs
        and shape.get(LAYER_WEIGHTS) == layers
        and stated.shape.classes == stated.decision.classes
        and len(stated.widths) == len(stated.layers)
    )


def runtime() -> Any:
    """Import onnxruntime; its builds tell their maker of every use, unless told not to before."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def session_of(content: bytes) -> Any:
    """Start onnxruntime on one thread, so that scores are the same on any number of cores."""
    onnxruntime = runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is said by an error
    # From memory, a graph cannot ask for other files.
    return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])


def _session(content: bytes, file: Path) -> Any:
    try:
        return session_of(content)
    except ImportError as error:
        raise InputError(f"{file}: to run it, pip install 'myocard[onnx]'") from error
    # onnxruntime raises errors of every kind for a broken file.
    except Exception as error:
        first = " ".join(str(error).split())[:200]
        raise InputError(f"{file}: no graph that can be run ({first}); {_FIX}") from error
