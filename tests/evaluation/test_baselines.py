"""Baselines read what is in a waveform, and only that."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from myocard.data.leaks import nothing_known
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.baselines import networks, train_baseline
from myocard.leads import LEADS
from myocard.recipe import NetworkRecipe, Optimisation, RocketRecipe, Split
from myocard.report import write_report
from myocard.results.run import Run
from myocard.tasks.cohort import assemble
from myocard.tasks.registry import task

SPLIT = Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10))
RECORDS, SAMPLES = 120, 128
NETWORKS = tuple(networks.NETWORKS)


def labelled(store: Store, slow: np.ndarray | None) -> Store:
    """A store of 128 samples of noise; that of records with MI is smoothed over four samples."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(RECORDS, 2, SAMPLES + 3))
    smooth = np.lib.stride_tricks.sliding_window_view(noise, 4, axis=2).mean(axis=3)
    smoothed = np.random.default_rng(1).random(RECORDS) < 0.5
    signals = np.where(smoothed[:, None, None], 2 * smooth, noise[..., :SAMPLES])
    ids = [f"r{k}" for k in range(RECORDS)]
    records = pd.DataFrame({"id": ids, "patient": ids, "fold": 1 + np.arange(RECORDS) % 10})
    records = records.assign(source="made", sha256=ids, fingerprint="-" * 128)
    codes = [["scp:IMI"] if mi else ["scp:NORM"] for mi in (smoothed if slow is None else slow)]
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
    """A recipe that is small and quick to learn: windows of 64 samples of 128."""
    how = {"epochs": 1, "warmup_epochs": 1, "batch": 24, "base_learning_rate": 5e-2}
    how |= {"weight_decay": 0.0, "precision": "fp32"} | changes.pop("how", {})
    given = {"task": "ptbxl-superdiagnostic", "split": SPLIT, "resamples": 50, "seeds": (0,)}
    given |= {"size": "nano", "patch": 16, "seconds": 0.64, "crops": 2}
    return NetworkRecipe(**given | {"model": model, "optimisation": Optimisation(**how)} | changes)


either = pytest.mark.parametrize("given", [recipe(), network("s4d")], ids=["minirocket", "s4d"])


def area(folder: Path) -> float:
    return Run.read(folder).test.main.macro.value


def predictions(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


def test_a_difference_in_the_waveform_is_found(made, tmp_path):
    assert train_baseline(made, recipe(), tmp_path / "out", test=True) == tmp_path / "out"
    assert area(tmp_path / "out") > 0.95
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_labels_that_are_not_in_the_waveform_cannot_be_learned(store, tmp_path):
    drawn = np.random.default_rng(2).random(RECORDS) < 0.5
    train_baseline(labelled(store, drawn), recipe(), tmp_path / "out", test=True)
    found = Run.read(tmp_path / "out").test.main.macro
    assert abs(found.value - 0.5) < found.high - found.low
    assert abs(found.value - 0.5) < 0.3


def test_each_seed_takes_its_best_penalty_on_validation_the_strongest_of_equals(store, tmp_path):
    drawn = np.random.default_rng(3).random(RECORDS) < 0.5
    noisy = labelled(store, drawn)
    penalties = (1e-2, 1e5, 30.0)
    train_baseline(noisy, recipe(penalties=penalties), tmp_path / "all")
    alone = {}
    for penalty in penalties:
        train_baseline(noisy, recipe(penalties=(penalty,)), tmp_path / str(penalty))
        alone[penalty] = Run.read(tmp_path / str(penalty)).chosen
    for place, chosen in enumerate(Run.read(tmp_path / "all").chosen):
        areas = {penalty: each[place].validation for penalty, each in alone.items()}
        best = max(areas, key=lambda penalty: (areas[penalty], penalty))
        assert (chosen.seed, chosen.penalty, chosen.validation) == (place, best, areas[best])


def test_test_folds_are_not_touched_before_they_may_be(made, tmp_path):
    train_baseline(made, recipe(), tmp_path / "first")
    assert Run.read(tmp_path / "first").test is None
    assert set(predictions(tmp_path / "first")["split"]) == {"validation"}
    train_baseline(made, recipe(), tmp_path / "second", test=True)
    one, other = (Run.read(tmp_path / name) for name in ("first", "second"))
    assert one.validation == other.validation
    assert one.chosen == other.chosen


def test_a_change_in_the_test_folds_alone_changes_nothing_on_validation(made, tmp_path):
    signals = made.signals.copy()
    signals[made.records["fold"].isin(SPLIT.test)] //= 3
    train_baseline(made, recipe(), tmp_path / "one", test=True)
    train_baseline(replace(made, signals=signals), recipe(), tmp_path / "other", test=True)
    assert Run.read(tmp_path / "one").validation == Run.read(tmp_path / "other").validation


@either
def test_its_run_says_that_it_is_a_baseline_and_can_be_reported(made, tmp_path, given):
    train_baseline(made, given, tmp_path / "out", test=True)
    run = Run.read(tmp_path / "out")
    assert (run.kind, run.encoder.hash, run.encoder.leak_check) == ("baseline", None, None)
    assert (run.readout, run.recipe, run.leads) == (given.model, given, ("I", "II"))
    page = write_report([tmp_path / "out"], tmp_path / "report")
    assert f"{run.encoder.name} (no encoder)" in page.read_text()


@pytest.mark.parametrize("model", NETWORKS)
def test_a_network_finds_a_difference_in_the_waveform(made, tmp_path, model):
    train_baseline(made, network(model, how={"epochs": 5}), tmp_path / "out", test=True)
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


class Stopped(Exception):
    """A stop as if the power had failed."""


def stop_at(call: int, told: list[tuple[int, int]]):
    def stop(what: str, done: int, total: int) -> None:
        told.append((done, total))
        if len(told) == call:
            raise Stopped

    return stop


def test_a_stopped_network_goes_on_bit_for_bit(made, tmp_path):
    given = network("s4d", seeds=(3, 5), how={"checkpoint_every": 1})
    train_baseline(made, given, tmp_path / "whole")
    told = []
    with pytest.raises(Stopped):  # at the first step of the second seed
        train_baseline(made, given, tmp_path / "out", progress=stop_at(4, told))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"recipe\.crops is 2, not 1; it is what a stopped job"):
        train_baseline(made, given.model_copy(update={"crops": 1}), tmp_path / "out")
    train_baseline(
        made, given, tmp_path / "out", progress=lambda what, *counts: told.append(counts)
    )
    assert told == [(1, 3), (2, 3), (3, 3), (1, 3), (2, 3), (3, 3)]
    pd.testing.assert_frame_equal(predictions(tmp_path / "whole"), predictions(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "whole"]


@either
def test_a_finished_run_is_kept_until_test_folds_are_asked_for(made, tmp_path, given):
    out, told = tmp_path / "out", []
    train_baseline(made, given, out)
    before = Run.read(out)
    train_baseline(made, given, out, progress=lambda *said: told.append(said))
    assert (told, Run.read(out)) == ([], before)
    train_baseline(made, given, out, test=True)
    scored = Run.read(out)
    assert (scored.test.records, scored.validation) == (24, before.validation)
    train_baseline(made, given, out)
    assert Run.read(out) == scored


@either
def test_a_run_of_another_recipe_or_store_is_refused(made, tmp_path, given):
    out = tmp_path / "out"
    train_baseline(made, given, out)
    before = Run.read(out)
    with pytest.raises(InputError, match=r"made from other inputs: recipe\.resamples is 50, not 9"):
        train_baseline(made, given.model_copy(update={"resamples": 9}), out)
    relabelled = replace(made, records=made.records.assign(codes=made.records["codes"][::-1].array))
    with pytest.raises(InputError, match="made from other inputs: store is .*, not "):
        train_baseline(relabelled, given, out)
    assert Run.read(out) == before


def test_how_often_a_training_is_saved_makes_no_other_run(made, tmp_path):
    train_baseline(made, network("s4d"), tmp_path / "out")
    before = Run.read(tmp_path / "out")
    train_baseline(made, network("s4d", how={"checkpoint_every": 1}), tmp_path / "out")
    assert Run.read(tmp_path / "out") == before


@either
def test_records_beyond_the_fraction_are_not_looked_at(made, tmp_path, given):
    few = given.model_copy(update={"fraction": 0.25, "seeds": (1,)})
    cohort = assemble(made.records, task(few.task), SPLIT, known=nothing_known(made.records))
    unused = np.setdiff1d(cohort.rows["train"], cohort.training_rows(0.25, 1))
    signals = made.signals.copy()
    signals[unused] = 1
    train_baseline(made, few, tmp_path / "one")
    train_baseline(replace(made, signals=signals), few, tmp_path / "other")
    one, other = (Run.read(tmp_path / name) for name in ("one", "other"))
    assert one.validation == other.validation
    assert one.fraction == 0.25


def test_windows_that_do_not_fit_are_refused(made, tmp_path):
    for given, message in (
        (network("vit", patch=50), "a patch of 50 samples does not divide a window of 64"),
        (network("s4d", seconds=2.0), "records have 128 samples, not 200 or more"),
    ):
        with pytest.raises(InputError, match=message):
            train_baseline(made, given, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_or_model_is_refused_with_those_that_there_are(made, tmp_path):
    with pytest.raises(InputError, match="unknown task 'mi'; the tasks are"):
        train_baseline(made, recipe(task="mi"), tmp_path / "out")
    with pytest.raises(InputError, match="no baseline 'lstm'; there are xresnet1d101, s4d, vit"):
        train_baseline(made, network("lstm"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
