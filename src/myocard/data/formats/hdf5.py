"""HDF5 files, of which MATLAB 7.3's are some. ``h5py`` is imported by the readers."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from myocard.data.formats import hdf5_texts
from myocard.data.formats.found import Found
from myocard.data.formats.matrices import checked, ecg_among, listed
from myocard.data.formats.refusals import most_unpacked
from myocard.errors import InputError

if TYPE_CHECKING:
    import h5py

_MOST_MEMBERS = 10_000
_MOST_ATTRIBUTE = 1 << 16
# Bytes of addresses and of lengths, and of a chunk's checksum.
_SIZES, _CHECKSUM = (8, 8), 4


def read_hdf5(path: Path) -> Found:
    """Read the data set ``signal``, or the only one; its attributes may be rate, leads and unit."""
    with _opened(path) as file:
        data = _data_set(file, path)
        if not _is_written(data):
            raise InputError(f"{path}: its data set promises values that are not in it")
        rate, leads, unit = (_attribute(data, name, path) for name in ("rate", "leads", "unit"))
        signal = checked(data[()], path)
    return Found(
        signal,
        rate=None if rate is None else _rate(rate, path),
        leads=None if leads is None else _names(leads),
        unit=None if unit is None else _text(unit),
    )


def read_row(path: Path, data: str, ids: str, name: str) -> Found:
    """Read the signal of one record of a file that holds many.

    Args:
        path: An HDF5 file.
        data: The data set ``(records, samples, leads)``, or leads before samples.
        ids: The data set of the records' ids.
        name: The id of the record.

    Raises:
        InputError: When the file is broken, or has no such record or data set.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with _opened(path) as file:
        found = dict(_data_sets(file, set()))
        if not {data, ids} <= found.keys():
            raise InputError(f"{path}: no data sets {data} and {ids}, but {listed(found)}")
        places = np.flatnonzero(_held(found[ids], path)[()].astype(str) == name)
        if len(places) != 1:
            raise InputError(f"{path}: {len(places)} records of {ids} {name}")
        return Found(checked(_held(found[data], path)[int(places[0])], path))


@contextmanager
def _opened(path: Path) -> "Iterator[h5py.File]":
    """Open a file; what goes wrong with it is an ``InputError`` that names it."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if file.id.get_create_plist().get_sizes() != _SIZES:
                raise ValueError("its numbers are of another length than 8 bytes")
            yield file
    except InputError:
        raise
    # h5py raises errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error


def _data_set(file: "h5py.File", path: Path) -> "h5py.Dataset":
    found = dict(_data_sets(file, set()))
    numbers = {
        name: data
        for name, data in found.items()
        if data.ndim == 2 and data.size > 1 and data.dtype.kind in "iuf" and _is_numeric(data, path)
    }
    return _held(found[ecg_among(numbers or found, path)], path)


def _held(data: "h5py.Dataset", path: Path) -> "h5py.Dataset":
    """Refuse a data set that lies in other files, or takes more memory than fits its own."""
    if data.is_virtual or data.external:
        raise InputError(f"{path}: its data set lies in other files")
    if data.dtype.hasobject:
        raise InputError(f"{path}: {data.name} is of {data.dtype}, not of numbers")
    # HDF5 2.0 ends the process at a chunk that is shorter than its checksum.
    if data.fletcher32 and min(_chunks(data), default=0) < _CHECKSUM:
        raise InputError(f"{path}: a chunk of its data set is shorter than its checksum")
    # A part of a chunk takes memory for all of it.
    promised = max(data.nbytes, math.prod(data.chunks or ()) * data.dtype.itemsize)
    if promised > most_unpacked(data.id.get_storage_size()):
        raise InputError(f"{path}: its data set promises {promised} bytes and does not hold them")
    return data


def _is_written(data: "h5py.Dataset") -> bool:
    """Tell whether all values of a data set are in the file; HDF5 fills up with zeros."""
    if data.chunks is None:
        return bool(data.id.get_storage_size() == data.nbytes)
    along = (-(-size // chunk) for size, chunk in zip(data.shape, data.chunks, strict=True))
    return len(_chunks(data)) == math.prod(along)


def _chunks(data: "h5py.Dataset") -> list[int]:
    """Return the stored bytes of each chunk."""
    sizes: list[int] = []
    data.id.chunk_iter(lambda chunk: sizes.append(chunk.size))
    return sizes


def _attribute(data: "h5py.Dataset", name: str, path: Path) -> Any:
    """Return the value of an attribute, None where there is none."""
    import h5py

    if name not in data.attrs:
        return None
    stored = data.attrs.get_id(name)
    count, kind = math.prod(stored.shape or ()), stored.dtype
    if count * kind.itemsize > _MOST_ATTRIBUTE or (
        kind.hasobject and not h5py.check_string_dtype(kind)
    ):
        raise ValueError(f"its attribute {name!r} holds {count} values of {kind}")
    if kind.hasobject:
        hdf5_texts.check(path, name, count)
    return data.attrs[name]


def _data_sets(group: "h5py.Group", seen: set[int]) -> Iterator[tuple[str, "h5py.Dataset"]]:
    """Yield the data sets in and below a group, each once; links to other files are not followed.

    MATLAB keeps the content of cells below ``#refs#``.
    """
    import h5py

    for name in group:
        if name.startswith("#") or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        member = group[name]
        place = h5py.h5o.get_info(member.id).addr
        if place in seen:
            continue
        if len(seen) == _MOST_MEMBERS:
            raise ValueError(f"more than {_MOST_MEMBERS} groups and data sets")
        seen.add(place)
        if isinstance(member, h5py.Dataset):
            yield member.name.strip("/"), member
        elif isinstance(member, h5py.Group):
            yield from _data_sets(member, seen)


def _is_numeric(data: "h5py.Dataset", path: Path) -> bool:
    """Tell whether MATLAB, if it wrote a data set, means numbers by it and not text."""
    kind = _attribute(data, "MATLAB_class", path)
    return kind is None or _text(kind) not in (
        "char",
        "cell",
        "logical",
        "struct",
        "function_handle",
    )


def _rate(value: Any, path: Path) -> float:
    try:
        return float(np.asarray(value).item())
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: its attribute 'rate' is not a number: {value!r}") from error


def _names(value: Any) -> tuple[str, ...]:
    names: Sequence[Any] = np.atleast_1d(value).tolist()
    texts = [_text(name) for name in names]
    return tuple(texts[0].split(",") if len(texts) == 1 else texts)


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value).strip()
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()  # Older programs write the micro sign so.
