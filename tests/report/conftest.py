"""Small run folders whose scores are known by construction."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from myocard.metrics.scores import best_thresholds, summarise
from myocard.report import write_report

CLASSES = ["CD", "MI", "NORM"]
RECORDS = {"validation": 60, "test": 80}
LAYERS = 5


def write_run(
    folder: Path,
    readout: str = "last",
    *,
    noise: float = 1.0,
    layer: int | None = None,
    seeds: int = 2,
    test: bool = True,
    **changes: Any,
) -> Path:
    """A run whose scores are the targets plus ``noise``; ``changes`` go into its run.json."""
    splits = ("validation", "test") if test else ("validation",)
    parts = {split: _split(split, noise, seeds) for split in splits}
    targets, scores = parts["validation"]
    thresholds = np.stack([best_thresholds(targets, each) for each in scores])
    metrics = {
        split: summarise(
            t, s, CLASSES, thresholds=thresholds, groups=_patients(split), resamples=50
        )
        for split, (t, s) in parts.items()
    }
    states = {
        "schema": 1, "kind": "probe", "name": folder.name, "readout": readout, "layer": layer,
        "head": "linear", "task": "ptbxl-superdiagnostic",
        "source": "ptbxl", "classes": CLASSES,
        "classes_left_out": {"HYP": "no positive in test"},
        "encoder": {
            "name": "small", "hash": "0a1b2c3d4e", "random": False, "mixture": "last",
            "layers": LAYERS, "width": 192, "input": "ecgsoup",
        },
        "splits": {"train": {"folds": [1, 2], "records": 200, "patients": 190}}
        | {split: {"folds": [3], "records": RECORDS[split]} for split in splits},
        "seeds": list(range(seeds)), "chosen": [{"seed": 0, "weight_decay": 0.1}],
        "validation": metrics["validation"], "test": metrics.get("test"), "layer_weights": None,
        "versions": {"myocard": "0.1.0"}, "hashes": {"store": "ff00"}, "recipe": {"epochs": 3},
        "command": "myocard probe recipe.toml", "seconds": 1.5,
    } | changes  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(states))
    _predictions(parts).to_parquet(folder / "predictions.parquet")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return write_runs(tmp_path / "runs")


@pytest.fixture
def pretraining(tmp_path: Path) -> Path:
    return write_pretraining(tmp_path / "checkpoint")


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of ``runs`` and ``pretraining``; not to be changed."""
    root = tmp_path_factory.mktemp("report")
    paths = [write_runs(root / "runs"), write_pretraining(root / "checkpoint")]
    write_report(paths, root / "out")
    return root / "out"


def write_runs(root: Path) -> Path:
    """Two encoders, pretrained and random, with readouts of falling noise."""
    for layer in range(LAYERS):
        write_run(root / f"layer-{layer}", "layer", layer=layer, noise=1.6 - 0.3 * layer)
    write_run(root / "last", "last", noise=1.0)
    write_run(
        root / "mix", "scalar-mix", noise=0.8, layer_weights={"mean": [0, 0.1, 0.2, 0.3, 0.4]}
    )
    weights = {name: [0, 0.25, 0.25, 0.25, 0.25] for name in CLASSES}
    weights = {"split": "test", "mean": [0, 0.4, 0.3, 0.2, 0.1], "by_class": weights}
    write_run(root / "pma", "pma", noise=0.6, layer_weights=weights)
    random = {"name": "small", "hash": "ffff", "random": True, "layers": LAYERS, "width": 192}
    write_run(root / "random-last", "last", noise=2.5, encoder=random)
    write_run(root / "random-layer-2", "layer", layer=2, noise=2.3, encoder=random)
    rocket = {"name": "MiniRocket"}
    write_run(root / "rocket", "features", noise=1.1, kind="baseline", encoder=rocket, head="ridge")
    return root


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


def _split(split: str, noise: float, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(split))
    targets = rng.random((RECORDS[split], len(CLASSES))) < [0.2, 0.3, 0.5]
    shape = (seeds, *targets.shape)
    return targets, expit(targets + noise * rng.normal(size=shape) - 0.5)


def _patients(split: str) -> np.ndarray:
    return np.arange(RECORDS[split]) // 2


def _predictions(parts: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    frames = []
    for split, (targets, scores) in parts.items():
        for seed, each in enumerate(scores):
            frame = pd.DataFrame({"id": [f"{split}{i:03}" for i in range(len(targets))]})
            frame["patient"] = _patients(split).astype(str)
            frame["split"], frame["seed"] = split, seed
            frame["sex"] = np.where(np.arange(len(frame)) % 2, "F", "M")
            frame["age"] = np.where(np.arange(len(frame)) < 5, np.nan, 20.0 + np.arange(len(frame)))
            for k, name in enumerate(CLASSES):
                frame[f"score:{name}"], frame[f"target:{name}"] = each[:, k], targets[:, k]
            frames.append(frame)
    return pd.concat(frames).sample(frac=1, random_state=0)


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    return write_run
