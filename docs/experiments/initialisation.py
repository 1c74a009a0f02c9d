"""Compare initialisations of a masked autoencoder, for as many steps and for a third of them.

    .venv/bin/python docs/experiments/initialisation.py out [THREADS]

Pretrained on folds 1 to 3 of the records of `ptbxl-local`, each with a schedule of its own. Probes
of every layer are trained there, the layer is chosen on fold 4, and fold 5 scores: the folds that
`ptbxl-local` tests are not touched.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from myocard.benchmark import materials
from myocard.benchmark.layout import Layout
from myocard.benchmark.reading import read_benchmark
from myocard.evaluation.probing import Stream, probe
from myocard.pretraining.pretrain import pretrain
from myocard.recipe import CorpusPart, ProbeRecipe, Split
from myocard.results.run import Run

TRIALS = [("published", 24), ("aligned", 8)]
STEPS = (100, 200, 300, 400)


def main() -> None:
    torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
    benchmark, layout = read_benchmark("ptbxl-local"), Layout(Path(sys.argv[1]))
    stores = materials.stores(benchmark, layout)
    plain = next(recipe for recipe in benchmark.pretrained if recipe.name == "plain-0")
    split = Split(train=(1, 2, 3), validation=(4,), test=(5,))
    print(
        "start       epochs  steps  " + "  ".join(f"loss@{step}" for step in STEPS), " last  best"
    )
    for start, epochs in TRIALS:
        how = plain.optimisation.model_copy(update={"epochs": epochs})
        changes = {"name": f"{start}-{epochs}", "initialisation": start, "optimisation": how}
        changes |= {"corpus": (CorpusPart(store="ptbxl", folds=(1, 2, 3)), plain.corpus[1])}
        recipe = plain.model_copy(update=changes)
        folder = layout.out / "initialisation" / recipe.name
        encoder = pretrain(recipe, stores, folder).encoder
        log = [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]
        losses = [f"{np.mean(log[step - 25 : step + 25]):.3f}" for step in STEPS]
        found = probe(
            Stream(encoder, stores["ptbxl"]),
            ProbeRecipe(
                task="ptbxl-superdiagnostic", readouts=("layers",), heads=("linear",),
                seeds=(0,), split=split, min_positives=5,
            ),
            layout.out / "initialisation" / "probes",
            test=True,
        )  # fmt: skip
        runs = [Run.read(each) for each in found]
        best = max(runs, key=lambda run: run.validation.main.macro.value or 0.0)
        areas = [run.test.main.macro.value for run in (runs[-1], best)]
        print(
            f"{start:10} {epochs:7} {len(log):6}  " + "     ".join(losses),
            "  ".join(f"{area:.3f}" for area in areas), f"(layer {best.layer})",
            flush=True,
        )  # fmt: skip


if __name__ == "__main__":
    main()
