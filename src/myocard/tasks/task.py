"""Tasks, and the codes that count for the classes of the public data sets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.labels import table
from myocard.outcomes import Outcome


class Labelled(NamedTuple):
    """Labels of the records of a table, each of as many rows.

    Attributes:
        targets: ``(records, outputs)``, as ``myocard.outcomes`` has them.
        kept: True for the records that the task keeps.
        folds: Fold of each record.
        patients: Patient of each record.
    """

    targets: NDArray[np.float64]
    kept: NDArray[np.bool_]
    folds: NDArray[np.int64]
    patients: NDArray[np.object_]


@runtime_checkable
class Task(Protocol):
    """A question that is put to records.

    Attributes:
        name: Name in tables and folders.
        outcome: Kind of its outputs.
        classes: Names of its outputs, in the order of a model's.
        unit: Unit of a number or a time; None where nobody said it.
        hash: Hash of labels that do not come with the records; None where all do.
    """

    @property
    def name(self) -> str: ...
    @property
    def outcome(self) -> Outcome: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def hash(self) -> str | None: ...

    def label(self, records: pd.DataFrame) -> Labelled:
        """Label the records of a store's table."""
        ...


@dataclass(frozen=True)
class CodedTask:
    """Classes, and the codes that belong to each.

    Attributes:
        name: Name in recipes and on the command line.
        classes: Classes in the order of a model's outputs.
        class_of: The classes of each code (``scheme:code``); codes that are not in it do not count.
        exclusive: True if a record has exactly one class (softmax and cross-entropy), False for any
            number (sigmoids and binary cross-entropy).
        alone: Codes that count only where a record has no others, such as a sinus rhythm that
            stands for a normal ECG.
    """

    name: str
    classes: tuple[str, ...]
    class_of: Mapping[str, tuple[str, ...]]
    exclusive: bool = False
    alone: frozenset[str] = frozenset()
    unit: None = None
    hash: None = None

    @property
    def outcome(self) -> Outcome:
        return "one" if self.exclusive else "any"

    def label(self, records: pd.DataFrame) -> Labelled:
        """Label records by their codes; folds and patients are the records' own."""
        targets, kept = self.targets(records["codes"].map(list))
        folds = records["fold"].to_numpy()
        return Labelled(targets.astype(float), kept, folds, patients_of(records))

    def targets(
        self, codes: Iterable[Sequence[str]]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Targets of each record, and a mask of the records that the task keeps.

        A record without any of the classes is dropped, as the PTB-XL benchmark does (Strodthoff et
        al. 2021): no class says nothing, rather than "none of these". An exclusive task also drops
        records of more than one class, for which no single answer is right.

        Args:
            codes: The codes of each record.

        Returns:
            Targets ``(records, classes)`` and kept rows ``(records,)``. Rows that are dropped
            keep their targets.
        """
        column = {name: index for index, name in enumerate(self.classes)}
        rows = [
            {
                column[name]
                for code in record
                if code not in self.alone or self.alone.issuperset(record)
                for name in self.class_of.get(code, ())
            }
            for record in codes
        ]
        targets = np.zeros((len(rows), len(self.classes)), dtype=bool)
        for target, row in zip(targets, rows, strict=True):
            target[list(row)] = True
        count = targets.sum(axis=1)
        return targets, count == 1 if self.exclusive else count > 0


def patients_of(records: pd.DataFrame) -> NDArray[np.object_]:
    """Each record's patient; the same number in another data set is somebody else."""
    return (records["source"] + " " + records["patient"]).to_numpy(dtype=object)


def _task(
    name: str,
    class_of: Mapping[str, tuple[str, ...]],
    *,
    exclusive: bool = False,
    alone: frozenset[str] = frozenset(),
) -> CodedTask:
    # Alphabetical, which is scikit-learn's order and so that of the published tables.
    classes = sorted({found for found_of_code in class_of.values() for found in found_of_code})
    return CodedTask(name, tuple(classes), class_of, exclusive, alone)


def _scp(kind: str, column: str = "code") -> dict[str, tuple[str, ...]]:
    """The classes in ``column`` of the SCP codes that are marked as ``kind``."""
    rows = [row for row in table("ptbxl_scp.csv") if row[kind] == "1"]
    return {f"scp:{row['code']}": (row[column],) for row in rows}


def _column(file: str, scheme: str, column: str) -> dict[str, tuple[str, ...]]:
    """The class in ``column`` of each code of ``file``; codes without one do not count."""
    return {f"{scheme}:{row['code']}": (row[column],) for row in table(file) if row[column]}


def _chapman(column: str) -> dict[str, tuple[str, ...]]:
    """The class in ``column`` of ``snomed.csv`` of each of Chapman's acronyms.

    Its authors gave them SNOMED codes when they published the data again, as ecg-arrhythmia.
    """
    rows = [row for row in table("snomed.csv") if row[column]]
    meaning = {name: row[column] for row in rows for name in row["ecg_arrhythmia"].split("/")}
    rhythms = [(f"chapman:{r['code']}", r["rhythm"]) for r in table("chapman_rhythm.csv")]
    beats = [(f"chapman-beat:{r['code']}", r["condition"]) for r in table("chapman_condition.csv")]
    return {code: (meaning[name],) for code, name in rhythms + beats if name in meaning}


def _scp_scored() -> dict[str, tuple[str, ...]]:
    """The Challenge's class of each SCP code that means the same as one of its SNOMED codes."""
    scored = {row["code"]: row["scored"] for row in table("snomed.csv")}
    rows = [row for row in table("ptbxl_scp.csv") if row["snomed"]]
    return {f"scp:{row['code']}": (scored[row["snomed"]],) for row in rows}


_LUDB = _column("ludb_superclass.csv", "ludb", "superclass")
_ALL_SCP = _scp("diagnostic") | _scp("form") | _scp("rhythm")

TASKS: Mapping[str, CodedTask] = {
    task.name: task
    for task in (
        _task("ptbxl-all", _ALL_SCP),
        _task("ptbxl-diagnostic", _scp("diagnostic")),
        _task("ptbxl-subdiagnostic", _scp("diagnostic", "subclass")),
        _task("ptbxl-superdiagnostic", _scp("diagnostic", "superclass")),
        _task("ptbxl-form", _scp("form")),
        _task("ptbxl-rhythm", _scp("rhythm")),
        # Records of one superclass only (ST-MEM, arXiv 2402.09450): 16,244 of PTB-XL 1.0.3.
        _task("stmem-single-label", _scp("diagnostic", "superclass"), exclusive=True),
        # The groups of Zheng et al. 2020. AF is flutter here, and goes with fibrillation.
        _task("chapman-rhythm", _column("chapman_rhythm.csv", "chapman", "group"), exclusive=True),
        _task(
            "chapman-rhythm-11", _column("chapman_rhythm.csv", "chapman", "rhythm"), exclusive=True
        ),
        _task("chapman-condition", _column("chapman_condition.csv", "chapman-beat", "condition")),
        # The Challenge of 2021 scores four pairs of codes as one class each.
        _task(
            "snomed-26",
            _column("snomed.csv", "snomed", "scored") | _chapman("scored") | _scp_scored(),
        ),
        _task(
            "cinc2011-quality",
            _column("cinc2011_quality.csv", "cinc2011", "quality"),
            exclusive=True,
        ),
        _task("ludb-superdiagnostic", _LUDB),
        # PTB-XL's superclasses in whatever words. Sources without normal ECGs have sinus alone.
        _task(
            "superdiagnostic",
            _column("snomed.csv", "snomed", "superclass")
            | _chapman("superclass")
            | _LUDB
            | _scp("diagnostic", "superclass"),
            alone=frozenset({"snomed:426783006", "chapman:SR"}),
        ),
    )
}
