"""Signals of a WFDB record of one segment, from the files that its header names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import BLOCK, Found, Stored
from myocard.data.formats.wfdb_header import Header, SignalLine
from myocard.data.formats.wfdb_samples import BYTES, FLAC, PADDING, as_rows, decoded, frames_of
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.record import MILLIVOLTS, unit_named


class WrongLength(InputError):
    """Error for a header and a signal file that disagree about the number of samples."""


class WrongChecksum(InputError):
    """Error for a signal file without the values of which its header has the checksum."""


class _File(NamedTuple):
    """A signal file that was looked up, and all signals of the header that it holds."""

    path: Path
    signals: list[SignalLine]

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        try:
            with self.path.open("rb") as file:
                yield file
        except OSError as error:
            name = self.signals[0].file
            raise InputError(f"cannot read {name}: {error.strerror}") from error

    def units(self, start: int, stop: int) -> NDArray[Any]:
        """Read a span of the ADC units of its signals, ``(sum of samples per frame, samples)``."""
        with self.opened() as file:
            return np.ascontiguousarray(decoded(file, self.signals, start, stop).T)


def read_signals(header: Header, folder: Path) -> Found:
    """Open all signals of a record of one segment, as ``read_wfdb``."""
    if not 0 < header.rate < float("inf"):
        raise InputError(f"a rate of {header.rate} Hz")
    files = _files(header, folder)
    samples = _samples(header, files)
    cut = partial(_cut, header, files, samples)
    check = partial(_check, header, files, samples)
    return described(header, Stored((len(header.signals), samples), cut, check))


def _cut(
    header: Header, files: Sequence[_File], samples: int, start: int, stop: int
) -> NDArray[np.float32]:
    rows = np.empty((len(header.signals), stop - start), np.float32)
    for file in files:
        end = min(stop + max(signal.skew for signal in file.signals), samples)
        units = file.units(start, end)
        if stop - start == samples and header.samples is not None:
            _check_sums(units.sum(axis=1, dtype=np.int64), units[:, 0], file.signals)
        places = [place for place, signal in enumerate(header.signals) if signal in file.signals]
        rows[places] = _scaled(as_rows(units, file.signals, stop - start), file.signals)
    return rows


def _check(header: Header, files: Sequence[_File], samples: int) -> None:
    for file in files if header.samples is not None else ():
        first = file.units(0, 1)[:, 0]
        totals = np.zeros(len(first), np.int64)
        for start in range(0, samples, BLOCK):
            totals += file.units(start, min(start + BLOCK, samples)).sum(axis=1, dtype=np.int64)
        _check_sums(totals, first, file.signals)


def described(header: Header, rows: NDArray[np.float32] | Stored) -> Found:
    """Describe rows as a header does; voltages are millivolts."""
    names = tuple(signal.name for signal in header.signals)
    stated = tuple(signal.unit for signal in header.signals)
    units = tuple("mV" if _factor(unit) not in (None, 1.0) else unit for unit in stated)
    return Found(rows, header.rate, names, units, stated=stated)


def _files(header: Header, folder: Path) -> list[_File]:
    """Look up the signal files.

    Raises:
        InputError: For a file that is missing, outside ``folder``, or under two names.
    """
    signals: dict[str, list[SignalLine]] = {}
    for signal in header.signals:
        signals.setdefault(signal.file, []).append(signal)
    files = [_File(_path(folder, name), held) for name, held in signals.items()]
    if len({file.path for file in files}) < len(files):
        raise InputError("one signal file under two names; correct its header")
    return files


def _scaled(values: NDArray[np.floating], signals: Sequence[SignalLine]) -> NDArray[np.floating]:
    """Scale ADC units: voltages to millivolts, all else to its unit."""
    if any(signal.baseline for signal in signals):
        values -= np.array([[signal.baseline] for signal in signals], values.dtype)
    gains = [[signal.gain / (_factor(signal.unit) or 1.0)] for signal in signals]
    values /= np.array(gains, values.dtype)
    return values


def _factor(unit: str) -> float | None:
    """Return the millivolts in a unit; None where it is none of a voltage's."""
    named = unit_named(unit)
    return None if named is None else MILLIVOLTS[named]


def _check_sums(
    totals: NDArray[np.int64], first: NDArray[Any], signals: Sequence[SignalLine]
) -> None:
    """Refuse values other than those of which the header has the sum (modulo 2**16).

    A sum of 0 may be a placeholder: then the first value is compared, if the header has one.

    Args:
        totals: Sums of a file's ADC units, ``(sum of samples per frame,)``.
        first: Its first frame.
        signals: Its signals.
    """
    starts = np.cumsum([0, *(signal.samples_per_frame for signal in signals[:-1])])
    sums = np.add.reduceat(totals, starts)
    for total, value, signal in zip(sums, first[starts], signals, strict=True):
        found, stated = total, signal.checksum
        if stated == 0:
            found, stated = value if signal.initial else 0, signal.initial
        if (int(found) - stated) % 2**16:
            raise WrongChecksum(
                f"{signal.file} does not hold the values of which the header has the checksum "
                f"(signal {signal.name}); is it another record's? Fetch both files again"
            )


def _samples(header: Header, files: Sequence[_File]) -> int:
    """Return the samples per signal, after comparing the size of every file with the header.

    Raises:
        WrongLength: When a file's size and the header disagree.
        InputError: For a file of an unknown format.
    """
    counts = set()
    for file in files:
        held, each, spare = _extent(file)
        samples = int(held / each) if header.samples is None else header.samples
        name, count = file.signals[0].file, len(file.signals)
        if not samples * each <= held <= ceil(samples * each) + spare:
            raise WrongLength(
                f"wrong length: the header promises {samples} samples of {count} signals, "
                f"{name} holds {held / each:g}; fetch both files again"
            )
        if max(signal.skew for signal in file.signals) > samples:
            raise InputError(f"a signal of {name} lags by more than its {samples} samples")
        counts.add(samples)
    if len(counts) > 1 or 0 in counts:
        raise WrongLength(f"wrong length: signals of {sorted(counts)} samples")
    return counts.pop()


def _extent(file: _File) -> tuple[int, float, int]:
    """Return what a file holds, how much of it a sample takes, and how much may be left over.

    In bytes, and in samples where it is compressed.
    """
    formats = {signal.format for signal in file.signals}
    if len(formats) > 1 or not formats <= BYTES.keys() | FLAC.keys():
        readable = ", ".join(map(str, [*BYTES, *FLAC]))
        raise InputError(f"WFDB format {sorted(formats)}; readable are {readable}")
    size = max(file.path.stat().st_size - file.signals[0].offset, 0)
    storage = formats.pop()
    if storage in FLAC:
        with file.opened() as content:
            return frames_of(content, size, file.signals), 1.0, 0
    width = sum(signal.samples_per_frame for signal in file.signals) * BYTES[storage]
    return size, width, PADDING.get(storage, 0)


def _path(folder: Path, name: str) -> Path:
    path = inside(folder, name)
    try:
        regular = S_ISREG(path.stat().st_mode)
    except OSError:
        regular = False
    if not regular:
        raise InputError(f"its signal file {name} is missing")
    return path


def inside(folder: Path, file: str) -> Path:
    """Return the path of a file that a header names, below its folder or beside it.

    Headers that were written elsewhere have a folder before their names (``beats/a.dat``), also
    with Windows' backslash; the file often lies beside them.

    Raises:
        InputError: For a name that leads elsewhere.
    """
    parts = [part for part in file.replace("\\", "/").split("/") if part != "."]
    leads_out = not parts or "" in parts or ".." in parts or ":" in parts[0] or "\0" in file
    if leads_out or max(len(part.encode()) for part in parts) > 255 or len(file) > 1000:
        raise InputError(f"it names {file!r}, a file outside its own folder")
    below = in_any_case(folder.joinpath(*parts))
    return below if below.exists() else in_any_case(folder / parts[-1])
