"""One record from one file, whatever its format."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from myocard.data.formats.aecg import AECG
from myocard.data.formats.arrays import read_csv, read_hdf5, read_mat, read_npy
from myocard.data.formats.cardiosoft import CARDIOSOFT
from myocard.data.formats.dicom import DICOM
from myocard.data.formats.edf import EDF
from myocard.data.formats.found import HEAD, Format, Found
from myocard.data.formats.ishne import ISHNE
from myocard.data.formats.muse import MUSE
from myocard.data.formats.schiller import SCHILLER
from myocard.data.formats.scp import SCP
from myocard.data.formats.sierra import SIERRA
from myocard.data.formats.wfdb import read_wfdb
from myocard.errors import InputError
from myocard.leads import canonical, parse_leads
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
SUFFIXES = (".hea", ".dat", *_READERS)


def read(
    path: str | Path,
    *,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
) -> Record:
    """Read the record in a file: WFDB, an array of numbers, or one of ``FORMATS``.

    Args:
        path: The file. A ``.mat`` beside a header of its name is WFDB.
        rate: Samples per second (Hz), for a file that does not say.
        leads: A name for each row (or column), for a file that does not say.
        unit: mV, uV, V or NU, for a file that does not say.

    Raises:
        InputError: For a file that is missing, broken or of another format; when neither the file
            nor the caller says its rate, leads or unit; or when the two disagree.
    """
    path = Path(path)
    _, reader = _reader(path)
    return joined(reader(path), path, rate, leads, unit)


def format_of(path: Path) -> str:
    """Name of a file's format.

    Raises:
        InputError: For a file that is missing or of no readable format.
    """
    return _reader(path)[0]


def tells_itself(path: Path) -> bool:
    """Tell whether a file is of a format that its first bytes tell."""
    return _told(path) is not None


def _told(path: Path) -> Format | None:
    with path.open("rb") as file:
        head = file.read(HEAD)
    return next((each for each in FORMATS if each.starts(head)), None)


def _reader(path: Path) -> tuple[str, Callable[[Path], Found]]:
    """Name and reader of a file's format."""
    if _is_wfdb(path):
        return "WFDB", _read_wfdb
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    told = _told(path)
    if told is not None:
        return told.name, told.read
    ending = path.suffix.lower()
    if ending in _READERS:
        return f"{ending} file", _READERS[ending]
    readable = ", ".join([*SUFFIXES, *(each.name for each in FORMATS)])
    raise InputError(f"{path}: unknown format; readable are {readable}")


def _read_wfdb(path: Path) -> Found:
    record = read_wfdb(path)
    return Found(record.signal, record.rate, record.leads, record.unit)


def _is_wfdb(path: Path) -> bool:
    has_header = (path.parent / f"{path.stem}.hea").is_file()
    return path.suffix in {".hea", ".dat"} or (path.suffix in {"", ".mat"} and has_header)


def joined(
    found: Found, path: Path, rate: float | None, leads: Sequence[str] | None, unit: str | None
) -> Record:
    """Make a record of what a file says and what the caller knows."""
    try:
        _check_agreement(found, rate, leads, unit)
        rate = rate if found.rate is None else found.rate
        names = leads if found.leads is None else found.leads
        unit = unit if found.unit is None else found.unit
        if rate is None or names is None or unit is None:
            needed = {"rate": rate, "leads": names, "unit": unit}
            missing = [name for name, value in needed.items() if value is None]
            given = ", ".join(f"{name}=…" for name in missing)
            raise InputError(
                f"the file does not say its {', '.join(missing)}; give {given}, or a column of "
                "that name beside the labels"
            )
        return replace(_record(found, rate, names, unit), facts=found.facts)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_agreement(
    found: Found, rate: float | None, leads: Sequence[str] | None, unit: str | None
) -> None:
    if rate is not None and found.rate is not None and rate != found.rate:
        raise InputError(f"its rate is {found.rate:g} Hz, {rate:g} was given")
    if unit is not None and found.unit is not None and unit.lower() != found.unit.lower():
        raise InputError(f"its unit is {found.unit}, {unit} was given")
    if leads is not None and found.leads is not None:
        stated = tuple(filter(None, map(canonical, found.leads)))
        if parse_leads(leads) != stated:
            raise InputError(f"its leads are {', '.join(stated)}, {', '.join(leads)} were given")


def _record(found: Found, rate: float, leads: Sequence[str], unit: str) -> Record:
    """Make a record of the twelve leads among ``leads``; a file may hold other signals too."""
    signal = found.signal
    if signal.shape[0] != len(leads):
        signal = signal.T
    if signal.shape[0] != len(leads):
        raise InputError(f"an array of {found.signal.shape} does not fit {len(leads)} leads")
    if found.leads is None:
        return Record.from_array(signal, rate, leads, unit)
    rows = [row for row, name in enumerate(leads) if canonical(name)]
    if not rows:
        raise InputError(f"none of the twelve leads among {', '.join(leads[:20])}")
    return Record.from_array(signal[rows], rate, [leads[row] for row in rows], unit)
