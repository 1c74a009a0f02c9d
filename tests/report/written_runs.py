"""Small run folders whose scores are known by construction, written by the real writer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from myocard.evaluation.probing.weights import by_record
from myocard.leads import LEADS
from myocard.recipe import ProbeRecipe, RocketRecipe
from myocard.results.run import EncoderInfo, Hashes, LayerWeights, Run
from myocard.results.saved import PREDICTIONS, prediction_table
from myocard.results.scoring import mean_headlines, scored, splits_to_score
from myocard.tasks.cohort import Cohort

CLASSES = ("CD", "MI", "NORM")
RECORDS = {"validation": 60, "test": 80}
LAYERS = 5
PRETRAINED = EncoderInfo(
    name="small",
    hash="0a1b2c3d4e",
    mixture="last",
    layers=LAYERS,
    width=192,
    preset="ecgsoup",
    leak_check="records",
)
RANDOM = EncoderInfo(
    name="small",
    hash="ffff",
    random=True,
    layers=LAYERS,
    width=192,
    preset="ecgsoup",
    leak_check="records",
)


def cohort_of(
    *,
    task: str = "ptbxl-superdiagnostic",
    source: str = "ptbxl",
    classes: tuple[str, ...] = CLASSES,
    train: int = 200,
    traits: bool = True,
) -> Cohort:
    """A cohort in which every patient has two records; ids do not rise, as in a store."""
    sizes = {"train": train, **RECORDS}
    stops = np.cumsum([*sizes.values()])
    rows = {
        name: np.arange(stop - sizes[name], stop) for name, stop in zip(sizes, stops, strict=True)
    }
    places = [(name, k) for name, size in sizes.items() for k in range(size)]
    # 7 divides no size, so that no id comes twice.
    ids = [f"{name}{7 * k % sizes[name]:03}" for name, k in places]
    ages = [np.nan if k < 5 else 20.0 + k for _, k in places]
    sexes = ["F" if k % 2 else "M" for _, k in places]
    targets = [_targets(np.random.default_rng(len(name)), size) for name, size in sizes.items()]
    return Cohort(
        task=task,
        source=source,
        classes=classes,
        left_out={"HYP": "no positive in test"},
        outcome="any",
        targets=np.concatenate(targets)[:, : len(classes)].astype(float),
        rows=rows,
        ids=np.array(ids, dtype=object),
        patients=np.array([f"{source} {name}{k // 2}" for name, k in places], dtype=object),
        folds={"train": (1, 2), "validation": (3,), "test": (4,)},
        copies_dropped={"train": 3},
        traits={"sex": np.array(sexes, object), "age": np.array(ages)} if traits else {},
    )


def scores_of(cohort: Cohort, noise: float, seeds: int, *, test: bool) -> dict[str, np.ndarray]:
    """Scores that are the targets plus noise, alike in all runs but for its size."""
    found = {}
    for split in splits_to_score(test=test):
        rng = np.random.default_rng(len(split))
        targets = _targets(rng, RECORDS[split])
        drawn = rng.normal(size=(seeds, *targets.shape))
        found[split] = expit(targets + noise * drawn - 0.5)[..., : len(cohort.classes)]
    return found


def _targets(rng: np.random.Generator, records: int) -> np.ndarray:
    return rng.random((records, len(CLASSES))) < [0.2, 0.3, 0.5]


def write_run(
    folder: Path,
    readout: str = "last",
    *,
    noise: float = 1.0,
    seeds: int = 2,
    test: bool = True,
    static: Mapping[str, float] | None = None,
    weights: np.ndarray | None = None,
    cohort: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a run whose scores are the targets plus ``noise``.

    Args:
        folder: Of the run.
        readout: What is read.
        noise: Of the scores.
        seeds: How many.
        test: Score the test folds too.
        static: Noise of its static mixtures, by name.
        weights: Of each record of test, ``(seeds, records, layers)``.
        cohort: Changes of the cohort.
        changes: Of other fields of the run.
    """
    who = cohort_of(**(cohort or {}))
    numbers = tuple(range(seeds))
    scores = scores_of(who, noise, seeds, test=test)
    mixtures = {
        name: scores_of(who, each, seeds, test=test) for name, each in (static or {}).items()
    }
    fields = {
        "kind": "probe",
        "name": f"small/{who.task}/{folder.name}",
        "encoder": PRETRAINED,
        "readout": readout,
        "head": "linear",
        "leads": LEADS,
        "static_mixtures": {name: mean_headlines(who, each) for name, each in mixtures.items()},
        "hashes": Hashes(store="ff00"),
        "recipe": ProbeRecipe(task=who.task, readouts=(readout,), heads=("linear",), seeds=numbers),
        "seconds": 1.5,
        "command": "myocard probe recipe.toml",
        **scored(who, scores, numbers, resamples=50),
    }
    folder.mkdir(parents=True, exist_ok=True)
    Run(**fields | changes).write(folder)
    prediction_table(who, scores, numbers).to_parquet(folder / PREDICTIONS, index=False)
    for name, each in mixtures.items():
        table = prediction_table(who, each, numbers)
        table.to_parquet(folder / f"{name}.parquet", index=False)
    if weights is not None:
        table = by_record({"test": weights}, who, numbers)
        table.to_parquet(folder / "weights.parquet", index=False)
    return folder


def write_runs(root: Path) -> Path:
    """Two encoders, pretrained and random, with readouts of falling noise."""
    for layer in range(LAYERS):
        write_run(root / f"layer-{layer}", "layer", layer=layer, noise=1.6 - 0.3 * layer)
    write_run(root / "last", "last", noise=1.0)
    mix = LayerWeights(split="test", mean=(0, 0.1, 0.2, 0.3, 0.4))
    write_run(root / "mix", "scalar-mix", noise=0.8, layer_weights=mix)
    by_class = dict.fromkeys(CLASSES, (0, 0.25, 0.25, 0.25, 0.25))
    gated = LayerWeights(split="test", mean=(0, 0.4, 0.3, 0.2, 0.1), by_class=by_class)
    write_run(root / "pma", "pma", noise=0.6, layer_weights=gated)
    write_run(root / "random-last", "last", noise=2.5, encoder=RANDOM)
    write_run(root / "random-layer-2", "layer", layer=2, noise=2.3, encoder=RANDOM)
    write_baseline(root / "rocket", noise=1.1)
    return root


def write_baseline(folder: Path, **changes: Any) -> Path:
    """Write a run of a model without an encoder."""
    return write_run(
        folder,
        "minirocket",
        kind="baseline",
        encoder=EncoderInfo(name="MiniRocket"),
        head="ridge",
        recipe=RocketRecipe(task="ptbxl-superdiagnostic"),
        **changes,
    )


def write_pretraining(folder: Path) -> Path:
    """A checkpoint folder's log and reconstruction."""
    folder.mkdir()
    lines = [{"step": step, "loss": 1 / step, "learning_rate": 1e-3} for step in range(1, 21)]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    wave = np.sin(np.arange(200) / 7)[None].repeat(2, axis=0).astype(np.float32)
    masked = wave.copy()
    masked[0, 50:100] = np.nan
    np.savez(
        folder / "reconstruction.npz", original=wave, masked=masked, reconstruction=0.9 * wave,
        rate=np.array(100.0), leads=np.array(["I", "V6"]),
    )  # fmt: skip
    return folder
