"""Graphs whose weights and activations are integers of eight bits, by onnxruntime.

Products with weights become integers: each row of a weight has its own scale. Products of
activations with each other, norms, readout and head stay in float32.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.models.exported import SIGNALS, runtime
from myocard.models.statement import Int8


def quantised(proto: Any, int8: Int8, calibration: Iterable[NDArray[np.float32]]) -> Any:
    """Quantise a graph.

    Args:
        proto: The graph, an ``onnx.ModelProto``.
        int8: ``dynamic`` takes the range of activations from each record, ``static`` from
            calibration.
        calibration: Windows ``(records, leads, samples)``, for ``static``.
    """
    import onnx

    runtime()
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    options = {
        "per_channel": True,
        # Seven bits of weights: with eight, sums overflow on processors without VNNI.
        "reduce_range": True,
        "extra_options": {"MatMulConstBOnly": True},
    }
    with TemporaryDirectory() as place:
        whole, plain, made = (Path(place) / f"{name}.onnx" for name in ("whole", "plain", "made"))
        onnx.save(proto, whole)
        quant_pre_process(str(whole), str(plain), skip_symbolic_shape=True)
        if int8 == "dynamic":
            # Convolutions of integers are slower there than those of floats.
            options["op_types_to_quantize"] = ["MatMul", "Gemm"]
            quantization.quantize_dynamic(plain, made, **options)
        else:
            options["op_types_to_quantize"] = ["MatMul", "Gemm", "Conv"]
            options["activation_type"] = quantization.QuantType.QUInt8
            quantization.quantize_static(plain, made, _Reader(calibration), **options)
        return onnx.load(made)


class _Reader:
    """Calibration windows as onnxruntime asks for them."""

    def __init__(self, windows: Iterable[NDArray[np.float32]]) -> None:
        self.windows: Iterator[NDArray[np.float32]] = iter(windows)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        found = next(self.windows, None)
        return None if found is None else {SIGNALS: found}
