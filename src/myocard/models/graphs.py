"""Models as graphs for other people's programs: ONNX in one file, or an archive of torch.export.

A graph takes ``signals``, windows as the encoder's input states them, and gives ``scores`` (at the
decision's temperature: what thresholds and sets are for), ``layer_weights``, the pooled ``states``
of all layers, and ``raw_scores`` without the temperature.
"""

import hashlib
import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import joined_states
from myocard.errors import InputError
from myocard.models.classifier import scores_of
from myocard.models.exported import (
    LAYER_WEIGHTS,
    RAW,
    SCORES,
    SIGNALS,
    STATEMENT,
    STATES,
    session_of,
)
from myocard.models.model import Model
from myocard.models.statement import Graph, Int8, Statement, stated_hash

OPSET = 20
LARGEST_DIFFERENCE = 1e-4
"""Difference of scores up to which a graph is the model's."""
_TRIED = 3
"""Windows of noise that model and graph are asked about."""


class ModelGraph(nn.Module):
    """All that a model computes of windows, as one module.

    Args:
        model: A model with a decision.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        stated = model.statement
        # Kept in a tuple so that an encoder that is a module itself is not registered twice.
        self.encoders, self.shape = (model.encoder,), stated.shape
        self.network, self.classifier = model.encoder.network, model.classifier
        self.temperature = stated.decision.temperature or 1.0

    def forward(self, signals: Tensor) -> dict[str, Tensor]:
        assert self.classifier is not None
        states = joined_states(self.encoders[0], signals)
        logits = self.classifier(states)
        return {
            SCORES: scores_of(self.shape, logits / self.temperature),
            LAYER_WEIGHTS: self.classifier.readout.layer_weights(states),
            STATES: states,
            RAW: scores_of(self.shape, logits),
        }


def program_of(model: Model) -> ExportedProgram:
    """Trace a model with a decision: any number of windows, and where possible of any length.

    Encoders of myocard read any whole number of patches up to their window; of those that others
    made one length is stated.

    Raises:
        InputError: When its encoder cannot be traced.
    """
    encoder = model.encoder
    dynamic: dict[int, Any] = {0: Dim("records")}
    if isinstance(encoder, MyocardEncoder):
        shape = encoder.network.shape
        if shape.samples > shape.patch:
            dynamic[2] = shape.patch * Dim("patches", max=shape.samples // shape.patch)
    try:
        with _quiet(), torch.no_grad():
            return torch.export.export(
                ModelGraph(model).eval(), (_noise(model),), dynamic_shapes=(dynamic,), strict=False
            )
    # Tracing fails in as many ways as there are modules.
    except Exception as error:
        first = " ".join(str(error).split())[:300]
        raise InputError(
            f"{encoder.info.name}: cannot be exported ({type(error).__name__}: {first})"
        ) from error


def write_torch(model: Model, file: Path) -> None:
    """Write a model as an archive that ``torch.export.load`` reads, with the statement in it."""
    extra = {f"{STATEMENT}.json": model.statement.model_dump_json(by_alias=True)}
    content = BytesIO()
    with _quiet():
        torch.export.save(program_of(model), content, extra_files=extra)
    # Written here, as torch's own error for a full disk does not say so.
    file.write_bytes(content.getbuffer())


def write_onnx(
    model: Model,
    file: Path,
    int8: Int8 | None = None,
    calibration: Iterable[NDArray[np.float32]] = (),
) -> None:
    """Write a model in ONNX, with the statement in its metadata.

    Args:
        model: A model with a decision.
        file: The file.
        int8: Way in which weights and activations are to be integers.
        calibration: Windows from which ``static`` takes the range of activations.

    Raises:
        InputError: When it cannot be exported, or scores of the graph are not the model's.
    """
    proto = translated(program_of(model), [SIGNALS], [SCORES, LAYER_WEIGHTS, STATES, RAW])
    _strip(proto)
    if int8 is not None:
        from myocard.models.quantising import quantised

        proto = quantised(proto, int8, calibration)
    import onnx

    onnx.checker.check_model(proto, full_check=True)
    body = proto.SerializeToString()
    difference = _difference(model, body)
    if int8 is None and difference > LARGEST_DIFFERENCE:
        raise InputError(
            f"{model.encoder.info.name}: scores of its graph differ by {difference:.1g} from its "
            "own; use the model as it is"
        )
    graph = Graph(
        opset=OPSET,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        statement=stated_hash(model.statement.model_dump_json(by_alias=True)),
        int8=int8,
        difference=difference,
    )
    file.write_bytes(body + _metadata(model.statement.model_copy(update={"graph": graph})))


def translated(program: ExportedProgram, inputs: list[str], outputs: list[str]) -> Any:
    """Translate a program to ONNX, an ``onnx.ModelProto``, with these names.

    Raises:
        InputError: When packages are missing, or ONNX has not all that the program computes.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError("to export to ONNX, pip install 'myocard[onnx]'") from error
    try:
        with _quiet():
            found = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                input_names=inputs,
                output_names=outputs,
                external_data=False,
            )
    except torch.onnx.OnnxExporterError as error:
        why = " ".join(str(_first_cause(error)).split())
        raise InputError(f"not to be had in ONNX ({why}); export with --format torch") from error
    assert found is not None
    return found.model_proto


def _first_cause(error: BaseException) -> BaseException:
    return error if error.__cause__ is None else _first_cause(error.__cause__)


def _strip(proto: Any) -> None:
    """Take off what tells of the machine that wrote a graph, and name its axes."""
    graph = proto.graph
    for each in (proto, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    graph.ClearField("value_info")
    axes = graph.input[0].type.tensor_type.shape.dim
    names = {axes[0].dim_param: "records", axes[2].dim_param: "samples"}
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = names[axis.dim_param]


def _difference(model: Model, body: bytes) -> float:
    """Return the largest difference of a graph's scores from a model's; of large ones a share."""
    windows = _noise(model).numpy()
    found = session_of(body).run([RAW, LAYER_WEIGHTS], {SIGNALS: windows})
    pairs = zip(found, model.read(windows), strict=True)
    shares = (np.abs(mine - own) / np.maximum(1, np.abs(own)) for mine, own in pairs)
    return max(float(share.max()) for share in shares)


def _noise(model: Model) -> Tensor:
    expected = model.encoder.input
    shape = (_TRIED, len(expected.leads), expected.samples)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _metadata(stated: Statement) -> bytes:
    """Return what, behind the bytes of a graph, is its metadata: ONNX is protobuf, which joins."""
    from onnx import ModelProto, StringStringEntryProto

    entry = StringStringEntryProto(key=STATEMENT, value=stated.model_dump_json(by_alias=True))
    content: bytes = ModelProto(metadata_props=[entry]).SerializeToString()
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from telling of its own old names, and of packages that no model here needs."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
