"""What does a probe cost? CPU time a step of every readout, all seeds and penalties as one stack.

    .venv/bin/python benchmarks/probing.py

On random states of the `tiny` encoder's shape, as the default recipe trains them: three seeds, four
penalties and batches of 64, under the linear head.
"""

import statistics
import time

import numpy as np
import torch
from torch import nn

from myocard.cohort import Cohort
from myocard.nn.readouts import READOUTS
from myocard.probing import Job, stacks
from myocard.recipe import ProbeRecipe

RECORDS, DEPTH, WIDTH, CLASSES = 1200, 12, 192, 5
STEPS, REPEATS = 20, 3


def cohort() -> Cohort:
    rows = np.arange(RECORDS)
    targets = np.random.default_rng(0).random((RECORDS, CLASSES)) < 0.3
    names = tuple(map(str, range(CLASSES)))
    splits = dict.fromkeys(("train", "validation", "test"), rows)
    ids = rows.astype(object)
    return Cohort("any", "noise", names, {}, False, targets, splits, ids, ids, {})


def job(readout: str, epochs: float) -> Job:
    recipe = ProbeRecipe(task="any", readouts=(readout,), heads=("linear",))
    optimisation = recipe.optimisation.model_copy(update={"epochs": epochs})
    states = torch.randn(RECORDS, DEPTH + 1, WIDTH)
    norm = nn.LayerNorm(WIDTH).requires_grad_(requires_grad=False)
    return Job(norm, states, cohort(), recipe.model_copy(update={"optimisation": optimisation}))


def seconds(work: Job) -> float:
    (cells,) = stacks(work.recipe, DEPTH)
    stack, inputs = work.build(cells[0].head, work.readouts(cells))
    began = time.process_time()
    work.fit(stack, inputs)
    return time.process_time() - began


def main() -> None:
    print(f"{torch.get_num_threads()} threads, CPU time, median of {REPEATS}")
    for readout in READOUTS:
        a_step = job(readout, STEPS * 64 / RECORDS)
        seconds(a_step)
        found = statistics.median(seconds(a_step) for _ in range(REPEATS))
        print(f"{readout:16} {1e3 * found / STEPS:7.1f} ms a step")


if __name__ == "__main__":
    main()
