"""Fine-tune the encoders of the study and score them beside probes and supervised baselines.

    .venv/bin/python docs/experiments/finetuning.py out docs/results

``out`` is that of `myocard benchmark ptbxl-local`. Labels are those of folds 1 to 5, on which the
encoders were pretrained without labels; penalties are chosen on fold 6; folds 7 to 10 are tested.
A model has three seeds: three encoders for what starts from a checkpoint.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from myocard.data.store import Store
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.features import extract
from myocard.evaluation.finetune import finetune
from myocard.evaluation.probing import probe
from myocard.metrics.summary import difference, macro_resamples
from myocard.models.checkpoint import load_encoder
from myocard.recipe import FinetuneRecipe, ProbeRecipe, check, check_baseline
from myocard.results.run import Run
from myocard.results.saved import load_runs

COMMON = {
    "task": "ptbxl-superdiagnostic",
    "min_positives": 5,
    "split": {"train": [1, 2, 3, 4, 5], "validation": [6], "test": [7, 8, 9, 10]},
}
HOW = {
    "epochs": 3, "warmup_epochs": 0.3, "batch": 16, "base_learning_rate": 8e-3,
    "weight_decay": 0.05, "checkpoint_every": 50,
}  # fmt: skip
TUNED = [
    ("plain", "last", "checkpoint", False),
    ("plain", "last", "checkpoint", True),
    ("plain", "pma", "checkpoint", True),
    ("ipastmem", "pma", "checkpoint", True),
    ("plain", "ppa", "checkpoint", True),
    ("plain", "last", "scratch", False),
]
"""Objective, readout, start, and whether a probe's readout and head are taken up."""


def tuned(out: Path, store: Store, seed: int, row: tuple[str, str, str, bool]) -> None:
    objective, readout, start, takes_up = row
    encoder = load_encoder(out / "encoders" / f"{objective}-{seed}")
    given = {
        **COMMON, "readout": readout, "head": "linear", "start": start, "seeds": [seed],
        "layer_decay": 1.0 if start == "scratch" else 0.75, "optimisation": HOW,
    }  # fmt: skip
    recipe = check(FinetuneRecipe, given, "finetuning")
    place = out / "finetuning" / f"{objective}-{seed}"
    probed = place / "probes" / encoder.info.name / COMMON["task"] / f"{readout}-linear"
    name = "-".join([readout, start, *(["probed"] if takes_up else [])])
    began = time.time()
    finetune(recipe, encoder, store, place / name, probe=probed if takes_up else None, test=True)
    print(f"{place.name} {name} {time.time() - began:.0f} s", flush=True)


def probes(out: Path, store: Store, objective: str, seed: int) -> None:
    encoder = load_encoder(out / "encoders" / f"{objective}-{seed}")
    given = {
        **COMMON, "readouts": ["last", "layers", "ppa", "pma", "scalar-mix"], "heads": ["linear"],
        "seeds": [0],
    }  # fmt: skip
    place = out / "finetuning" / f"{objective}-{seed}"
    features = extract(encoder, store, place / "features")
    probe(features, check(ProbeRecipe, given, "finetuning"), place / "probes", test=True)


def named(run: Run, folder: Path) -> tuple[str, str]:
    """Name of the row that a run belongs to, and its seed."""
    parts = folder.parts[folder.parts.index("finetuning") + 1 :]
    if parts[0] == "baselines":
        return parts[1], "0"
    objective, seed = parts[0].split("-")
    if run.kind == "finetune":
        return f"{objective if 'scratch' not in parts[1] else 'none'}, {parts[1]}", seed
    layer = "" if run.layer is None else f" {run.layer}"
    return f"{objective}, {run.readout}{layer}, probe", seed


def table_of(out: Path) -> pd.DataFrame:
    """Mean over seeds with an interval over patients, and the difference from probing the last.

    A difference is between the seeds that both have.
    """
    rows: dict[str, dict[str, np.ndarray]] = {}
    validation: dict[tuple[str, str], float] = {}
    seconds: dict[str, list[float]] = {}
    for saved in load_runs(out / "finetuning"):
        row, seed = named(saved.info, saved.folder)
        found = saved.predictions("test")
        rows.setdefault(row, {})[seed] = macro_resamples(
            found.targets, found.scores, groups=found.patients, resamples=1000
        )
        validation[row, seed] = saved.info.validation.main.macro.value or 0.0
        seconds.setdefault(row, []).append(saved.info.seconds or 0.0)
    for objective in ("plain", "ipastmem"):
        layers = [row for row in rows if row.startswith(f"{objective}, layer ")]
        best = f"{objective}, best layer, probe"
        for seed in rows[layers[0]]:
            chosen = max(layers, key=lambda row, seed=seed: validation[row, seed])
            rows.setdefault(best, {})[seed] = rows[chosen][seed]
            seconds.setdefault(best, []).append(seconds[chosen][0])
    reference, lines = rows["plain, last, probe"], []
    for row, values in rows.items():
        mean = np.mean(list(values.values()), axis=0)
        low, high = np.quantile(mean[1:], [0.025, 0.975])
        # A baseline has no encoder, and one seed against all.
        shared = [seed for seed in values if seed in reference]
        against = reference.values() if "," not in row else [reference[seed] for seed in shared]
        gain = difference(mean, np.mean(list(against), axis=0))
        lines.append({
            "model": row, "seeds": len(values), "auroc": mean[0], "low": low, "high": high,
            "spread": float(np.std([each[0] for each in values.values()])),
            "less_last_probe": gain.difference, "gain_low": gain.low, "gain_high": gain.high,
            "seconds": np.mean(seconds[row]),
        })  # fmt: skip
    return pd.DataFrame(lines).round(4).sort_values("auroc", ascending=False)


def main() -> None:
    torch.set_num_threads(1)
    out, results = Path(sys.argv[1]), Path(sys.argv[2])
    store = Store.joined(
        Path("ptbxl"), [Store.open(out / "stores" / name) for name in ("ptbxl_z", "ptbxl_100")]
    )
    for model in ("minirocket", "xresnet1d101"):
        given = {**COMMON, "model": model, "seeds": [0]}
        if model == "xresnet1d101":
            given["optimisation"] = {
                "epochs": 10, "warmup_epochs": 1, "base_learning_rate": 4e-3, "weight_decay": 0.05
            }  # fmt: skip
        baseline = check_baseline(given, "finetuning")
        train_baseline(store, baseline, out / "finetuning" / "baselines" / model, test=True)
    for seed in (0, 1, 2):
        for objective in ("plain", "ipastmem"):
            probes(out, store, objective, seed)
        for row in TUNED:
            tuned(out, store, seed, row)
    table_of(out).to_csv(results / "finetuning.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
