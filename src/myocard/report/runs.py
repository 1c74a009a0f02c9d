"""Runs on disk: what ``run.json`` must say, and the predictions beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError, model_validator

from myocard.errors import InputError
from myocard.tasks.cohort import TRAITS

Split = Literal["validation", "test"]


class Estimate(BaseModel):
    """A score, its interval, and its spread over seeds; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None
    seed_sd: float | None = None


class ClassEstimate(Estimate):
    positives: int


class Score(BaseModel):
    macro: Estimate
    by_class: dict[str, ClassEstimate]


class Interval(BaseModel):
    level: float
    resamples: int
    unit: Literal["record", "patient"]
    rule: str
    seed: int


class Metrics(BaseModel):
    """What ``myocard.metrics.scores.summarise`` returns."""

    records: int
    patients: int | None
    undefined: list[str] = []
    auroc: Score
    average_precision: Score
    f1: Score
    interval: Interval


class EncoderStatement(BaseModel):
    name: str
    hash: str | None = None
    random: bool = False
    mixture: Literal["last", "mean"] | None = None
    layers: int | None = None
    width: int | None = None
    input: Any = None
    pretraining: str | None = None
    sources: dict[str, int] | None = None


class CodeWeights(BaseModel):
    records: int
    mean: list[float]


class Entropy(BaseModel):
    """Of the weights of a record, in nats; ``share`` of that of equal weights."""

    mean: float
    share: float


class LayerWeights(BaseModel):
    """Mean weight of every layer on the records of ``split``, the embedding first."""

    split: str | None = None
    mean: list[float]
    by_class: dict[str, list[float] | None] = {}
    by_code: dict[str, CodeWeights] = {}
    entropy: Entropy | None = None
    divergence: float | None = None
    between_records: float | None = None


class Statement(BaseModel):
    """A ``run.json`` of schema 1.

    ``trained_on`` is another data set than ``source``, for a run that was transferred: its test
    records are of ``source``, its training and validation records of that one.
    """

    version: Literal[1] = Field(alias="schema")
    kind: Literal["probe", "finetune", "baseline"]
    name: str
    encoder: EncoderStatement
    readout: str
    layer: int | None = None
    head: str
    task: str
    source: str
    trained_on: str | None = None
    leads: list[str] | None = None
    fraction: float = 1.0
    classes: list[str]
    classes_left_out: dict[str, str] = {}
    splits: dict[str, dict[str, Any]]
    seeds: list[int]
    chosen: list[dict[str, Any]] = []
    validation: Metrics
    test: Metrics | None = None
    layer_weights: LayerWeights | None = None
    static_twins: dict[str, dict[str, float]] = {}
    versions: dict[str, Any] = {}
    hashes: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    command: str = ""
    seconds: float | None = None

    @model_validator(mode="after")
    def _names_its_layer(self) -> "Statement":
        if (self.readout == "layer") != (self.layer is not None):
            raise ValueError('"layer" holds a number for the readout "layer" and null for others')
        return self

    def metrics(self, split: Split) -> Metrics | None:
        return self.test if split == "test" else self.validation


class Predictions(NamedTuple):
    """What a run said of each record of one split.

    Attributes:
        ids: ``(records,)``, in rising order.
        patients: ``(records,)``.
        targets: ``(records, classes)``.
        scores: ``(seeds, records, classes)``.
        traits: Those of ``TRAITS`` that the run tells of its records, a row a record.
    """

    ids: NDArray[Any]
    patients: NDArray[Any]
    targets: NDArray[np.bool_]
    scores: NDArray[np.floating]
    traits: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Run:
    """A folder with ``run.json`` and ``predictions.parquet``.

    Attributes:
        folder: Where it lies.
        place: The folder as the report names it: below the path that was asked for.
        states: What its ``run.json`` says.
        file: The name of its predictions.
    """

    folder: Path
    place: str
    states: Statement
    file: str = "predictions.parquet"

    def twin(self, name: str) -> "Run":
        """The same run with the scores of one of its static twins."""
        return replace(self, file=f"{name}.parquet")

    def weights(self, split: Split) -> pd.DataFrame | None:
        """Each seed's weights of each record, a column a layer; None where all have the same."""
        path = self.folder / "weights.parquet"
        if not path.exists():
            return None
        rows = _read_table(path).query("split == @split").filter(like="layer:")
        return rows.rename(columns=lambda name: int(name.removeprefix("layer:")))

    def predictions(self, split: Split) -> Predictions:
        """The predictions of one split.

        Raises:
            InputError: When the file is missing, or its seeds do not cover the same records.
        """
        rows = self._table().query("split == @split").sort_values(["seed", "id"])
        first = rows[rows["seed"] == rows["seed"].min()]
        seeds = rows["seed"].nunique()
        if seeds == 0 or not np.array_equal(rows["id"], np.tile(first["id"], seeds)):
            path = self.folder / self.file
            raise InputError(f"{path}: the {split} records are not the same for every seed")
        scores = rows[[f"score:{name}" for name in self.states.classes]].to_numpy(float)
        targets = first[[f"target:{name}" for name in self.states.classes]].to_numpy(bool)
        shape = (seeds, len(first), len(self.states.classes))
        return Predictions(
            first["id"].to_numpy(),
            first["patient"].to_numpy(),
            targets,
            scores.reshape(shape),
            first[[name for name in TRAITS if name in first]],
        )

    def _table(self) -> pd.DataFrame:
        path = self.folder / self.file
        table = _read_table(path)
        needed = {"id", "patient", "split", "seed"}
        needed |= {f"{kind}:{name}" for kind in ("score", "target") for name in self.states.classes}
        if missing := sorted(needed - set(table.columns)):
            raise InputError(f"{path}: lacks the column {missing[0]!r} that its run.json implies")
        return table


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the program again") from error


def find_runs(paths: Sequence[Path]) -> list[Run]:
    """The runs in and below ``paths``, by place.

    Raises:
        InputError: For a path that does not exist, or a ``run.json`` that is not of schema 1.
    """
    return [read_run(file.parent, place) for file, place in find_files(paths, "run.json")]


def find_files(paths: Iterable[Path], name: str) -> list[tuple[Path, str]]:
    """The files called ``name`` in and below ``paths``, each once, and their folders' places.

    Folders whose names start with a dot are what a killed process was writing.
    """
    found: dict[Path, str] = {}
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path}: no such folder; give folders that hold runs")
        for file in sorted(path.rglob(name)):
            if any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            place = file.parent.relative_to(path.parent).as_posix()
            found.setdefault(file.resolve(), place)
    return sorted(found.items(), key=lambda item: item[1])


def read_run(folder: Path, place: str) -> Run:
    """The run in ``folder``."""
    path = folder / "run.json"
    try:
        return Run(folder, place, Statement.model_validate_json(path.read_text()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; run the program again") from error
