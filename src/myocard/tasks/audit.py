"""Checks before a number is believed: label counts, and records that an encoder was trained on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.corpora import PretrainedOn
from myocard.data.labels import table
from myocard.data.leaks import known_as
from myocard.errors import InputError
from myocard.tasks.task import TASKS, Task

# PTB-XL's recommended split by its folds (Wagner et al. 2020).
_SPLITS: Mapping[str, tuple[int, ...]] = {"train": tuple(range(1, 9)), "val": (9,), "test": (10,)}


@dataclass(frozen=True)
class LabelAudit:
    """Comparison of the labels of some records with published counts.

    Attributes:
        extent: The part of a data set that the records are, in words.
        findings: A sentence for every count that differs; empty where nothing was compared.
    """

    extent: str
    findings: list[str]


def audit_labels(
    records: pd.DataFrame, dataset: str | None = None, quarantined: int = 0
) -> LabelAudit:
    """Compare label counts with the published ones, where the records are that data set in full.

    Args:
        records: With the columns source, codes and fold.
        dataset: As in ``published_counts.csv``; the one that the records' source names if not
            given.
        quarantined: Records that the store keeps in quarantine. They count towards the total; of
            their labels nothing is known.

    Raises:
        InputError: For a data set without published counts, and for windows of records.
    """
    if "start" in records:
        raise InputError("a store of windows, several of a record; prepare it without --step")
    sources = sorted(set(records["source"]))
    present = f"{len(records):,} records"
    if quarantined:
        present += f" and {quarantined:,} in quarantine"
    names = sorted({row["dataset"] for row in table("published_counts.csv")}, reverse=True)
    if dataset is not None and dataset not in names:
        raise InputError(
            f"no published counts of {dataset!r}; there are those of {', '.join(names)}"
        )
    known = dataset or next((name for name in names if [_source(name)] == sources), None)
    if known is None:
        extent = f"{present} of {' and '.join(sources)}, of which nobody published "
        return LabelAudit(f"{extent}counts: nothing to compare with", [])
    rows = [row for row in table("published_counts.csv") if row["dataset"] == known]
    whole = next(int(row["total"]) for row in rows if not row["task"])
    if len(records) + quarantined < whole or sources != [_source(known)]:
        folds = ", ".join(map(str, sorted(set(records["fold"]))))
        extent = (
            f"{present} of {' and '.join(sources)} (folds {folds}), where {known} "
            f"has {whole:,}: not that data set in full, so counts are not compared"
        )
        return LabelAudit(extent, [])
    codes, folds_of = records["codes"].map(list).tolist(), records["fold"].tolist()
    findings = compare(codes, folds_of, known, quarantined)
    differ = f"{len(findings)} counts differ" if findings else "every count is as published"
    return LabelAudit(f"{present}, {known} in full: {differ}", findings)


def _source(dataset: str) -> str:
    """The source of a published data set: its name without the version."""
    return dataset.partition("-1.")[0]


def compare(
    codes: Sequence[Sequence[str]], folds: Sequence[int | None], dataset: str, quarantined: int = 0
) -> list[str]:
    """A sentence for every count that differs from the published one; none where all agree.

    Args:
        codes: The codes of each record of the data set.
        folds: The fold of each record, or None where there is none.
        dataset: As in ``published_counts.csv``, such as ``ptbxl-1.0.3`` or ``chapman``.
        quarantined: Further records of the data set, which count towards its total alone.
    """
    rows = [row for row in table("published_counts.csv") if row["dataset"] == dataset]
    folds = [*folds, *[None] * quarantined]
    codes = [*codes, *[()] * quarantined]
    marks = _marks(codes, {row["task"] for row in rows} - {""})
    return [
        f"{_name(row, split)}: {found:,} records, published {published:,}"
        for row in rows
        for split, found, published in _counts(row, marks[row["task"], row["class"]], folds)
        if found != published
    ]


def _marks(
    codes: Sequence[Sequence[str]], tasks: Iterable[str]
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Marks of the records of each task and class, of each task, and of the data set at all."""
    marks = {("", ""): np.ones(len(codes), dtype=bool)}
    for name in tasks:
        targets, marks[name, ""] = TASKS[name].targets(codes)
        marks |= {(name, label): targets[:, i] for i, label in enumerate(TASKS[name].classes)}
    return marks


def _counts(
    row: Mapping[str, str], marked: NDArray[np.bool_], folds: Sequence[int | None]
) -> list[tuple[str, int, int]]:
    """Split, found and published count for each number in a row of the published table."""
    counts = [("total", int(marked.sum()), int(row["total"]))]
    for split, members in _SPLITS.items():
        if row[split]:
            inside = np.array([fold in members for fold in folds], dtype=bool)
            counts.append((split, int((marked & inside).sum()), int(row[split])))
    return counts


def _name(row: Mapping[str, str], split: str) -> str:
    parts = [row["task"] or "all records", row["class"], "" if split == "total" else split]
    return " ".join(part for part in parts if part)


def leaks_by_name(pretrained_on: PretrainedOn, records: pd.DataFrame) -> list[str]:
    """A sentence on a leak that names of data sets tell, or that nothing can rule out.

    Args:
        pretrained_on: An encoder's corpus; nothing is said of one whose records are known.
        records: Records that the encoder is tested on.
    """
    if pretrained_on.records is not None:
        return []
    sources = sorted(set(records["source"]))
    seen = pretrained_on.seen(sources)
    if pretrained_on.datasets is None:
        return [
            "nobody says what it was pretrained on, which may be these records; ask its makers for "
            "a file of `myocard fingerprint`, and audit that"
        ]
    if seen:
        return [f"pretrained on {', '.join(seen)}: has seen the records of {', '.join(sources)}"]
    return []


def leaks(
    corpus: pd.DataFrame,
    records: pd.DataFrame,
    folds: Collection[int] | None,
    task: Task | None = None,
) -> list[str]:
    """A sentence for every record that a probe holds out and whose encoder was trained on it.

    Args:
        corpus: Corpus that the encoder was trained on.
        records: Records of the store that is probed.
        folds: Folds that are held out; None for all.
        task: Only the records that it keeps; all without it.
    """
    asked = np.full(len(records), True) if folds is None else records["fold"].isin(folds)
    if task is not None:
        asked = asked & task.label(records).kept
    held_out = records[asked]
    words = known_as(corpus, held_out)
    return [
        f"{row.source} {row.id}, fold {row.fold}: {how}"
        for row, how in zip(held_out.itertuples(), words, strict=True)
        if how
    ]
