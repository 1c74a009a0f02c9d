"""Files that hold an array of numbers: CSV, MATLAB, NumPy and HDF5.

They say little about themselves; ``formats`` joins what they say with what the caller knows. The
packages that read MATLAB and HDF5 are imported by the readers: a WFDB record should not wait for
them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats import matlab
from myocard.data.formats.found import Found
from myocard.errors import InputError
from myocard.files.tables import read_csv_table

if TYPE_CHECKING:
    import h5py

# Deflate shrinks by 1032 at most (zlib's technical notes); an HDF5 data set that claims more holds
# mostly values that were never written.
_MOST_COMPRESSION = 1032
# As SciPy counts the versions of the format.
_MATLAB_5 = 1


def read_csv(path: Path) -> Found:
    """Read comma-separated columns, one a lead, with or without a first row of their names."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline(100_000).strip().split(",")
        named = not all(map(_is_number, first))
        header = 0 if named else None
        frame = read_csv_table(path, header=header, dtype=float, encoding="utf-8-sig")
    # pandas' own errors are ValueErrors.
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not a table of numbers: {error}") from error
    leads = tuple(name.strip().strip('"') for name in first) if named else None
    return Found(_checked(frame.to_numpy(), path), leads=leads)


def read_npy(path: Path) -> Found:
    """Read a NumPy array. Pickled objects, which could run code, are refused."""
    try:
        # Mapped, a header that promises more than the file holds is an error, not an allocation.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        return Found(_checked(np.array(mapped), path))
    # A broken header is parsed as Python, which tells of that in many ways.
    except Exception as error:
        told = "broken, or of Python objects" if "pickle" in str(error) else error
        raise InputError(f"{path}: not a NumPy array of numbers: {told}; save it again") from error


def read_mat(path: Path) -> Found:
    """Read the one matrix of numbers in a MATLAB file, on its own or as a field of a structure."""
    import h5py
    import scipy.io

    if h5py.is_hdf5(path):
        return read_hdf5(path)  # MATLAB 7.3
    try:
        if scipy.io.matlab.matfile_version(path)[0] == _MATLAB_5:
            matlab.check(path.read_bytes())
        content = scipy.io.loadmat(path)
    # SciPy's parser raises errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a MATLAB file: {error}") from error
    arrays = [array for array in _matrices(content) if array.size > 1]
    if len(arrays) != 1:
        raise InputError(f"{path}: {len(arrays)} matrices of numbers in it; one is expected")
    return Found(_checked(arrays[0], path))


def read_hdf5(path: Path) -> Found:
    """Read the data set ``signal``, or the only one; its attributes may be rate, leads and unit."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            data = _data_set(file, path)
            attributes = dict(data.attrs)
            signal = _checked(data[()], path)
    except (OSError, RuntimeError, KeyError) as error:
        raise InputError(f"{path}: not a readable HDF5 file: {error}") from error
    rate, leads, unit = (attributes.get(name) for name in ("rate", "leads", "unit"))
    return Found(
        signal,
        rate=None if rate is None else _rate(rate, path),
        leads=None if leads is None else _names(leads),
        unit=None if unit is None else _text(unit),
    )


def _data_set(file: "h5py.File", path: Path) -> "h5py.Dataset":
    import h5py

    # Links to other files are not followed.
    links = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
    names = [name for name in links if isinstance(file[name], h5py.Dataset)]
    name = "signal" if "signal" in names else names[0] if len(names) == 1 else None
    if name is None:
        raise InputError(f"{path}: {len(names)} data sets in it; call the ECG's 'signal'")
    data = file[name]
    if data.is_virtual or data.external:
        raise InputError(f"{path}: its data set lies in other files")
    if data.nbytes > _MOST_COMPRESSION * max(data.id.get_storage_size(), 1):
        raise InputError(
            f"{path}: its data set promises {data.nbytes} bytes and does not hold them"
        )
    return data


def _matrices(content: Mapping[str, object]) -> Iterator[NDArray[Any]]:
    for name, value in content.items():
        if name.startswith("__") or not isinstance(value, np.ndarray):
            continue
        if value.dtype.names and value.size == 1:
            structure = value.ravel()[0]
            yield from _matrices({field: structure[field] for field in value.dtype.names})
        elif value.ndim == 2 and value.dtype.kind in "iuf":
            yield value


def _checked(signal: Any, path: Path) -> NDArray[Any]:
    array = np.asarray(signal)
    if array.ndim != 2 or array.dtype.kind not in "iuf" or array.size == 0:
        raise InputError(f"{path}: {array.dtype} of shape {array.shape}, not leads × samples")
    return array


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


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
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
