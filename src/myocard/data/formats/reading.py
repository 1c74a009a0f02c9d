"""One record from one file, whatever its format."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from myocard.data.formats.aecg import AECG
from myocard.data.formats.arrays import read_mat, read_npy
from myocard.data.formats.cardiosoft import CARDIOSOFT
from myocard.data.formats.columns import read_csv
from myocard.data.formats.dicom import DICOM
from myocard.data.formats.edf import EDF
from myocard.data.formats.found import HEAD, Format, Found
from myocard.data.formats.hdf5 import read_hdf5
from myocard.data.formats.ishne import ISHNE
from myocard.data.formats.joining import joined
from myocard.data.formats.muse import MUSE
from myocard.data.formats.recording import Recording
from myocard.data.formats.schiller import SCHILLER
from myocard.data.formats.scp import SCP
from myocard.data.formats.sierra import SIERRA
from myocard.data.formats.wfdb import header_of, read_wfdb
from myocard.data.formats.xml import root_named
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.record import Record

FORMATS: tuple[Format, ...] = (
    MUSE,
    SIERRA,
    AECG,
    CARDIOSOFT,
    SCHILLER,
    DICOM,
    EDF,
    ISHNE,
    SCP,
)
"""Formats that tell themselves by their first bytes, whatever a file is called."""

_READERS = {".csv": read_csv, ".mat": read_mat, ".npy": read_npy}
_READERS |= dict.fromkeys((".h5", ".hdf5"), read_hdf5)
_PICTURE = "a picture; export the signal, as XML, DICOM or SCP-ECG"
_OTHERS = {
    b"%PDF": "a PDF, which pictures an ECG; export the signal, as XML, DICOM or SCP-ECG",
    b"PK\3\4": "an archive; unpack it",
    b"\x1f\x8b": "a compressed file; unpack it",
    b"\x89PNG": _PICTURE,
    b"\xff\xd8\xff": _PICTURE,
}
"""Advice on files that people have beside ECGs, by their first bytes."""
SUFFIXES = (".hea", ".dat", *_READERS)


def read(
    path: str | Path,
    *,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Record:
    """Read the record in a file: WFDB, an array of numbers, or one of ``FORMATS``.

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
    return opened(path, rate=rate, leads=leads, unit=unit, rename=rename).whole()


def opened(
    path: str | Path,
    *,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Recording:
    """Open the record in a file, with all as ``read`` has it.

    Samples of WFDB, EDF, BDF and ISHNE files stay there until they are cut out.
    """
    path = in_any_case(Path(path))
    _, reader = _reader(path)
    return joined(reader(path), path, rate, leads, unit, rename)


def format_of(path: Path) -> str:
    """Name of a file's format.

    Raises:
        InputError: For a file that is missing or of no readable format.
    """
    return _reader(in_any_case(path))[0]


def tells_itself(path: Path) -> bool:
    """Tell whether a file is of a format that its first bytes tell."""
    return _told(path) is not None


def _told(path: Path) -> Format | None:
    with path.open("rb") as file:
        head = file.read(HEAD)
    return next((each for each in FORMATS if each.starts(head)), None)


def _reader(path: Path) -> tuple[str, Callable[[Path], Found]]:
    """Name and reader of a file's format."""
    ending, is_there = path.suffix.lower(), path.is_file()
    if ending in {"", ".dat", ".mat"} and header_of(path).is_file():
        return "WFDB", read_wfdb
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a file, or read all by `myocard prepare files`")
    told = _told(path) if is_there else None
    if told is not None:
        return told.name, told.read
    if ending == ".hea":
        return "WFDB", read_wfdb
    if not is_there:
        raise InputError(f"{path}: no such file")
    if ending in _READERS:
        return f"{ending} file", _READERS[ending]
    raise InputError(f"{path}: {_unreadable(path)}")


def _unreadable(path: Path) -> str:
    """Say what a file is that is of no readable format, and what to do."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file; export it again"
    known = next((told for start, told in _OTHERS.items() if head.startswith(start)), None)
    if known is not None:
        return known
    if path.suffix.lower() == ".dat":
        return f"a signal file without its WFDB header {path.stem}.hea; put it beside"
    root = root_named(head)
    if root is not None:
        return f"XML of an unknown kind, {root[:40]!r}; export MUSE, Sierra, aECG or Schiller XML"
    readable = ", ".join([*SUFFIXES, *(each.name for each in FORMATS)])
    return f"unknown format; readable are {readable}"
