"""Compare ridge and LOES with the solved logistic head: macro AUROC, order of layers, time.

    .venv/bin/python docs/experiments/ridge.py out

``out`` is that of `myocard benchmark ptbxl-local --test`. Differences are of cross-fitted runs,
with intervals over patients; times are those of one rotation on one thread, heads in turn.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.metrics.summary import difference, macro_resamples
from myocard.recipe import ProbeRecipe, check
from myocard.results.saved import load_runs

TASK, ENCODERS = "ptbxl-superdiagnostic", ("plain-0", "ipastmem-0")


def scores(out: Path) -> dict[tuple[str, str, str], np.ndarray]:
    found = {}
    for run in load_runs(out / "results" / "ptbxl" / "cross-fitted"):
        info = run.info
        if info.task == TASK and info.encoder.name in ENCODERS and info.fraction == 1:
            tested = run.predictions("test")
            readout = info.readout if info.layer is None else f"layer {info.layer}"
            found[info.encoder.name, readout, info.head] = macro_resamples(
                tested.targets, tested.scores, groups=tested.patients, resamples=1000
            )
    return found


def told(one: np.ndarray, other: np.ndarray) -> str:
    found = difference(one, other)
    return f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"


def main() -> None:
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    found = scores(out)
    for encoder in ENCODERS:
        for readout in ("last", "best-layer", "concat"):
            one, other = (found[encoder, readout, head] for head in ("ridge", "linear"))
            print(encoder, readout, "ridge - linear", told(one, other))
        for readout in ("best-layer", "scalar-mix", "concat"):
            loes, other = found[encoder, "loes", "linear"], found[encoder, readout, "linear"]
            print(encoder, "loes -", readout, told(loes, other))
        curves = [
            [found[encoder, f"layer {layer}", head][0] for layer in range(9)]
            for head in ("linear", "ridge")
        ]
        print(encoder, "order of layers, Spearman", round(spearmanr(*curves).statistic, 2))
    features = Features.open(next((out / "features" / "ptbxl").rglob("plain-0")))
    split = {"train": [6, 7, 8], "validation": [9], "test": [10]}
    common = {"task": TASK, "seeds": [0], "min_positives": 5, "resamples": 2, "split": split}
    for head in ("linear", "ridge"):
        for readout in ("layers", "concat"):
            recipe = check(ProbeRecipe, common | {"readouts": [readout], "heads": [head]}, "ridge")
            with tempfile.TemporaryDirectory() as place:
                began = time.perf_counter()
                probe(features, recipe, Path(place) / "runs")
                print(head, readout, f"{time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main()
