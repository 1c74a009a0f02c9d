"""Task of one's own on disk: the content of ``task.json``, and the labels of each record."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from myocard.errors import InputError
from myocard.files.manifest import Manifest
from myocard.files.tables import read_parquet
from myocard.metrics.summary import Frozen
from myocard.outcomes import Outcome
from myocard.tasks.own.matching import require_found
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.task import Labelled

TASK = Manifest("task", "task.json", 1, "make one with `myocard task`")
LABELS, LEFT_OUT = "labels.parquet", "left_out.csv"
KEYS = ["source", "id"]
"""Columns by which a record is known."""


class LabelFile(Frozen):
    """The table that the labels came from: its name, and its hash (SHA-256)."""

    name: str
    sha256: str


class Counts(Frozen):
    """Rows of the table and records of the store, counted.

    Attributes:
        rows: Rows with any content.
        blank: Rows without.
        ids: Different ids.
        matched: Ids whose record was found, by rule.
        records: Records of the store.
        labelled: Records in the task.
        rows_left_out: Rows that are not in it, by reason.
        records_left_out: Records that are not, by reason.
    """

    rows: int
    blank: int
    ids: int
    matched: dict[str, int]
    records: int
    labelled: int
    rows_left_out: dict[str, int]
    records_left_out: dict[str, int]


class SplitCounts(Frozen):
    """Size of a split, and of each class: positives, negatives and unknown, or the like."""

    records: int
    patients: int
    classes: dict[str, dict[str, int]]


class Follows(Frozen):
    """Score of a class from one thing that is known of a record besides its signal.

    Attributes:
        trait: The thing.
        target: The class.
        measure: Name of the score: AUROC, R² or concordance.
        value: The score, cross-validated by patient.
        share: Share of the records for which the thing and the label are known.
    """

    trait: str
    target: str
    measure: str
    value: float
    share: float


class TaskInfo(Frozen):
    """All that ``task.json`` says.

    Attributes:
        unit: Unit of a number or a time.
        told: Sentences on what was recognised in the table.
        follows: Scores from metadata alone, best first.
        warnings: Sentences of the checks.
    """

    name: str
    outcome: Outcome
    classes: tuple[str, ...]
    unit: str | None = None
    labels: LabelFile
    settings: OwnTaskSettings
    told: tuple[str, ...]
    counts: Counts
    splits: dict[str, SplitCounts]
    follows: tuple[Follows, ...]
    warnings: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Write it into ``folder``, where the labels are."""
        TASK.write(folder, self.model_dump(mode="json"), (LABELS, LEFT_OUT))

    @classmethod
    def read(cls, folder: Path) -> "TaskInfo":
        """Read it, once it and the labels are found as they were written.

        Raises:
            InputError: When ``folder`` is no task, or a file is altered.
        """
        content = TASK.read(folder, (LABELS, LEFT_OUT))
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{folder / TASK.file}: {error}; {TASK.fix}") from error


@dataclass(frozen=True, eq=False)
class OwnTask:
    """A task made of somebody's table.

    Attributes:
        name: Name in tables and folders.
        outcome: Kind of its outputs.
        classes: Names of its outputs, in the order of a model's.
        unit: Unit of a number or a time; None where nobody said it.
        hash: Hash of its labels, folds and patients.
        unmatched: Largest share of its records that a store may lack.
        table: A row for each labelled record: source, id, patient, fold, and ``target:CLASS`` of
            each output.
    """

    name: str
    outcome: Outcome
    classes: tuple[str, ...]
    unit: str | None
    hash: str
    unmatched: float
    table: pd.DataFrame = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "OwnTask":
        """Open the task in ``folder``.

        Raises:
            InputError: When it is no task, or a file is altered.
        """
        info = TaskInfo.read(folder)
        columns = [*KEYS, "patient", "fold", *target_columns(info.classes)]
        table = read_parquet(folder / LABELS, columns, TASK.fix)
        hashed = TASK.hashes(folder)[LABELS]
        most = info.settings.unmatched
        return cls(info.name, info.outcome, info.classes, info.unit, hashed, most, table)

    def label(self, records: pd.DataFrame) -> Labelled:
        """Label the records of a store's table, by source and id.

        Args:
            records: All of the table, with the column id, and source where ids are those of
                several data sets.

        Raises:
            InputError: When the table lacks more of the task's records than may be, by the rule by
                which the task was made; only those of the table's sources count, if there are any.
        """
        keys = [key for key in KEYS if key in records]
        self._require_found(records, keys)
        labels = self.table[[*keys, "patient", "fold", *target_columns(self.classes)]]
        found = records[keys].merge(labels, on=keys, how="left", validate="many_to_one")
        kept = found["fold"].notna().to_numpy()
        return Labelled(
            found[target_columns(self.classes)].to_numpy(np.float64),
            kept,
            found["fold"].fillna(0).to_numpy(np.int64),
            found["patient"].where(kept, "").to_numpy(object),
        )

    def _require_found(self, records: pd.DataFrame, keys: list[str]) -> None:
        """Refuse a store that lacks too many of the labelled records."""
        expected = self.table[keys]
        if "source" in keys:
            here = expected["source"].isin(records["source"])
            expected = expected[here] if here.any() else expected
        place = {
            key: row for row, key in enumerate(records[keys].itertuples(index=False, name=None))
        }
        require_found(
            expected["id"].tolist(),
            records["id"].tolist(),
            [place.get(key, -1) for key in expected.itertuples(index=False, name=None)],
            self.unmatched,
            where=f"task {self.name}",
            fix="is this the store that it was made for? make the task again from this one",
        )


def target_columns(classes: tuple[str, ...]) -> list[str]:
    """Return the names of the columns that hold the targets."""
    return [f"target:{name}" for name in classes]
