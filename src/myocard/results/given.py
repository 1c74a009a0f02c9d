"""Anybody's predictions on disk: a table of ids, targets and scores for each model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.outcomes import CLASSES, Outcome
from myocard.results.columns import FIX, Asked, read_scores, read_table, read_told
from myocard.results.run import RUN, Run
from myocard.results.saved import PREDICTIONS, find_files
from myocard.tasks.own.settings import OUTCOMES, Kind

TEST = "test"
"""The split of all rows where a table has no column for it."""
_PLURALS: Mapping[Outcome, str] = {
    "any": "classes",
    "one": "classes",
    "number": "numbers",
    "time": "times",
}


@dataclass(frozen=True, eq=False)
class Given:
    """The predictions of one model.

    Attributes:
        name: Its name.
        file: The table.
        classes: Its outputs.
        ids: ``(records,)``, in rising order.
        scores: ``(seeds, records, outputs)``.
        told: What it tells of its records, as ``read_told`` reads it.
    """

    name: str
    file: Path
    classes: tuple[str, ...]
    ids: NDArray[np.object_]
    scores: NDArray[np.floating]
    told: pd.DataFrame

    def at(self, ids: NDArray[np.object_]) -> NDArray[np.floating]:
        """Scores of some of its records."""
        return self.scores[:, np.searchsorted(self.ids, ids)]

    def called(self, ids: NDArray[np.object_]) -> "Given":
        """The same with other names of its records."""
        order = np.argsort(ids)
        told = self.told.set_axis(ids).iloc[order]
        return replace(self, ids=ids[order], scores=self.scores[:, order], told=told)


def find_given(named: Sequence[str]) -> dict[str, Path]:
    """The tables of predictions by the names of their models.

    Args:
        named: ``NAME=PATH`` or ``PATH``, each a table or a folder of runs. Without a name, a file's
            stem or a run's folder is the name.

    Raises:
        InputError: For a path without a table or runs, or two models of one name.
    """
    found: dict[str, Path] = {}
    for each in named:
        name, equals, path = each.partition("=")
        for own, file in _tables(Path(path if equals else each)):
            chosen = name if equals else own
            if chosen in found:
                raise InputError(
                    f"{file} and {found[chosen]} are both called {chosen}; give NAME=PATH, "
                    "one for each model"
                )
            found[chosen] = file
    return found


def _tables(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {FIX}")
    if not path.is_dir():
        yield path.stem, path
        return
    files = find_files([path], PREDICTIONS)
    if not files:
        raise InputError(f"{path}: no {PREDICTIONS} in it or below; give a run, or a table")
    for file, place in files:
        yield place, file


def outcome_of(files: Mapping[str, Path], kind: Kind | None) -> Outcome:
    """The kind of what models predict: that of the runs among them, else ``kind``, else classes.

    Raises:
        InputError: When these differ.
    """
    said = {str(file): run.outcome for file in files.values() if (run := _run_of(file))}
    if kind is not None:
        said["--kind"] = OUTCOMES[kind]
    kinds = set(said.values())
    if kinds <= set(CLASSES):
        return "one" if kinds == {"one"} else "any"
    if len(kinds) > 1:
        told = ", ".join(f"{_PLURALS[outcome]} ({where})" for where, outcome in said.items())
        raise InputError(f"models of one kind are compared, and these are of {told}")
    return kinds.pop()


def _run_of(file: Path) -> Run | None:
    """The run whose predictions a file holds; None for anybody else's."""
    if file.name == PREDICTIONS and (file.parent / RUN).is_file():
        return Run.read(file.parent)
    return None


def read_given(name: str, file: Path, split: str, asked: Asked) -> Given:
    """Read the predictions of one model for one split.

    Args:
        name: Name of the model.
        file: A table with the column ``id``, for each output a column ``score:OUTPUT`` or
            ``score_OUTPUT`` (``score`` alone for one output), and the like for targets, and for
            events of times. ``seed``, ``split``, ``patient`` and traits may be there.
        split: Rows with this in the column ``split``; all of them are of ``test`` without one.
        asked: What is asked of it.

    Raises:
        InputError: For a table that is not such, a record that stands twice or has no finite score.
    """
    rows = _of_split(read_table(file, asked), split, file)
    outputs = [c.removeprefix("score:") for c in map(str, rows) if c.startswith("score:")]
    if not outputs:
        raise InputError(f"{file}: no column of scores; {FIX}")
    if asked.outcome == "time" and _run_of(file):
        rows = _with_events(rows, outputs)
    rows = rows.assign(seed=rows.get("seed", "")).sort_values(["seed", "id"])
    again = rows["id"][rows.duplicated(["seed", "id"])]
    if len(again):
        raise InputError(f"{file}: {len(again)} ids stand twice, such as {again.iloc[0]}")
    seeds = rows["seed"].nunique()
    sizes = rows["id"].value_counts()
    if (sizes != seeds).any():
        raise InputError(f"{file}: {sizes.index[sizes != seeds][0]} is not there for every seed")
    told = read_told(rows, outputs, asked, file)
    scores = read_scores(rows, outputs, asked, file)
    return Given(
        name,
        file,
        tuple(outputs),
        told.index.to_numpy(object),
        scores.reshape(seeds, len(told), len(outputs)),
        told,
    )


def _with_events(rows: pd.DataFrame, outputs: Sequence[str]) -> pd.DataFrame:
    """A run's table with times and events apart, which it has in one number."""
    signed = rows[[f"target:{name}" for name in outputs]]
    events = signed.gt(0).astype(float).where(signed.notna())
    return rows.assign(**signed.abs()).assign(
        **events.rename(columns=lambda name: name.replace("target:", "event:", 1))
    )


def _of_split(table: pd.DataFrame, split: str, file: Path) -> pd.DataFrame:
    of = table["split"] if "split" in table else pd.Series(TEST, table.index)
    rows = table[of == split]
    if rows.empty:
        told = ", ".join(sorted(map(str, of.dropna().unique()))) or "none"
        raise InputError(f"{file}: no record of the split {split}; it has {told}; see --split")
    return rows
