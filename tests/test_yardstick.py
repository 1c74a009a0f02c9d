"""The yardstick reads what is in a waveform, and only that."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.store import Store
from myocard.errors import InputError
from myocard.recipe import Split, YardstickRecipe
from myocard.reporting import write_report
from myocard.yardstick import measure

SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
RECORDS, SAMPLES = 120, 128


def labelled(store: Store, slow: np.ndarray) -> Store:
    """A store of 128 samples of noise; that of records with MI is smoothed over four samples."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(RECORDS, 2, SAMPLES + 3))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, 4, axis=2).mean(axis=3)
    seen = np.random.default_rng(1).random(RECORDS) < 0.5
    signals = np.where(seen[:, None, None], 2 * smooth, noise[..., :SAMPLES])
    ids = [f"r{k}" for k in range(RECORDS)]
    records = pd.DataFrame({"id": ids, "patient": ids, "fold": 1 + np.arange(RECORDS) % 10})
    codes = [["scp:IMI" if mi else "scp:NORM"] for mi in (seen if slow is None else slow)]
    made = replace(store.made, samples=SAMPLES, leads=("I", "II"))
    return Store(
        Path("made"), made, records.assign(codes=codes), (signals * 8000).astype(np.int16), {}
    )


@pytest.fixture(scope="module")
def made(store) -> Store:
    return labelled(store, None)


def recipe(**changes) -> YardstickRecipe:
    given = {"task": "ptbxl-superdiagnostic", "features": 168, "split": SPLIT, "resamples": 50}
    return YardstickRecipe(**given | {"seeds": (0, 1), "penalties": (10.0, 1e3)} | changes)


def run_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def area(folder: Path) -> float:
    return run_of(folder)["test"]["auroc"]["macro"]["value"]


def test_a_difference_in_the_waveform_is_found(made, tmp_path):
    measure(made, recipe(), tmp_path / "out", test=True)
    assert area(tmp_path / "out") > 0.95
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_labels_that_are_not_in_the_waveform_cannot_be_learned(store, tmp_path):
    drawn = np.random.default_rng(2).random(RECORDS) < 0.5
    measure(labelled(store, drawn), recipe(), tmp_path / "out", test=True)
    found = run_of(tmp_path / "out")["test"]["auroc"]["macro"]
    assert abs(found["value"] - 0.5) < found["high"] - found["low"]
    assert abs(found["value"] - 0.5) < 0.3


def test_each_seed_takes_its_best_penalty_on_validation_the_strongest_of_equals(store, tmp_path):
    drawn = np.random.default_rng(3).random(RECORDS) < 0.5
    noisy = labelled(store, drawn)
    penalties = (1e-2, 1e5, 30.0)
    measure(noisy, recipe(penalties=penalties), tmp_path / "all")
    alone = {}
    for penalty in penalties:
        measure(noisy, recipe(penalties=(penalty,)), tmp_path / str(penalty))
        alone[penalty] = run_of(tmp_path / str(penalty))["chosen"]
    for place, chosen in enumerate(run_of(tmp_path / "all")["chosen"]):
        areas = {penalty: each[place]["validation_auroc"] for penalty, each in alone.items()}
        best = max(areas, key=lambda penalty: (areas[penalty], penalty))
        assert chosen == {"seed": place, "penalty": best, "validation_auroc": areas[best]}


def test_test_folds_are_not_touched_before_they_may_be(made, tmp_path):
    measure(made, recipe(), tmp_path / "first")
    assert run_of(tmp_path / "first")["test"] is None
    assert set(pd.read_parquet(tmp_path / "first/predictions.parquet")["split"]) == {"validation"}
    measure(made, recipe(), tmp_path / "second", test=True)
    one, other = (run_of(tmp_path / name) for name in ("first", "second"))
    assert one["validation"] == other["validation"]
    assert one["chosen"] == other["chosen"]


def test_what_is_only_in_the_test_folds_changes_nothing_on_validation(made, tmp_path):
    signals = made.signals.copy()
    signals[made.records["fold"].isin(SPLIT.test)] //= 3
    measure(made, recipe(), tmp_path / "one", test=True)
    measure(replace(made, signals=signals), recipe(), tmp_path / "other", test=True)
    assert run_of(tmp_path / "one")["validation"] == run_of(tmp_path / "other")["validation"]


def test_its_run_can_be_reported(made, tmp_path):
    measure(made, recipe(), tmp_path / "out", test=True)
    write_report([tmp_path / "out"], tmp_path / "report")
    assert "MiniRocket" in (tmp_path / "report" / "report.html").read_text()


def test_an_existing_folder_or_an_unknown_task_is_refused(made, tmp_path):
    with pytest.raises(InputError, match="exists already; remove it"):
        measure(made, recipe(), tmp_path)
    with pytest.raises(InputError, match="unknown task 'mi'; the tasks are"):
        measure(made, recipe(task="mi"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
