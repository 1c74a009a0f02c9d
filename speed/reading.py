"""Time the way from WFDB files to batches: ours beside the published one, record after record.

    .venv/bin/python speed/reading.py

The published way, as in ST-MEM's code: `wfdb` reads, SciPy resamples to 250 Hz and filters there
and back by sections of order 5 (0.67 to 40 Hz), and each record is z-scored; an item of a batch is
loaded, cropped, filtered and z-scored again. Ours is `prepare`, with all of its checks, hashes and
fingerprints, and `Windows`. Contestants take turns on one thread; of all rounds, the one of least
CPU time counts. Records are simulated: 12 leads, 5000 samples, format 16, in the page cache.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import log2
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import numpy as np
import torch
import wfdb
from scipy.fft import irfft, rfft
from scipy.signal import butter, resample, sosfiltfilt

from myocard import simulation
from myocard.data.batches import Part, Windows, in_order
from myocard.data.fingerprint import fingerprint
from myocard.data.formats.reading import opened, read
from myocard.data.preparation import Wanted, prepare
from myocard.data.preparation.examination import examine
from myocard.data.signal import _periods, conform
from myocard.data.sources import entries
from myocard.data.store import Store, quantise
from myocard.recipe import PRESETS

_ALONE = ("its transforms", "its transform")
RECORDS, COPIES, ROUNDS, BATCH = 256, 4, 4, 64
SECTIONS = [
    butter(5, cutoff, kind, fs=250, output="sos")
    for cutoff, kind in ((0.67, "highpass"), (40.0, "lowpass"))
]


def published_filter(signal: np.ndarray) -> np.ndarray:
    for sections in SECTIONS:
        signal = sosfiltfilt(sections, signal, axis=-1)
    return signal


def z_score(signal: np.ndarray) -> np.ndarray:
    mean, deviation = signal.mean(axis=-1, keepdims=True), signal.std(axis=-1, keepdims=True)
    return ((signal - mean) / deviation).astype(np.float32)


def published_record(stem: Path) -> np.ndarray:
    signal = wfdb.rdsamp(str(stem))[0].T
    return z_score(published_filter(resample(signal, 2500, axis=-1)))


def published_item(file: Path) -> np.ndarray:
    return z_score(published_filter(np.load(file)[:, 100:2350]))


def milliseconds(work: Callable[[], object], records: int) -> float:
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began) / records


def least(contestants: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Milliseconds a record: each contestant's best of rounds in which all take their turn."""
    rounds = [
        {name: milliseconds(work, records) for name, (work, records) in contestants.items()}
        for _ in range(ROUNDS)
    ]
    return {name: min(taken[name] for taken in rounds) for name in contestants}


def each(work: Callable[..., object], inputs: list) -> tuple[Callable[[], object], int]:
    return lambda: [work(one) for one in inputs], len(inputs)


def ceilings() -> tuple[float, float]:
    """GFLOP/s of a float32 matrix product, and GB/s written by a copy."""
    matrix, array = np.ones((1024, 1024), np.float32), np.ones(2**25, np.float32)
    product = min(milliseconds(lambda: matrix @ matrix, 1) for _ in range(9))
    copy = min(milliseconds(array.copy, 1) for _ in range(9))
    return 2 * 1024**3 / product / 1e6, array.nbytes / copy / 1e6


def contestants(folder: Path) -> dict[str, tuple[Callable[[], object], int]]:
    """Everything that is timed, and for how many records each time."""
    numbers = itertools.count()
    simulation.write(folder / "raw", "ptbxl", count=RECORDS)
    found = entries("ptbxl-500", folder / "raw")
    stems = [entry.path.with_suffix("") for entry in found]
    # The cost of a store apart from its records is shared by as many as a small source has.
    listed = [replace(e, id=f"{e.id}-{copy}") for copy in range(COPIES) for e in found]
    records = [read(stem) for stem in stems[:64]]

    def prepared(preset: str) -> Store:
        expected, _ = PRESETS[preset]
        leads, band = expected.leads, expected.band
        wanted = Wanted(expected.rate, 10.0, leads, band, allow=("duplicate",))
        out = folder / f"store-{next(numbers)}"
        return prepare(listed, out, wanted, source="simulated", jobs=1)

    expected, _ = PRESETS["stmem"]
    store = prepared("stmem")
    windows = Windows([Part(store, np.arange(RECORDS))], expected)
    files = [folder / f"{number}.npy" for number in range(48)]
    for file, signal in zip(files, store.signals, strict=False):
        np.save(file, signal.astype(np.float32))
    signals = [record.signal for record in records]
    return {
        "wfdb reads": each(lambda stem: wfdb.rdsamp(str(stem)), stems[:48]),
        "we read": each(read, stems),
        "resample, sosfiltfilt": each(
            lambda signal: published_filter(resample(signal, 2500, axis=-1)), signals[:16]
        ),
        "conform": each(lambda s: conform(s, 500, 250, expected.band), signals),
        "published record": each(published_record, stems[:16]),
        "prepare stmem": (partial(prepared, "stmem"), len(listed)),
        "prepare ecgsoup": (partial(prepared, "ecgsoup"), len(listed)),
        "published item": each(published_item, files),
        "item of a batch": (lambda: list(in_order(windows, BATCH, 0.4)), RECORDS),
    }


def stages(folder: Path) -> dict[str, tuple[Callable[[], object], int]]:
    """Parts of `prepare` at 250 Hz, and what bounds some of them, for the records in a folder."""
    expected, _ = PRESETS["stmem"]
    leads, band = expected.leads, expected.band
    wanted, files = Wanted(250, 10.0, leads, band), sorted(folder.rglob("*.hea"))
    records = [read(file) for file in files]
    signals = [record.signal for record in records]
    conformed = [conform(signal, 500, 250, band) for signal in signals]
    period, found_period = _periods(5000, 500, 250, band)
    around = np.zeros((len(leads), period), np.float32)
    spectrum = rfft(around)[:, : found_period // 2 + 1]

    def contents(file: Path) -> int:
        return len(file.read_bytes()) + len(file.with_suffix(".dat").read_bytes())

    return {
        "open": each(opened, files),
        "bytes": each(contents, files),
        "samples": each(lambda recording: recording.whole(), [opened(file) for file in files]),
        "checks": each(lambda r: examine(replace(r), wanted), records),
        "resample and filter": each(lambda s: conform(s, 500, 250, band), signals),
        "its transforms": each(lambda _: (rfft(around), irfft(spectrum, n=found_period)), files),
        "fingerprint": each(fingerprint, records),
        "its transform": each(lambda signal: rfft(signal[:8]), signals),
        "sha256": each(lambda record: record.sha256, records),
        "quantise": each(quantise, conformed),
    }


def report_stages(taken: dict[str, float], whole: float) -> None:
    bounds = {
        "open": ("bytes", taken["bytes"]),
        "resample and filter": ("FFT", taken["its transforms"]),
        "fingerprint": ("FFT", taken["its transform"]),
        "sha256": ("hash", taken["sha256"]),
    }
    parts = {name: ms for name, ms in taken.items() if name not in ("bytes", *_ALONE)}
    parts["describe, write and join"] = whole - sum(parts.values())
    print("stage                       ms   of which cannot be spared")
    for name, ms in parts.items():
        what, bound = bounds.get(name, ("", 0.0))
        print(f"{name:24} {ms:6.3f}   {f'{bound:.3f} {what}' if what else ''}")
    least_of_all = sum(bound for _, bound in bounds.values())
    print(f"{'all':24} {whole:6.3f}   {least_of_all:.3f}: {1e3 / least_of_all:,.0f} records/s")


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        taken = least(contestants(Path(name)))
        report(taken, *ceilings())
        report_stages(least(stages(Path(name) / "raw" / "records500")), taken["prepare stmem"])


def report(taken: dict[str, float], flops: float, bandwidth: float) -> None:
    print(f"ceilings of one core: {flops:.0f} GFLOP/s (fp32), {bandwidth:.1f} GB/s copied")
    print("                         published ms   ours ms   ratio   records/s")
    for title, theirs, ours in (
        ("read WFDB", "wfdb reads", "we read"),
        ("resample and filter", "resample, sosfiltfilt", "conform"),
        ("WFDB to store, stmem", "published record", "prepare stmem"),
        ("WFDB to store, ecgsoup", "published record", "prepare ecgsoup"),
        ("store to item of a batch", "published item", "item of a batch"),
    ):
        a, b = taken[theirs], taken[ours]
        print(f"{title:24} {a:12.2f} {b:9.3f} {a / b:7.1f} {1e3 / b:11,.0f}")
    transform = sum(12 * 2.5 * n * log2(n) for n in (8000, 4000)) / taken["conform"] / 1e6
    moved = 12 * 2250 * 4 / taken["item of a batch"] / 1e6
    print(
        f"transforms {transform:.1f} GFLOP/s ({transform / flops:.0%} of the ceiling); "
        f"items {moved:.2f} GB/s ({moved / bandwidth:.0%} of a copy)"
    )


if __name__ == "__main__":
    main()
