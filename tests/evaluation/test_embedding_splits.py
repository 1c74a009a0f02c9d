"""Embeddings as the code of arXiv 2602.17531 leaves them: models, splits and labels."""

from pathlib import Path

import numpy as np
import pytest

from myocard.errors import InputError
from myocard.evaluation.embeddings import Imported, import_embeddings
from myocard.evaluation.probing import probe
from myocard.metrics.scores import auroc
from myocard.recipe import ProbeRecipe
from myocard.results.run import Run
from myocard.results.saved import load_runs
from myocard.tasks.registry import task

SIZES = {"train": 80, "val": 30, "test": 40}
MODELS = ("D_BETA", "MERL")
rng = np.random.default_rng(0)
LABELS = {split: rng.integers(0, 2, (size, 3)).astype(np.uint8) for split, size in SIZES.items()}
WEIGHTS = rng.normal(size=(3, 8))


def write(place: Path, labels: dict[str, np.ndarray] = LABELS, models=MODELS) -> None:
    """Write what that code writes: float32 of one layer, labels of uint8, and notes."""
    for model, noise in zip(models, (3.0, 1.0), strict=True):
        for split, own in LABELS.items():
            folder = place / split
            folder.mkdir(parents=True, exist_ok=True)
            drawn = np.random.default_rng(len(split)).normal(size=(len(own), 8))
            states = own @ WEIGHTS + noise * drawn
            np.save(folder / f"{model}.npy", states.astype(np.float32))
            np.save(folder / f"{model}_y.npy", labels[split])
            (folder / f"{model}_done.json").write_text("{}")


@pytest.fixture
def place(tmp_path) -> Path:
    return tmp_path / "PTBXL_super"


def imported(place: Path) -> Imported:
    return import_embeddings(place, place.parent / "results")


def recipe(folder: Path, **changes) -> ProbeRecipe:
    given = {"readouts": ("last",), "heads": ("linear",), "seeds": (0,), "resamples": 50}
    return ProbeRecipe(task=str(folder), **given | changes)


def test_each_model_becomes_an_encoder_and_the_labels_a_task(place):
    write(place)
    (place / "ptbxl_class_to_index.json").write_text('{"NORM": 2, "MI": 0, "STTC": 1}')
    features, folder = imported(place)
    assert [each.encoder.name for each in features] == list(MODELS)
    states = [np.load(place / split / "MERL.npy") for split in SIZES]
    assert np.array_equal(features[1].states[:, 0], np.concatenate(states))
    records = features[0].records
    assert records["id"][[0, 80, 149]].tolist() == ["train-0", "val-0", "test-39"]
    assert records["patient"].tolist() == records["id"].tolist()
    assert records["fold"].value_counts().to_dict() == {1: 80, 9: 30, 10: 40}
    own = task(str(folder))
    assert (own.name, own.outcome, own.classes) == ("PTBXL_super", "any", ("MI", "STTC", "NORM"))
    labelled = own.label(records)
    assert np.array_equal(labelled.targets, np.concatenate([*LABELS.values()]))
    assert labelled.folds.tolist() == records["fold"].tolist()
    again = imported(place)
    assert [each.info for each in again.features] == [each.info for each in features]


def test_its_models_are_probed_on_its_splits_without_patients(place):
    write(place)
    features, folder = imported(place)
    runs = [probe(each, recipe(folder), place.parent / "r", test=True)[0] for each in features]
    worse, better = map(Run.read, runs)
    assert {name: split.records for name, split in better.splits.items()} == {
        "train": 80, "validation": 30, "test": 40,
    }  # fmt: skip
    assert (better.test.interval.unit, better.test.patients) == ("record", None)
    assert better.hashes.store == worse.hashes.store
    assert better.test.main.macro.value > worse.test.main.macro.value + 0.05
    found = load_runs(runs[1])[0].predictions("test")
    told = auroc(found.targets == 1, found.scores[0], np.ones((1, 40), int)).mean()
    assert better.test.main.macro.value == pytest.approx(told)


def test_numbers_of_classes_are_a_task_of_one_class_each(place):
    numbers = {split: own.sum(axis=1).astype(np.int64) for split, own in LABELS.items()}
    write(place, numbers)
    features, folder = imported(place)
    own = task(str(folder))
    assert (own.outcome, own.classes) == ("one", ("class 0", "class 1", "class 2", "class 3"))
    targets = own.label(features[0].records).targets
    assert np.array_equal(targets.argmax(axis=1), np.concatenate([*numbers.values()]))


def test_one_column_is_a_yes_or_no_and_nan_an_unknown_label(place):
    one = {split: own[:, :1].astype(np.float32) for split, own in LABELS.items()}
    one["train"][3] = np.nan
    write(place, one)
    features, folder = imported(place)
    labelled = task(str(folder)).label(features[0].records)
    assert labelled.targets.shape == (150, 1)
    assert np.flatnonzero(~labelled.kept).tolist() == [3]


def other_labels(place: Path) -> None:
    write(place)
    np.save(place / "val" / "MERL_y.npy", 1 - LABELS["val"])


def lost(place: Path) -> None:
    write(place)
    (place / "test" / "MERL.npy").unlink()


def views(place: Path) -> None:
    write(place)
    for split, size in SIZES.items():
        np.save(place / split / "CLOCS.npy", np.zeros((size, 256, 2), np.float32))
        np.save(place / split / "CLOCS_y.npy", LABELS[split])


def raw(place: Path) -> None:
    """Write a map without a header, as an earlier version of that code did."""
    write(place)
    np.memmap(place / "train" / "MERL_y.npy", np.float32, "w+", shape=(80, 3)).flush()


def counts(place: Path) -> None:
    write(place, {split: own * 2 for split, own in LABELS.items()})


def narrower(place: Path) -> None:
    write(place)
    np.save(place / "test" / "MERL.npy", np.zeros((40, 7), np.float32))


def longer(place: Path) -> None:
    write(place)
    np.save(place / "test" / "MERL.npy", np.zeros((41, 8), np.float32))


def empty(place: Path) -> None:
    (place / "train").mkdir(parents=True)


def of_other_classes(place: Path) -> None:
    write(place)
    (place / "x_class_to_index.json").write_text('{"MI": 0}')


def of_no_classes(place: Path) -> None:
    write(place)
    (place / "x_class_to_index.json").write_text("[1]")


FAULTS = {
    other_labels: "PTBXL_super: MERL has other labels than D_BETA; embed the same records",
    lost: r"test/MERL\.npy",
    views: r"train/CLOCS\.npy: float32 of shape \(80, 256, 2\): more layers than numbers .* views",
    raw: r"train/MERL_y\.npy: not a readable array .*np\.save",
    counts: "PTBXL_super: labels are neither 0 and 1 nor numbers of classes",
    narrower: "PTBXL_super: its parts differ in layers or widths",
    longer: "PTBXL_super: embeddings of 151 records, and 150 records in",
    empty: r"PTBXL_super/train: no MODEL\.npy there",
    of_other_classes: r"x_class_to_index\.json: other than the 3 classes of the labels",
    of_no_classes: r"x_class_to_index\.json: not the numbers of classes",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_fault_is_named_with_its_file(place, spoil):
    spoil(place)
    with pytest.raises(InputError, match=FAULTS[spoil]):
        imported(place)


def test_names_and_records_are_those_of_the_files(place):
    write(place)
    with pytest.raises(InputError, match="leave --name and --records out"):
        import_embeddings(place, place.parent / "results", name="other")
