"""Measure what every readout on the cache costs: linear head, five penalties, five classes.

    .venv/bin/python speed/probing.py [--records 17000] [--epochs 10] [--threads 2]

On states of a random residual network of the `base` size, whose middle layers know the labels; 8 of
10 records train and 1 validates. Mixtures that are learned see every training record once an epoch
in batches of 256; all else is solved. Times are CPU seconds, which other work on the machine
changes less than it does the clock.
"""

import argparse
import resource
import time
import warnings

import numpy as np
import torch
from growth import Noise, cohort
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from myocard.evaluation.probing import pooled, stacks
from myocard.evaluation.probing.job import Job
from myocard.evaluation.probing.solving import solve
from myocard.nn.readouts.registry import POOLED, build_readout
from myocard.recipe import ProbeRecipe

DEPTH, WIDTH, CLASSES, AXES = 12, 768, 5, 128
KNOWING = (5, 6, 7)
RATES = (0.44, 0.25, 0.24, 0.22, 0.12)
PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1, 1.0)


def cache(records: int) -> tuple[Tensor, Tensor]:
    """States in float16 whose variance lies along few axes, and what their middle layers know."""
    torch.manual_seed(0)
    spectrum = torch.arange(1, AXES + 1) ** -0.7
    state = (torch.randn(records, AXES) * spectrum) @ torch.randn(AXES, WIDTH)
    state += 0.05 * torch.randn(records, WIDTH)
    states = torch.empty(records, DEPTH + 1, WIDTH, dtype=torch.float16)
    states[:, 0], known = state, torch.randn(records, CLASSES).sigmoid().logit()
    for layer in range(1, DEPTH + 1):
        hidden = nn.functional.gelu(state @ torch.randn(WIDTH, WIDTH // 2) / WIDTH**0.5)
        written = hidden @ torch.randn(WIDTH // 2, WIDTH) / (WIDTH / 2) ** 0.5
        state = state + written
        states[:, layer] = state
        if layer in KNOWING:
            told = written @ torch.randn(WIDTH, CLASSES)
            known += 1.2 * (told - told.mean(dim=0)) / told.std(dim=0)
    limits = [known[:, k].quantile(1 - rate) for k, rate in enumerate(RATES)]
    return states, known > torch.stack(limits)


def split(records: int) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(0).permutation(records)
    parts = np.split(rows, [records * 8 // 10, records * 9 // 10])
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def job(readout: str, epochs: float, states: Tensor, targets: Tensor) -> Job:
    given = {"task": "any", "readouts": (readout,), "heads": ("linear",), "seeds": (0,)}
    recipe = ProbeRecipe(**given | {"penalties": PENALTIES})
    how = recipe.optimisation.model_copy(update={"epochs": epochs, "batch": 256})
    chosen = recipe.model_copy(update={"optimisation": how})
    return Job(Noise(states), cohort(targets.numpy(), split(len(targets))), chosen)


def ceiling() -> float:
    """FLOP/s of a core: the best of some matrix products, by CPU time."""
    one, best = torch.randn(1536, 1536), 1e9
    for _ in range(8):
        began = time.process_time()
        one @ one
        best = min(best, time.process_time() - began)
    return 2 * 1536**3 / best


def operations(readout: str, epochs: float, states: Tensor, targets: Tensor) -> float:
    """FLOP of a readout, from one epoch and from two, since counting slows what it counts."""
    counts = []
    for few in (1, 2):
        work = job(readout, few, states, targets)
        (probes,) = stacks(work.recipe, DEPTH)
        with FlopCounterMode(display=False) as counter:
            pooled.train(work, probes)
        counts.append(counter.get_total_flops())
    return counts[0] + (epochs - 1) * (counts[1] - counts[0])


def measure(readout: str, epochs: float, states: Tensor, targets: Tensor) -> float:
    work = job(readout, epochs, states, targets)
    (probes,) = stacks(work.recipe, DEPTH)
    began, clock = time.process_time(), time.perf_counter()
    found = pooled.train(work, probes)
    seconds, clock = time.process_time() - began, time.perf_counter() - clock
    best = max(each.chosen[0].validation_auroc for each in found)
    work_done = operations(readout, epochs, states, targets) / 1e9
    timing = f"{seconds:7.1f} {clock:7.1f} {work_done:8.0f} {work_done / seconds:9.1f}"
    print(f"{readout:18}{len(probes):3} {timing} {best:8.4f}", flush=True)
    return seconds


def against_scikit_learn(states: Tensor, targets: Tensor) -> None:
    """One layer, one penalty, both from nothing, and how far apart they rank validation."""
    layer, penalty, rows = 6, 1e-2, split(len(targets))
    readout = build_readout("layer", Noise(states).norm, WIDTH, DEPTH, layer)
    began = time.process_time()
    read = readout(states[rows["train"]].float())
    (mine,) = solve(read, targets[rows["train"]].float(), [penalty], exclusive=False)
    ours = time.process_time() - began
    train, held = (mine[0](readout(states[rows[k]].float())) for k in ("train", "validation"))
    own = mine[1](held).detach().numpy()
    warnings.simplefilter("ignore", ConvergenceWarning)
    theirs, apart = 0.0, 0.0
    for k in range(CLASSES):
        began = time.process_time()
        model = LogisticRegression(C=1 / (len(train) * penalty), max_iter=1000, tol=1e-4)
        model.fit(train.numpy(), targets[rows["train"], k].numpy())
        theirs += time.process_time() - began
        truth = targets[rows["validation"], k].numpy()
        areas = [
            roc_auc_score(truth, s) for s in (own[:, k], model.decision_function(held.numpy()))
        ]
        apart = max(apart, abs(areas[0] - areas[1]))
    print(
        f"layer {layer}, penalty {penalty:g}, {CLASSES} classes: {ours:.2f} s; scikit-learn "
        f"{theirs:.2f} s; ratio {theirs / ours:.1f}; AUROC at most {apart:.5f} apart"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=17_000)
    parser.add_argument("--epochs", type=float, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--readouts", nargs="*", default=["layers", *POOLED])
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    states, targets = cache(given.records)
    peak = ceiling()
    print(f"{given.threads} threads, {given.records} records, {given.epochs:g} epochs of mixtures")
    print(f"matrix ceiling {peak / 1e9:.0f} GFLOP/s a core")
    against_scikit_learn(states, targets)
    print("readout        probes   CPU s    wall  GFLOP   GFLOP/s   AUROC")
    whole = sum(measure(each, given.epochs, states, targets) for each in given.readouts)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"all: {whole:.0f} CPU s, {whole / given.threads:.0f} s on {given.threads} free cores; "
        f"peak memory {memory:.1f} GiB; matrix ceiling {ceiling() / 1e9:.0f} GFLOP/s a core"
    )


if __name__ == "__main__":
    main()
