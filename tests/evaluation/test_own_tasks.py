"""People's own labels, from the table to the report: every kind finds the layer that knows them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score

from myocard.errors import InputError
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import Features
from myocard.evaluation.probing import probe
from myocard.evaluation.transfer import transfer
from myocard.models.classifier import read_classifiers
from myocard.recipe import ProbeRecipe, check, read_recipe
from myocard.report import write_report
from myocard.results.run import Run
from myocard.results.saved import load_runs
from myocard.tasks.own.making import make_task
from myocard.tasks.own.settings import OwnTaskSettings

RECORDS, LAYERS, WIDTH, KNOWING = 900, 4, 8, 2
KINDS = ("binary", "several", "one", "number", "time")


@pytest.fixture(scope="module")
def features(made_features) -> Features:
    states = np.random.default_rng(0).normal(size=(RECORDS, LAYERS, WIDTH))
    return made_features(states, [[]] * RECORDS, "own")


def labels_of(features: Features, kind: str) -> pd.DataFrame:
    """A table of labels that layer ``KNOWING`` knows all but noise of; a fifth is unknown."""
    rng = np.random.default_rng(1)
    known = features.pooled()[:, KNOWING].float().numpy() @ rng.normal(size=(WIDTH, 3))
    known += 0.3 * rng.normal(size=known.shape)
    table = pd.DataFrame({"id": features.records["id"]})
    if kind == "number":
        table["y"] = (60 + 10 * known[:, 0]).round(2).astype(str)
    elif kind == "time":
        after = rng.exponential(np.exp(-2 * known[:, 0])) * 100
        followed = rng.exponential(300, RECORDS)
        table["y"] = np.minimum(after, followed).clip(0.1).round(1).astype(str)
        table["died"] = (after <= followed).astype(int)
    elif kind == "one":
        table["y"] = np.array(["a", "b", "c"])[known.argmax(axis=1)]
    elif kind == "several":
        table[["y", "z"]] = (known[:, :2] > 0).astype(int).astype(str)
    else:
        table["y"] = np.where(known[:, 0] > 0, "yes", "no")
    table.loc[rng.random(RECORDS) < 0.2, "y"] = "NA"
    return table


@pytest.fixture(scope="module")
def recipe_of(features, tmp_path_factory) -> Callable[[str], ProbeRecipe]:
    """The recipe of a task's folder, with fewer resamples."""
    root = tmp_path_factory.mktemp("tasks")

    def make(kind: str) -> ProbeRecipe:
        file, folder = root / f"{kind}.csv", root / f"my-{kind}"
        if not folder.exists():
            labels_of(features, kind).to_csv(file, index=False)
            event = {"event": "died"} if kind == "time" else {}
            target = ["y", "z"] if kind == "several" else ["y"]
            asked = OwnTaskSettings(id="id", target=target, kind=kind, patient="none", **event)
            make_task(file, features.records, asked, folder)
        changes = ["resamples = 50", 'readouts = ["last", "layers", "scalar-mix", "concat"]']
        return read_recipe(str(folder / "recipe.toml"), ProbeRecipe, changes)

    return make


@pytest.fixture(scope="module")
def runs_of(features, recipe_of, tmp_path_factory) -> Callable[[str], dict[str, Path]]:
    root, made = tmp_path_factory.mktemp("results"), {}

    def train(kind: str) -> dict[str, Path]:
        if kind not in made:
            folders = probe(features, recipe_of(kind), root, test=True)
            made[kind] = {folder.name: folder for folder in folders}
        return made[kind]

    return train


@pytest.mark.parametrize("kind", KINDS)
def test_the_layer_that_knows_the_labels_is_found_and_mixed(runs_of, kind):
    runs = runs_of(kind)
    found = {name: Run.read(folder).test.main.macro.value for name, folder in runs.items()}
    layers = [found[f"layer-{layer:02d}-linear"] for layer in range(LAYERS)]
    assert np.argmax(layers) == KNOWING
    assert layers[KNOWING] > max(layers[:KNOWING] + layers[KNOWING + 1 :]) + 0.15
    assert found["scalar-mix-linear"] > layers[KNOWING] - 0.05
    (mixture,) = Run.read(runs["scalar-mix-linear"]).mixtures
    assert mixture.optima[0].gap < 1e-4
    assert np.argmax(mixture.optima[0].weights) == KNOWING - 1


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_in_the_units_of_the_table_and_unknown_labels_stay_so(
    features, runs_of, kind
):
    (run,) = load_runs(runs_of(kind)["concat-linear"])
    told, table = run.predictions("test"), labels_of(features, kind).set_index("id")
    given = table.loc[told.ids, "y"]
    unknown = np.isnan(told.targets[:, 0])
    assert (unknown == (given == "NA")).all() if kind == "several" else not unknown.any()
    if kind in ("number", "time"):
        assert np.abs(told.targets[:, 0]) == pytest.approx(given.astype(float).to_numpy())
    if kind == "number":
        assert told.scores.mean() == pytest.approx(60, abs=5)
    if kind == "time":
        assert ((told.targets[:, 0] > 0) == (table.loc[told.ids, "died"] == 1)).all()


def test_a_number_is_scored_as_scikit_learn_scores_it(features, runs_of):
    (run,) = load_runs(runs_of("number")[f"layer-{KNOWING:02d}-linear"])
    told = run.predictions("test")
    metrics = run.info.test
    assert metrics.main.macro.value == pytest.approx(r2_score(told.targets, told.scores[0]))
    error = mean_absolute_error(told.targets, told.scores[0])
    assert metrics.scores["mae"].macro.value == pytest.approx(error)


def test_the_head_of_a_number_is_scikit_learns_ridge(features, recipe_of, runs_of):
    (run,) = load_runs(runs_of("number")[f"layer-{KNOWING:02d}-linear"])
    penalty = run.info.chosen[0].penalty
    labels = labels_of(features, "number").set_index("id").replace("NA", np.nan)["y"].astype(float)
    states = features.pooled()[:, KNOWING].float().numpy()
    given = labels.to_numpy()
    folds = pd.read_parquet(Path(recipe_of("number").task) / "labels.parquet").set_index("id")[
        "fold"
    ]
    fold = folds.reindex(labels.index).fillna(0).to_numpy()
    rows = (fold >= 1) & (fold <= 8)
    norm = states - states.mean(axis=1, keepdims=True)
    norm /= np.sqrt(norm.var(axis=1, keepdims=True) + 1e-5)
    mean, spread = norm[rows].mean(axis=0), norm[rows].std(axis=0)
    oracle = Ridge(alpha=penalty * rows.sum()).fit((norm[rows] - mean) / spread, given[rows])
    told = run.predictions("test")
    at = pd.Index(labels.index).get_indexer(told.ids)
    assert told.scores[0, :, 0] == pytest.approx(
        oracle.predict((norm[at] - mean) / spread), abs=0.05
    )


@pytest.mark.parametrize("kind", KINDS)
def test_folds_can_be_rotated_and_the_pooled_run_says_about_the_same(
    features, recipe_of, runs_of, kind, tmp_path
):
    recipe = recipe_of(kind).model_copy(update={"readouts": ("layers",)})
    pooled = cross_fit(features, recipe, [8, 9, 10], tmp_path / "rotations", tmp_path / "runs")
    best = Run.read(pooled[KNOWING]).test.main.macro.value
    alone = Run.read(runs_of(kind)[f"layer-{KNOWING:02d}-linear"]).test.main.macro.value
    assert best == pytest.approx(alone, abs=0.12)


def test_a_store_without_a_label_of_the_task_cannot_be_tested(
    features, made_features, runs_of, tmp_path
):
    elsewhere = made_features(np.ones((30, LAYERS, WIDTH)), [[]] * 30, "other")
    with pytest.raises(InputError, match="my-number"):
        transfer([runs_of("number")["last-linear"]], features, elsewhere, tmp_path)


def test_the_report_names_the_metric_of_each_task_and_draws_it(runs_of, tmp_path):
    folders = [runs_of(kind)["last-linear"].parents[2] for kind in KINDS]
    page = write_report(sorted(set(folders)), tmp_path / "report").read_text(encoding="utf-8")
    for words in ("Macro AUROC", "R²", "Concordance (Harrell)", "Mean absolute error"):
        assert words in page
    for kind in KINDS:
        assert [*(tmp_path / "report").rglob(f"my-{kind}-readouts.csv")]


def test_ridge_fits_numbers_and_refuses_times_and_unknown_labels(features, recipe_of, tmp_path):
    changes = {"heads": ("ridge",), "readouts": ("layers",)}
    number = recipe_of("number").model_copy(update=changes)
    folders = probe(features, number, tmp_path / "ridge", test=True)
    assert Run.read(folders[KNOWING]).test.main.macro.value > 0.7
    for kind in ("time", "several"):
        with pytest.raises(InputError, match="least squares, for which every target has to be"):
            probe(features, recipe_of(kind).model_copy(update=changes), tmp_path / kind)


def test_a_saved_classifier_keeps_the_scale_of_its_numbers(features, runs_of):
    folder = runs_of("number")[f"layer-{KNOWING:02d}-linear"]
    run = Run.read(folder)
    assert run.outcome == "number"
    assert run.scale[0].mean == pytest.approx(60, abs=5)
    (classifier,) = read_classifiers(folder, features.norm, features.layers)
    assert classifier(features.pooled()[:9].float()).abs().max() < 10  # standardised


def test_a_table_that_has_changed_is_another_task(features, recipe_of, tmp_path):
    recipe = recipe_of("binary").model_copy(update={"readouts": ("last",)})
    probe(features, recipe, tmp_path)
    table = labels_of(features, "binary").iloc[::-1]
    table["y"] = table["y"].map({"yes": "no", "no": "yes"}).fillna("NA")
    table.to_csv(tmp_path / "other.csv", index=False)
    asked = OwnTaskSettings(id="id", target=["y"], kind="binary", patient="none")
    make_task(tmp_path / "other.csv", features.records, asked, tmp_path / "elsewhere" / "my-binary")
    other = recipe.model_copy(update={"task": str(tmp_path / "elsewhere" / "my-binary")})
    with pytest.raises(InputError, match="made from other inputs: .*labels"):
        probe(features, other, tmp_path)


@pytest.fixture(scope="module")
def namesakes(features, tmp_path_factory) -> list[Path]:
    """Runs of two tasks that are called alike, the second of the first one's opposite."""
    root, folders = tmp_path_factory.mktemp("namesakes"), []
    for place in ("a", "b"):
        table = labels_of(features, "binary")
        words = {"yes": "no", "no": "yes"} if place == "b" else {}
        table.assign(y=table["y"].replace(words)).to_csv(root / "y.csv", index=False)
        asked = OwnTaskSettings(id="id", target=["y"], kind="binary", patient="none")
        make_task(root / "y.csv", features.records, asked, root / place / "low_ef")
        changes = ["resamples = 20", 'readouts = ["last"]']
        recipe = read_recipe(root / place / "low_ef", ProbeRecipe, changes)
        folders += probe(features, recipe, root / place / "results", test=True)
    return folders


def test_tasks_that_are_called_alike_and_have_other_labels_never_meet(
    features, namesakes, tmp_path
):
    one, other = map(Run.read, namesakes)
    assert one.task == other.task == "low_ef"
    assert None is not one.labels != other.labels
    for folder in namesakes:
        with pytest.raises(InputError, match="leak: the probe was trained on"):
            transfer([folder], features, features, tmp_path / "transfers")
    write_report([namesakes[0]], tmp_path / "report")
    with pytest.raises(InputError, match="are of two tasks called low_ef, with other labels; make"):
        write_report(namesakes, tmp_path / "both")


def test_a_probe_is_not_transferred_once_its_task_has_other_labels(features, namesakes, tmp_path):
    run = Run.read(namesakes[0])
    task = Path(namesakes[1]).parents[3] / "low_ef"
    recipe = run.recipe.model_copy(update={"task": str(task)})
    shutil.copytree(namesakes[0], tmp_path / "last-linear")
    run.model_copy(update={"recipe": recipe}).write(tmp_path / "last-linear")
    with pytest.raises(InputError, match="last-linear: its task has other labels now; probe into"):
        transfer([tmp_path / "last-linear"], features, features, tmp_path / "out")


def test_the_same_cells_of_another_kind_are_another_task(features, tmp_path):
    table = features.records[["id"]].assign(y=np.arange(RECORDS) // 7 % 2)
    table.to_csv(tmp_path / "y.csv", index=False)
    for kind in ("binary", "number"):
        asked = OwnTaskSettings(id="id", target=["y"], kind=kind, patient="none")
        make_task(tmp_path / "y.csv", features.records, asked, tmp_path / kind / "task")
    given = {"readouts": ["last"], "heads": ["linear"], "seeds": [0], "resamples": 20}
    recipes = [
        check(ProbeRecipe, given | {"task": str(tmp_path / kind / "task")}, "test")
        for kind in ("binary", "number")
    ]
    probe(features, recipes[0], tmp_path / "runs")
    with pytest.raises(InputError, match="made from other inputs: .*outcome"):
        probe(features, recipes[1], tmp_path / "runs")
