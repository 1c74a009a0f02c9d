"""Compare a step in two processes of one thread with one in one process of one or two threads.

    .venv/bin/python speed/processes.py

One recipe, pretrained on the same simulated records: alone with one thread, alone with two, and by
torchrun in two processes that share the forward passes of a step, and then its weights too (FSDP).
The median of the steps' own times; losses must agree.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RECIPE = """
name = "shared"
size = "tiny"
corpus = [{}]
[optimisation]
epochs = 4
batch = 16
accumulate = 2
base_learning_rate = 1e-3
weight_decay = 0.01
"""
MYOCARD = ["-m", "myocard"]
SHARED = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "myocard"]


def run(arguments: list[str], threads: int, folder: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, *arguments]
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE)
        run([*MYOCARD, "simulate", "--out", "records", "--records", "128"], 1, folder)
        run([*MYOCARD, "prepare", "ptbxl-100", "records", "--out", "store"], 1, folder)
        logs = {}
        for label, start, threads, how in (
            ("1 process, 1 thread", MYOCARD, 1, []),
            ("1 process, 2 threads", MYOCARD, 2, []),
            ("2 processes, 1 thread each", SHARED, 1, []),
            ("2 processes, FSDP", SHARED, 1, ["--fsdp"]),
        ):
            pretrain = [*start, "pretrain", "recipe.toml", "--store", "store", "--out", label]
            run([*pretrain, *how], threads, folder)
            lines = (folder / label / "log.jsonl").read_text().splitlines()
            logs[label] = [json.loads(line) for line in lines]
        alone, *_ = logs.values()
        for label, log in logs.items():
            seconds = statistics.median(line["seconds"] for line in log[1:])
            apart = max(abs(a["loss"] - b["loss"]) for a, b in zip(alone, log, strict=True))
            base = statistics.median(line["seconds"] for line in alone[1:])
            print(
                f"{label:28} {seconds:6.2f} s/step  speed-up {base / seconds:.2f}  "
                f"losses within {apart:.1e}"
            )


if __name__ == "__main__":
    main()
