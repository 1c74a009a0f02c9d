"""Draw every figure of `docs/plots.md` from quick runs of the packaged encoder.

    .venv/bin/python docs/experiments/gallery.py OUT [RECORDS]

RECORDS simulated ECGs (3,000 by default) in the layout of PTB-XL are prepared and probed in OUT,
which a second call takes up. The long recording is an hour in which atrial fibrillation comes and
goes: 20 minutes each of three simulated people. Figures are written to OUT/figures; those in
`docs/images/plots` are copies.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

import myocard
from myocard import simulation
from myocard.data.window import Stated
from myocard.evaluation.features import Features
from myocard.evaluation.prediction import predict
from myocard.leads import LEADS
from myocard.models.saving import save
from myocard.results.saved import SavedRun
from myocard.simulation.simulation import simulate

TASK = "ptbxl-superdiagnostic"
READOUTS = ("last", "layers", "ppa", "scalar-mix", "pma", "concat")
MINUTES = 20


def probed(out: Path, records: int) -> Features:
    """The states of the packaged encoder; it and its random weights are probed in every way."""
    ptbxl = simulation.write(out / "ptb-xl", "ptbxl", count=records)
    encoder = myocard.from_pretrained().encoder
    store = myocard.prepare("ptbxl-500", ptbxl, out / "store", encoder.input)
    recipe = myocard.ProbeRecipe(
        task=TASK, readouts=READOUTS, heads=("linear",), seeds=(0, 1), min_positives=5
    )
    for each in (encoder, encoder.randomised(0)):
        features = myocard.extract(each, store, out / "features" / each.info.name)
        myocard.probe(features, recipe, out / "results", test=True)
    return Features.open(out / "features" / encoder.info.name)


def holter(out: Path, run: SavedRun) -> Path:
    """Predictions of every ten seconds of an hour."""
    if not (out / "holter.npy").exists():
        rhythms = ("SR", "AFIB", "SR")
        parts = [simulate(0, someone(code), rate=100, seconds=60 * MINUTES) for code in rhythms]
        np.save(out / "holter.npy", np.concatenate([each.record.signal for each in parts], axis=1))
    save("ecg-nano", run.folder, out / "model")
    stated = Stated(rate=100, leads=LEADS, unit="mV")
    table = out / "holter.parquet"
    predict(out / "model", [out / "holter.npy"], table, step=10, stated=stated, jobs=1)
    return table


def someone(code: str) -> int:
    """The number of the first simulated record of a rhythm."""
    return next(k for k in range(10_000) if code in simulate(0, k, rate=100).findings)


def labelled(features: Features, run: SavedRun) -> tuple[np.ndarray, np.ndarray]:
    """States and superclass of the test records that have exactly one."""
    found = run.predictions("test")
    single = found.targets.sum(axis=1) == 1
    rows = pd.Index(features.records["id"]).get_indexer(found.ids[single])
    classes = np.array(run.info.classes)[found.targets[single].argmax(axis=1)]
    return features.pooled()[rows].float().numpy(), classes


def drawn(out: Path, records: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names of figures, and what draws them."""
    features = probed(out, records)
    runs = myocard.load_runs(out / "results")
    own = [run for run in runs if not run.info.encoder.random]
    pma = next(run for run in own if run.info.readout == "pma")
    states, labels = labelled(features, pma)
    table = holter(out, pma)
    plot = myocard.plot
    yield "layer_curve", lambda: plot.layer_curve(runs)
    yield "layer_classes", lambda: plot.layer_classes(runs)
    yield "relative_depth", lambda: plot.relative_depth(runs)
    yield "gains", lambda: plot.gains(runs)
    yield "layer_weights", lambda: plot.layer_weights(pma)
    yield "gate_over_time", lambda: plot.gate_over_time(table)
    yield "calibration", lambda: plot.calibration(pma)
    for method in ("pca", "tsne", "umap"):
        yield f"layer_maps_{method}", lambda how=method: plot.layer_maps(states, labels, how)


def main(out: Path, records: int = 3000) -> None:
    sys.path.pop(0)  # A script of this folder is called as a package that UMAP's own packages use.
    matplotlib.use("Agg")
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, draw in drawn(out, records):
        axes = np.atleast_1d(np.asarray(draw(), dtype=object)).ravel()
        axes[0].figure.savefig(figures / f"{name}.png", dpi=120, facecolor="white")
        print(figures / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
