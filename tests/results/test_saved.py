"""Runs on disk with their tables: what was written is found, record by record."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.recipe import ProbeRecipe
from myocard.results.run import EncoderInfo, Hashes, Run
from myocard.results.saved import (
    PREDICTIONS,
    SavedRun,
    find_files,
    load_runs,
    prediction_table,
)
from myocard.results.scoring import scored

SEEDS = (5, 6, 7)


@pytest.fixture
def write(cohort, scores):
    def writing(folder: Path) -> Path:
        run = Run(
            kind="probe",
            name=folder.name,
            encoder=EncoderInfo(name="small"),
            readout="last",
            head="linear",
            leads=("I",),
            hashes=Hashes(store="ff"),
            recipe=ProbeRecipe(task="any"),
            **scored(cohort, scores, SEEDS, 20),
        )
        folder.mkdir(parents=True)
        run.write(folder)
        prediction_table(cohort, scores, SEEDS).to_parquet(folder / PREDICTIONS, index=False)
        return folder

    return writing


@pytest.fixture
def saved(write, tmp_path) -> SavedRun:
    (run,) = load_runs(write(tmp_path / "run"))
    return run


def test_the_table_holds_every_record_of_each_split_once_a_seed(cohort, scores):
    table = prediction_table(cohort, scores, SEEDS)
    assert len(table) == 2 * 3 * 40
    for split, by_seed in scores.items():
        for seed, values in zip(SEEDS, by_seed, strict=True):
            rows = cohort.rows[split]
            mine = table[(table["split"] == split) & (table["seed"] == seed)]
            assert mine["id"].tolist() == cohort.ids[rows].tolist()
            assert mine["patient"].tolist() == cohort.patients[rows].tolist()
            assert mine["sex"].tolist() == cohort.traits["sex"][rows].tolist()
            assert mine["age"].tolist() == cohort.traits["age"][rows].tolist()
            assert mine[["score:a", "score:b"]].to_numpy() == pytest.approx(values)
            assert (mine[["target:a", "target:b"]].to_numpy() == cohort.targets[rows]).all()


def test_test_folds_that_were_not_touched_are_in_no_table(cohort, scores):
    del scores["test"]
    assert set(prediction_table(cohort, scores, SEEDS)["split"]) == {"validation"}


def test_predictions_come_back_by_rising_id(saved, cohort, scores):
    for split in ("validation", "test"):
        found, rows = saved.predictions(split), cohort.rows[split]
        order = np.argsort(cohort.ids[rows])
        assert found.ids.tolist() == sorted(cohort.ids[rows])
        assert found.patients.tolist() == cohort.patients[rows][order].tolist()
        assert (found.targets == cohort.targets[rows][order]).all()
        assert found.scores == pytest.approx(scores[split][:, order])
        assert found.traits["age"].tolist() == cohort.traits["age"][rows][order].tolist()
        assert list(found.traits) == ["sex", "age"]


def test_the_order_of_rows_in_the_file_does_not_matter(saved):
    before = saved.predictions("test")
    path = saved.folder / PREDICTIONS
    pd.read_parquet(path).sample(frac=1, random_state=0).to_parquet(path)
    after = saved.predictions("test")
    assert (after.ids == before.ids).all()
    assert (after.scores == before.scores).all()
    assert (after.targets == before.targets).all()


def test_seeds_of_other_records_are_refused(saved):
    path = saved.folder / PREDICTIONS
    table = pd.read_parquet(path)
    table.drop(table[table["split"] == "test"].index[:1]).to_parquet(path)
    assert len(saved.predictions("validation").ids) == 40
    with pytest.raises(InputError, match=r"predictions\.parquet: the test records are not the sa"):
        saved.predictions("test")


def test_a_split_that_was_not_scored_has_no_predictions(saved):
    path = saved.folder / PREDICTIONS
    pd.read_parquet(path).query("split == 'validation'").to_parquet(path)
    with pytest.raises(InputError, match=r"predictions\.parquet: the test records"):
        saved.predictions("test")


def test_a_table_that_is_missing_or_lacks_a_column_names_itself(saved):
    path = saved.folder / PREDICTIONS
    pd.read_parquet(path).drop(columns=["score:b", "patient"]).to_parquet(path)
    told = r"predictions\.parquet: no column patient, score:b; run the program again"
    with pytest.raises(InputError, match=told):
        saved.predictions("test")
    path.unlink()
    with pytest.raises(InputError, match=r"predictions\.parquet: not a readable table"):
        saved.predictions("test")


def test_a_static_mixture_is_the_same_run_with_scores_of_its_own(saved, cohort, scores):
    less = {split: values / 2 for split, values in scores.items()}
    table = prediction_table(cohort, less, SEEDS)
    table.to_parquet(saved.folder / "substituted.parquet", index=False)
    static = saved.with_static_mixture("substituted")
    assert static.info is saved.info
    assert static.place == saved.place
    assert static.predictions("test").scores == pytest.approx(saved.predictions("test").scores / 2)


def test_layer_weights_are_those_of_a_split_by_layer(saved):
    assert saved.layer_weights("test") is None
    table = pd.DataFrame({"id": ["a", "a", "b"], "split": ["test", "test", "validation"]})
    table = table.assign(seed=[0, 1, 0], **{"layer:0": 0.0, "layer:1": [0.25, 0.5, 1.0]})
    table.to_parquet(saved.folder / "weights.parquet")
    found = saved.layer_weights("test")
    assert found.columns.tolist() == [0, 1]
    assert found[1].tolist() == [0.25, 0.5]


def test_runs_are_found_at_any_depth_and_go_by_their_path(write, tmp_path):
    for name in ("b", "a", "a/deep"):
        write(tmp_path / "runs" / name)
    places = [run.place for run in load_runs(tmp_path / "runs")]
    assert places == ["runs/a", "runs/a/deep", "runs/b"]
    assert [run.place for run in load_runs(tmp_path / "runs" / "a")] == ["a", "a/deep"]


def test_a_run_that_lies_in_two_folders_is_found_once(write, tmp_path):
    write(tmp_path / "runs" / "a")
    found = load_runs(tmp_path / "runs", tmp_path / "runs" / "a")
    assert [run.place for run in found] == ["runs/a"]


def test_runs_of_folders_of_one_name_go_by_different_paths(write, tmp_path):
    for hospital in ("a", "b"):
        write(tmp_path / hospital / "results" / "last")
    found = load_runs(tmp_path / "a" / "results", tmp_path / "b" / "results")
    assert [run.place for run in found] == ["a/results/last", "b/results/last"]


def test_what_a_killed_process_left_is_no_run(write, tmp_path):
    write(tmp_path / "runs" / "last")
    for left in (".last.partial/new", ".last.partial/old"):
        write(tmp_path / "runs" / left)
    assert [run.place for run in load_runs(tmp_path / "runs")] == ["runs/last"]


def test_a_folder_in_a_hidden_one_may_be_asked_for(write, tmp_path):
    write(tmp_path / ".hidden" / "runs" / "last")
    assert len(load_runs(tmp_path / ".hidden" / "runs")) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder; give folders that hold runs"):
        find_files([tmp_path / "nowhere"], "run.json")
