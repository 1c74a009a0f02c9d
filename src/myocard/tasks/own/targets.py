"""Targets from the columns of a table, by kind."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.tasks.own.rows import Cell
from myocard.tasks.own.settings import Kind, OwnTaskSettings
from myocard.tasks.own.values import (
    class_names,
    flags,
    known,
    measures,
    ordered,
    read_known,
    text,
    uses_commas,
)
from myocard.tasks.own.words import folded

Floats = NDArray[np.float64]


class Targets(NamedTuple):
    """Labels as the table has them.

    Attributes:
        classes: Names of the outputs.
        values: ``(rows, outputs)`` as ``myocard.outcomes`` has them, NaN where nothing is known.
        impossible: Rows whose label cannot be: a time that is not above 0.
        told: Sentences on what was recognised.
    """

    classes: tuple[str, ...]
    values: Floats
    impossible: NDArray[np.bool_]
    told: tuple[str, ...]


def read_targets(cells: pd.DataFrame, settings: OwnTaskSettings, where: str) -> Targets:
    """Read the targets of all rows.

    Args:
        cells: The columns of the settings.
        settings: Kind and columns.
        where: The table, for messages.

    Raises:
        InputError: When a cell cannot be read as the kind, no label is known, or there is only one
            class, number or answer, or no event.
    """
    classes, values = _READ[settings.kind](cells, settings, where)
    impossible = np.zeros(len(cells), dtype=bool)
    if settings.kind == "time":
        impossible = np.abs(values[:, 0]) == 0
        values[impossible] = np.nan
    if np.isnan(values).all():
        raise InputError(f"{where}: no label is known in column {', '.join(settings.target)}")
    if settings.kind == "binary" and len(np.unique(values[~np.isnan(values)])) < 2:
        raise InputError(
            f"{where}: column {settings.target[0]} is all {_only_word(cells, settings)}, else "
            "unknown; a blank is no negative: write both values"
        )
    if settings.kind == "number" and len(np.unique(values[~np.isnan(values)])) < 2:
        raise InputError(f"{where}: column {settings.target[0]} holds one number alone")
    if settings.kind == "time" and not (values > 0).any():
        raise InputError(
            f"{where}: column {settings.event} has no event that was seen; nothing can be learned "
            "of when it comes"
        )
    return Targets(classes, values, impossible, tuple(_told(cells, settings)))


def _binary(
    cells: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> tuple[tuple[str, ...], Floats]:
    def read(column: pd.Series, place: str) -> Floats:
        return flags(column, place, settings.positive)

    columns = [read_known(cells[name], settings.missing, where, read) for name in settings.target]
    return settings.target, np.stack(columns, axis=1)


def _several(
    cells: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> tuple[tuple[str, ...], Floats]:
    if settings.list_separator is None:
        return _binary(cells, settings, where)
    column = cells[settings.target[0]]
    parts = column.map(lambda cell: _parts(cell, str(settings.list_separator)))
    told = known(column, settings.missing) & parts.map(bool).to_numpy()
    lists = parts[told].tolist()
    for line, names in zip(column.index[told], lists, strict=True):
        silent = ~known(pd.Series(names, dtype=object), settings.missing)
        if silent.any():
            raise InputError(
                f"{where}: column {settings.target[0]}: line {line} holds "
                f"{names[int(silent.argmax())]!r} among its classes, which is no label; leave it "
                "out, or say with --missing which words are none"
            )
    alone = pd.Series([name for names in lists for name in names], dtype=object)
    named = iter(class_names(alone, f"{where}: column {settings.target[0]}"))
    found = [{next(named) for _ in names} for names in lists]
    classes = ordered(name for names in found for name in names)
    values = np.full((len(cells), len(classes)), np.nan)
    values[told] = [[float(name in names) for name in classes] for names in found]
    return classes, values


def _parts(cell: Cell, separator: str) -> list[str]:
    return [part.strip() for part in text(cell).split(separator) if part.strip()]


def _one(
    cells: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> tuple[tuple[str, ...], Floats]:
    column = cells[settings.target[0]]
    told = known(column, settings.missing)
    names = class_names(column[told], f"{where}: column {settings.target[0]}")
    classes = ordered(names)
    if len(classes) == 1:
        raise InputError(f"{where}: column {settings.target[0]} has one class alone, {classes[0]}")
    values = np.full((len(cells), len(classes)), np.nan)
    values[told] = np.array(names, dtype=object)[:, None] == np.array(classes, dtype=object)
    return classes, values


def _number(
    cells: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> tuple[tuple[str, ...], Floats]:
    def read(column: pd.Series, place: str) -> Floats:
        return measures(column, place, settings.decimal)

    values = read_known(cells[settings.target[0]], settings.missing, where, read)
    return settings.target, values[:, None]


def _time(
    cells: pd.DataFrame, settings: OwnTaskSettings, where: str
) -> tuple[tuple[str, ...], Floats]:
    """Read times: positive where the event was seen, negative where it was not yet."""
    classes, times = _number(cells, settings, where)

    def read(column: pd.Series, place: str) -> Floats:
        return flags(column, place, settings.positive)

    seen = read_known(cells[settings.event], settings.missing, where, read)
    # A negative time would pass for one that was followed up to there.
    times = np.maximum(times, 0.0)
    return classes, times * np.where(np.isnan(seen), np.nan, 2 * seen - 1)[:, None]


_READ: dict[
    Kind, Callable[[pd.DataFrame, OwnTaskSettings, str], tuple[tuple[str, ...], Floats]]
] = {"binary": _binary, "one": _one, "several": _several, "number": _number, "time": _time}


def _only_word(cells: pd.DataFrame, settings: OwnTaskSettings) -> str:
    column = cells[settings.target[0]]
    return repr(text(column[known(column, settings.missing)].iloc[0]))


def _told(cells: pd.DataFrame, settings: OwnTaskSettings) -> Sequence[str]:
    """Say which words count as unknown, and where commas are decimal."""
    told = []
    for name in dict.fromkeys((*settings.target, *filter(None, [settings.event]))):
        column = cells[name]
        silent = ~known(column, settings.missing)
        words = Counter(text(cell) or "blank" for cell in column[silent])
        if words:
            counts = ", ".join(f"{word} {count}" for word, count in words.most_common())
            told.append(f"column {name!r}: unknown in {silent.sum()} rows ({counts})")
        yes = folded(str(settings.positive))
        others = {word for cell in column[~silent] if folded(word := text(cell)) != yes}
        asked = settings.event or settings.target[0]
        if settings.positive is not None and name == asked and others:
            told.append(f"column {name!r}: {', '.join(sorted(others))} is the negative")
        if settings.outcome in ("number", "time") and uses_commas(column[~silent]):
            told.append(f"column {name!r}: commas are decimal")
    return told
