"""Columns and files of a table of predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from myocard.data.window import Place, Seen
from myocard.errors import InputError
from myocard.models.statement import Predictor, Reading, Statement

FORMATS = (".csv", ".parquet")


def require_format(out: Path) -> None:
    """Refuse a name that tells no known format.

    Raises:
        InputError: Naming those that there are.
    """
    if out.suffix not in FORMATS:
        raise InputError(f"{out}: end its name in {' or '.join(FORMATS)}")


def part(
    model: Predictor,
    places: Sequence[Place],
    windows: NDArray[np.float32],
    seen: Sequence[Seen],
    *,
    timed: bool = False,
) -> pa.Table:
    """Make the rows of some windows.

    Args:
        model: The model.
        places: Where they are.
        windows: Those that can be used.
        seen: What was found of every one.
        timed: True for a column with the second at which each starts.
    """
    stated = model.statement
    usable = np.array([each.error is None for each in seen])
    scores, weights = model.read(windows) if len(windows) else _nothing(stated)
    values = stated.decision.columns(scores)
    values |= {f"layer:{layer}": weights[:, layer] for layer in range(weights.shape[1])}
    times = {"start": pa.array([place.start for place in places], pa.float64())}
    columns = {
        "file": _texts([place.file.as_posix() for place in places]),
        "record": _texts([place.file.stem for place in places]),
        **(times if timed else {}),
        **{name: _spread(each, usable) for name, each in values.items()},
        "flags": _texts([each.flag for each in seen]),
        "error": _texts([each.error for each in seen]),
    }
    return pa.table(columns)


def write_part(table: pa.Table, path: Path) -> None:
    parquet.write_table(table, path)


def join(parts: Sequence[Path], out: Path, suffix: str) -> None:
    """Write the tables of ``parts`` one below the other, with one at a time in memory."""
    schema = parquet.read_schema(parts[0])
    kind = csv.CSVWriter if suffix == ".csv" else parquet.ParquetWriter
    with kind(out, schema) as writer:
        for each in parts:
            writer.write_table(parquet.ParquetFile(each).read())


def without_score(out: Path) -> int:
    """Count the rows of a table that hold an error in place of scores."""
    if out.suffix == ".parquet":
        groups = parquet.ParquetFile(out).iter_batches(columns=["error"])
    else:
        groups = csv.open_csv(
            out,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=["error"],
                column_types={"error": pa.string()},
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    return sum(len(batch) - batch["error"].null_count for batch in groups)


def _nothing(stated: Statement) -> Reading:
    outputs, layers = len(stated.shape.classes), len(stated.layers)
    return Reading(np.zeros((0, outputs), np.float32), np.zeros((0, layers), np.float32))


def _spread(values: NDArray[Any], usable: NDArray[np.bool_]) -> pa.Array:
    """Values of the usable records at their rows, and nothing at the others'."""
    rows = np.zeros(len(usable), values.dtype)
    rows[usable] = values
    return pa.array(rows, mask=~usable)


def _texts(values: Sequence[str | None]) -> pa.Array:
    """Texts as UTF-8; what a file's name holds beside that is written out."""
    told = (text and text.encode("utf-8", "backslashreplace").decode() for text in values)
    return pa.array(told, pa.string())
