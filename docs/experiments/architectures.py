"""Read every layer of published architectures with random weights, of ours and of openecg's.

    pip install --no-deps openecg opendsp
    .venv/bin/python docs/experiments/architectures.py out docs/results [CHECKPOINT …]

Random weights have the true sizes, from the lists of names and shapes in ``MYOCARD_DATA``. Records
are those of PTB-XL's folds 7 to 10 that ``ptbxl_100`` has, in mV; each fold is tested by probes
that were trained on two others. CHECKPOINTs must not be pretrained on these folds.
"""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from extraction import ratio
from true_sizes import has_openecg, of_true_size, openecg

from myocard.data.preparation import Wanted, prepare
from myocard.data.sources import entries as entries_of
from myocard.encoders.protocol import ECGEncoder
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import extract
from myocard.leads import LEADS
from myocard.metrics.summary import difference, macro_resamples
from myocard.models.checkpoint import load_encoder
from myocard.recipe import ProbeRecipe, check
from myocard.report import write_report
from myocard.results.saved import load_runs

FOLDS = (7, 8, 9, 10)
TASK = "ptbxl-superdiagnostic"
ARCHITECTURES = (
    "merl-vit", "merl-resnet", "hubert-ecg", "ecgfounder", "ecg-jepa-weimann", "ecg-fm", "st-mem",
    "ecg-jepa-kim",
)  # fmt: skip


def encoders(checkpoints: list[str]) -> Iterator[ECGEncoder]:
    for checkpoint in checkpoints:
        trained = load_encoder(checkpoint)
        yield trained
    if checkpoints:
        yield trained.randomised(0)
    if has_openecg():
        yield from (openecg(), openecg().randomised(0))
    yield from map(of_true_size, ARCHITECTURES)


def certificates(runs: Path, name: str) -> dict[str, Any]:
    """Tell whether every probe of an encoder was solved or settled, and how well its mixtures are.

    The gap is the largest over the rotations: nats by which an objective could be lower at most.
    Rotations that chose equal shares have none.
    """
    infos = [saved.info for saved in load_runs(runs / name)]
    optima = [o for info in infos for mixture in info.mixtures for o in mixture.optima]
    return {
        "settled": all(stop.settled for info in infos for stop in info.stops),
        "solved_mixtures": len(optima),
        "gap": f"{max(optimum.gap for optimum in optima):.0e}" if optima else None,
        "optima": max((optimum.optima for optimum in optima), default=None),
    }


def line(encoder: ECGEncoder, seconds: float | None, runs: Path, times: float) -> dict[str, Any]:
    """Best layer against last, with an interval over patients."""
    scores: dict[str, np.ndarray] = {}
    for saved in load_runs(runs / encoder.info.name):
        found = saved.predictions("test")
        name = saved.info.readout if saved.info.layer is None else f"layer {saved.info.layer}"
        scores[name] = macro_resamples(
            found.targets, found.scores, groups=found.patients, resamples=1000
        )
    last, best = scores["last"], scores["best-layer"]
    gain = difference(best, last)
    by_layer = {name: values[0] for name, values in scores.items() if name.startswith("layer ")}
    peak = max(by_layer, key=lambda name: by_layer[name])
    return {
        "encoder": encoder.info.name, "random": encoder.info.random, "layers": len(encoder.layers),
        "widths": "-".join(str(w) for w in dict.fromkeys(la.width for la in encoder.layers)),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "last": last[0], "last_low": np.quantile(last[1:], 0.025),
        "last_high": np.quantile(last[1:], 0.975), "best_layer": best[0], "highest": peak,
        "gain": gain.difference, "gain_low": gain.low, "gain_high": gain.high, "p": gain.p,
        "concat": scores["concat"][0], "scalar_mix": scores.get("scalar-mix", [np.nan])[0],
        **certificates(runs, encoder.info.name),
        "seconds_a_record": seconds, "all_layers_over_last": times,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }  # fmt: skip


def main() -> None:
    out, results, checkpoints = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    torch.manual_seed(0)
    listed = entries_of("ptbxl-100", Path(os.environ["MYOCARD_DATA"]) / "ptbxl_100")
    chosen = [entry for entry in listed if entry.fold in FOLDS]
    wanted = Wanted(100, 10.0, LEADS)
    store = prepare(chosen, out / "store", wanted, source="ptbxl")
    lines = []
    for encoder in encoders(checkpoints):
        features = extract(encoder, store, out / "features" / encoder.info.name, batch=16)
        equal = len({layer.width for layer in encoder.layers}) == 1
        readouts = ["last", "layers", "concat", *(["scalar-mix"] if equal else [])]
        given = {
            "task": TASK, "min_positives": 5, "readouts": readouts, "heads": ["linear"],
            "seeds": [0],
            "split": {"train": FOLDS[:2], "validation": FOLDS[2:3], "test": FOLDS[3:]},
        }  # fmt: skip
        cross_fit(
            features, check(ProbeRecipe, given, "architectures"), FOLDS, out / "rotations",
            out / "runs",
        )  # fmt: skip
        lines.append(line(encoder, features.seconds, out / "runs", ratio(encoder, store)))
        print(pd.DataFrame(lines).iloc[-1].to_dict(), flush=True)
        table = pd.DataFrame(lines).round(4)
        table.to_csv(results / "architectures.csv", index=False, lineterminator="\n")
        del encoder, features
    write_report([out / "runs"], out / "report")


if __name__ == "__main__":
    main()
