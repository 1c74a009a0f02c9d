"""Measure what every readout on the cache costs under the linear head, for five classes.

    .venv/bin/python speed/probing.py                                   # 17,000 × 13 × 768
    .venv/bin/python speed/probing.py --records 1438 --depth 8 --width 96 --first --jobs 2

On states of a random residual network whose middle layers know the labels; 8 of 10 records train
and 1 validates. `--first` is a first run: default seeds and penalties; else there is one seed and
five penalties. Batches grow to `--largest-batch`. What is trained takes up to `--epochs` passes and
ends when twice the steps change nothing; all else is solved. `--jobs` trains some readouts side by
side, as `myocard probe` does. CPU seconds depend less on other work than the clock does.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from growth import Noise, cohort
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from myocard.evaluation.probing import pooled, stacks
from myocard.evaluation.probing.job import Job, Trained
from myocard.evaluation.probing.mixtures import Mixing
from myocard.evaluation.probing.solving import solve
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import linear
from myocard.nn.readouts.pooled import ScalarMix
from myocard.nn.readouts.registry import build_readout
from myocard.recipe import ProbeRecipe

CLASSES, AXES = 5, 128
RATES = (0.44, 0.25, 0.24, 0.22, 0.12)
PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1, 1.0)
DEFAULT = ProbeRecipe(task="any").readouts


def cache(records: int, depth: int, width: int) -> tuple[Tensor, Tensor]:
    """States in float16 whose variance lies along few axes, and what their middle layers know."""
    torch.manual_seed(0)
    spectrum = torch.arange(1, AXES + 1) ** -0.7
    state = (torch.randn(records, AXES) * spectrum) @ torch.randn(AXES, width)
    state += 0.05 * torch.randn(records, width)
    states = torch.empty(records, depth + 1, width, dtype=torch.float16)
    states[:, 0], known = state, torch.randn(records, CLASSES).sigmoid().logit()
    for layer in range(1, depth + 1):
        hidden = nn.functional.gelu(state @ torch.randn(width, width // 2) / width**0.5)
        written = hidden @ torch.randn(width // 2, width) / (width / 2) ** 0.5
        state = state + written
        states[:, layer] = state
        if abs(layer - depth / 2) <= 1:
            told = written @ torch.randn(width, CLASSES)
            known += 1.2 * (told - told.mean(dim=0)) / told.std(dim=0)
    limits = [known[:, k].quantile(1 - rate) for k, rate in enumerate(RATES)]
    return states, known > torch.stack(limits)


def split(records: int) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(0).permutation(records)
    parts = np.split(rows, [records * 8 // 10, records * 9 // 10])
    return dict(zip(("train", "validation", "test"), parts, strict=True))


def job(
    readout: str, epochs: float, source: Noise, targets: Tensor, largest: int, *, first: bool
) -> Job:
    """The job of one readout; ``first`` has default seeds and penalties."""
    given = {"task": "any", "readouts": (readout,), "heads": ("linear",), "largest_batch": largest}
    recipe = ProbeRecipe(**given if first else given | {"seeds": (0,), "penalties": PENALTIES})
    how = recipe.optimisation.model_copy(update={"epochs": epochs})
    chosen = recipe.model_copy(update={"optimisation": how})
    return Job(source, cohort(targets.numpy(), split(len(targets))), chosen)


def ceiling() -> float:
    """FLOP/s of a core: the best of some matrix products, by CPU time."""
    one, best = torch.randn(1536, 1536), 1e9
    for _ in range(8):
        began = time.process_time()
        one @ one
        best = min(best, time.process_time() - began)
    return 2 * 1536**3 / best


def measure(work: Job, states: NDArray[np.float16], threads: int) -> tuple[int, float]:
    """Train or solve a readout, print what it took; return the process and its peak, in GiB."""
    torch.set_num_threads(threads)
    own = replace(work, source=Noise(torch.from_numpy(states)))
    (probes,) = stacks(own.recipe, own.depth)
    began, clock = time.process_time(), time.perf_counter()
    found = pooled.train(own, probes)
    seconds, clock = time.process_time() - began, time.perf_counter() - clock
    best = max(each.chosen[0].validation for each in found)
    told = " ".join(certificates(found[0]))
    print(
        f"{probes[0].readout:18}{len(probes):3} {seconds:7.1f} {clock:7.1f} {best:8.4f}  {told}",
        flush=True,
    )
    return os.getpid(), peak()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def certificates(found: Trained) -> list[str]:
    gaps = [optimum.gap for mixture in found.mixtures for optimum in mixture.optima]
    told = [f"gap {max(gaps):.0e}"] if gaps else []
    told += [f"slope {mixture.slope:.0e}" for mixture in found.mixtures if mixture.slope]
    return told + [f"{'stopped' if s.settled else 'open'} {s.step}/{s.steps}" for s in found.stops]


def against_adam(states: Tensor, targets: Tensor, penalty: float = 1e-2) -> None:
    """The static mix without shrinkage: solved, and by Adam until it is as good to 0.001 nats."""
    rows = split(len(targets))["train"]
    blocks = states[rows, 1:].float().transpose(0, 1).contiguous()
    norm, truth = Noise(states).norm, targets[rows].float()
    mixing = Mixing(blocks, norm, truth, outcome="any")
    began = time.perf_counter()
    best = mixing.optima(penalty, mixing.at(mixing.equal, penalty))[0]
    solved = time.perf_counter() - began
    mixture, head = ScalarMix(norm, blocks.shape[2], len(blocks)), linear(blocks.shape[2], CLASSES)
    model = Classifier(mixture, head)
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=8e-3)
    whole, lowest = torch.cat([blocks[:1], blocks]).transpose(0, 1), float("inf")

    def objective(some: Tensor) -> Tensor:
        loss = LIKELIHOODS["any"].loss(model(whole[some]), truth[some]).mean()
        return loss + penalty * head[1].weight.square().sum() / 2

    began = time.perf_counter()
    while lowest > best.objective + 1e-3 and time.perf_counter() - began < 20 * solved:
        for some in torch.randperm(len(rows)).split(256):
            adam.zero_grad()
            objective(some).backward()
            adam.step()
        with torch.no_grad():
            lowest = min(lowest, float(objective(torch.arange(len(rows)))))
    taken = time.perf_counter() - began
    print(
        f"static mix, penalty {penalty:g}: solved from every layer in {solved:.1f} s to "
        f"{best.objective:.4f} (gap {best.gap:.0e}); Adam from equal shares has {lowest:.4f} after "
        f"{taken:.1f} s, {taken / solved:.1f} times as long"
    )


def against_scikit_learn(states: Tensor, targets: Tensor) -> None:
    """One layer, one penalty, both from nothing, and how far apart they rank validation."""
    layer, penalty, rows = states.shape[1] // 2, 1e-2, split(len(targets))
    depth, width = states.shape[1] - 1, states.shape[2]
    readout = build_readout("layer", Noise(states).norm, width, depth, layer)
    began = time.process_time()
    read = readout(states[rows["train"]].float())
    (mine,) = solve(read, targets[rows["train"]].float(), [penalty], outcome="any")
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
    parser.add_argument("--depth", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--epochs", type=float, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--largest-batch", type=int, default=512)
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--adam", action="store_true", help="how long Adam takes to the static mix")
    parser.add_argument("--readouts", nargs="*", default=DEFAULT)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    states, targets = cache(given.records, given.depth, given.width)
    print(f"{given.threads} threads, states {tuple(states.shape)}, up to {given.epochs:g} epochs")
    print(f"matrix ceiling {ceiling() / 1e9:.0f} GFLOP/s a core")
    if "layers" in given.readouts:
        against_scikit_learn(states, targets)
    print("readout        probes   CPU s    wall    AUROC  certificate", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "states.npy"
        np.save(path, states.numpy())
        mapped = np.load(path, mmap_mode="c")
        nothing = Noise(states[:0])
        calls = [
            delayed(measure)(
                job(
                    each,
                    given.epochs,
                    nothing,
                    targets,
                    given.largest_batch,
                    first=given.first,
                ),
                mapped,
                max(1, given.threads // given.jobs),
            )
            for each in given.readouts
        ]
        began = time.perf_counter()
        peaks = Parallel(n_jobs=given.jobs, batch_size=1)(calls)
        wall = time.perf_counter() - began
    memory = sum(max(of for which, of in peaks if which == each) for each in dict(peaks))
    print(f"all, {given.jobs} at a time: {wall:.0f} s; peak memory {memory:.1f} GiB")
    if given.adam:
        against_adam(states, targets)


if __name__ == "__main__":
    main()
