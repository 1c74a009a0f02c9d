"""Read sex and age from every layer: two tasks of one's own, from PTB-XL's own columns.

    .venv/bin/python docs/experiments/own_tasks.py out docs/results

``out`` is that of `myocard benchmark ptbxl-local`. Labels are those of folds 1 to 5, on which the
encoders were pretrained without labels; penalties and layers are chosen on fold 6; folds 7 to 10
are tested. Intervals resample patients; encoders of one kind are averaged.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from myocard.data.store import Store
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.metrics.numbers import mean_absolute_error
from myocard.metrics.summary import macro_resamples
from myocard.recipe import ProbeRecipe, check, check_baseline
from myocard.results.saved import SavedRun, load_runs
from myocard.tasks.own.making import make_task
from myocard.tasks.own.settings import OwnTaskSettings

ENCODERS = [f"{kind}-{seed}" for kind in ("plain", "ipastmem") for seed in (0, 1, 2)]
KINDS = {"sex": "binary", "age": "number"}
SPLIT = {"train": [1, 2, 3, 4, 5], "validation": [6], "test": [7, 8, 9, 10]}
READOUTS = ["last", "layers", "ppa", "scalar-mix", "concat"]


def task_of(store: Store, trait: str, root: Path) -> Path:
    """A task whose table is the store's own column."""
    table = store.records[["id", trait]]
    if trait == "age":  # 300 stands for all ages above 89
        table = table[table["age"] < 120]
    root.mkdir(parents=True, exist_ok=True)
    table.to_csv(root / f"{trait}.csv", index=False)
    positive = {"positive": "F"} if trait == "sex" else {"unit": "years"}
    asked = OwnTaskSettings(id="id", target=[trait], kind=KINDS[trait], split="store", **positive)
    make_task(root / f"{trait}.csv", store.records, asked, root / trait)
    return root / trait


def row_of(run: SavedRun) -> str:
    info = run.info
    if info.kind == "baseline":
        return info.encoder.name
    kind = "random" if info.encoder.random else info.encoder.name.split("-")[0]
    return f"{kind}, {info.readout if info.layer is None else f'layer {info.layer}'}"


def line_of(task: str, row: str, runs: list[SavedRun]) -> dict[str, object]:
    found = [run.predictions("test") for run in runs]
    outcome = runs[0].info.outcome

    def mean_of(metric=None) -> tuple[float, float, float]:
        values = np.mean(
            [
                macro_resamples(
                    each.targets, each.scores, outcome=outcome, metric=metric, groups=each.patients
                )
                for each in found
            ],
            axis=0,
        )
        return values[0], *np.quantile(values[1:], [0.025, 0.975])

    line = {"task": task, "model": row, "encoders": len(runs), "records": len(found[0].ids)}
    line |= zip(("score", "low", "high"), mean_of(), strict=True)
    if outcome == "number":
        line |= zip(("mae", "mae_low", "mae_high"), mean_of(mean_absolute_error), strict=True)
    return line


def main() -> None:
    torch.set_num_threads(1)
    out, results = Path(sys.argv[1]), Path(sys.argv[2])
    store = Store.joined(
        Path("ptbxl"), [Store.open(out / "stores" / name) for name in ("ptbxl_z", "ptbxl_100")]
    )
    root, lines = out / "own-tasks", []
    for trait in KINDS:
        task = task_of(store, trait, root / "tasks")
        common = {"task": str(task), "seeds": [0], "split": SPLIT}
        recipe = check(ProbeRecipe, common | {"readouts": READOUTS, "heads": ["linear"]}, trait)
        for name in [*ENCODERS, "random-plain-0-0"]:
            features = Features.open(out / "features" / "ptbxl" / "12" / name)
            probe(features, recipe, root / "runs", test=True)
        baseline = check_baseline(common | {"model": "minirocket"}, trait)
        train_baseline(store, baseline, root / "runs" / "MiniRocket" / trait, test=True)
        rows: dict[str, list[SavedRun]] = {}
        for run in load_runs(root / "runs"):
            if run.info.task == trait:
                rows.setdefault(row_of(run), []).append(run)
        lines += [line_of(trait, row, runs) for row, runs in rows.items()]
        told = next(iter(rows.values()))[0].predictions("test")
        if trait == "age":
            known = store.records["age"][store.records["fold"].isin(SPLIT["train"])]
            mean = np.full_like(told.scores[:1], known[known < 120].mean())
            spread = macro_resamples(
                told.targets, mean, outcome="number", metric=mean_absolute_error,
                groups=told.patients,
            )  # fmt: skip
            low, high = np.quantile(spread[1:], [0.025, 0.975])
            numbers = {"mae": spread[0], "mae_low": low, "mae_high": high, "score": 0.0}
            lines.append({"task": trait, "model": "mean", "records": len(told.ids)} | numbers)
    table = pd.DataFrame(lines).round(4).sort_values(["task", "score"], ascending=[True, False])
    table.to_csv(results / "own-tasks.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
