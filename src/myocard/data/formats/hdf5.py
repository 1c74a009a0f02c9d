"""HDF5 files, of which MATLAB 7.3's are some. ``h5py`` is imported by the readers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from myocard.data.formats.found import Found
from myocard.data.formats.matrices import checked, ecg_among, listed
from myocard.errors import InputError

if TYPE_CHECKING:
    import h5py

# Deflate shrinks by 1032 at most (zlib's technical notes); an HDF5 data set that claims more holds
# mostly values that were never written.
_MOST_COMPRESSION = 1032
_MOST_MEMBERS = 10_000


def read_hdf5(path: Path) -> Found:
    """Read the data set ``signal``, or the only one; its attributes may be rate, leads and unit."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = _data_set(file, path)
            attributes = dict(data.attrs)
            signal = checked(data[()], path)
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error
    rate, leads, unit = (attributes.get(name) for name in ("rate", "leads", "unit"))
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
    import h5py

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            found = dict(_data_sets(file, set()))
            if not {data, ids} <= found.keys():
                raise InputError(f"{path}: no data sets {data} and {ids}, but {listed(found)}")
            places = np.flatnonzero(found[ids][()].astype(str) == name)
            if len(places) != 1:
                raise InputError(f"{path}: {len(places)} records of {ids} {name}")
            return Found(checked(_held(found[data], path)[int(places[0])], path))
    # h5py raises errors of every kind for a broken file.
    except (OSError, RuntimeError, KeyError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error


def _data_set(file: "h5py.File", path: Path) -> "h5py.Dataset":
    found = dict(_data_sets(file, set()))
    numbers = {
        name: data
        for name, data in found.items()
        if data.ndim == 2 and data.size > 1 and data.dtype.kind in "iuf" and _is_numeric(data)
    }
    return _held(found[ecg_among(numbers or found, path)], path)


def _held(data: "h5py.Dataset", path: Path) -> "h5py.Dataset":
    """Refuse a data set whose values do not lie in its own file."""
    if data.is_virtual or data.external:
        raise InputError(f"{path}: its data set lies in other files")
    if data.nbytes > _MOST_COMPRESSION * max(data.id.get_storage_size(), 1):
        raise InputError(
            f"{path}: its data set promises {data.nbytes} bytes and does not hold them"
        )
    return data


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
        if place in seen or len(seen) > _MOST_MEMBERS:
            continue
        seen.add(place)
        if isinstance(member, h5py.Dataset):
            yield member.name.strip("/"), member
        elif isinstance(member, h5py.Group):
            yield from _data_sets(member, seen)


def _is_numeric(data: "h5py.Dataset") -> bool:
    """Tell whether MATLAB, if it wrote a data set, means numbers by it and not text."""
    kind = data.attrs.get("MATLAB_class", b"double")
    return _text(kind) not in ("char", "cell", "logical", "struct", "function_handle")


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
