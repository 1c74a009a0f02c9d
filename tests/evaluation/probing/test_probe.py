"""Probes find the layer that knows, and only that."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.nn.readouts.pooled import build_readout
from myocard.recipe import Optimisation, ProbeRecipe

RECORDS, DEPTH, WIDTH = 1200, 3, 12
CODES = {"NORM": "scp:NORM", "MI": "scp:IMI", "CD": "scp:CLBBB"}
TASK = "ptbxl-superdiagnostic"


def write_features(folder: Path, states: np.ndarray, labels: np.ndarray, **about) -> Features:
    """A cache as ``extract`` leaves it; ``labels`` tells who has MI (else NORM), and who CD."""
    folder.mkdir()
    codes = [
        [CODES["MI" if mi else "NORM"], *([CODES["CD"]] if cd else [])]
        for mi, cd in labels.tolist()
    ]
    ids = [f"r{k}" for k in range(len(states))]
    folds = 1 + np.arange(len(states)) % 10
    records = pd.DataFrame(
        {"source": "made", "id": ids, "patient": ids, "fold": folds, "codes": codes, "seen": ""}
    ).assign(sha256=ids, fingerprint="-" * 128)
    records.to_parquet(folder / "records.parquet")
    np.save(folder / "states.npy", states.astype(np.float16))
    save_file(nn.LayerNorm(states.shape[-1]).state_dict(), folder / "norm.safetensors")
    said = {"format": 1, "name": "made", "encoder": "e", "store": "s", "about": {}}
    said |= {"preprocessing": {"leads": ["I", "II"]}} | about
    (folder / "features.json").write_text(json.dumps(said))
    return Features.open(folder)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).random((RECORDS, 2)) < 0.5


@pytest.fixture(scope="module")
def features(labels, tmp_path_factory) -> Features:
    """Layer 2 alone knows the labels; the others are noise, and louder."""
    states = np.random.default_rng(2).normal(size=(RECORDS, DEPTH + 1, WIDTH))
    states[:, 2, :2] += 3 * (labels - 0.5)
    states[:, [0, 1, 3]] *= 2
    return write_features(tmp_path_factory.mktemp("made") / "features", states, labels)


def recipe(**changes) -> ProbeRecipe:
    how = {"epochs": 20, "batch": 240, "base_learning_rate": 0.03}
    how |= {"weight_decay": 0.0, "precision": "fp32"} | changes.pop("how", {})
    given = {"task": TASK, "heads": ("linear",), "seeds": (0, 1), "penalties": (1e-3,)}
    return ProbeRecipe(**given | {"resamples": 50, "optimisation": Optimisation(**how)} | changes)


def run_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text())


def area(folder: Path, split: str = "test") -> float:
    return run_of(folder)[split]["auroc"]["macro"]["value"]


@pytest.fixture(scope="module")
def runs(features, tmp_path_factory) -> dict[str, Path]:
    """Every readout under the linear head, test folds scored."""
    out = tmp_path_factory.mktemp("runs")
    folders = probe(features, recipe(), out, test=True)
    return {folder.name.removesuffix("-linear"): folder for folder in folders}


def test_the_curve_of_layers_peaks_at_the_layer_that_knows(runs):
    curve = [area(runs[f"layer-{layer:02d}"]) for layer in range(DEPTH + 1)]
    assert curve[2] > 0.9
    assert max(curve[0], curve[1], curve[3]) < 0.65


def test_the_last_layer_does_not_know(runs):
    assert area(runs["last"]) == pytest.approx(0.5, abs=0.15)
    assert area(runs["last"]) == pytest.approx(area(runs["layer-03"]), abs=1e-6)


@pytest.mark.parametrize("readout", ["scalar-mix", "pma"])
def test_learned_mixtures_find_the_layer_that_knows(runs, readout):
    weights = run_of(runs[readout])["layer_weights"]
    assert int(np.argmax(weights["mean"])) == 2
    assert weights["mean"][2] > 0.6
    assert sum(weights["mean"]) == pytest.approx(1, abs=1e-5)
    assert weights["split"] == "test"
    assert set(weights["by_class"]) == {"CD", "MI", "NORM"}
    assert area(runs[readout]) > max(0.88, area(runs["ppa"]))


def test_a_gate_leaves_its_weights_by_record_and_the_scores_of_its_static_twins(runs):
    table = pd.read_parquet(runs["pma"] / "weights.parquet").query("split == 'test'")
    mean = table.filter(like="layer:").mean().to_numpy()
    stated = run_of(runs["pma"])
    assert mean == pytest.approx(stated["layer_weights"]["mean"], abs=1e-6)
    for name in ("substituted", "refitted"):
        twin = pd.read_parquet(runs["pma"] / f"{name}.parquet").query("split == 'test'")
        areas = [
            roc_auc_score(mine.filter(like="target:"), mine.filter(like="score:"))
            for _, mine in twin.groupby("seed")
        ]
        assert stated["static_twins"][name]["test"] == pytest.approx(np.mean(areas))
    assert (runs["alf"] / "weights.parquet").exists()
    assert not (runs["scalar-mix"] / "weights.parquet").exists()
    assert run_of(runs["scalar-mix"])["static_twins"] == {}


def test_all_layers_side_by_side_know_too(runs):
    assert area(runs["concat"]) > 0.88


def test_a_frozen_gate_stays_as_it_was_drawn(runs):
    one, other = (
        load_file(runs[name] / "classifier.safetensors") for name in ("pma", "pma-frozen-gate")
    )
    gate = [name for name in one if name.startswith("readout.gate") and name.endswith("weight")]
    torch.manual_seed(0)
    drawn = build_readout("pma", nn.LayerNorm(WIDTH), DEPTH).state_dict()
    for name in gate:
        assert torch.equal(other[name], drawn[name.removeprefix("readout.")])
        assert not torch.equal(one[name], other[name])


def test_permuted_labels_cannot_be_learned(features, tmp_path):
    rng = np.random.default_rng(6)
    permuted = rng.permutation(rng.random((RECORDS, 2)) < 0.5)
    made = write_features(tmp_path / "permuted", features.states, permuted)
    folders = probe(made, recipe(readouts=("layers", "pma", "concat")), tmp_path / "out", test=True)
    for folder in folders:
        found = run_of(folder)["test"]["auroc"]["macro"]
        assert abs(found["value"] - 0.5) < found["high"] - found["low"], folder.name


def oracle(features: Features, target: np.ndarray, penalty: float) -> np.ndarray:
    """Scikit-learn's logistic regression on layer 2: probabilities of the test records."""
    layer = torch.from_numpy(features.states[:, 2].astype(np.float32))
    x = nn.LayerNorm(WIDTH)(layer).detach().numpy()
    fold = features.records["fold"].to_numpy()
    scaler = StandardScaler().fit(x[fold < 9])
    # Mean loss + penalty/2·|w|² is C = 1/(records · penalty) of scikit-learn's summed loss.
    model = LogisticRegression(C=1 / ((fold < 9).sum() * penalty), tol=1e-6)
    model.fit(scaler.transform(x[fold < 9]), target[fold < 9])
    return model.predict_proba(scaler.transform(x[fold == 10]))[:, 1]


def scores_of(folder: Path) -> pd.DataFrame:
    table = pd.read_parquet(folder / "predictions.parquet")
    return table.query("split == 'test' and seed == 0")


@pytest.mark.parametrize("penalty", [1e-3, 0.03, 1.0])
def test_the_linear_probe_is_scikit_learns(features, labels, tmp_path, penalty):
    given = recipe(readouts=("layers",), penalties=(penalty,))
    table = scores_of(probe(features, given, tmp_path, test=True)[2])
    for name, target in (("MI", labels[:, 0]), ("CD", labels[:, 1])):
        chance = oracle(features, target, penalty)
        assert table[f"score:{name}"].to_numpy() == pytest.approx(chance, abs=1e-3)
        truth = table[f"target:{name}"]
        found = roc_auc_score(truth, table[f"score:{name}"])
        assert found == pytest.approx(roc_auc_score(truth, chance), abs=1e-3)


def test_test_folds_are_not_touched_before_they_may_be(features, tmp_path):
    (folder,) = probe(features, recipe(readouts=("ppa",)), tmp_path)
    assert run_of(folder)["test"] is None
    assert run_of(folder)["layer_weights"]["split"] == "validation"
    assert set(pd.read_parquet(folder / "predictions.parquet")["split"]) == {"validation"}
    probe(features, recipe(readouts=("ppa",)), tmp_path, test=True)
    assert run_of(folder)["test"] is not None


def test_scoring_the_test_folds_later_changes_no_validation_score(features, tmp_path):
    given = recipe(readouts=("pma",), heads=("mlp",))
    (folder,) = probe(features, given, tmp_path)
    before = run_of(folder)["validation"]
    probe(features, given, tmp_path, test=True)
    assert run_of(folder)["validation"] == before


def test_of_layers_that_are_trained_together_only_what_is_missing_is_written(features, tmp_path):
    first, *others = probe(features, recipe(readouts=("layers",)), tmp_path, test=True)
    before = [(folder / "run.json").read_text() for folder in others]
    lost = pd.read_parquet(first / "predictions.parquet").query("split != 'test'")
    shutil.rmtree(first)
    probe(features, recipe(readouts=("layers",)), tmp_path)
    assert [(folder / "run.json").read_text() for folder in others] == before
    assert pd.read_parquet(first / "predictions.parquet").equals(lost)


def test_a_finished_run_is_not_made_again(features, tmp_path):
    reported = []
    given = recipe(readouts=("ppa", "last"))
    first = probe(features, given, tmp_path, report=reported.append)
    before = [(folder / "run.json").read_text() for folder in first]
    assert probe(features, given, tmp_path, report=reported.append) == first
    assert len(reported) == 2
    assert [(folder / "run.json").read_text() for folder in first] == before


def test_another_recipe_encoder_or_store_is_refused_in_the_same_folder(features, tmp_path):
    given = recipe(readouts=("ppa",))
    probe(features, given, tmp_path)
    other_store = replace(features, about=features.about | {"store": "t"})
    other_encoder = replace(features, about=features.about | {"encoder": "f"})
    for made, how in (
        (features, recipe(readouts=("ppa",), seeds=(0, 2))),
        (other_store, given),
        (other_encoder, given),
    ):
        with pytest.raises(
            InputError, match="ppa-linear: a run of another recipe, encoder or store"
        ):
            probe(made, how, tmp_path)


def test_a_leak_is_refused(features, tmp_path):
    met = np.where(features.records["fold"] == 10, "same record as made x", "")
    records = features.records.assign(seen=met)
    with pytest.raises(InputError, match="leak: the encoder was trained on 120 records of test"):
        probe(replace(features, records=records), recipe(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_features_by_lead_are_refused(features, tmp_path):
    by_lead = replace(features, states=np.zeros((RECORDS, 4, 12, WIDTH), np.float16))
    with pytest.raises(InputError, match="features by lead; extract without --by-lead"):
        probe(by_lead, recipe(), tmp_path)


def test_each_seed_takes_its_best_penalty_on_validation_the_strongest_of_equals(features, tmp_path):
    many = recipe(readouts=("layers",), penalties=(1e-3, 10.0, 1e-2))
    folder = probe(features, many, tmp_path / "many")[2]
    chosen = run_of(folder)["chosen"]
    assert [each["seed"] for each in chosen] == [0, 1]
    alone = {}
    for penalty in many.penalties:
        out = probe(
            features, many.model_copy(update={"penalties": (penalty,)}), tmp_path / str(penalty)
        )
        alone[penalty] = [each["validation_auroc"] for each in run_of(out[2])["chosen"]]
    for seed, each in enumerate(chosen):
        areas = {penalty: found[seed] for penalty, found in alone.items()}
        assert each["validation_auroc"] == pytest.approx(max(areas.values()), abs=1e-3)


def test_exclusive_classes_get_probabilities_that_sum_to_one(features, tmp_path):
    single = features.records["codes"].map(lambda codes: list(codes[:1]))
    made = replace(features, records=features.records.assign(codes=single))
    given = recipe(task="stmem-single-label", readouts=("layers",), heads=("mlp",))
    folder = probe(made, given, tmp_path, test=True)[2]
    table = pd.read_parquet(folder / "predictions.parquet")
    assert table[["score:MI", "score:NORM"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert area(folder) > 0.85
