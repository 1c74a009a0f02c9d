"""The folder of a task, made from a table of labels and a store's records."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from myocard.errors import InputError
from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.recipe.settings import RECIPE
from myocard.tasks.own.checks import (
    copies,
    counted,
    far,
    following,
    rare,
    rows_of_splits,
    uncovered,
)
from myocard.tasks.own.labelling import Labels, label_records, place_of
from myocard.tasks.own.metadata import followed
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.spreadsheet import read_spreadsheet
from myocard.tasks.own.task import (
    LABELS,
    LEFT_OUT,
    TASK,
    Counts,
    LabelFile,
    OwnTask,
    TaskInfo,
    target_columns,
)
from myocard.tasks.task import TASKS

_RECIPE = """\
# myocard probe {folder} FEATURES --out results
task = {task}
readouts = ["last", "layers", "ppa", "scalar-mix", "concat"]
heads = ["linear"]
seeds = [0]
"""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NO_ROW, _ROW_LEFT_OUT, _AMBIGUOUS = "no row", "row left out", "ambiguous"


def make_task(labels: Path, records: pd.DataFrame, settings: OwnTaskSettings, out: Path) -> OwnTask:
    """Make a task of a table's labels, or keep the one that was made from the same inputs.

    The folder holds ``task.json``, ``labels.parquet`` (a row for each record in it),
    ``left_out.csv`` (all rows and records that are not, each with the reason) and ``recipe.toml``,
    the recipe of a probe.

    Args:
        labels: The table: ``.csv``, ``.tsv``, ``.txt``, ``.xlsx`` or ``.parquet``.
        records: The store's table: id, and where known source, patient, fold, site and so on.
        settings: Meaning of the columns, and the split.
        out: The folder, by the rule of ``files/step.py``.

    Raises:
        InputError: When the table cannot be read without a guess, or does not fit the records.
    """
    if not labels.is_file():
        raise InputError(f"{labels}: no such file")
    name = _name_of(out)
    listed = records if "source" in records else records.assign(source="")

    sha256 = file_hash(labels)
    _require_unchanged(labels, sha256, out)

    def make(folder: Path, _: Path) -> None:
        sheet = read_spreadsheet(labels, settings.columns, sheet=settings.sheet)
        found = label_records(sheet, listed, settings, str(labels))
        table, left_out = _table(found, listed), _left_out(found, listed)
        table.to_parquet(folder / LABELS, index=False)
        left_out.to_csv(folder / LEFT_OUT, index=False)
        file = LabelFile(name=labels.name, sha256=sha256)
        _info(name, found, listed, settings, file, sheet.blank, left_out).write(folder)
        task = json.dumps(out.as_posix(), ensure_ascii=False)
        recipe = _RECIPE.format(folder=out.as_posix(), task=task)
        (folder / RECIPE).write_text(recipe, encoding="utf-8")

    inputs = {
        "name": name,
        "labels": sha256,
        "records": _hash(records),
        "settings": settings.model_dump(mode="json"),
    }
    step(out, inputs, make)
    return OwnTask.open(out)


def _name_of(out: Path) -> str:
    """Return the name of a task, which is that of its folder."""
    name = out.absolute().name
    if name in TASKS:
        raise InputError(f"{out}: {name} is a task of a public data set; choose another folder")
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{out}: the folder names the task; give it a name of letters, digits, '.', '_' and '-'"
        )
    return name


def _require_unchanged(labels: Path, sha256: str, out: Path) -> None:
    """Refuse a table that is not what the task in ``out`` was made of."""
    if not (out / TASK.file).exists():
        return
    made = TaskInfo.read(out).labels
    if made.sha256 != sha256:
        told = "has changed since" if made.name == labels.name else f"is not {made.name}, of which"
        raise InputError(
            f"{labels}: {told} {out} was made; remove {out} to make it again, or give another --out"
        )


def _hash(records: pd.DataFrame) -> str:
    return hashlib.sha256(records.to_json(orient="split", double_precision=15).encode()).hexdigest()


def _table(found: Labels, records: pd.DataFrame) -> pd.DataFrame:
    """Return the labels of the records, in their order."""
    places = place_of(found.rows)
    rows = found.rows.iloc[places]
    of = records.iloc[rows["record"]]
    columns = {
        "source": of["source"].to_numpy(object),
        "id": of["id"].to_numpy(object),
        "patient": rows["patient"].to_numpy(object),
        "fold": rows["fold"].to_numpy(np.int64),
    }
    targets = found.targets.values[places]
    names = target_columns(found.targets.classes)
    return pd.DataFrame(columns | dict(zip(names, targets.T, strict=True)))


def _left_out(found: Labels, records: pd.DataFrame) -> pd.DataFrame:
    """List the rows and records that are not in the task."""
    rows = found.rows[found.rows["reason"] != ""]
    table = rows[["id", "reason", "detail"]].assign(of="table", source="", line=rows.index)
    used = set(found.rows["record"][found.rows["reason"] == ""])
    why = found.rows[found.rows["record"] >= 0].reset_index().groupby("record").first()
    store = records[["source", "id"]].assign(of="store", reason=_NO_ROW, detail="")
    store = store.reset_index(drop=True)
    store.loc[found.matches.ambiguous_records, "reason"] = _AMBIGUOUS
    store.loc[why.index, "reason"] = _ROW_LEFT_OUT
    store.loc[why.index, "detail"] = "line " + why["line"].astype(str) + ": " + why["reason"]
    both = pd.concat([table, store[~store.index.isin(used)]])
    both["line"] = both["line"].astype("Int64")
    return both[["of", "line", "source", "id", "reason", "detail"]]


def _reasons(left_out: pd.DataFrame, of: str) -> dict[str, int]:
    """Count the reasons on one side."""
    reasons = left_out["reason"][left_out["of"] == of].tolist()
    return dict(Counter(reasons).most_common())


def _info(
    name: str,
    found: Labels,
    records: pd.DataFrame,
    settings: OwnTaskSettings,
    file: LabelFile,
    blank: int,
    left_out: pd.DataFrame,
) -> TaskInfo:
    """Count and check what was found."""
    places = place_of(found.rows)
    rows, targets = found.rows.iloc[places], found.targets.values[places]
    classes, outcome = found.targets.classes, settings.outcome
    of_split = rows_of_splits(rows["fold"].to_numpy())
    splits = {
        name: counted(targets[which], rows["patient"].iloc[which], classes, outcome)
        for name, which in of_split.items()
    }
    labelled = records.iloc[rows["record"]].reset_index(drop=True)
    follows = tuple(followed(rows, labelled, targets, classes, settings))
    by_rule = [rule for rule in found.matches.rules.tolist() if rule]
    return TaskInfo(
        name=name,
        outcome=outcome,
        classes=classes,
        unit=settings.unit,
        labels=file,
        settings=settings,
        told=found.told,
        counts=Counts(
            rows=len(found.rows),
            blank=blank,
            ids=len(found.matches.records),
            matched=dict(Counter(by_rule).most_common()),
            records=len(records),
            labelled=len(rows),
            rows_left_out=_reasons(left_out, "table"),
            records_left_out=_reasons(left_out, "store"),
        ),
        splits=splits,
        follows=follows,
        warnings=(
            *rare(splits, outcome),
            *uncovered(targets[of_split["validation"]], classes, outcome),
            *(far(targets, classes) if outcome == "number" else ()),
            *following(follows),
            *copies(labelled, of_split),
        ),
    )
