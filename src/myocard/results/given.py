"""Anybody's predictions on disk: a table of ids, targets and scores for each model."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.files.tables import read_csv_table, read_parquet
from myocard.results.saved import PREDICTIONS, find_files

TEST = "test"
"""The split of all rows where a table has no column for it."""
UNNAMED = "positive"
"""The one class of columns that are called ``score`` and ``target``."""

_NAMED = re.compile(r"(score|target)(?:[:_](.+))?")
_FIX = "give a CSV or Parquet file with the columns id, score:CLASS and target:CLASS"


@dataclass(frozen=True, eq=False)
class Given:
    """The predictions of one model.

    Attributes:
        name: Its name.
        file: The table.
        classes: Those that it scores.
        ids: ``(records,)``, in rising order.
        scores: ``(seeds, records, classes)``.
        told: Further columns that were asked for and are there, a row for each id: targets,
            patient, traits.
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
        raise InputError(f"{path}: no such file or folder; {_FIX}")
    if not path.is_dir():
        yield path.stem, path
        return
    files = find_files([path], PREDICTIONS)
    if not files:
        raise InputError(f"{path}: no {PREDICTIONS} in it or below; give a run, or a table")
    for file, place in files:
        yield place, file


def read_given(name: str, file: Path, split: str, traits: Sequence[str]) -> Given:
    """Read the predictions of one model for one split.

    Args:
        name: Name of the model.
        file: A table with the column ``id``, for each class a column ``score:CLASS`` or
            ``score_CLASS`` (``score`` alone for one class), and the like for targets. ``seed``,
            ``split``, ``patient`` and traits may be there.
        split: Rows with this in the column ``split``; all of them are of ``test`` without one.
        traits: Further columns to keep where they are there.

    Raises:
        InputError: For a table that is not such, a record that stands twice or has no finite score.
    """
    rows = _of_split(_canonical(read_table(file), file), split, file)
    columns = [str(column) for column in rows]
    scored = [column for column in columns if column.startswith("score:")]
    if not scored:
        raise InputError(f"{file}: no column of scores; {_FIX}")
    rows = rows.assign(seed=rows.get("seed", 0)).sort_values(["seed", "id"])
    again = rows["id"][rows.duplicated(["seed", "id"])]
    if len(again):
        raise InputError(f"{file}: {len(again)} ids stand twice, such as {again.iloc[0]}")
    seeds = rows["seed"].nunique()
    sizes = rows["id"].value_counts()
    if (sizes != seeds).any():
        raise InputError(f"{file}: {sizes.index[sizes != seeds][0]} is not there for every seed")
    wanted = [c for c in columns if c.startswith("target:") or c in ("patient", *traits)]
    told = by_record(rows[["id", *wanted]], file)
    return Given(
        name,
        file,
        tuple(column.removeprefix("score:") for column in scored),
        told.index.to_numpy(object),
        _finite(rows, scored, file).reshape(seeds, len(told), len(scored)),
        told,
    )


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV or Parquet table with a column ``id``; ids and patients are text.

    Raises:
        InputError: When it is no such table, or an id is missing.
    """
    if file.suffix == ".csv":
        try:
            table = read_csv_table(file, dtype={"id": str, "patient": str}, encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: not a readable table ({error}); {_FIX}") from error
    else:
        table = read_parquet(file, (), _FIX)
    if "id" not in table:
        raise InputError(f"{file}: no column id, but {', '.join(map(str, table))}; {_FIX}")
    if table["id"].isna().any():
        raise InputError(f"{file}: {table['id'].isna().sum()} rows have no id")
    text = {name: table[name].astype(object) for name in ("id", "patient") if name in table}
    return table.assign(**{name: s.where(s.isna(), s.astype(str)) for name, s in text.items()})


def by_record(rows: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Gather one row for each id, blanks filled from its other rows.

    Raises:
        InputError: When rows of one id differ.
    """
    grouped = rows.groupby("id")
    for column, counts in grouped.nunique().items():
        if (counts > 1).any():
            raise InputError(f"{file}: {column} of {counts.idxmax()} differs from row to row")
    return grouped.first()


def _canonical(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """The table with scores and targets called ``score:CLASS`` and ``target:CLASS``."""
    matches = {name: _NAMED.fullmatch(name) for name in map(str, table)}
    names = {name: f"{m[1]}:{m[2] or UNNAMED}" for name, m in matches.items() if m}
    twice = [name for name in names if [*names.values()].count(names[name]) > 1]
    if twice:
        raise InputError(f"{file}: {' and '.join(twice)} name one class; leave one out")
    return table.rename(columns=names)


def _of_split(table: pd.DataFrame, split: str, file: Path) -> pd.DataFrame:
    of = table["split"] if "split" in table else pd.Series(TEST, table.index)
    rows = table[of == split]
    if rows.empty:
        told = ", ".join(sorted(map(str, of.dropna().unique()))) or "none"
        raise InputError(f"{file}: no record of the split {split}; it has {told}; see --split")
    return rows


def _finite(rows: pd.DataFrame, scored: Sequence[str], file: Path) -> NDArray[np.floating]:
    try:
        scores = rows[list(scored)].to_numpy(float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{file}: scores are not numbers ({error})") from error
    bad = ~np.isfinite(scores)
    if bad.any():
        record, k = np.argwhere(bad)[0]
        raise InputError(
            f"{file}: {bad.sum()} scores are missing or infinite, such as {scored[k]} of "
            f"{rows['id'].iloc[record]}; every model must score every record"
        )
    return scores
