"""Several models' predictions for the same records, side by side."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from myocard.errors import InputError
from myocard.outcomes import Outcome
from myocard.results.columns import Asked, read_table, read_told
from myocard.results.given import Given
from myocard.tasks.own.matching import EXACT, match

LOG = logging.getLogger(__name__)
_ROUNDING = 1e-9  # A run's numbers were divided by their deviation and multiplied again.
NO_PATIENTS = "none"
"""Said where no two records are of one patient."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """The predictions of several models.

    Attributes:
        names: Names of the models.
        outcome: Kind of what they predict.
        classes: Their outputs.
        ids: ``(records,)``, in rising order.
        patients: ``(records,)``; None where no two records are of one patient.
        targets: ``(records, outputs)``, as ``myocard.outcomes`` has them.
        scores: Each model's, ``(seeds, records, outputs)``.
        traits: What is told of the records, a column for each trait.
        dropped: How many records of each model are left out.
    """

    names: tuple[str, ...]
    outcome: Outcome
    classes: tuple[str, ...]
    ids: NDArray[np.object_]
    patients: NDArray[np.object_] | None
    targets: NDArray[np.floating]
    scores: tuple[NDArray[np.floating], ...]
    traits: pd.DataFrame
    dropped: tuple[int, ...]

    @property
    def owners(self) -> NDArray[np.object_]:
        """Each record's patient; the record itself where no two are of one."""
        return self.ids if self.patients is None else self.patients

    def of(self, inside: NDArray[np.bool_]) -> "Panel":
        """The same models on some of the records."""
        return replace(
            self,
            ids=self.ids[inside],
            patients=None if self.patients is None else self.patients[inside],
            targets=self.targets[inside],
            scores=tuple(scores[:, inside] for scores in self.scores),
            traits=self.traits[inside],
        )


def line_up(given: Sequence[Given], asked: Asked, *, patients: str | None, common: bool) -> Panel:
    """Line up the predictions of several models.

    Args:
        given: The models. Ids are those of the first; the others' are matched with them.
        asked: What is asked of the tables, the patients' too.
        patients: A table with the columns ``id`` and ``patient``; ``none`` where no two records are
            of one patient; None to take the column of the models' tables.
        common: Drop the records that are not in all tables, and say how many.

    Raises:
        InputError: When outputs or records differ, two tables tell different things of one record,
            or targets or patients are missing.
    """
    classes = _classes(given)
    first, *others = given
    given = [first, *(each.called(_alike(each.ids, first.ids, each.file)) for each in others)]
    ids, dropped = _shared(given, common=common)
    told = {str(each.file): each.told.reindex(ids) for each in given}
    owners = told
    if patients not in (None, NO_PATIENTS):
        file = Path(patients)
        table = read_told(read_table(file, asked), classes, asked, file)
        table.index = pd.Index(_alike(table.index.to_numpy(object), ids, file))
        owners = {patients: table.reindex(ids)}
        told = told | owners
    known = [name for name in asked.traits if any(name in table for table in told.values())]
    return Panel(
        names=tuple(each.name for each in given),
        outcome=asked.outcome,
        classes=classes,
        ids=ids,
        patients=None if patients == NO_PATIENTS else _patients(owners),
        targets=_targets(told, classes, asked.outcome),
        scores=tuple(
            each.at(ids)[:, :, [each.classes.index(name) for name in classes]] for each in given
        ),
        traits=pd.DataFrame({name: _agreed(told, name) for name in known}, index=ids),
        dropped=dropped,
    )


def _alike(
    ids: NDArray[np.object_], wanted: NDArray[np.object_], file: Path
) -> NDArray[np.object_]:
    """The ids of a table as another writes them, by the rules of tasks; else as they are."""
    found = match(ids.tolist(), wanted.tolist())
    ruled = Counter(rule for rule in found.rules if rule not in ("", EXACT))
    if ruled:
        told = ", ".join(f"{count} by {rule}" for rule, count in ruled.items())
        LOG.info("%s: ids are matched that are written in another way: %s", file, told)
    return np.where(found.records >= 0, wanted[found.records], ids)


def _classes(given: Sequence[Given]) -> tuple[str, ...]:
    first, *others = given
    for other in others:
        unlike = set(first.classes) ^ set(other.classes)
        if unlike:
            raise InputError(
                f"{first.file} and {other.file} do not score the same: only one of them "
                f"has {', '.join(sorted(unlike))}; leave such columns out, or name them alike"
            )
    return first.classes


def _shared(given: Sequence[Given], *, common: bool) -> tuple[NDArray[np.object_], tuple[int, ...]]:
    """The records that all have, and how many more each has."""
    shared = set.intersection(*(set(each.ids) for each in given))
    extra = [sorted(set(each.ids) - shared) for each in given]
    told = "; ".join(
        f"{each.name} has {len(more)} of {len(each.ids)} records that not all have, "
        f"such as {more[0]}"
        for each, more in zip(given, extra, strict=True)
        if more
    )
    if not shared or (told and not common):
        remedy = (
            f"--common compares the {len(shared)} that all have" if shared else "none is in all"
        )
        raise InputError(f"the models do not score the same records: {told}; {remedy}")
    if told:
        LOG.info("left out: %s; %d records are in all", told, len(shared))
    return np.array(sorted(shared), dtype=object), tuple(map(len, extra))


def _agreed(told: Mapping[str, pd.DataFrame], column: str) -> pd.Series:
    """One column of what several tables tell of the same records, blank where none does."""
    having = {file: table[column] for file, table in told.items() if column in table}
    (first, found), *others = having.items()
    sources = pd.Series(first, found.index)
    for file, other in others:
        unlike = found.notna() & other.notna() & _differ(found, other)
        if unlike.any():
            record = str(unlike.idxmax())
            raise InputError(
                f"{column} of {record} is {found[record]} in {sources[record]}, and "
                f"{other[record]} in {file} ({unlike.sum()} such records)"
            )
        sources = sources.where(found.notna(), file)
        found = found.where(found.notna(), other)
    return found


def _differ(one: pd.Series, other: pd.Series) -> pd.Series:
    """Tell where two columns differ, numbers by more than a run rounds its targets."""
    if is_numeric_dtype(one):
        return (one - other).abs() > _ROUNDING * one.abs().max()
    return one != other


def _targets(
    told: Mapping[str, pd.DataFrame], outputs: Sequence[str], outcome: Outcome
) -> NDArray[np.floating]:
    """Targets as ``myocard.outcomes`` has them."""
    found = pd.DataFrame({name: _told(told, "target", name) for name in outputs})
    if outcome == "one":
        _require_one(found)
    if outcome != "time":
        return found.to_numpy(float)
    events = pd.DataFrame({name: _told(told, "event", name) for name in outputs})
    for name in outputs:
        wrong = found[name] <= 0
        if wrong.any():
            record = str(wrong.idxmax())
            raise InputError(
                f"target:{name} of {record} is {found[name][record]:g} ({wrong.sum()} such "
                "records); give a time above 0, or a blank where it is unknown"
            )
    return (found * (2 * events - 1)).to_numpy(float)


def _told(told: Mapping[str, pd.DataFrame], what: str, name: str) -> pd.Series:
    column = f"{what}:{name}"
    if not any(column in table for table in told.values()):
        raise InputError(f"score:{name} has no {column} in {', '.join(told)}; add the column")
    return _agreed(told, column)


def _require_one(targets: pd.DataFrame) -> None:
    """Refuse records of several classes or none, where one excludes the others."""
    wrong = targets.notna().any(axis=1) & (targets.sum(axis=1, skipna=False) != 1)
    if wrong.any():
        raise InputError(
            f"{wrong.idxmax()} is not of exactly one class ({wrong.sum()} such records); give each "
            "record one target of 1 and 0 for the others, or say --kind several"
        )


def _patients(told: Mapping[str, pd.DataFrame]) -> NDArray[np.object_]:
    if not any("patient" in table for table in told.values()):
        raise InputError(
            f"no column patient in {', '.join(told)}; give --patients FILE (id, patient), or "
            f"--patients {NO_PATIENTS} where no two records are of one patient"
        )
    found = _agreed(told, "patient")
    if found.isna().any():
        raise InputError(
            f"{found.isna().sum()} records have no patient in {', '.join(told)}, such as "
            f"{found.isna().idxmax()}; add them, or give --patients {NO_PATIENTS} where no two "
            "records are of one patient"
        )
    return found.to_numpy(object)
