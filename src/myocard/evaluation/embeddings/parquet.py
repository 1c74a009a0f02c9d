"""Embeddings in Parquet: a row for each record, or for each record and layer.

Numbers are a column each, or one column of lists. The column ``id`` names the record and ``layer``
the layer; other columns of records are those of ``records.py``.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from pyarrow.parquet import ParquetFile

from myocard.errors import InputError
from myocard.evaluation.embeddings.records import COLUMNS

_LAYER = "layer"
_INDEX = "__index_level_0__"  # as pandas calls the index of a table
_DIGITS = re.compile(r"\d+")
_PLAIN = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean)
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_RAGGED = "lists of several lengths; give each record as many numbers"
_ROWS = 256
"""Rows that are in memory at once."""


def records_said(file: Path) -> pd.DataFrame:
    """Read what a file says of its records, a row each.

    Raises:
        InputError: When it is broken, or has no ids.
    """
    _, table = _opened(file)
    layers = _layers_of(table, file)
    return table[layers == layers.iloc[0]].drop(columns=_LAYER, errors="ignore")


def unpack_parquet(files: Sequence[Path], unpacked: Path) -> dict[str, Path]:
    """Write the layers of Parquet files as ``.npy``, each ``(records, width)``.

    Args:
        files: A layer is named by the column ``layer``, else by its file.
        unpacked: The folder to write.

    Returns:
        The arrays by the layers' names.

    Raises:
        InputError: When a file is broken, or a layer has other ids or another order of them.
    """
    unpacked.mkdir()
    paths: dict[str, Path] = {}
    ids = records_said(files[0])["id"].tolist()
    for file in files:
        source, table = _opened(file)
        rows: dict[Path, NDArray[np.int64]] = {}
        for name, said in table["id"].groupby(_layers_of(table, file), sort=False):
            if name in paths or said.tolist() != ids:
                raise InputError(
                    f"{file}: layer {name} is there twice, or has other ids than the first one, or "
                    "in another order; sort by layer and id"
                )
            paths[name] = unpacked / f"{len(paths)}.npy"
            rows[paths[name]] = said.index.to_numpy()
        _write_layers(source, file, rows)
    return paths


def _opened(file: Path) -> tuple[ParquetFile, pd.DataFrame]:
    """Open a file, and read what it says of its records."""
    try:
        source = ParquetFile(file)
        names = [name for name in source.schema_arrow.names if name in (*COLUMNS, _LAYER)]
        table = source.read(names).to_pandas(ignore_metadata=True)
    # PyArrow raises errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{file}: not a readable table ({error}); save it again") from error
    if "id" not in table or table.empty:
        raise InputError(f"{file}: no column id, or no rows; give a row for each record")
    return source, table


def _layers_of(table: pd.DataFrame, file: Path) -> pd.Series:
    """Return the name of each row's layer."""
    if _LAYER not in table:
        return pd.Series(file.stem, table.index)
    if table[_LAYER].isna().any():
        raise InputError(f"{file}: a row without layer; fill it in")
    return table[_LAYER].astype(str)


def _write_layers(
    source: ParquetFile, file: Path, rows_of: Mapping[Path, NDArray[np.int64]]
) -> None:
    """Write some rows of a file, which rise, to each of several arrays."""
    names = _names_of_numbers(source.schema_arrow, file)
    start = width = 0
    with ExitStack() as stack:
        arrays = {path: stack.enter_context(path.open("wb")) for path in rows_of}
        for batch in source.iter_batches(_ROWS, columns=names):
            values = _numbers(batch, file)
            width = width or values.shape[1]
            if values.shape[1] != width:
                raise InputError(f"{file}: {_RAGGED}")
            for path, array in arrays.items():
                rows = rows_of[path]
                if start == 0:
                    shape = (len(rows), width)
                    about = {"descr": values.dtype.str, "fortran_order": False, "shape": shape}
                    write_array_header_1_0(array, about)
                low, high = np.searchsorted(rows, [start, start + len(values)])
                array.write(values[rows[low:high] - start].tobytes())
            start += len(values)


def _names_of_numbers(schema: pa.Schema, file: Path) -> list[str]:
    """Return the columns of an embedding's numbers, or the one of lists.

    Raises:
        InputError: When there is none, or one may be something else.
    """
    names = [name for name in schema.names if name not in (*COLUMNS, _LAYER, _INDEX)]
    if not names:
        raise InputError(f"{file}: no column of numbers; add the embeddings")
    first = schema.field(names[0]).type
    if len(names) == 1 and _is_list(first):
        if not any(is_kind(first.value_type) for is_kind in _PLAIN):
            raise InputError(
                f"{file}: column {names[0]} holds {first}; give a list of numbers for each record, "
                f"and several layers in rows of their own, named by the column {_LAYER}"
            )
        return names
    for name in names:
        kind = schema.field(name).type
        if not pa.types.is_floating(kind):
            raise InputError(
                f"{file}: column {name} is {kind}: neither a number of an embedding nor one of "
                f"{', '.join((*COLUMNS, _LAYER))}; drop it"
            )
        if _DIGITS.sub("", name) != _DIGITS.sub("", names[0]):
            raise InputError(
                f"{file}: columns {names[0]} and {name} differ by more than a number; name those "
                "of an embedding alike, such as x0 and x1, and drop others"
            )
    return names


def _is_list(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in _LISTS)


def _numbers(batch: pa.RecordBatch, file: Path) -> NDArray[Any]:
    """Return the numbers of some rows, ``(rows, width)``."""
    first = batch.column(0)
    if _is_list(first.type):
        if len(set(pc.list_value_length(first).to_pylist())) != 1:
            raise InputError(f"{file}: {_RAGGED}")
        flat: NDArray[Any] = first.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(batch), -1)
    return np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], axis=1)
