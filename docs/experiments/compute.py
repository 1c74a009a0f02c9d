"""Quality for compute: probes of encoders that were pretrained for longer and longer.

    .venv/bin/python docs/experiments/compute.py out docs/results

``out`` is that of `myocard benchmark ptbxl-local`, whose plain encoder is the longest training of
the aligned start. All pretrain on the same records of folds 1 to 5, each with a schedule of its
own; labels are those of the same folds, fold 6 chooses, folds 7 to 10 are tested. MiniRocket learns
from the same labels. One seed each; a run that was stopped is taken up again.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from myocard.benchmark import materials
from myocard.benchmark.layout import Layout
from myocard.benchmark.reading import read_benchmark
from myocard.data.store import Store
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.metrics.summary import macro_resamples
from myocard.plot.canvas import BLUE, GREY, VERMILION, canvas_of, to_svg
from myocard.pretraining.pretrain import build, pretrain
from myocard.recipe import PretrainRecipe, ProbeRecipe, check, check_baseline
from myocard.results.run import Run
from myocard.results.saved import load_runs

EPOCHS = (1, 4, 16, 32)
STARTS = {"published": VERMILION, "aligned": BLUE}
READOUTS = {"last": "--", "best-layer": ":", "concat": "-"}
COMMON = {
    "task": "ptbxl-superdiagnostic",
    "min_positives": 5,
    "split": {"train": [1, 2, 3, 4, 5], "validation": [6], "test": [7, 8, 9, 10]},
}
LOOKS = (100, 200, 300, 400)


def recipes(plain: PretrainRecipe) -> Iterator[PretrainRecipe]:
    """The trainings, the longest of the aligned start as the benchmark names it."""
    for epochs in EPOCHS:
        for start in STARTS:
            if start == plain.initialisation and epochs == plain.optimisation.epochs:
                yield plain
                continue
            warmup = min(plain.optimisation.warmup_epochs, epochs / 4)
            how = plain.optimisation.model_copy(
                update={"epochs": float(epochs), "warmup_epochs": warmup}
            )
            changes = {"name": f"{start}-{epochs}", "initialisation": start, "optimisation": how}
            yield plain.model_copy(update=changes)


def flop(recipe: PretrainRecipe) -> float:
    """Floating-point operations of one step, forwards and backwards."""
    expected = recipe.input.preprocessing()
    model = build(recipe)
    signals = torch.randn(recipe.optimisation.batch, len(expected.leads), expected.samples)
    with FlopCounterMode(display=False) as counter:
        model(signals, expected.leads).loss.backward()
    return float(counter.get_total_flops())


def scores(runs: list[Path]) -> dict[str, np.ndarray]:
    """Resampled AUROC of every readout; the best layer is that of validation."""
    found, validation = {}, {}
    for saved in (each for folder in runs for each in load_runs(folder)):
        name = saved.info.readout
        if saved.info.layer is not None:
            name = f"layer {saved.info.layer}"
            validation[name] = saved.info.validation.main.macro.value or 0.0
        told = saved.predictions("test")
        found[name] = macro_resamples(
            told.targets, told.scores, groups=told.patients, resamples=1000
        )
    if validation:
        found["best-layer"] = found[max(validation, key=lambda name: validation[name])]
    return found


def rows(what: dict[str, object], found: dict[str, np.ndarray]) -> Iterator[dict[str, object]]:
    for readout in (*READOUTS, "scalar-mix", "minirocket"):
        if readout in found:
            values = found[readout]
            low, high = np.quantile(values[1:], [0.025, 0.975])
            yield {**what, "readout": readout, "auroc": values[0], "low": low, "high": high}


def of_encoder(recipe: PretrainRecipe, stores: dict[str, Store], layout: Layout) -> Iterator[dict]:
    own = layout.out / "compute" / recipe.name
    folder = own / "encoder" if "plain" not in recipe.name else layout.encoders / recipe.name
    encoder = pretrain(recipe, stores, folder).encoder
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    losses = [each["loss"] for each in log]
    features = extract(encoder, stores["ptbxl"], own / "features")
    given = {
        **COMMON, "readouts": ["last", "layers", "scalar-mix", "concat"], "heads": ["linear"],
        "seeds": [0],
    }  # fmt: skip
    runs = probe(features, check(ProbeRecipe, given, "compute"), own / "probes", test=True)
    seconds = np.quantile([each["seconds"] for each in log], 0.1)
    what = {
        "start": recipe.initialisation, "epochs": recipe.optimisation.epochs, "steps": len(log),
        "tflop": flop(recipe) * len(log) / 1e12, "hours": seconds * len(log) / 3600,
    }  # fmt: skip
    for look in LOOKS:
        what[f"loss_{look}"] = np.mean(losses[look - 25 : look + 25]) if len(log) > look else None
    yield from rows(what, scores(runs))


def draw(table: pd.DataFrame, out: Path) -> None:
    rocket = table[table["readout"] == "minirocket"].iloc[0]
    with canvas_of(6.4, 3.0) as canvas:
        axes = canvas.subplots()
        axes.axhspan(rocket["low"], rocket["high"], color=GREY, alpha=0.2, lw=0)
        axes.axhline(rocket["auroc"], color=GREY, label="MiniRocket")
        for start, colour in STARTS.items():
            for readout, style in READOUTS.items():
                some = table[(table["start"] == start) & (table["readout"] == readout)]
                axes.plot(
                    some["tflop"], some["auroc"], style, color=colour, marker="o", ms=3,
                    label=f"{start}, {readout.replace('-', ' ')}",
                )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("TFLOP of pretraining")
        axes.set_ylabel("Macro AUROC")
        axes.grid(axis="y")
        canvas.legend(loc="outside right center")
    out.write_text(to_svg(canvas, "compute", "Macro AUROC for compute"))


def main() -> None:
    torch.set_num_threads(1)
    benchmark, layout = read_benchmark("ptbxl-local"), Layout(Path(sys.argv[1]))
    stores, results = materials.stores(benchmark, layout), Path(sys.argv[2])
    plain = next(recipe for recipe in benchmark.pretrained if recipe.name == "plain-0")
    lines: list[dict] = []
    baseline = check_baseline({**COMMON, "model": "minirocket", "seeds": [0]}, "compute")
    run = train_baseline(
        stores["ptbxl"], baseline, layout.out / "compute" / "minirocket", test=True
    )
    lines += rows({"start": "labels", "hours": (Run.read(run).seconds or 0) / 3600}, scores([run]))
    for recipe in recipes(plain):
        lines += of_encoder(recipe, stores, layout)
        table = pd.DataFrame(lines).round(4).sort_values(["start", "readout", "epochs"])
        table.to_csv(results / "compute.csv", index=False, lineterminator="\n")
        print(table.tail(4).to_string(), flush=True)
    draw(table, results / "compute.svg")


if __name__ == "__main__":
    main()
