"""Several models' predictions for the same records, side by side."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.results.given import Given, by_record, read_table

LOG = logging.getLogger(__name__)
NO_PATIENTS = "none"
"""Said where no two records are of one patient."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Panel:
    """The predictions of several models.

    Attributes:
        names: Names of the models.
        classes: Names of the classes.
        ids: ``(records,)``, in rising order.
        patients: ``(records,)``; None where no two records are of one patient.
        targets: ``(records, classes)``: 1, 0, or NaN where nobody tells.
        scores: Each model's, ``(seeds, records, classes)``.
        traits: What is told of the records, a column for each trait.
        dropped: How many records of each model are left out.
    """

    names: tuple[str, ...]
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


def line_up(
    given: Sequence[Given], *, patients: str | None, traits: Sequence[str], common: bool
) -> Panel:
    """Line up the predictions of several models.

    Args:
        given: The models.
        patients: A table with the columns ``id`` and ``patient``; ``none`` where no two records are
            of one patient; None to take the column of the models' tables.
        traits: Columns to keep where some table has them, that of the patients included.
        common: Drop the records that are not in all tables, and say how many.

    Raises:
        InputError: When classes or records differ, two tables tell different things of one record,
            or targets or patients are missing.
    """
    classes = _classes(given)
    ids, dropped = _shared(given, common=common)
    told = {str(each.file): each.told.reindex(ids) for each in given}
    owners = told
    if patients not in (None, NO_PATIENTS):
        table = by_record(read_table(Path(patients)), Path(patients)).reindex(ids)
        told, owners = told | {patients: table}, {patients: table}
    known = [name for name in traits if any(name in table for table in told.values())]
    return Panel(
        names=tuple(each.name for each in given),
        classes=classes,
        ids=ids,
        patients=None if patients == NO_PATIENTS else _patients(owners),
        targets=np.column_stack([_target(told, name) for name in classes]),
        scores=tuple(
            each.at(ids)[:, :, [each.classes.index(name) for name in classes]] for each in given
        ),
        traits=pd.DataFrame({name: _agreed(told, name) for name in known}, index=ids),
        dropped=dropped,
    )


def _classes(given: Sequence[Given]) -> tuple[str, ...]:
    first, *others = given
    for other in others:
        unlike = set(first.classes) ^ set(other.classes)
        if unlike:
            raise InputError(
                f"{first.file} and {other.file} do not score the same classes: only one of them "
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
    having = {file: table[column].astype(object) for file, table in told.items() if column in table}
    (first, found), *others = having.items()
    sources = pd.Series(first, found.index)
    for file, other in others:
        unlike = found.notna() & other.notna() & (found != other)
        if unlike.any():
            record = str(unlike.idxmax())
            raise InputError(
                f"{column} of {record} is {found[record]} in {sources[record]}, and "
                f"{other[record]} in {file} ({unlike.sum()} such records)"
            )
        sources = sources.where(found.notna(), file)
        found = found.where(found.notna(), other)
    return found


def _target(told: Mapping[str, pd.DataFrame], name: str) -> NDArray[np.floating]:
    column = f"target:{name}"
    if not any(column in table for table in told.values()):
        raise InputError(f"score:{name} has no target:{name} in {', '.join(told)}; add the column")
    found = _agreed(told, column)
    wrong = found.notna() & ~found.isin([0, 1])
    if wrong.any():
        record = str(wrong.idxmax())
        raise InputError(
            f"{column} of {record} is {found[record]!r}; give 1, 0, or a blank where it is "
            "unknown; only classes are compared"
        )
    return found.astype(float).to_numpy()


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
