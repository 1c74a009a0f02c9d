"""Compare graphs in ONNX with the model that they are of: AUROC, decisions, size and time.

    MYOCARD_DATA=… python docs/experiments/exporting.py OUT

The packaged encoder under a solved mixture of its layers is probed for superclasses on PTB-XL
(folds 1 to 8, chosen on 9, tested on 10), saved and exported as it is and with integers of eight
bits; static ranges are from 100 files of fold 8. All are asked about the test records. Differences
of macro AUROC are paired, with intervals over patients from 1,000 resamples. Times are of one
record at a time on one thread: CPU time, the least of five rounds over 40 records. The last rows
are an encoder of the size ``base`` with random weights: times and size alone.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from exported_encoders import encoders, model_on

import myocard
from myocard.data.store import Store
from myocard.metrics.outcomes import measured
from myocard.metrics.resamples import resampled
from myocard.metrics.scores import auroc, macro
from myocard.models.export import export
from myocard.models.exported import ONNXModel
from myocard.models.graphs import write_onnx
from myocard.models.saving import save
from myocard.models.statement import Predictor
from myocard.recipe import ProbeRecipe, check
from myocard.results.run import Run
from myocard.results.saved import SavedRun

DATA = Path(os.environ["MYOCARD_DATA"])
KINDS = {"as it is": None, "int8 dynamic": "dynamic", "int8 static": "static"}
CALIBRATION, RESAMPLES, TIMED = 100, 1_000, 40


def probed(out: Path) -> tuple[Path, Store]:
    """Probe the packaged encoder; return the run and the store of all records."""
    encoder = myocard.from_pretrained().encoder
    parts = [
        myocard.prepare(
            "ptbxl-100", DATA / name, out / "stores" / name, encoder.input, filtered=filtered,
            standardise="lead", dataset="ptbxl",
        )
        for name, filtered in (("ptbxl_z", True), ("ptbxl_100", False))
    ]  # fmt: skip
    store = Store.joined(Path("ptbxl"), parts)
    features = myocard.extract(encoder, store, out / "features")
    given = {"task": "ptbxl-superdiagnostic", "readouts": ["scalar-mix"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, given | {"seeds": [0]}, "exporting")
    (run,) = myocard.probe(features, recipe, out / "runs", test=True)
    return run, store


def milliseconds(model: Predictor, windows: np.ndarray) -> float:
    """Return the CPU time of a record."""

    def once() -> float:
        began = time.process_time()
        for window in windows[:TIMED]:
            model.read(window[None])
        return 1e3 * (time.process_time() - began) / len(windows[:TIMED])

    return min(once() for _ in range(5))


def compared(run: Path, store: Store, models: dict[str, Predictor]) -> None:
    """Print a row for each model; the first is what the others are held against."""
    found = SavedRun(run, run.name, Run.read(run)).predictions("test")
    row_of = {name: row for row, name in enumerate(store.records["id"])}
    first, *_ = models.values()
    windows = store.windows([row_of[name] for name in found.ids], first.statement.input)
    scores = {name: model.read(windows).scores for name, model in models.items()}
    values = resampled(
        measured([auroc], "any"), found.targets, [each[None] for each in scores.values()],
        groups=found.patients, resamples=RESAMPLES, seed=0,
    )  # fmt: skip
    areas = [macro(each)[0, 0] for each in values]
    decided = first.statement.decision
    said = [decided.calibrated(each) >= decided.thresholds for each in scores.values()]
    print(f"{len(windows)} records of {len(set(found.patients))} patients")
    for name, area, own, mine in zip(models, areas, said, scores.values(), strict=True):
        lost = area - areas[0]
        low, high = np.quantile(lost[1:], [0.025, 0.975])
        changed = (own != said[0]).mean()
        furthest = np.abs(mine - scores["torch"]).max()
        print(
            f"| {name} | {area[0]:.4f} | {lost[0]:+.4f} [{low:+.4f}, {high:+.4f}] | "
            f"{furthest:.1g} | {100 * changed:.1f} % | {milliseconds(models[name], windows):.1f} |",
            flush=True,
        )


def timed_base(out: Path) -> None:
    """Print time and size of an encoder of 86 million parameters."""
    (make,) = [make for name, make in encoders() if name == "myocard base"]
    model = model_on(make())
    expected = model.encoder.input
    shape = (TIMED, len(expected.leads), expected.samples)
    windows = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    print(f"| base, torch | {milliseconds(model, windows[:5]):.0f} | |", flush=True)
    for name, int8 in KINDS.items():
        file = out / f"base-{int8}.onnx"
        write_onnx(model, file, int8, [windows[:4], windows[4:8]])
        took, size = milliseconds(ONNXModel(file), windows[:5]), file.stat().st_size / 1e6
        print(f"| base, ONNX {name} | {took:.0f} | {size:.1f} MB |", flush=True)


def main() -> None:
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    run, store = probed(out)
    model = save("ecg-nano", run, out / "model", coverage=0.9)
    print("test AUROC of the run:", Run.read(run).test.main.macro)
    records = store.records
    eighth = set(records["id"][records["fold"] == 8])
    files = sorted((DATA / "ptbxl_100" / "records100").rglob("*.hea"))
    names = {str(int(file.stem.split("_")[0])): file for file in files}
    calibration = [file for name, file in names.items() if name in eighth][:CALIBRATION]
    models: dict[str, Predictor] = {"torch": model}
    for name, int8 in KINDS.items():
        file = out / f"{int8}.onnx"
        ranges = calibration if int8 == "static" else []
        export(out / "model", file, int8=int8, calibration=ranges)
        models[f"ONNX {name}"] = ONNXModel(file)
        print(f"{name}: {file.stat().st_size / 1e6:.2f} MB", flush=True)
    compared(run, store, models)
    timed_base(out)


if __name__ == "__main__":
    main()
