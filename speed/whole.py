"""Time the whole job, from a simulated PTB-XL to the report, stage by stage.

    python speed/whole.py OUT [--records 21799] [--random 5]

500 Hz files in PTB-XL's layout, the packaged encoder and controls of its shape with random weights,
every layer, every readout solved, two tasks, test scored: `myocard benchmark` with all cores. OUT
is taken up again where it was stopped, and only what is done anew is timed. Seconds are of the
clock, memory is the most that this process and its children held at once. For a flame graph, see
`speed/flame.py`.
"""

import argparse
import os
import threading
import time
from collections import defaultdict
from pathlib import Path

from myocard.benchmark.reading import read_benchmark
from myocard.benchmark.run import run_benchmark

RECIPE = """
checkpoints = ["ecg-nano"]
random = {random}

[input]
preset = "ecgsoup"
highpass = 0.5
lowpass = 40.0

[stores.simulated]
source = "ptbxl-500"
simulate = {{ layout = "ptbxl", records = {records} }}

[probing]
heads = ["linear"]

[[sweeps]]
store = "simulated"
tasks = ["ptbxl-superdiagnostic", "ptbxl-rhythm"]
"""


class Stages:
    """Seconds of each stage, told by its progress, and the most memory while it lasted."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.memory: dict[str, int] = defaultdict(int)
        self.last, self.held = time.perf_counter(), 0
        threading.Thread(target=self._watch, daemon=True).start()

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.perf_counter()
        stage = what.split(" of ")[0].split(":")[0].split(" random-")[0]
        self.seconds[stage] += now - self.last
        self.memory[stage] = max(self.memory[stage], self.held)
        self.last, self.held = now, 0

    def _watch(self) -> None:
        while True:
            self.held = max(self.held, sum(map(private, family(os.getpid()))))
            time.sleep(0.5)


def family(process: int) -> list[int]:
    """Return a process and all that it started."""
    found = [process]
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        for child in file.read_text().split():
            found += family(int(child))
    return found


def private(process: int) -> int:
    """KiB that a process holds and shares with no file."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--records", type=int, default=21_799)
    parser.add_argument("--random", type=int, default=5)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    recipe = given.out / "whole.toml"
    recipe.write_text(RECIPE.format(random=list(range(given.random)), records=given.records))
    stages, began = Stages(), time.perf_counter()
    run_benchmark(read_benchmark(str(recipe)), given.out / "runs", stages, test=True, jobs=-1)
    stages("report", 1, 1)
    print("| stage | s | of all | MiB |\n|---|---|---|---|")
    whole = time.perf_counter() - began
    for stage, seconds in stages.seconds.items():
        held = stages.memory[stage] / 1024
        print(f"| {stage} | {seconds:.1f} | {seconds / whole:.0%} | {held:.0f} |")
    print(f"| all | {whole:.1f} | | {max(stages.memory.values()) / 1024:.0f} |")


if __name__ == "__main__":
    main()
