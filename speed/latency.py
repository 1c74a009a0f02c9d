"""Time one record, from nothing and when the model is there.

    .venv/bin/python speed/latency.py

The packaged encoder, and random weights of the `stmem` preset (9 s at 250 Hz, filtered), read by
PMA and a linear head; one simulated record of 10 s at 500 Hz; one thread. Cold is a fresh process
that imports, loads and predicts; its files are in the page cache. CPU seconds stand beside the
clock's, which other work on the machine stretches.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from myocard import from_pretrained
from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Band, Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder
from myocard.models.checkpoint import Checkpoint
from myocard.models.classifier import build_classifier
from myocard.models.graphs import write_onnx
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.simulation import simulate

TIMES = {"ecg-nano": 60, "tiny": 60, "base": 15}
SPLITS = dict.fromkeys(("train", "validation"), SplitInfo(folds=(), records=0, patients=0))
NOBODY = Basis(source="none", tested_on="none", splits=SPLITS, metric="auroc")
COLD = """
import sys
import numpy as np
from myocard import {opener} as opened
model = opened(sys.argv[1])
leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
model.predict_proba(np.load(sys.argv[2]), rate=500, leads=leads, unit="mV")
"""


def encoder_of(name: str) -> ECGEncoder:
    if name == "ecg-nano":
        return from_pretrained(name).encoder
    network = Encoder(EncoderShape.of_size(name, samples=2250, patch=75)).eval()
    expected = Preprocessing(250, 2250, band=Band(highpass=0.67, lowpass=40.0))
    return MyocardEncoder(name, network, expected, trained_on_nothing())


def save(encoder: ECGEncoder, folder: Path, graph: Path) -> None:
    shape = ClassifierShape(
        task="ptbxl-superdiagnostic", classes=("MI", "CD"), readout="pma", head="linear"
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers)
    rest = {name: value.clone() for name, value in classifier.state_dict().items()}
    decision = Decision(
        outcome="any", classes=shape.classes, temperature=1.0, thresholds=(0.5, 0.5), basis=NOBODY
    )
    Checkpoint(encoder, rest, shape, decision).save(folder)
    write_onnx(from_pretrained(folder), graph)


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of the CPU in this process and those it waited for."""

    def used() -> float:
        who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, who))

    began, clock = used(), time.perf_counter()
    run()
    return time.perf_counter() - clock, used() - began


def cold(code: str, *arguments: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code, *arguments]
    runs = [timed(lambda: subprocess.run(command, check=True, env=environment)) for _ in range(2)]
    return f"{min(c for c, _ in runs):6.2f} s ({min(u for _, u in runs):.2f} of CPU)"


def warm(folder: Path, times: int) -> str:
    model, record = from_pretrained(folder), simulate(0, 0).record
    model.predict_proba(record)
    runs = np.array([timed(lambda: model.predict_proba(record)) for _ in range(times)]) * 1e3
    middle, *tail = np.percentile(runs[:, 0], [50, 95, 99])
    used = np.percentile(runs[:, 1], [50, 95, 99])
    return (
        f"p50 {middle:.0f}, p95 {tail[0]:.0f}, p99 {tail[1]:.0f} ms "
        f"(of CPU {used[0]:.0f}, {used[1]:.0f}, {used[2]:.0f})"
    )


def main() -> None:
    torch.set_num_threads(1)
    print(f"import of what a prediction needs {cold('import myocard.models.model')}")
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch) / "record.npy"
        np.save(record, simulate(0, 0).record.signal)
        for name, times in TIMES.items():
            folder, graph = Path(scratch) / name, Path(scratch) / f"{name}.onnx"
            save(encoder_of(name), folder, graph)
            torch_starts = cold(COLD.format(opener="from_pretrained"), str(folder), str(record))
            onnx_starts = cold(COLD.format(opener="ONNXModel"), str(graph), str(record))
            print(
                f"{name}: cold {torch_starts}, by ONNX {onnx_starts}; warm, {times} records, "
                f"{warm(folder, times)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
