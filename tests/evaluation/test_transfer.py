"""A probe is scored on another data set as it is, and never on a record that it has seen."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.evaluation.transfer import transfer
from myocard.models.classifier import classifiers_hash
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results.run import Run
from myocard.results.saved import load_runs

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


def drawn(classes: tuple[str, ...], seed: int) -> tuple[np.ndarray, list[list[str]]]:
    """States and codes: each record has the class that its last layer tells, plainly."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(classes), size=RECORDS)
    states = rng.normal(size=(RECORDS, DEPTH + 1, WIDTH))
    known = ("NORM", "IMI", "CLBBB", "LVH")
    states[:, DEPTH, : len(known)] += [
        [4.0 * (classes[k] == name) for name in known] for k in chosen
    ]
    return states, [[f"scp:{classes[k]}"] for k in chosen]


@pytest.fixture(scope="module")
def here(made_features) -> Features:
    return made_features(*drawn(("NORM", "IMI", "CLBBB"), 0), "here")


@pytest.fixture(scope="module")
def there(made_features) -> Features:
    """Features of another data set, with hypertrophy and without conduction disorders."""
    return made_features(*drawn(("NORM", "IMI", "LVH"), 1), "there")


@pytest.fixture(scope="module")
def runs(here, tmp_path_factory) -> list[Path]:
    return probe(here, RECIPE, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def crossed(runs, here, there, tmp_path_factory) -> list[Path]:
    return transfer(runs, here, there, tmp_path_factory.mktemp("crossed"), folds=(9, 10))


def test_a_transferred_run_is_one_the_report_can_read_and_says_where_it_was_trained(crossed, runs):
    assert [run.parts[-3:] for run in crossed] == [run.parts[-3:] for run in runs]
    (saved,) = load_runs(crossed[0])
    run, probed = saved.info, Run.read(runs[0])
    assert (run.source, run.trained_on) == ("there", "here")
    hashes = run.hashes
    stores = ("store of there", "store of here")
    assert (hashes.encoder, hashes.store, hashes.trained_on) == ("e", *stores)
    assert hashes.probe == classifiers_hash(runs[0])
    assert run.splits["test"].folds == run.transfer.folds == (9, 10)
    assert (run.chosen, run.recipe) == (probed.chosen, probed.recipe)
    assert (run.encoder, run.kind) == (probed.encoder, "probe")
    predictions = saved.predictions("test")
    assert predictions.scores.shape == (2, 80, 2)
    assert all(str(one).startswith("there") for one in predictions.ids)


def test_only_classes_that_both_have_are_scored_and_the_others_named(crossed):
    run = Run.read(crossed[0])
    assert run.classes == ("MI", "NORM")
    assert run.classes_left_out["CD"] == "0 positives of 80 in there"
    assert run.classes_left_out["HYP"] == "0 positives in train"


def test_a_rule_learned_here_holds_there_at_the_layer_that_knows_and_nowhere_else(crossed):
    areas = {run.name: Run.read(run).test.main.macro.value for run in crossed}
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
    found = Run.read(trained).test.main.by_class["MI"].value
    assert found == pytest.approx(np.mean(areas))


def test_validation_is_that_of_the_probe_for_classes_that_are_kept(crossed, runs):
    mine, theirs = (Run.read(folder[0]).validation.main.by_class for folder in (crossed, runs))
    for name in ("MI", "NORM"):
        assert mine[name].model_dump() == pytest.approx(theirs[name].model_dump(), abs=1e-6)


def test_a_run_stays_below_its_place_whatever_its_path(runs, here, there, tmp_path, monkeypatch):
    shutil.copytree(runs[0], tmp_path / "last-linear")
    (tmp_path / "at").mkdir()
    monkeypatch.chdir(tmp_path / "at")
    (made,) = transfer([Path("../last-linear")], here, there, Path("out"), folds=(9, 10))
    assert made == Path("out/made/ptbxl-superdiagnostic/last-linear")


def test_a_run_that_is_there_is_not_made_again(crossed, runs, here, there):
    out, told = crossed[0].parents[2], []
    before = [(folder / "run.json").read_text() for folder in crossed]
    found = transfer(
        runs, here, there, out, folds=(10, 9), progress=lambda *said: told.append(said)
    )
    assert found == crossed
    assert [(folder / "run.json").read_text() for folder in crossed] == before
    assert told == [("transfer made", done, len(runs)) for done in range(len(runs) + 1)]


def test_other_folds_names_targets_or_a_probe_that_was_remade_are_refused(
    runs, here, there, tmp_path
):
    run = shutil.copytree(runs[0], tmp_path.joinpath(*runs[0].parts[-3:]))
    out = tmp_path / "out"
    (made,) = transfer([run], here, there, out, folds=(9, 10))
    before = (made / "run.json").read_text()
    elsewhere = replace(there, info=there.info.model_copy(update={"store": "elsewhere"}))
    for target, how, difference in (
        (there, {"folds": (10,)}, r"transfer\.folds is \[9, 10\], not \[10\]"),
        (there, {"folds": (9, 10), "names": ("a", "b")}, r"transfer\.stores is null, not"),
        (elsewhere, {"folds": (9, 10)}, 'store is "store of there", not "elsewhere"'),
    ):
        with pytest.raises(InputError, match=f"last-linear: made from other inputs: {difference}"):
            transfer([run], here, target, out, **how)
    weights = run / "classifier.safetensors"
    save_file({k: 0 * v for k, v in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="last-linear: made from other inputs: probe is "):
        transfer([run], here, there, out, folds=(9, 10))
    assert (made / "run.json").read_text() == before
    (again,) = transfer([run], here, there, tmp_path / "again", folds=(9, 10))
    areas = [Run.read(folder).test.main.macro.value for folder in (again, made)]
    assert areas[0] < areas[1]


def test_a_probe_of_other_resamples_is_another_input(runs, here, there, tmp_path):
    (first,) = transfer(runs[:1], here, there, tmp_path / "out", folds=(9, 10))
    assert Run.read(first).test.interval.resamples == 20
    more = RECIPE.model_copy(update={"resamples": 30, "readouts": ("last",), "heads": ("linear",)})
    others = probe(here, more, tmp_path / "runs")
    assert classifiers_hash(others[0]) == classifiers_hash(runs[0])
    with pytest.raises(
        InputError, match=r"made from other inputs: recipe\.resamples is 20, not 30"
    ):
        transfer(others, here, there, tmp_path / "out", folds=(9, 10))


def test_other_classes_than_the_probes_and_other_kinds_are_refused(runs, here, there, tmp_path):
    run = shutil.copytree(runs[0], tmp_path / "run")
    said = Run.read(run)
    said.model_copy(update={"classes": said.classes[::-1]}).write(run)
    with pytest.raises(InputError, match="its task has other classes now"):
        transfer([run], here, there, tmp_path / "out")
    said.model_copy(update={"kind": "finetune"}).write(run)
    with pytest.raises(InputError, match="run: a finetune, not a probe; give the run folder"):
        transfer([run], here, there, tmp_path / "out")


@pytest.mark.parametrize(("who", "fold"), [("encoder", 10), ("probe", 1), ("probe", 9)])
def test_a_record_that_encoder_or_probe_was_trained_on_is_refused_by_name(
    runs, here, there, tmp_path, who, fold
):
    records = there.records.copy()
    row = records.index[records["fold"] == 10][0]
    if who == "encoder":
        records.loc[row, "known"] = "same waveform as a b"
    else:
        records.loc[row, "sha256"] = here.records.query("fold == @fold")["sha256"].iloc[0]
    known = replace(there, records=records)
    message = (
        rf"leak: the {who} was trained on 1 records of the target \({records['id'][row]}, same"
    )
    with pytest.raises(InputError, match=message):
        transfer(runs, here, known, tmp_path, folds=(10,))
    assert transfer(runs[:1], here, known, tmp_path, folds=(8,))


def test_copies_are_dropped_from_the_target_where_the_probes_recipe_drops_them(
    here, there, tmp_path
):
    small = {"readouts": ("last",), "heads": ("linear",), "copies": "drop"}
    runs = probe(here, RECIPE.model_copy(update=small), tmp_path / "runs")
    records = there.records.copy()
    tested = records.index[records["fold"] == 10]
    records.loc[tested[:2], "sha256"] = here.records.query("fold < 10")["sha256"].iloc[:2].array
    known = replace(there, records=records)
    (crossed,) = transfer(runs, here, known, tmp_path / "crossed", folds=(10,))
    (saved,) = load_runs(crossed)
    split = saved.info.splits["test"]
    assert (split.records, split.copies_dropped) == (len(tested) - 2, 2)
    assert set(saved.predictions("test").ids) == set(records["id"][tested[2:]])
    records.loc[tested[0], "known"] = "same waveform as a b"
    with pytest.raises(InputError, match="leak: the encoder was trained on 1 records"):
        transfer(runs, here, known, tmp_path / "again", folds=(10,))
    same = there.records.assign(sha256=here.records["sha256"].to_numpy())
    with pytest.raises(InputError, match=r"no record is left to score \(\d+ are copies"):
        transfer(runs, here, replace(there, records=same), tmp_path / "again", folds=(8,))


def test_other_features_and_data_sets_without_a_shared_class_are_refused(
    runs, here, there, tmp_path
):
    encoder = there.encoder.model_copy(update={"hash": "f"})
    other = replace(there, info=there.info.model_copy(update={"encoder": encoder}))
    with pytest.raises(InputError, match="there: features of another encoder"):
        transfer(runs, here, other, tmp_path)
    with pytest.raises(InputError, match="there: features of another store"):
        transfer(runs, there, here, tmp_path)
    rows = there.records.assign(codes=[["scp:LVH"]] * RECORDS)
    with pytest.raises(InputError, match="here and there share too few classes"):
        transfer(runs, here, replace(there, records=rows), tmp_path)
    with pytest.raises(InputError, match="give the folder of a run"):
        transfer([tmp_path], here, there, tmp_path)
