"""Measure what grows with the number of records: time a record and memory of every stage.

    .venv/bin/python speed/growth.py [--largest 100000]

Up to 2,000 records are simulated; larger stores repeat these under other names and hashes (tiled).
Each stage runs in a process of its own, on one thread. Memory is the most that the process has to
itself, less what it has before the stage begins; mapped files, which the system drops when it needs
the room, are not in it. Seconds are of the CPU.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from myocard.data.batches import Part, Shuffled, Windows, shuffled
from myocard.data.corpora import trained_on_nothing
from myocard.data.leaks import nothing_known
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.data.store import FILES, Store
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import Layer
from myocard.evaluation.features import extract
from myocard.evaluation.probing import pooled, stacks
from myocard.evaluation.probing.job import Job
from myocard.files.manifest import STORE
from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import ProbeRecipe
from myocard.results.run import EncoderInfo
from myocard.simulation import entries
from myocard.tasks.cohort import Cohort

SIMULATED, SECONDS, READ = 2_000, 2.5, 20_000
DEPTH, WIDTH, CLASSES = 12, 192, 5
STATED = Preprocessing(100, 250, LEADS)


def private() -> float:
    """MiB that this process holds and shares with no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Peak(threading.Thread):
    """The most private memory from its start to ``end``, looked at fifty times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.done = private(), threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.most = max(self.most, private())

    def end(self) -> float:
        self.done.set()
        self.join()
        return self.most


def simulated(folder: Path, records: int) -> Path:
    return folder / f"simulated-{records}"


def make(folder: Path, records: int) -> int:
    """Prepare simulated records; larger stores are tiled from the largest of these, untimed."""
    wanted = Wanted(100, SECONDS, LEADS)
    prepare(entries(records, 0, rate=100.0), simulated(folder, records), wanted, source="s", jobs=1)
    return records


def tile(folder: Path, records: int) -> Path:
    out, few = folder / f"tiled-{records}", Store.open(simulated(folder, SIMULATED))
    if out.exists():
        return out
    out.mkdir()
    places = np.arange(records) % len(few.records)
    names = [f"{k:064x}" for k in range(records)]
    table = few.records.iloc[places].reset_index(drop=True)
    table = table.assign(id=names, patient=names, sha256=names)
    table.to_parquet(out / "records.parquet", index=False)
    shape = (records, *few.signals.shape[1:])
    signals = np.lib.format.open_memmap(out / "signals.npy", "w+", np.int16, shape)
    for first in range(0, records, SIMULATED):
        signals[first : first + SIMULATED] = few.signals[places[first : first + SIMULATED]]
    shutil.copy(few.folder / "quarantine.csv", out)
    stated = json.loads((few.folder / "store.json").read_text())
    kept = {key: value for key, value in stated.items() if key not in ("sha256", "format")}
    STORE.write(out, kept, FILES)
    return out


def opened(folder: Path, records: int) -> Store:
    return Store.open(simulated(folder, records) if records <= SIMULATED else tile(folder, records))


def index(folder: Path, records: int) -> int:
    """Open a store and hash its table."""
    assert opened(folder, records).key
    return records


def batches(folder: Path, records: int) -> int:
    """The batches of an epoch of pretraining, or the first of it."""
    windows = Windows([Part(opened(folder, records), np.arange(records))], STATED)
    order = Shuffled(records, 64, 0)
    stream, read = shuffled(windows, order, count()), min(records, READ) // 64
    for _ in range(read):
        next(stream)
    return read * 64


def states(folder: Path, records: int) -> int:
    """Extract the states of the `nano` encoder."""
    network = Encoder(EncoderShape.of_size("nano", samples=250, patch=50)).eval()
    encoder = MyocardEncoder("nano", network, STATED, trained_on_nothing())
    extract(encoder, opened(folder, records), folder / f"features-{records}")
    return records


class Noise:
    """States of no encoder, as a source for probes."""

    encoder = EncoderInfo(name="noise")
    store = "noise"
    leads = LEADS

    def __init__(self, states: Tensor) -> None:
        records, layers, width = states.shape
        self.states = states
        self.layers = layers * (Layer("noise", width),)
        self.records = pd.DataFrame(index=range(records))
        self.known = nothing_known(self.records)
        self.norm = nn.LayerNorm(width).requires_grad_(requires_grad=False)

    def pooled(self) -> Tensor:
        return self.states


def probe(folder: Path, records: int) -> int:
    """One readout on states of the `tiny` size: five classes, four penalties."""
    shape = (records, DEPTH + 1, WIDTH)
    cached = np.lib.format.open_memmap(folder / f"states-{records}.npy", "w+", np.float16, shape)
    rng = np.random.default_rng(0)
    for first in range(0, records, 1000):
        cached[first : first + 1000] = rng.standard_normal((1000, *shape[1:]), np.float32)
    targets = cached[:, 3, :CLASSES] + rng.standard_normal((records, CLASSES)) > 1
    splits = dict.fromkeys(("train", "validation", "test"), np.arange(records))
    recipe = ProbeRecipe(task="any", readouts=("ppa",), heads=("linear",), seeds=(0,))
    (probes,) = stacks(recipe, DEPTH)
    pooled.train(Job(Noise(torch.from_numpy(cached)), cohort(targets, splits), recipe), probes)
    return records


def cohort(targets: np.ndarray, splits: dict[str, np.ndarray]) -> Cohort:
    """Records of a task that there is not, a patient each."""
    ids = np.arange(len(targets)).astype(object)
    return Cohort(
        task="any",
        source="noise",
        classes=tuple(map(str, range(targets.shape[1]))),
        left_out={},
        outcome="any",
        targets=targets.astype(float),
        rows=splits,
        ids=ids,
        patients=ids,
        folds={},
    )


STAGES: dict[str, Callable[[Path, int], int]] = {
    "prepare": make,
    "index": index,
    "batches": batches,
    "extract": states,
    "probe": probe,
}


def run(stage: str, folder: Path, records: int) -> None:
    torch.set_num_threads(1)
    if records > SIMULATED and stage in ("index", "batches", "extract"):
        tile(folder, records)
    before, peak, began = private(), Peak(), time.process_time()
    peak.start()
    done = STAGES[stage](folder, records)
    seconds, most = time.process_time() - began, peak.end() - before
    print(f"{stage:10}{records:9,}{1e3 * seconds / done:12.3f}{most:10.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=100_000)
    parser.add_argument("--only", nargs=3, help="stage, folder, records: one row, in this process")
    given = parser.parse_args()
    if given.only:
        run(given.only[0], Path(given.only[1]), int(given.only[2]))
        return
    tried = {"prepare": (200, SIMULATED), "extract": (200, SIMULATED)}
    decades = [n for n in (1_000, 10_000, 100_000, 1_000_000) if n <= given.largest]
    print("stage       records   ms/record       MiB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for stage in STAGES:
            for records in tried.get(stage, [SIMULATED, *decades[1:]]):
                only = ["--only", stage, folder, str(records)]
                subprocess.run([sys.executable, __file__, *only], check=True)


if __name__ == "__main__":
    main()
