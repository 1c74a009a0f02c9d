"""Measure long records: is memory flat in their length, and how many windows come a second?

    .venv/bin/python speed/long.py [--hours 1 6 24]

Files hold ten simulated minutes again and again, with noise of a step that never repeats. Each
stage runs in a process of its own, on one thread; memory is the most that it ever held (VmHWM),
Python, NumPy and, to predict, torch included. Seconds are of the CPU.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "data" / "formats"))

import numpy as np
from numpy.typing import NDArray

import myocard
from myocard.leads import LEADS

# All else is imported where it is needed, so that a stage has the memory of its own.

HOURS, MINUTES, STEP = (1, 6, 24), 10, 10.0
HOLTER = ("V1", "V5", "aVF")


def pieces(leads: Sequence[str], rate: int, hours: int) -> Iterator[NDArray[np.int16]]:
    """Yield ``(samples, leads)`` in steps of 5 µV, ten minutes at a time."""
    from myocard.simulation import simulate

    records = [simulate(0, k, rate=rate).record.select(leads) for k in range(6 * MINUTES)]
    signal = np.hstack([record.signal for record in records]).T * 200
    rng = np.random.default_rng(0)
    for _ in range(60 * hours // MINUTES):
        yield np.rint(signal + rng.uniform(-1, 1, signal.shape)).astype("<i2")


def write_ishne(path: Path, hours: int) -> None:
    from writing.ishne import ishne

    samples = 200 * 3600 * hours
    one = {lead: np.zeros(1, np.int64) for lead in HOLTER}
    with path.open("wb") as file:
        file.write(ishne(one, rate=200, header={"samples": samples})[:522])
        for piece in pieces(HOLTER, 200, hours):
            file.write(piece.tobytes())


def write_edf(path: Path, hours: int) -> None:
    """Write records of a second: of each lead, its 200 samples."""
    from writing.edf import ecg, edf

    one = ecg({lead: np.zeros(200, np.int64) for lead in HOLTER})
    with path.open("wb") as file:
        file.write(edf(one, texts={"records": str(3600 * hours)})[: 256 + 256 * len(HOLTER)])
        for piece in pieces(HOLTER, 200, hours):
            file.write(piece.reshape(-1, 200, len(HOLTER)).transpose(0, 2, 1).tobytes())


def write_dicom(path: Path, hours: int) -> None:
    from writing.dicom import dicom, group

    values = np.concatenate([*pieces(HOLTER, 200, hours)]).T
    leads = dict(zip(HOLTER, values, strict=True))
    path.write_bytes(dicom([group(leads, rate="200", step="5")]))


def write_wfdb(path: Path, hours: int) -> None:
    """Write twelve leads at 500 Hz, with their checksums."""
    sums, samples = np.zeros(len(LEADS), np.int64), 0
    with path.with_suffix(".dat").open("wb") as file:
        for piece in pieces(LEADS, 500, hours):
            file.write(piece.tobytes())
            sums, samples = sums + piece.sum(axis=0), samples + len(piece)
    lines = [
        f"{path.stem}.dat 16 200/mV 16 0 0 {total % 2**16} 0 {lead}"
        for lead, total in zip(LEADS, sums.tolist(), strict=True)
    ]
    path.write_text("\n".join([f"{path.stem} {len(LEADS)} 500 {samples}", *lines, ""]))


def read_whole(path: Path) -> int:
    return int(myocard.read(path).seconds / STEP)


def look(path: Path) -> int:
    """Look at all values, as `myocard read` does."""
    from myocard.data.formats.reading import opened

    recording = opened(path)
    recording.extremes()
    return int(recording.seconds / STEP)


def iterate(path: Path) -> int:
    return sum(1 for _ in myocard.windows(path, step=STEP))


def make_store(path: Path) -> int:
    """Prepare windows as ST-MEM expects them: 250 Hz, 0.67 to 40 Hz."""
    from myocard.recipe import PRESETS

    folder = path.parent / f"folder-{path.stem}"
    folder.mkdir()
    for file in path.parent.glob(f"{path.stem}.*"):
        (folder / file.name).symlink_to(file)
    (folder / "labels.csv").write_text(f"file,patient,codes\n{path.name},1,own:any\n")
    expected, _ = PRESETS["stmem"]
    out = path.parent / f"store-{path.stem}"
    return len(myocard.prepare("folder", folder, out, expected, step=STEP, jobs=1).records)


def predict_windows(path: Path) -> int:
    """Predict with the packaged encoder under a readout that nobody trained."""
    import torch

    from myocard.evaluation.prediction import predict

    torch.set_num_threads(1)
    out = path.parent / f"scores-{path.stem}.csv"
    predict(path.parent / "model", [path], out, step=STEP, jobs=1)
    return len(out.read_text().splitlines()) - 1


def save_model(folder: Path) -> None:
    from myocard import Model, from_pretrained
    from myocard.models.classifier import build_classifier
    from myocard.results.classifier import ClassifierShape, SplitInfo
    from myocard.results.decision import Basis, Decision

    encoder = from_pretrained().encoder
    shape = ClassifierShape(task="any", classes=("MI", "CD"), readout="pma", head="linear")
    none = SplitInfo(folds=(), records=0, patients=0)
    splits = dict.fromkeys(("train", "validation", "test"), none)
    basis = Basis(source="none", tested_on="none", splits=splits, metric="auroc")
    decision = Decision(
        outcome="any", classes=shape.classes, temperature=1.0, thresholds=(0.5, 0.5), basis=basis
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    Model(encoder, classifier, shape, decision).save_pretrained(folder)


WRITERS = {".ecg": write_ishne, ".edf": write_edf, ".dcm": write_dicom, ".hea": write_wfdb}
# A day of twelve leads at 500 Hz takes 2 GB in memory, so it is not read whole.
STAGES: dict[str, tuple[Callable[[Path], int], Sequence[str]]] = {
    "read": (read_whole, (".ecg", ".edf", ".dcm")),
    "look": (look, (*WRITERS,)),
    "windows": (iterate, (*WRITERS,)),
    "prepare": (make_store, (".hea",)),
    "predict": (predict_windows, (".hea",)),
}
"""What is timed, and the files of which."""


def run(stage: str, path: Path) -> None:
    began = time.process_time()
    done = STAGES[stage][0](path)
    seconds = time.process_time() - began
    lines = Path("/proc/self/status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    told = f"{stage:9}{path.name:14}{done:9,}{seconds:9.1f}{done / seconds:11.0f}{most:8.0f}"
    print(told, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, nargs="+", default=HOURS)
    parser.add_argument("--only", nargs=2, help="stage and file: one row, in this process")
    given = parser.parse_args()
    if given.only:
        run(given.only[0], Path(given.only[1]))
        return
    print("stage    file            windows  seconds  windows/s     MB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        save_model(place / "model")
        for hours in given.hours:
            for suffix, write in WRITERS.items():
                write(place / f"{hours}h{suffix}", hours)
        for stage, (_, suffixes) in STAGES.items():
            for suffix in suffixes:
                for hours in given.hours:
                    only = ["--only", stage, str(place / f"{hours}h{suffix}")]
                    subprocess.run([sys.executable, __file__, *only], check=True)


if __name__ == "__main__":
    main()
