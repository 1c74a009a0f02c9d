"""Exported models by the rule of finishing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from myocard.data.sources.listing import record_files, state
from myocard.data.window import Place, Stated, windows_of
from myocard.errors import InputError
from myocard.files.step import file_step
from myocard.models.exported import ONNX
from myocard.models.graphs import write_onnx, write_torch
from myocard.models.model import Model
from myocard.models.opening import decided_model
from myocard.models.statement import Int8

Kind = Literal["onnx", "torch"]
SUFFIXES: dict[Kind, str] = {"onnx": ONNX, "torch": ".pt2"}
_BATCH = 8


def export(
    given: Path | str,
    out: Path,
    *,
    probe: Path | str | None = None,
    kind: Kind = "onnx",
    int8: Int8 | None = None,
    calibration: Sequence[Path] = (),
) -> None:
    """Write a model as one file for other people's programs.

    Args:
        given: A saved model; or an encoder, with ``probe``.
        out: The file, by the rule of ``files/step.py``.
        probe: The run folder of a probe of that encoder; thresholds are those of the best F1.
        kind: ONNX, or an archive of ``torch.export``.
        int8: Way in which weights and activations of ONNX are to be integers.
        calibration: Files and folders of records, from which ``static`` takes ranges.

    Raises:
        InputError: When the model cannot be opened or exported, the name of ``out`` does not end
            as its kind, or ``int8`` and ``calibration`` do not go together.
    """
    if out.suffix != SUFFIXES[kind]:
        raise InputError(f"{out}: end its name in {SUFFIXES[kind]}")
    if int8 is not None and kind != "onnx":
        raise InputError(f"--int8 {int8}: is for --format onnx; leave one out")
    if (int8 == "static") != bool(calibration):
        raise InputError("--int8 static takes its ranges from --calibration; give both or none")
    model = decided_model(given, probe)
    files = record_files(calibration)[0] if calibration else []
    inputs = {
        "model": model.statement.key,
        "format": kind,
        "int8": int8,
        "calibration": state(files),
    }

    def make(fresh: Path, work: Path) -> None:
        if kind == "torch":
            write_torch(model, fresh)
        else:
            windows = list(_windows(model, files)) if files else []
            write_onnx(model, fresh, int8, windows)

    file_step(out, inputs, make)


def _windows(model: Model, files: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    """Yield the windows of the records that can be read, a few at a time.

    Raises:
        InputError: When there is none.
    """
    read = 0
    for start in range(0, len(files), _BATCH):
        places = [Place(file) for file in files[start : start + _BATCH]]
        windows, _ = windows_of(places, model.encoder.input, Stated())
        read += len(windows)
        if len(windows):
            yield windows
    if not read:
        raise InputError(f"{', '.join(map(str, files[:3]))}: no record there that can be read")
