"""Runs on disk with the tables beside them: predictions and layer weights, record by record."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.files.tables import read_parquet
from myocard.results.run import RUN, Run, SplitName
from myocard.results.scoring import Scores
from myocard.tasks.cohort import TRAITS, Cohort

PREDICTIONS = "predictions.parquet"
_FIX = "run the program again"


def prediction_table(cohort: Cohort, scores: Scores, seeds: Sequence[int]) -> pd.DataFrame:
    """Scores and targets in their own units: a row for each split, seed and record."""
    tables = []
    for split, by_seed in scores.items():
        rows = cohort.rows[split]
        for seed, values in zip(seeds, by_seed, strict=True):
            columns: dict[str, Any] = {
                "id": cohort.ids[rows],
                "patient": cohort.patients[rows],
                "split": split,
                "seed": seed,
            }
            columns |= {name: trait[rows] for name, trait in cohort.traits.items()}
            names = list(enumerate(cohort.classes))
            scores_in_units, targets = (
                cohort.in_units(values),
                cohort.in_units(cohort.targets[rows]),
            )
            columns |= {f"score:{name}": scores_in_units[:, k] for k, name in names}
            columns |= {f"target:{name}": targets[:, k] for k, name in names}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


class Predictions(NamedTuple):
    """The predictions of a run for one split.

    Attributes:
        ids: ``(records,)``, in rising order.
        patients: ``(records,)``.
        targets: ``(records, outputs)``, as ``myocard.outcomes`` has them.
        scores: ``(seeds, records, outputs)``.
        traits: The columns of ``TRAITS`` that the run has, a row for each record.
    """

    ids: NDArray[Any]
    patients: NDArray[Any]
    targets: NDArray[np.float64]
    scores: NDArray[np.floating]
    traits: pd.DataFrame


@dataclass(frozen=True, eq=False)
class SavedRun:
    """A folder with ``run.json`` and ``predictions.parquet``.

    Attributes:
        folder: The folder.
        place: Its name in reports.
        info: The content of its ``run.json``.
        file: The name of its predictions.
    """

    folder: Path
    place: str
    info: Run
    file: str = PREDICTIONS

    def with_static_mixture(self, name: str) -> "SavedRun":
        """The same run with the scores of one of its static mixtures."""
        return replace(self, file=f"{name}.parquet")

    def layer_weights(self, split: SplitName) -> pd.DataFrame | None:
        """Each seed's weights of each record, a column a layer; None where all have the same."""
        path = self.folder / "weights.parquet"
        if not path.exists():
            return None
        rows = read_parquet(path, (), _FIX).query("split == @split").filter(like="layer:")
        return rows.rename(columns=lambda name: int(name.removeprefix("layer:")))

    def predictions(self, split: SplitName) -> Predictions:
        """Read the predictions of one split.

        Raises:
            InputError: When the file is missing, or its seeds do not cover the same records.
        """
        path, classes = self.folder / self.file, self.info.classes
        needed = [f"{kind}:{name}" for kind in ("score", "target") for name in classes]
        table = read_parquet(path, ("id", "patient", "split", "seed", *needed), _FIX)
        rows = table.query("split == @split").sort_values(["seed", "id"])
        first = rows[rows["seed"] == rows["seed"].min()]
        seeds = rows["seed"].nunique()
        if seeds == 0 or not np.array_equal(rows["id"], np.tile(first["id"], seeds)):
            raise InputError(f"{path}: the {split} records are not the same for every seed")
        scores = rows[[f"score:{name}" for name in classes]].to_numpy(float)
        return Predictions(
            first["id"].to_numpy(),
            first["patient"].to_numpy(),
            first[[f"target:{name}" for name in classes]].to_numpy(float),
            scores.reshape(seeds, len(first), len(classes)),
            first[[name for name in TRAITS if name in first]],
        )


def load_runs(*folders: Path | str) -> list[SavedRun]:
    """Find the runs in and below some folders, with their predictions, by place.

    Raises:
        InputError: For a folder that does not exist, or a ``run.json`` that is not of this schema.
    """
    found = find_files(map(Path, folders), RUN)
    return [SavedRun(file.parent, place, Run.read(file.parent)) for file, place in found]


def find_files(paths: Iterable[Path], name: str) -> list[tuple[Path, str]]:
    """The files called ``name`` in and below ``paths``, each once, and their folders' places.

    A place is the path below the folder that holds all of ``paths``. Folders whose names start with
    a dot hold unfinished work and are passed over.
    """
    paths = list(paths)
    parents = [path.absolute().parent for path in paths]
    common = os.path.commonpath(parents) if parents else ""
    found: dict[Path, str] = {}
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; give folders that hold runs")
        for file in sorted(path.rglob(name)):
            if any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            found.setdefault(file.resolve(), file.parent.absolute().relative_to(common).as_posix())
    return sorted(found.items(), key=lambda item: item[1])
