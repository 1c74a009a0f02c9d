"""A probe is scored on another data set as it is, and never on a record that it has met."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from torch import nn

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.evaluation.transfer import transfer
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.report.runs import read_run

RECORDS, DEPTH, WIDTH = 400, 2, 6
RECIPE = ProbeRecipe(
    task="ptbxl-superdiagnostic",
    readouts=("last", "layers"),
    heads=("linear", "mlp"),
    seeds=(3, 4),
    penalties=(1e-3,),
    resamples=20,
    optimisation=Optimisation(
        epochs=10, batch=160, base_learning_rate=0.03, weight_decay=0.0, precision="fp32"
    ),
)


def features(folder: Path, source: str, classes: tuple[str, ...], seed: int) -> Features:
    """Each record has the class that its last layer tells, plainly."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(classes), size=RECORDS)
    states = rng.normal(size=(RECORDS, DEPTH + 1, WIDTH))
    known = ("NORM", "IMI", "CLBBB", "LVH")
    states[:, DEPTH, : len(known)] += [
        [4.0 * (classes[k] == name) for name in known] for k in drawn
    ]
    ids = [f"{source}{k}" for k in range(RECORDS)]
    records = pd.DataFrame({"source": source, "id": ids, "patient": ids, "sha256": ids})
    records = records.assign(
        fingerprint="-" * 128,
        fold=1 + np.arange(RECORDS) % 10,
        codes=[[f"scp:{classes[k]}"] for k in drawn],
        seen="",
    )
    records.to_parquet(folder / "records.parquet")
    np.save(folder / "states.npy", states.astype(np.float16))
    save_file(nn.LayerNorm(WIDTH).state_dict(), folder / "norm.safetensors")
    said = {"format": 1, "name": "made", "encoder": "e", "store": source, "about": {}}
    (folder / "features.json").write_text(
        json.dumps(said | {"preprocessing": {"leads": ["I", "II"]}})
    )
    return Features.open(folder)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Features:
    return features(tmp_path_factory.mktemp("f") / "here", "here", ("NORM", "IMI", "CLBBB"), 0)


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Features:
    """Of another data set, with hypertrophy and without conduction disorders."""
    return features(tmp_path_factory.mktemp("f") / "there", "there", ("NORM", "IMI", "LVH"), 1)


@pytest.fixture(scope="module")
def runs(here, tmp_path_factory) -> list[Path]:
    return probe(here, RECIPE, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def crossed(runs, here, there, tmp_path_factory) -> list[Path]:
    return transfer(runs, here, there, tmp_path_factory.mktemp("crossed"), folds=(9, 10))


def run_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def test_a_transferred_run_is_one_the_report_can_read_and_says_where_it_was_trained(crossed, runs):
    assert [run.parts[-3:] for run in crossed] == [run.parts[-3:] for run in runs]
    states = read_run(crossed[0], "x").states
    assert (states.source, states.trained_on) == ("there", "here")
    hashes = {key: states.hashes[key] for key in ("encoder", "store", "trained_on")}
    assert hashes == {"encoder": "e", "store": "there", "trained_on": "here"}
    assert states.splits["test"]["folds"] == [9, 10]
    assert states.chosen == run_of(runs[0])["chosen"]
    predictions = read_run(crossed[0], "x").predictions("test")
    assert predictions.scores.shape == (2, 80, 2)
    assert all(str(one).startswith("there") for one in predictions.ids)


def test_only_classes_that_both_have_are_scored_and_the_others_named(crossed):
    run = run_of(crossed[0])
    assert run["classes"] == ["MI", "NORM"]
    assert run["classes_left_out"]["CD"] == "0 positives of 80 in there"
    assert run["classes_left_out"]["HYP"] == "0 positives in train"


def test_what_holds_here_holds_there_at_the_layer_that_knows_and_nowhere_else(crossed):
    areas = {run.name: run_of(run)["test"]["auroc"]["macro"]["value"] for run in crossed}
    assert areas["last-linear"] > 0.75
    assert areas["layer-02-linear"] == pytest.approx(areas["last-linear"], abs=1e-6)
    assert abs(areas["layer-00-linear"] - 0.5) < 0.2


def test_every_seeds_classifier_is_scored_and_its_area_is_scikit_learns(crossed):
    trained = next(folder for folder in crossed if folder.name == "last-mlp")
    table = pd.read_parquet(trained / "predictions.parquet").query("split == 'test'")
    scores = [part["score:MI"].to_numpy() for _, part in table.groupby("seed")]
    assert sorted(set(table["seed"])) == [3, 4]
    assert not np.array_equal(*scores)
    areas = [
        roc_auc_score(part["target:MI"], part["score:MI"]) for _, part in table.groupby("seed")
    ]
    found = run_of(trained)["test"]["auroc"]["by_class"]["MI"]["value"]
    assert found == pytest.approx(np.mean(areas))


def test_validation_is_that_of_the_probe_for_classes_that_are_kept(crossed, runs):
    mine, theirs = (run_of(folder[0])["validation"]["auroc"] for folder in (crossed, runs))
    for name in ("MI", "NORM"):
        assert mine["by_class"][name] == pytest.approx(theirs["by_class"][name], abs=1e-6)


def test_a_run_stays_below_its_place_whatever_its_path(runs, here, there, tmp_path, monkeypatch):
    shutil.copytree(runs[0], tmp_path / "last-linear")
    (tmp_path / "at").mkdir()
    monkeypatch.chdir(tmp_path / "at")
    (made,) = transfer([Path("../last-linear")], here, there, Path("out"), folds=(9, 10))
    assert made == Path("out/made/ptbxl-superdiagnostic/last-linear")


def test_a_run_that_is_there_is_not_made_again(crossed, runs, here, there):
    out = crossed[0].parents[2]
    reported: list[str] = []
    assert transfer(runs, here, there, out, folds=(10, 9), report=reported.append) == crossed
    assert reported == []


def test_a_run_of_other_folds_or_of_a_probe_that_was_remade_is_made_again(
    runs, here, there, tmp_path
):
    run = shutil.copytree(runs[0], tmp_path.joinpath(*runs[0].parts[-3:]))
    out, reported = tmp_path / "out", []

    def make(folds: tuple[int, ...]) -> dict:
        return run_of(transfer([run], here, there, out, folds=folds, report=reported.append)[0])

    assert make((9, 10))["splits"]["test"]["folds"] == [9, 10]
    assert make((10,))["splits"]["test"]["folds"] == [10]
    assert make((10,))
    assert len(reported) == 2
    weights = run / "classifier.safetensors"
    save_file({k: 0 * v for k, v in load_file(weights).items()}, weights)
    before = run_of(out.joinpath(*run.parts[-3:]))["test"]["auroc"]["macro"]["value"]
    assert make((10,))["test"]["auroc"]["macro"]["value"] < before


def test_other_classes_than_the_probes_and_features_by_lead_are_refused(
    runs, here, there, tmp_path
):
    run = shutil.copytree(runs[0], tmp_path / "run")
    said = run_of(run)
    (run / "run.json").write_text(json.dumps(said | {"classes": said["classes"][::-1]}))
    with pytest.raises(InputError, match="its task has other classes now"):
        transfer([run], here, there, tmp_path / "out")
    apart = replace(there, states=there.states[:, None])
    with pytest.raises(InputError, match="there: features by lead"):
        transfer(runs, here, apart, tmp_path / "out")


@pytest.mark.parametrize(("who", "fold"), [("encoder", 10), ("probe", 1), ("probe", 9)])
def test_a_record_that_encoder_or_probe_has_met_is_refused_by_name(
    runs, here, there, tmp_path, who, fold
):
    records = there.records.copy()
    row = records.index[records["fold"] == 10][0]
    if who == "encoder":
        records.loc[row, "seen"] = "same waveform as a b"
    else:
        records.loc[row, "sha256"] = here.records.query("fold == @fold")["sha256"].iloc[0]
    known = replace(there, records=records)
    message = (
        rf"leak: the {who} was trained on 1 records of the target \({records['id'][row]}, same"
    )
    with pytest.raises(InputError, match=message):
        transfer(runs, here, known, tmp_path, folds=(10,))
    assert transfer(runs[:1], here, known, tmp_path, folds=(8,))


def test_other_features_and_data_sets_without_a_shared_class_are_refused(
    runs, here, there, tmp_path
):
    other = replace(there, about=there.about | {"encoder": "f"})
    with pytest.raises(InputError, match="there: features of another encoder"):
        transfer(runs, here, other, tmp_path)
    with pytest.raises(InputError, match="there: features of another store"):
        transfer(runs, there, here, tmp_path)
    rows = there.records.assign(codes=[["scp:LVH"]] * RECORDS)
    with pytest.raises(InputError, match="here and there share too few classes"):
        transfer(runs, here, replace(there, records=rows), tmp_path)
    with pytest.raises(InputError, match="not the run folder of a probe"):
        transfer([tmp_path], here, there, tmp_path)
