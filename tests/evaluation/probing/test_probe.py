"""Probes find the layer that knows, and only that."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler
from torch import nn

from myocard.errors import InputError
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.nn.readouts.registry import build_readout
from myocard.recipe import Optimisation, ProbeRecipe, Split
from myocard.results.classifier import ClassifierShape
from myocard.results.run import Run
from myocard.results.saved import load_runs
from myocard.tasks.cohort import assemble
from myocard.tasks.registry import task

RECORDS, DEPTH, WIDTH = 1200, 3, 12
CODES = {"NORM": "scp:NORM", "MI": "scp:IMI", "CD": "scp:CLBBB"}
TASK = "ptbxl-superdiagnostic"


def codes_of(labels: np.ndarray) -> list[list[str]]:
    """Codes from ``labels``, which tell who has MI (else NORM), and who CD."""
    return [
        [CODES["MI" if mi else "NORM"], *([CODES["CD"]] if cd else [])]
        for mi, cd in labels.tolist()
    ]


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).random((RECORDS, 2)) < 0.5


@pytest.fixture(scope="module")
def features(labels, made_features) -> Features:
    """Features whose layer 2 alone knows the labels; the others are noise, and louder."""
    states = np.random.default_rng(2).normal(size=(RECORDS, DEPTH + 1, WIDTH))
    states[:, 2, :2] += 3 * (labels - 0.5)
    states[:, [0, 1, 3]] *= 2
    return made_features(states, codes_of(labels), "made")


def recipe(**changes) -> ProbeRecipe:
    how = {"epochs": 20, "batch": 240, "base_learning_rate": 0.03}
    how |= {"weight_decay": 0.0, "precision": "fp32"} | changes.pop("how", {})
    given = {"task": TASK, "heads": ("linear",), "seeds": (0, 1), "penalties": (1e-3,)}
    return ProbeRecipe(**given | {"resamples": 50, "optimisation": Optimisation(**how)} | changes)


def of(features: Features, **info) -> Features:
    """The same states, said to be of something else."""
    return replace(features, info=features.info.model_copy(update=info))


def area(folder: Path) -> float:
    return Run.read(folder).test.main.macro.value


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
    weights = Run.read(runs[readout]).layer_weights
    assert int(np.argmax(weights.mean)) == 2
    assert weights.mean[2] > 0.6
    assert sum(weights.mean) == pytest.approx(1, abs=1e-5)
    assert weights.split == "test"
    assert set(weights.by_class) == {"CD", "MI", "NORM"}
    assert area(runs[readout]) > max(0.88, area(runs["ppa"]))


def test_a_gate_leaves_its_weights_by_record_and_the_scores_of_its_static_mixtures(runs):
    (saved,) = load_runs(runs["pma"])
    mean = saved.layer_weights("test").mean().to_numpy()
    assert mean == pytest.approx(saved.info.layer_weights.mean, abs=1e-6)
    for name in ("substituted", "refitted"):
        found = saved.with_static_mixture(name).predictions("test")
        areas = [roc_auc_score(found.targets, scores) for scores in found.scores]
        assert saved.info.static_mixtures[name]["test"] == pytest.approx(np.mean(areas))
    assert (runs["alf"] / "weights.parquet").exists()
    assert not (runs["scalar-mix"] / "weights.parquet").exists()
    assert Run.read(runs["scalar-mix"]).static_mixtures == {}


def test_all_layers_side_by_side_know_too(runs):
    assert area(runs["concat"]) > 0.88


def test_a_frozen_gate_stays_as_it_was_drawn(runs):
    one, other = (
        load_file(runs[name] / "classifier.safetensors") for name in ("pma", "pma-frozen-gate")
    )
    gate = [name for name in one if name.startswith("readout.gate") and name.endswith("weight")]
    torch.manual_seed(0)
    drawn = build_readout("pma", nn.LayerNorm(WIDTH), WIDTH, DEPTH).state_dict()
    for name in gate:
        assert torch.equal(other[name], drawn[name.removeprefix("readout.")])
        assert not torch.equal(one[name], other[name])


def test_a_run_says_what_was_probed_and_how(runs, features):
    run = Run.read(runs["layer-02"])
    shape = ClassifierShape(
        task=TASK, classes=("CD", "MI", "NORM"), readout="layer", layer=2, head="linear"
    )
    assert (run.kind, run.shape, run.encoder) == ("probe", shape, features.encoder)
    assert (run.hashes.encoder, run.hashes.store) == ("e", "store of made")
    assert (run.leads, run.seeds, run.source) == (("I", "II"), (0, 1), "made")
    assert run.recipe == recipe().alone("layers", "linear")
    files = sorted(path.name for path in runs["layer-02"].glob("classifier*"))
    assert files == ["classifier-2.safetensors", "classifier.safetensors"]


def test_permuted_labels_cannot_be_learned(features, made_features, tmp_path):
    rng = np.random.default_rng(6)
    permuted = rng.permutation(rng.random((RECORDS, 2)) < 0.5)
    made = made_features(features.states, codes_of(permuted), "permuted")
    folders = probe(made, recipe(readouts=("layers", "pma", "concat")), tmp_path / "out", test=True)
    for folder in folders:
        found = Run.read(folder).test.main.macro
        assert abs(found.value - 0.5) < found.high - found.low, folder.name


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
    run = Run.read(folder)
    assert (run.test, run.layer_weights.split) == (None, "validation")
    assert set(pd.read_parquet(folder / "predictions.parquet")["split"]) == {"validation"}
    probe(features, recipe(readouts=("ppa",)), tmp_path, test=True)
    run = Run.read(folder)
    assert (run.test.records, run.layer_weights.split) == (120, "test")


def test_scoring_the_test_folds_later_changes_no_validation_score(features, tmp_path):
    given = recipe(readouts=("pma",), heads=("mlp",))
    (folder,) = probe(features, given, tmp_path)
    before = Run.read(folder)
    probe(features, given, tmp_path, test=True)
    scored = Run.read(folder)
    assert scored.validation == before.validation
    probe(features, given, tmp_path)
    assert Run.read(folder) == scored


def test_only_missing_runs_of_layers_that_are_trained_together_are_written(features, tmp_path):
    first, *others = probe(features, recipe(readouts=("layers",)), tmp_path, test=True)
    before = [(folder / "run.json").read_text() for folder in others]
    lost = pd.read_parquet(first / "predictions.parquet").query("split != 'test'")
    shutil.rmtree(first)
    probe(features, recipe(readouts=("layers",)), tmp_path)
    assert [(folder / "run.json").read_text() for folder in others] == before
    assert pd.read_parquet(first / "predictions.parquet").equals(lost)


def test_a_finished_run_is_not_made_again(features, tmp_path):
    told = []

    def tell(*said) -> None:
        told.append(said)

    given = recipe(readouts=("ppa", "last"))
    first = probe(features, given, tmp_path, progress=tell)
    before = [(folder / "run.json").read_text() for folder in first]
    assert probe(features, given, tmp_path, progress=tell) == first
    assert told == [("probe made", done, 2) for done in (0, 1, 2, 2)]
    assert [(folder / "run.json").read_text() for folder in first] == before


def test_readouts_side_by_side_are_those_of_one_process(features, tmp_path):
    given, told = recipe(readouts=("ppa", "pma", "scalar-mix")), []
    one = probe(features, given, tmp_path / "one")
    two = probe(features, given, tmp_path / "two", progress=lambda *said: told.append(said), jobs=2)
    assert told == [("probe made", done, 3) for done in range(4)]
    assert [folder.name for folder in two] == [folder.name for folder in one]
    for mine, other in zip(one, two, strict=True):
        assert Run.read(mine).chosen == Run.read(other).chosen
        weights = (load_file(each / "classifier.safetensors") for each in (mine, other))
        for first, second in zip(*(each.values() for each in weights), strict=True):
            assert torch.allclose(first, second, atol=1e-5)


def test_a_run_stays_whatever_other_readouts_heads_or_pace_are_asked_for(features, tmp_path):
    (folder,) = probe(features, recipe(readouts=("ppa",)), tmp_path)
    before = (folder / "run.json").read_text()
    more = recipe(readouts=("last", "ppa"), heads=("mlp", "linear"), how={"checkpoint_every": 3})
    found = probe(features, more.model_copy(update={"keep": 7.0}), tmp_path)
    assert [each.name for each in found] == ["last-mlp", "ppa-mlp", "last-linear", "ppa-linear"]
    assert found[-1] == folder
    assert (folder / "run.json").read_text() == before


def test_another_recipe_encoder_or_store_is_refused_in_the_same_folder(features, tmp_path):
    given = recipe(readouts=("ppa",))
    probe(features, given, tmp_path)
    other_encoder = of(features, encoder=features.encoder.model_copy(update={"hash": "f"}))
    for made, how, difference in (
        (features, recipe(readouts=("ppa",), seeds=(0, 2)), r"recipe\.seeds is \[0, 1\], not"),
        (of(features, store="t"), given, 'store is "store of made", not "t"'),
        (other_encoder, given, 'encoder is "e", not "f"; two encoders of a name, or recipes, need'),
    ):
        message = f"ppa-linear: made from other inputs: {difference}"
        with pytest.raises(InputError, match=message):
            probe(made, how, tmp_path)


def test_a_leak_is_refused(features, tmp_path):
    known = np.where(features.records["fold"] == 10, "same record as made x", "")
    records = features.records.assign(known=known)
    with pytest.raises(InputError, match="leak: the encoder was trained on 120 records of test"):
        probe(replace(features, records=records), recipe(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_cohort_is_assembled_without_a_word_on_what_is_known(features):
    with pytest.raises(TypeError, match="known"):
        assemble(features.records, task(TASK), Split())


def test_a_readout_or_head_that_is_not_there_is_refused_with_those_that_are(features, tmp_path):
    with pytest.raises(InputError, match="no readout 'first'; there are last, ppa, .*, layers"):
        probe(features, recipe(readouts=("ppa", "first")), tmp_path)
    with pytest.raises(InputError, match="no head 'svm'; there are linear, ridge, mlp"):
        probe(features, recipe(heads=("linear", "svm")), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_each_seed_takes_its_best_penalty_on_validation_the_strongest_of_equals(features, tmp_path):
    many = recipe(readouts=("layers",), penalties=(1e-3, 10.0, 1e-2))
    chosen = Run.read(probe(features, many, tmp_path / "many")[2]).chosen
    assert [each.seed for each in chosen] == [0, 1]
    alone = {}
    for penalty in many.penalties:
        out = probe(
            features, many.model_copy(update={"penalties": (penalty,)}), tmp_path / str(penalty)
        )
        alone[penalty] = [each.validation for each in Run.read(out[2]).chosen]
    for place, each in enumerate(chosen):
        areas = {penalty: found[place] for penalty, found in alone.items()}
        assert each.validation == pytest.approx(max(areas.values()), abs=1e-3)


def test_exclusive_classes_get_probabilities_that_sum_to_one(features, tmp_path):
    single = features.records["codes"].map(lambda codes: list(codes[:1]))
    made = replace(features, records=features.records.assign(codes=single))
    given = recipe(task="stmem-single-label", readouts=("layers",), heads=("mlp",))
    folder = probe(made, given, tmp_path, test=True)[2]
    table = pd.read_parquet(folder / "predictions.parquet")
    assert table[["score:MI", "score:NORM"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert area(folder) > 0.85
