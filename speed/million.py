"""Prepare, extract and probe a million simulated records, and look whether anything grows.

    python speed/million.py OUT [--records 1000000]

Records of 2.5 s at 100 Hz, simulated as they are read; `nano` with random weights, pooled states of
all layers; the last layer and the mean of all, probed for superclasses. 2.5 s of regular rhythms do
not tell a million people apart: records that look like one of a later split are dropped. All cores.
A run that was stopped goes on where it was, by the same command. ``OUT/log.csv`` has, for every
20,000 records of a stage: seconds of the clock and of all processes' CPU since the last line, and
MiB that all of them held to themselves.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from whole import family, private

from myocard.data.corpora import trained_on_nothing
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import ProbeRecipe, check
from myocard.results.run import Run
from myocard.simulation import entries

EVERY = 20_000
STATED = Preprocessing(100, 250, LEADS)


def cpu_seconds() -> float:
    """Return the seconds of the CPU that this process and all that it started have taken."""
    ticks = 0
    for process in family(os.getpid()):
        try:
            stat = Path(f"/proc/{process}/stat").read_text()
        except FileNotFoundError:
            continue
        # User and system time, its own and of children that ended: proc(5), fields 14 to 17.
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Log:
    """Lines of a table, one for every so many records of a stage."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._begin("", 0)

    def _begin(self, stage: str, told: int) -> None:
        self.stage, self.told = stage, told
        self.clock, self.cpu = time.perf_counter(), cpu_seconds()

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self.stage:
            self._begin(what, done)
        if done - self.told < EVERY and done < total:
            return
        held = sum(map(private, family(os.getpid()))) / 1024
        clock, cpu = time.perf_counter() - self.clock, cpu_seconds() - self.cpu
        line = f"{what},{self.told},{done},{clock:.1f},{cpu:.1f},{held:.0f}"
        self._begin(what, done)
        with self.file.open("a") as file:
            print(line, file=file)
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    log = Log(given.out / "log.csv")
    listed = entries(given.records, 0, rate=100.0)
    wanted = Wanted(100, STATED.samples / STATED.rate, LEADS)
    store = prepare(listed, given.out / "store", wanted, source="simulated", progress=log)
    del listed
    torch.manual_seed(0)
    network = Encoder(EncoderShape.of_size("nano", samples=STATED.samples, patch=50)).eval()
    encoder = MyocardEncoder("nano", network, STATED, trained_on_nothing())
    features = extract(encoder, store, given.out / "features", progress=log)
    settings = {"task": "ptbxl-superdiagnostic", "readouts": ["last", "ppa"], "heads": ["linear"]}
    settings |= {"seeds": [0], "resamples": 200, "copies": "drop"}
    recipe = check(ProbeRecipe, settings, "million")
    for folder in probe(features, recipe, given.out / "results", test=True, progress=log):
        run = Run.read(folder)
        dropped = {name: split.copies_dropped for name, split in run.splits.items()}
        print(f"{folder.name}: AUROC {run.test.main.macro.value:.4f}, copies dropped: {dropped}")


if __name__ == "__main__":
    main()
