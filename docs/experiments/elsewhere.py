"""Predict PTB-XL's superclasses for the records of other sources, from files to scores.

    .venv/bin/python docs/experiments/elsewhere.py out $MYOCARD_DATA

``out`` is that of `myocard benchmark ptbxl-local`. The packaged encoder's best layer is probed on
PTB-XL (folds 1 to 8, chosen on 9, tested on 10), saved with sets at a coverage of .9, and asked
about the files of five sources of the Challenge, by `myocard predict`. Their own diagnoses, as
superclasses, are what it is held against; records without one are left out.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from myocard.data.store import Store
from myocard.evaluation.features import extract
from myocard.evaluation.prediction import predict
from myocard.evaluation.probing import probe
from myocard.metrics.summary import summarise
from myocard.models.checkpoint import load_encoder
from myocard.models.saving import save
from myocard.recipe import ProbeRecipe, check
from myocard.results.run import Run
from myocard.tasks.registry import task

SOURCES = ("cpsc_2018", "cpsc_2018_extra", "georgia", "ningbo", "chapman_shaoxing")
FEWEST = 10
"""Positives and negatives that a class needs to be scored."""


def best_layer(out: Path) -> Path:
    """The run of the layer that is best on validation."""
    store = Store.joined(
        Path("ptbxl"), [Store.open(out / "stores" / name) for name in ("ptbxl_z", "ptbxl_100")]
    )
    features = extract(load_encoder(Path("ecg-nano")), store, out / "elsewhere" / "features")
    given = {"task": "ptbxl-superdiagnostic", "readouts": ["layers"], "heads": ["linear"]}
    recipe = check(ProbeRecipe, given | {"seeds": [0]}, "elsewhere")
    runs = probe(features, recipe, out / "elsewhere" / "runs", test=True)
    return max(runs, key=lambda run: Run.read(run).validation.main.macro.value or 0.0)


def told(name: str, targets: np.ndarray, table: pd.DataFrame, classes: list[str]) -> None:
    """Print AUROC with its interval, and how often the sets hold the truth."""
    scores = table[[f"score:{each}" for each in classes]].to_numpy()
    positives = targets.sum(axis=0)
    kept = (positives >= FEWEST) & (len(targets) - positives >= FEWEST)
    if kept.any():
        names = [each for each, is_kept in zip(classes, kept, strict=True) if is_kept]
        found = summarise(targets[:, kept], scores[:, kept], names)
        area = found.main.macro
        each = ", ".join(f"{k} {v.value:.3f}" for k, v in found.main.by_class.items())
        print(f"{name}: {len(targets)} records, macro AUROC {area.value:.3f} "
              f"[{area.low:.3f}, {area.high:.3f}] ({each})")  # fmt: skip
    sets = table[[f"set:{each}" for each in classes]].to_numpy()
    for word, truth in (("yes", targets == 1), ("no", targets == 0)):
        held = np.char.find(sets.astype(str), word) >= 0
        print(f"  sets hold {word} of {truth.sum()} pairs: {held[truth].mean():.3f}")


def main() -> None:
    torch.set_num_threads(1)
    out, data = Path(sys.argv[1]), Path(sys.argv[2])
    run = best_layer(out)
    print(run.name, "on PTB-XL:", Run.read(run).test.main.macro)
    save(Path("ecg-nano"), run, out / "elsewhere" / "model", coverage=0.9)
    tables, labels, classes = [], [], list(Run.read(run).classes)
    for name in SOURCES:
        began, table = time.time(), out / "elsewhere" / f"{name}.csv"
        failed = predict(out / "elsewhere" / "model", [data / "challenge" / name], table)
        rows = pd.read_csv(table)
        print(f"{name}: {len(rows)} files, {failed} without scores, {time.time() - began:.1f} s")
        records = Store.open(out / "stores" / name).records
        labelled = task("superdiagnostic").label(records)
        of_record = dict(zip(records["id"], labelled.targets, strict=True))
        known = {each for each, kept in zip(records["id"], labelled.kept, strict=True) if kept}
        rows = rows[rows["record"].isin(known) & rows[f"score:{classes[0]}"].notna()]
        columns = [task("superdiagnostic").classes.index(each) for each in classes]
        targets = np.stack([of_record[each][columns] for each in rows["record"]])
        told(name, targets, rows, classes)
        tables.append(rows)
        labels.append(targets)
    told("all", np.concatenate(labels), pd.concat(tables), classes)


if __name__ == "__main__":
    main()
