"""One record from one file, whatever its format."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from myocard.data.formats.arrays import read_mat, read_npy
from myocard.data.formats.columns import read_csv
from myocard.data.formats.found import HEAD, Format, Found
from myocard.data.formats.hdf5 import read_hdf5
from myocard.data.formats.joining import joined
from myocard.data.formats.wfdb import header_of, read_wfdb
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.record import Record

FORMATS: tuple[Format, ...] = ()
"""Formats that tell themselves by their first bytes, whatever a file is called."""

_READERS = {".csv": read_csv, ".mat": read_mat, ".npy": read_npy}
_READERS |= dict.fromkeys((".h5", ".hdf5"), read_hdf5)
SUFFIXES = (".hea", ".dat", *_READERS)


def read(
    path: str | Path,
    *,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Record:
    """Read the record in a WFDB, CSV, MATLAB, NumPy or HDF5 file.

    Signals that are none of the twelve leads, such as Frank's vx, vy and vz, are left out. Leads
    keep their order in the file.

    Args:
        path: The file. A ``.mat`` beside a header of its name is WFDB.
        rate: Samples per second (Hz), for a file that does not say.
        leads: A name for each row (or column), for a file that names none of the twelve leads.
        unit: mV, uV, V or NU, for a file that does not say.
        rename: The lead that a signal is, by its name in the file, such as ``{"MLII": "II"}``.

    Raises:
        InputError: For a file that is missing, broken or of another format; when neither the file
            nor the caller says its rate, leads or unit; or when the two disagree.
    """
    path = in_any_case(Path(path))
    return joined(_found(path), path, rate, leads, unit, rename)


def _found(path: Path) -> Found:
    if _is_wfdb(path):
        return read_wfdb(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as file:
        head = file.read(HEAD)
    for each in FORMATS:
        if each.starts(head):
            return each.read(path)
    if path.suffix.lower() in _READERS:
        return _READERS[path.suffix.lower()](path)
    readable = ", ".join([*SUFFIXES, *(each.name for each in FORMATS)])
    raise InputError(f"{path}: unknown format; readable are {readable}")


def _is_wfdb(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in {".hea", ".dat"} or (suffix in {"", ".mat"} and header_of(path).is_file())
