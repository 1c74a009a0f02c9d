"""Read every layer of published architectures with random weights, of ours and of openecg's.

    pip install --no-deps openecg opendsp
    .venv/bin/python docs/experiments/architectures.py out docs/results [CHECKPOINT …]

Random weights have the true sizes, from the lists of names and shapes in ``MYOCARD_DATA``. Records
are those of PTB-XL's folds 7 to 10 that ``ptbxl_100`` has, in mV; each fold is tested by probes
that were trained on two others. CHECKPOINTs must not be pretrained on these folds. What is in
``out`` is not computed again, so that a stopped run goes on.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from true_sizes import has_openecg, of_true_size, openecg

from myocard.data.preparation import Wanted, prepare
from myocard.data.sources import entries as entries_of
from myocard.encoders.protocol import ECGEncoder, differ_in_width
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import Features, extract
from myocard.leads import LEADS
from myocard.metrics.summary import Estimate, difference, macro_resamples
from myocard.models.checkpoint import load_encoder
from myocard.plot.canvas import BLUE, GREY, PURPLE, VERMILION, canvas_of, to_svg
from myocard.recipe import ProbeRecipe, check
from myocard.report import write_report
from myocard.report.drawing import write_numbers
from myocard.results.saved import SavedRun, load_runs

FOLDS = (7, 8, 9, 10)
SUPERCLASSES, RHYTHMS = "ptbxl-superdiagnostic", "ptbxl-rhythm"
FEWEST = {SUPERCLASSES: 5, RHYTHMS: 3}
"""Fewest records of a class in each fold."""
ARCHITECTURES = (
    "merl-vit", "merl-resnet", "hubert-ecg", "ecgfounder", "ecg-jepa-weimann", "ecg-fm", "ecg-cpc",
    "st-mem", "ecg-jepa-kim",
)  # fmt: skip
TITLES = {SUPERCLASSES: "Superclasses", RHYTHMS: "Rhythms"}
COLOURS = {"openecg": VERMILION, "plain-0": BLUE, "ipastmem-0": PURPLE}


def planned(checkpoints: list[str]) -> Iterator[tuple[ECGEncoder, tuple[str, ...]]]:
    """Yield encoders with their tasks: rhythms where trained weights are at hand."""
    for checkpoint in checkpoints:
        trained = load_encoder(checkpoint)
        yield trained, (SUPERCLASSES, RHYTHMS)
    if checkpoints:
        yield trained.randomised(0), (SUPERCLASSES, RHYTHMS)
    if has_openecg():
        yield openecg(), (SUPERCLASSES, RHYTHMS)
        yield openecg().randomised(0), (SUPERCLASSES, RHYTHMS)
    for name in ARCHITECTURES:
        yield of_true_size(name), (SUPERCLASSES,)


def probed(features: Features, task: str, out: Path) -> list[SavedRun]:
    """Probe every layer and mixture, each fold tested once."""
    readouts = ["last", "layers", "concat"]
    given = {
        "task": task, "min_positives": FEWEST[task], "heads": ["linear"], "seeds": [0],
        "readouts": readouts + ([] if differ_in_width(features.layers) else ["scalar-mix"]),
        "split": {"train": FOLDS[:2], "validation": FOLDS[2:3], "test": FOLDS[3:]},
    }  # fmt: skip
    recipe = check(ProbeRecipe, given, "architectures")
    cross_fit(features, recipe, FOLDS, out / "rotations", out / "runs")
    return load_runs(out / "runs" / features.encoder.name / task)


def resampled(run: SavedRun) -> np.ndarray:
    """Return macro AUROC of all records, and of resampled patients."""
    found = run.predictions("test")
    return macro_resamples(found.targets, found.scores, groups=found.patients)


def macro(run: SavedRun) -> Estimate:
    """Return macro AUROC with an interval over patients."""
    assert run.info.test is not None
    return run.info.test.main.macro


def certificates(runs: Sequence[SavedRun]) -> dict[str, Any]:
    """Tell whether every probe of an encoder was solved or settled, and how well its mixtures are.

    The gap is the largest over the rotations: nats by which an objective could be lower at most.
    Rotations that chose equal shares have none.
    """
    infos = [saved.info for saved in runs]
    optima = [o for info in infos for mixture in info.mixtures for o in mixture.optima]
    return {
        "settled": all(stop.settled for info in infos for stop in info.stops),
        "solved_mixtures": len(optima),
        "gap": f"{max(optimum.gap for optimum in optima):.0e}" if optima else None,
        "optima": max((optimum.optima for optimum in optima), default=None),
    }


def line(
    encoder: ECGEncoder, seconds: float | None, task: str, runs: Sequence[SavedRun]
) -> dict[str, Any]:
    """Best layer against last, with an interval over patients."""
    readouts = {run.info.readout: run for run in runs if run.info.layer is None}
    last, best, mixed = (readouts.get(name) for name in ("last", "best-layer", "scalar-mix"))
    gain = difference(resampled(best), resampled(last))
    layers = {run.info.layer: macro(run).value for run in runs if run.info.layer is not None}
    return {
        "task": task, "encoder": encoder.info.name, "random": encoder.info.random,
        "layers": len(encoder.layers),
        "widths": "-".join(str(w) for w in dict.fromkeys(la.width for la in encoder.layers)),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "classes": len(last.info.classes), "last": macro(last).value, "last_low": macro(last).low,
        "last_high": macro(last).high, "best_layer": macro(best).value,
        "highest": max(layers, key=lambda layer: layers[layer]),
        "gain": gain.difference, "gain_low": gain.low, "gain_high": gain.high, "p": gain.p,
        "concat": macro(readouts["concat"]).value,
        "scalar_mix": None if mixed is None else macro(mixed).value,
        **certificates(runs), "seconds_a_record": seconds,
    }  # fmt: skip


def curve(encoder: ECGEncoder, task: str, runs: Sequence[SavedRun]) -> list[dict[str, Any]]:
    """Return macro AUROC of each layer, with an interval over patients."""
    by_layer = {run.info.layer: macro(run) for run in runs}
    return [
        {"task": task, "encoder": encoder.info.name, "layer": number, "name": layer.name,
         "depth": number / (len(encoder.layers) - 1), "auroc": by_layer[number].value,
         "low": by_layer[number].low, "high": by_layer[number].high}
        for number, layer in enumerate(encoder.layers)
    ]  # fmt: skip


def drawn(curves: pd.DataFrame, out: Path) -> None:
    """Draw trained encoders, each in the colour of its random weights, and others in grey."""
    with canvas_of(7.6, 3.4) as canvas:
        panels = canvas.subplots(1, len(TITLES))
        for axes, (task, title) in zip(panels, TITLES.items(), strict=True):
            for encoder, own in curves[curves["task"] == task].groupby("encoder", sort=False):
                draw_one(axes, str(encoder), own)
            axes.set_title(title)
            axes.set_xlabel("Relative depth (0: first state)")
            axes.grid(axis="y")
        panels[0].set_ylabel("Macro AUROC [95 %]")
        handles, labels = panels[0].get_legend_handles_labels()
        once = dict(zip(labels, handles, strict=True))
        canvas.legend(once.values(), once.keys(), loc="outside lower center", ncols=3, fontsize=8)
    svg = to_svg(canvas, "architectures", "Macro AUROC of every layer by relative depth")
    (out / "architectures.svg").write_text(svg)


def draw_one(axes: Axes, encoder: str, own: pd.DataFrame) -> None:
    trained = encoder.removeprefix("random-").removesuffix("-0") if "random" in encoder else encoder
    colour, random = COLOURS.get(trained, GREY), trained != encoder
    label = f"{trained}, random" if trained in COLOURS and random else trained
    if colour == GREY:
        label = "published architectures, random"
    else:
        axes.fill_between(own["depth"], own["low"], own["high"], color=colour, alpha=0.12, lw=0)
    style = (0, (4, 2)) if random and colour != GREY else "solid"
    axes.plot(own["depth"], own["auroc"], color=colour, ls=style, lw=0.8 + 0.6 * (colour != GREY),
              label=label)  # fmt: skip


def main() -> None:
    out, results, checkpoints = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    listed = entries_of("ptbxl-100", Path(os.environ["MYOCARD_DATA"]) / "ptbxl_100")
    chosen = [entry for entry in listed if entry.fold in FOLDS]
    store = prepare(chosen, out / "store", Wanted(100, 10.0, LEADS), source="ptbxl")
    lines: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    for encoder, tasks in planned(checkpoints):
        features = extract(encoder, store, out / "features" / encoder.info.name, batch=16)
        for task in tasks:
            runs = probed(features, task, out)
            lines.append(line(encoder, features.seconds, task, runs))
            curves += curve(encoder, task, runs)
            print(lines[-1], flush=True)
        write_numbers(pd.DataFrame(lines).round(4), results / "architectures.csv")
        write_numbers(pd.DataFrame(curves).round(4), results / "architecture-layers.csv")
        del encoder, features
    drawn(pd.DataFrame(curves), results)
    write_report([out / "runs"], out / "report")


if __name__ == "__main__":
    main()
