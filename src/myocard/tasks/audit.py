"""What can be checked before a number is believed: label counts, and who was trained on."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.labels import table
from myocard.data.leaks import seen
from myocard.errors import InputError
from myocard.files.manifest import MANIFESTS
from myocard.tasks.task import TASKS, Task

# PTB-XL's recommended split by its folds (Wagner et al. 2020).
_SPLITS: Mapping[str, tuple[int, ...]] = {"train": tuple(range(1, 9)), "val": (9,), "test": (10,)}


def compare(
    codes: Sequence[Sequence[str]], folds: Sequence[int | None], dataset: str = "ptbxl-1.0.3"
) -> list[str]:
    """A sentence for every count that differs from the published one; none where all agree.

    Of a part of the data set, the counts cannot be compared, and that is the first sentence; still,
    a part cannot hold more of a class than the whole.

    Args:
        codes: The codes of each record.
        folds: The fold of each record, or None where there is none.
        dataset: As in ``published_counts.csv``, such as ``ptbxl-1.0.3`` or ``chapman``.

    Raises:
        InputError: For a data set without published counts.
    """
    rows = [row for row in table("published_counts.csv") if row["dataset"] == dataset]
    if not rows:
        names = ", ".join(dict.fromkeys(row["dataset"] for row in table("published_counts.csv")))
        raise InputError(f"no published counts of {dataset!r}; there are those of {names}")
    whole = next(int(row["total"]) for row in rows if not row["task"])
    findings = []
    if len(codes) < whole:
        findings.append(f"{len(codes):,} of {whole:,} records: counts cannot be compared")
    marks = _marks(codes, {row["task"] for row in rows} - {""})
    for row in rows:
        for split, found, published in _counts(row, marks[row["task"], row["class"]], folds):
            if found > published or (found < published and len(codes) >= whole):
                findings.append(f"{_name(row, split)}: {found:,} records, published {published:,}")
    return findings


def _marks(
    codes: Sequence[Sequence[str]], tasks: Iterable[str]
) -> dict[tuple[str, str], NDArray[np.bool_]]:
    """Which records belong to each task and class, to each task, and to the data set at all."""
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


def altered(folder: Path) -> list[str]:
    """A sentence for every file of a store, checkpoint or features that is not as it was written.

    Raises:
        InputError: When the folder is none of these.
    """
    for manifest in MANIFESTS:
        if (folder / manifest.file).exists():
            return list(manifest.altered(folder))
    raise InputError(f"{folder}: no store, checkpoint or features in it; give the folder of one")


def leaks(
    corpus: pd.DataFrame,
    records: pd.DataFrame,
    folds: Collection[int] | None,
    task: Task | None = None,
) -> list[str]:
    """A sentence for every record that a probe holds out and whose encoder was trained on it.

    Args:
        corpus: What the encoder was trained on.
        records: Of the store that is probed.
        folds: Those that are held out; None for all.
        task: Only the records that it keeps; all without it.
    """
    held_out = records if folds is None else records[records["fold"].isin(folds)]
    if task is not None:
        held_out = held_out[task.targets(held_out["codes"].map(list))[1]]
    words = seen(corpus, held_out)
    return [
        f"{row.source} {row.id}, fold {row.fold}: {how}"
        for row, how in zip(held_out.itertuples(), words, strict=True)
        if how
    ]
