"""`myocard probe --embeddings`: from people's files to a report."""

import numpy as np
import pandas as pd
import pytest

from myocard.results.run import Run
from myocard.tasks.own import OwnTask

RECIPE = """
task = "ptbxl-superdiagnostic"
readouts = ["last", "ppa"]
heads = ["linear"]
seeds = [0]
penalties = [1e-2]
resamples = 20
split = { train = [1, 2, 3, 4, 5, 6], validation = [7, 8], test = [9, 10] }
"""


@pytest.fixture
def place(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "store").symlink_to(store.folder)
    (tmp_path / "theirs").mkdir()
    states = np.random.default_rng(0).normal(size=(60, 3, 8)).astype(np.float32)
    np.save(tmp_path / "theirs" / "all.npy", states)
    np.save(tmp_path / "one.npy", states[:, 0])
    return tmp_path


COMMAND = "probe recipe.toml --embeddings theirs --records store --out results"


def test_embeddings_become_runs_and_a_report(place, myocard, store):
    how = "--name model --pretrained-on mimic --pretrained-on code15 --test"
    code, out, err = myocard(*f"{COMMAND} {how}".split())
    assert (code, out) == (0, "results\n"), err
    assert "theirs: 60 records, layers in order: layer 0 (8), layer 1 (8), layer 2 (8)" in err
    run = Run.read(place / "results/model/ptbxl-superdiagnostic/ppa-linear")
    assert run.test is not None
    assert run.encoder.datasets == ("mimic", "code15")
    assert (run.encoder.name, run.hashes.store) == ("model", store.key)
    code, _, err = myocard("report", "results", "--out", "report")
    assert code == 0, err
    assert "pretrained on mimic" in (place / "report" / "report.html").read_text()
    code, _, err = myocard(*f"{COMMAND} {how}".split())
    assert code == 0
    assert "results/features/model: is there, made from the same inputs; kept" in err


@pytest.mark.parametrize("given", ["theirs", "own.parquet"])
def test_embeddings_without_a_store_are_given_labels_and_probed(place, myocard, given):
    listed = pd.DataFrame({"id": [f"e{k:02d}" for k in range(60)]})
    listed["patient"] = [f"p{k // 2}" for k in range(60)]
    listed.to_csv(place / "theirs" / "records.csv", index=False)
    numbers = pd.DataFrame(np.load(place / "one.npy")).add_prefix("x")
    listed.join(numbers).to_parquet(place / "own.parquet")
    table = pd.DataFrame({"Record": listed["id"] + ".hea", "Sick": ["ja", "nein", "nein"] * 20})
    table.to_csv(place / "labels.csv", index=False)
    asked = "--id record --target sick --kind binary --positive ja --out sick"
    code, out, err = myocard("task", "labels.csv", given, *asked.split())
    assert code == 0, err
    assert "matched: 60 of 60 records (60 ending)" in out
    assert "folds are made at random, by patient" in out
    few = ["--set", 'readouts = ["last"]', "--set", "resamples = 20", "--test"]
    code, out, err = myocard("probe", "sick", "--embeddings", given, "--out", "results", *few)
    assert (code, out) == (0, "results\n"), err
    run = Run.read(place / "results" / given.split(".")[0] / "sick/last-linear")
    assert (run.task, run.classes, run.outcome) == ("sick", ("sick",), "any")
    assert sum(split.records for split in run.splits.values()) == 60
    assert run.labels == OwnTask.open(place / "sick").hash


def test_embeddings_of_other_records_than_the_tasks_are_refused(place, myocard):
    listed = pd.DataFrame({"id": [f"e{k:02d}" for k in range(60)]})
    listed.to_csv(place / "theirs" / "records.csv", index=False)
    listed.assign(y=["0", "1"] * 30).to_csv(place / "labels.csv", index=False)
    asked = "--id id --target y --kind binary --patient none --out y"
    code, _, err = myocard("task", "labels.csv", "theirs", *asked.split())
    assert code == 0, err
    probing = "probe y --embeddings theirs --records store --out results"
    code, _, err = myocard(*probing.split())
    assert code == 2
    assert "task y: 60 of 60 ids have no record ('e00', 'e01', 'e02', …), and 60 of 60" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "probe recipe.toml theirs --embeddings theirs --out results",
            "give either folders of features, ",
        ),
        ("probe recipe.toml theirs --records store --out results", "are for --embeddings"),
        ("probe recipe.toml --embeddings theirs --out results", "theirs: arrays name no records"),
        ("task l.csv theirs --id a --target b --kind one -o t", "theirs: arrays name no records"),
        (f"{COMMAND} --embeddings one.npy", "readout 'ppa' mixes layers, and there is one; probe"),
        (
            f"{COMMAND} --records theirs",
            "theirs: a folder that is no store; give a store or a table",
        ),
        (f"{COMMAND} --records nowhere", "nowhere: no such file or folder; give a store or a"),
    ],
)
def test_a_refusal_is_one_line(place, myocard, words, told):
    code, out, err = myocard(*words.split())
    assert (code, out) == (2, "")
    *_, refusal = err.splitlines()
    assert refusal.startswith("myocard: ")
    assert told in refusal
