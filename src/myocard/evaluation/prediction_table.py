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
    starts = [place.start for place in places]
    known = np.array([start is not None for start in starts], np.bool_)
    times = {"start": _array(np.array([start or 0.0 for start in starts]), known)}
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
    if values.dtype.kind == "U":
        texts = iter(values.tolist())
        return _texts([next(texts) if is_usable else None for is_usable in usable])
    rows = np.zeros(len(usable), values.dtype)
    rows[usable] = values
    return _array(rows, usable)


# Arrow's own conversion of lists and arrays imports pandas, which takes as long as a prediction.


def _array(values: NDArray[Any], known: NDArray[np.bool_]) -> pa.Array:
    """Numbers or flags, where they are known."""
    held = _bits(values) if values.dtype == np.bool_ else pa.py_buffer(values)
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [_bits(known), held])


def _texts(values: Sequence[str | None]) -> pa.Array:
    """Texts as UTF-8; what a file's name holds beside that is written out."""
    told = [(text or "").encode("utf-8", "backslashreplace") for text in values]
    ends = np.cumsum([0, *map(len, told)], dtype=np.int32)
    known = _bits(np.array([text is not None for text in values], np.bool_))
    buffers = [known, pa.py_buffer(ends), pa.py_buffer(b"".join(told))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers)


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
