"""Time predictions with the packaged encoder: one record from nothing, and 1,000 records.

    .venv/bin/python speed/predicting.py [RECORDS]

A mixture that nobody trained reads all layers of `ecg-nano`; one record is predicted from the
model's folder, and without torch from the file that `myocard export` makes, by the command and by
`myocard.ONNXModel` in Python. Files are simulated, WFDB of 10 s at 500 Hz, in the page cache; one
thread a process. Each command is a fresh process, start included, run three times: the quickest by
the clock, and the least CPU time.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from latency import timed

from myocard import Model, from_pretrained
from myocard.models.classifier import build_classifier
from myocard.models.export import export
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.simulation import write

CLASSES = ("CD", "HYP", "MI", "NORM", "STTC")


def save(folder: Path) -> None:
    """Save a model whose decisions nobody chose."""
    encoder = from_pretrained().encoder
    shape = ClassifierShape(
        task="superdiagnostic", classes=CLASSES, readout="scalar-mix", head="linear"
    )
    nobody = SplitInfo(folds=(), records=0, patients=0)
    splits = dict.fromkeys(("train", "validation"), nobody)
    basis = Basis(source="none", tested_on="none", splits=splits, metric="auroc")
    decision = Decision(
        outcome="any",
        classes=CLASSES,
        temperature=1.0,
        thresholds=(0.5,) * len(CLASSES),
        basis=basis,
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    Model(encoder, classifier, shape, decision).save_pretrained(folder)


def quickest(words: Callable[[int], Sequence[object]]) -> tuple[float, float]:
    """Return the least seconds of three runs of Python, by the clock and of the CPU."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def run(number: int) -> None:
        command = [sys.executable, *map(str, words(number))]
        subprocess.run(command, check=True, env=environment, capture_output=True)

    clock, used = zip(*(timed(partial(run, number)) for number in range(3)), strict=True)
    return min(clock), min(used)


def predicted(model: Path, records: Path, jobs: int) -> tuple[float, float]:
    command = ["-m", "myocard", "predict", model, records, "--jobs", jobs, "--out"]
    table = f"{model.name}-{records.name}-{jobs}"
    return quickest(lambda run: [*command, model.parent / f"{table}-{run}.csv"])


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 1_000
    with tempfile.TemporaryDirectory() as scratch:
        model, place = Path(scratch) / "model", Path(scratch) / "simulated"
        save(model)
        write(place, "ptbxl", count=count)
        records = place / "records500"
        clock, used = quickest(lambda _: ["-c", "import torch"])
        print(f"import of torch: {clock:.2f} s ({used:.2f} of CPU)", flush=True)
        record, exported = min(records.rglob("*.hea")), Path(scratch) / "model.onnx"
        clock, used = predicted(model, record, 1)
        print(f"one record, from nothing: {clock:.2f} s ({used:.2f} of CPU)", flush=True)
        export(model, exported)
        clock, used = predicted(exported, record, 1)
        print(f"the same in ONNX: {clock:.2f} s ({used:.2f} of CPU)", flush=True)
        asked = f"myocard.ONNXModel({str(exported)!r}).predict_proba(myocard.read({str(record)!r}))"
        clock, used = quickest(lambda _: ["-c", f"import myocard; print({asked})"])
        print(f"the same in Python: {clock:.2f} s ({used:.2f} of CPU)", flush=True)
        for jobs in (1, 2):
            clock, used = predicted(model, records, jobs)
            rate = f"{count / clock:.0f} records/s; {1e3 * used / count:.1f} ms of CPU a record"
            print(f"{count:,} records, --jobs {jobs}: {clock:.1f} s, {rate}", flush=True)


if __name__ == "__main__":
    main()
