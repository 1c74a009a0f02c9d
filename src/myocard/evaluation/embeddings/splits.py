"""Embeddings as the code of arXiv 2602.17531 leaves them (github.com/zackeberger/ecg-fix).

``SET/train/MODEL.npy`` holds the embeddings, ``(records, width)``, and ``MODEL_y.npy`` the labels;
so do ``val`` and ``test``. What is assumed of it, by its ``src/preprocess/embed_data.py``:

- the rows of a split are the same records for every model, in one order: their labels are compared;
- labels are 0 and 1, a column a class, or one column of the numbers of classes that exclude each
  other; NaN is a label that nobody knows;
- names of classes are in a ``*class_to_index.json``, which that code keeps in its
  ``raw_data_dir``; without a copy of it in ``SET`` they are numbers;
- nothing tells of patients: each record counts as one of its own.

Its two views of a record under CLOCS, ``(records, 256, 2)``, are refused: they are no layers.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.evaluation.embeddings.records import Records, completed
from myocard.evaluation.embeddings.states import Embeddings, keep
from myocard.evaluation.features import Features
from myocard.files.arrays import read_mapped
from myocard.tasks.own.making import make_task
from myocard.tasks.own.settings import OwnTaskSettings

SPLITS = ("train", "val", "test")
_LABELS = "_y"
Labels = NDArray[np.float64]


def has_splits(place: Path) -> bool:
    """Tell if a folder holds such splits."""
    return (place / SPLITS[0]).is_dir()


def import_splits(
    place: Path, out: Path, pretrained_on: tuple[str, ...] = ()
) -> tuple[list[Features], Path]:
    """Make features of every model's embeddings of one set, and a task of their labels.

    Args:
        place: The folder ``SET``.
        out: The folder in which ``features/MODEL`` and ``tasks/SET`` are made, by the rule of
            ``files/step.py``.
        pretrained_on: Names of the data sets that all of the models were pretrained on, if known.

    Returns:
        The features, and the folder of the task.

    Raises:
        InputError: When a file is missing or broken, or two models have other labels.
    """
    found = sorted(path.stem for path in (place / SPLITS[0]).glob("*.npy"))
    models = [name for name in found if not name.endswith(_LABELS)]
    if not models:
        raise InputError(f"{place / SPLITS[0]}: no MODEL.npy there; give the folder of a set")
    first, *others = [_labels_of(place, model) for model in models]
    for model, other in zip(models[1:], others, strict=True):
        if not all(map(_are_equal, other, first)):
            raise InputError(
                f"{place}: {model} has other labels than {models[0]}; embed the same records in "
                "the same order, or keep the models in folders of their own"
            )
    labels = _named(place, np.concatenate(first))
    called = place.absolute().name
    records = _records_of(place, called, [len(each) for each in first])
    features = []
    for model in models:
        files = [[place / split / f"{model}.npy"] for split in SPLITS]
        lost = [file for (file,) in files if not file.is_file()]
        if lost:
            raise InputError(f"{lost[0]}: no such file; embed train, val and test")
        given = Embeddings(place, files, records, pretrained_on)
        features.append(keep(given, out / "features" / model))
    task = out / "tasks" / called
    _write_task(place, task, records.table, labels)
    return features, task


def _labels_of(place: Path, model: str) -> list[Labels]:
    """Read the labels of a model's records, ``(records, columns)`` for each split."""
    found = []
    for split in SPLITS:
        path = place / split / f"{model}{_LABELS}.npy"
        labels = read_mapped(path, "save embeddings and labels of train, val and test with np.save")
        if labels.dtype.kind not in "biuf" or labels.ndim not in (1, 2):
            raise InputError(
                f"{path}: {labels.dtype} of shape {labels.shape}, no labels; save 0 and 1"
            )
        found.append(labels.reshape(len(labels), -1).astype(np.float64))
    if len({labels.shape[1] for labels in found}) > 1:
        raise InputError(f"{place}: labels of {model} differ in columns from split to split")
    return found


def _are_equal(one: Labels, other: Labels) -> bool:
    return np.array_equal(one, other, equal_nan=True)


def _records_of(place: Path, source: str, counts: list[int]) -> Records:
    """Name the records by split and row."""
    splits = np.repeat(SPLITS, counts)
    rows = np.concatenate([np.arange(count) for count in counts])
    ids = [f"{split}-{row}" for split, row in zip(splits, rows, strict=True)]
    return completed(pd.DataFrame({"id": ids, "split": splits, "source": source}), place)


def _named(place: Path, labels: Labels) -> pd.DataFrame:
    """Return labels in columns: one of words for classes that exclude each other, else one each."""
    known = labels[~np.isnan(labels)]
    exclusive = labels.shape[1] == 1 and known.max(initial=0) > 1
    if (
        (known < 0).any()
        or (known != known.round()).any()
        or (not exclusive and known.max(initial=0) > 1)
    ):
        raise InputError(
            f"{place}: labels are neither 0 and 1 nor numbers of classes; correct them"
        )
    names = _class_names(place, int(known.max()) + 1 if exclusive else labels.shape[1])
    if not exclusive:
        return pd.DataFrame(labels, columns=names)
    words = [None if np.isnan(label) else names[int(label)] for label in labels[:, 0]]
    return pd.DataFrame({"class": words})


def _class_names(place: Path, count: int) -> list[str]:
    """Return the names of the classes, in the order of their numbers."""
    file = next(place.glob("*class_to_index.json"), None)
    if file is None:
        return [f"class {number}" for number in range(count)]
    try:
        numbers = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: not the numbers of classes ({error}); copy it again") from error
    if sorted(numbers.values()) != list(range(count)):
        raise InputError(f"{file}: other than the {count} classes of the labels; copy this set's")
    return sorted(numbers, key=numbers.__getitem__)


def _write_task(place: Path, out: Path, records: pd.DataFrame, labels: pd.DataFrame) -> None:
    """Make a task of labels, as `myocard task` does of a table."""
    one = labels.columns.tolist() == ["class"]
    settings = OwnTaskSettings(
        kind="one" if one else "several" if labels.shape[1] > 1 else "binary",
        id="id",
        target=tuple(map(str, labels.columns)),
        missing=("",),
        patient="none",
        split="store",
    )
    with TemporaryDirectory() as folder:
        table = Path(folder) / "labels.parquet"
        labels.assign(id=records["id"]).to_parquet(table, index=False)
        try:
            make_task(table, records, settings, out)
        except InputError as error:
            raise InputError(str(error).replace(str(table), f"{place}: its labels")) from error
