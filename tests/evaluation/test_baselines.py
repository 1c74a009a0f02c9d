"""Baselines read what is in a waveform, and only that."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.baselines import measure, networks
from myocard.leads import LEADS
from myocard.recipe import NetworkRecipe, Optimisation, RocketRecipe, Split
from myocard.report import write_report
from myocard.tasks.cohort import assemble
from myocard.tasks.task import task

SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
RECORDS, SAMPLES = 120, 128
NETWORKS = ("xresnet1d101", "s4d", "vit")


def labelled(store: Store, slow: np.ndarray) -> Store:
    """A store of 128 samples of noise; that of records with MI is smoothed over four samples."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(RECORDS, 2, SAMPLES + 3))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, 4, axis=2).mean(axis=3)
    seen = np.random.default_rng(1).random(RECORDS) < 0.5
    signals = np.where(seen[:, None, None], 2 * smooth, noise[..., :SAMPLES])
    ids = [f"r{k}" for k in range(RECORDS)]
    records = pd.DataFrame({"id": ids, "patient": ids, "fold": 1 + np.arange(RECORDS) % 10})
    records = records.assign(source="made", sha256=ids, fingerprint="-" * 128)
    codes = [["scp:IMI" if mi else "scp:NORM"] for mi in (seen if slow is None else slow)]
    made = replace(store.made, samples=SAMPLES, leads=("I", "II"))
    return Store(
        Path("made"), made, records.assign(codes=codes), (signals * 8000).astype(np.int16), {}
    )


@pytest.fixture(scope="module")
def made(store) -> Store:
    return labelled(store, None)


def recipe(**changes) -> RocketRecipe:
    given = {"task": "ptbxl-superdiagnostic", "features": 168, "split": SPLIT, "resamples": 50}
    return RocketRecipe(**given | {"seeds": (0, 1), "penalties": (10.0, 1e3)} | changes)


def network(model: str, **changes) -> NetworkRecipe:
    """Small, and quick to learn: windows of 64 samples of 128."""
    how = {"epochs": 1, "warmup_epochs": 1, "batch": 24, "base_learning_rate": 5e-2}
    how |= {"weight_decay": 0.0, "precision": "fp32"} | changes.pop("how", {})
    given = {"task": "ptbxl-superdiagnostic", "split": SPLIT, "resamples": 50, "seeds": (0,)}
    given |= {"size": "nano", "patch": 16, "seconds": 0.64, "crops": 2}
    return NetworkRecipe(**given | {"model": model, "optimisation": Optimisation(**how)} | changes)


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


@pytest.mark.parametrize("given", [recipe(), network("s4d")], ids=["minirocket", "s4d"])
def test_its_run_can_be_reported(made, tmp_path, given):
    measure(made, given, tmp_path / "out", test=True)
    write_report([tmp_path / "out"], tmp_path / "report")
    name = run_of(tmp_path / "out")["encoder"]["name"]
    assert f"{name} (no encoder)" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize("model", NETWORKS)
def test_a_network_finds_a_difference_in_the_waveform(made, tmp_path, model):
    measure(made, network(model, how={"epochs": 5}), tmp_path / "out", test=True)
    assert area(tmp_path / "out") > 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("model", NETWORKS)
def test_everything_a_network_has_to_train_moves(model):
    given = network(model)
    built = networks.build(given, Preprocessing(100, SAMPLES, LEADS), 2, seed=0).train()
    before = {name: p.detach().clone() for name, p in built.named_parameters()}
    optimiser = torch.optim.SGD(built.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):  # a new residual block hands no gradient to what lies within it
        built(torch.randn(6, 12, SAMPLES, generator=generator)).square().sum().backward()
        optimiser.step()
        optimiser.zero_grad()
    still = [name for name, p in built.named_parameters() if torch.equal(p, before[name])]
    assert still == []


@pytest.mark.parametrize("model", NETWORKS)
def test_a_network_is_drawn_by_its_seed_alone(model):
    one, again, other = (
        networks.build(network(model), Preprocessing(100, SAMPLES), 2, seed=seed).state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_stopped_network_goes_on_bit_for_bit(made, tmp_path):
    given = network("s4d", seeds=(3, 5), how={"checkpoint_every": 1})
    measure(made, given, tmp_path / "whole")
    told = []

    def stop(what: str, done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == 4:  # the first step of the second seed
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(made, given, tmp_path / "out", report=stop)
    assert not (tmp_path / "out").exists()
    measure(made, given, tmp_path / "out", report=lambda *said: told.append(said[1:]))
    assert told == [(1, 3), (2, 3), (3, 3), (1, 3), (2, 3), (3, 3)]
    one, other = (pd.read_parquet(tmp_path / x / "predictions.parquet") for x in ("whole", "out"))
    pd.testing.assert_frame_equal(one, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("given", [recipe(), network("s4d")], ids=["minirocket", "s4d"])
def test_of_fewer_labels_the_others_are_not_looked_at(made, tmp_path, given):
    few = given.model_copy(update={"fraction": 0.25, "seeds": (1,)})
    cohort = assemble(made.records, task(few.task), SPLIT)
    unused = np.setdiff1d(cohort.rows["train"], cohort.training_rows(0.25, 1))
    signals = made.signals.copy()
    signals[unused] = 1
    measure(made, few, tmp_path / "one")
    measure(replace(made, signals=signals), few, tmp_path / "other")
    one, other = (run_of(tmp_path / name) for name in ("one", "other"))
    assert one["validation"] == other["validation"]
    assert one["fraction"] == 0.25


def test_windows_that_do_not_fit_are_refused(made, tmp_path):
    for given, message in (
        (network("vit", patch=50), "a patch of 50 samples does not divide a window of 64"),
        (network("s4d", seconds=2.0), "records have 128 samples, not 200 or more"),
    ):
        with pytest.raises(InputError, match=message):
            measure(made, given, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_is_refused(made, tmp_path):
    with pytest.raises(InputError, match="unknown task 'mi'; the tasks are"):
        measure(made, recipe(task="mi"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
