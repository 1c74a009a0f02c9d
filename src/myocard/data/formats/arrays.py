"""NumPy and MATLAB files.

They say little about themselves; ``joining`` joins what they say with what the caller knows. The
package that reads MATLAB is imported by the reader: a WFDB record should not wait for it.
"""

import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats import matlab
from myocard.data.formats.found import Found
from myocard.data.formats.hdf5 import read_hdf5
from myocard.data.formats.matrices import checked, ecg_among
from myocard.errors import InputError

# As SciPy counts the versions of the format.
_MATLAB_5 = 1


def read_npy(path: Path) -> Found:
    """Read a NumPy array. Pickled objects, which could run code, are refused."""
    try:
        # Mapped, a header that promises more than the file holds is an error, not an allocation.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.offset + mapped.nbytes != path.stat().st_size:
            raise ValueError("bytes behind the array that its header promises")
        return Found(checked(np.array(mapped), path))
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
        content = path.read_bytes()
        if scipy.io.matlab.matfile_version(BytesIO(content))[0] == _MATLAB_5:
            matlab.check(content)
        with warnings.catch_warnings():
            # SciPy warns of numbers that it reads wrongly.
            warnings.simplefilter("error", UserWarning)
            # From memory, which does not make room for more than there is.
            found = scipy.io.loadmat(BytesIO(content))
    # SciPy's parser raises errors of every kind for a broken file.
    except Exception as error:
        raise InputError(f"{path}: not a MATLAB file: {error}") from error
    matrices = {name: array for name, array in _matrices(found) if array.size > 1}
    return Found(checked(matrices[ecg_among(matrices, path)], path))


def _matrices(content: Mapping[str, object]) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in content.items():
        if name.startswith("__") or not isinstance(value, np.ndarray):
            continue
        if value.dtype.names and value.size == 1:
            structure = value.ravel()[0]
            fields = {f"{name}.{field}": structure[field] for field in value.dtype.names}
            yield from _matrices(fields)
        elif value.ndim == 2 and value.dtype.kind in "iuf":
            yield name, value
