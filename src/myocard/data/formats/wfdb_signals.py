"""Signals of a WFDB record of one segment, from the files that its header names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import ceil
from pathlib import Path
from stat import S_ISREG
from typing import Any, BinaryIO

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


def read_signals(header: Header, folder: Path) -> Found:
    """Open all signals of a record of one segment, as ``read_wfdb``."""
    if not 0 < header.rate < float("inf"):
        raise InputError(f"a rate of {header.rate} Hz")
    samples = _samples(header, folder)
    cut = partial(_cut, header, folder, samples)
    check = partial(_check, header, folder, samples)
    return described(header, Stored((len(header.signals), samples), cut, check))


def _cut(header: Header, folder: Path, samples: int, start: int, stop: int) -> NDArray[np.float32]:
    rows = np.empty((len(header.signals), stop - start), np.float32)
    for signals in _by_file(header):
        end = min(stop + max(signal.skew for signal in signals), samples)
        frames = _frames(folder, signals, start, end)
        if stop - start == samples and header.samples is not None:
            _check_sums(frames.sum(axis=0, dtype=np.int64), frames[0], signals)
        places = [place for place, signal in enumerate(header.signals) if signal in signals]
        rows[places] = _scaled(as_rows(frames, signals, stop - start), signals)
    return rows


def _check(header: Header, folder: Path, samples: int) -> None:
    for signals in _by_file(header) if header.samples is not None else ():
        first = _frames(folder, signals, 0, 1)[0]
        totals = np.zeros(len(first), np.int64)
        for start in range(0, samples, BLOCK):
            frames = _frames(folder, signals, start, min(start + BLOCK, samples))
            totals += frames.sum(axis=0, dtype=np.int64)
        _check_sums(totals, first, signals)


def _frames(folder: Path, signals: Sequence[SignalLine], start: int, stop: int) -> NDArray[Any]:
    with _opened(folder, signals[0]) as file:
        return decoded(file, signals, start, stop)


def described(header: Header, rows: NDArray[np.float32] | Stored) -> Found:
    """Describe rows as a header does; voltages are millivolts."""
    names = tuple(signal.name for signal in header.signals)
    stated = tuple(signal.unit for signal in header.signals)
    units = tuple("mV" if _factor(unit) not in (None, 1.0) else unit for unit in stated)
    return Found(rows, header.rate, names, units, stated=stated)


def _by_file(header: Header) -> list[list[SignalLine]]:
    files = dict.fromkeys(signal.file for signal in header.signals)
    return [[signal for signal in header.signals if signal.file == file] for file in files]


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
        totals: Sums of all frames of a file.
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


def _samples(header: Header, folder: Path) -> int:
    """Return the samples per signal, after comparing the size of every file with the header.

    Raises:
        WrongLength: When a file's size and the header disagree.
        InputError: For a file that is missing, outside ``folder``, or of an unknown format.
    """
    counts, files = set(), _by_file(header)
    if len({_path(folder, signals[0]) for signals in files}) < len(files):
        raise InputError("one signal file under two names; correct its header")
    for signals in files:
        held, each, spare = _extent(folder, signals)
        samples = int(held / each) if header.samples is None else header.samples
        if not samples * each <= held <= ceil(samples * each) + spare:
            raise WrongLength(
                f"wrong length: the header promises {samples} samples of {len(signals)} signals, "
                f"{signals[0].file} holds {held / each:g}; fetch both files again"
            )
        if max(signal.skew for signal in signals) > samples:
            raise InputError(
                f"a signal of {signals[0].file} lags by more than its {samples} samples"
            )
        counts.add(samples)
    if len(counts) > 1 or 0 in counts:
        raise WrongLength(f"wrong length: signals of {sorted(counts)} samples")
    return counts.pop()


def _extent(folder: Path, signals: Sequence[SignalLine]) -> tuple[int, float, int]:
    """Return what a file holds, how much of it a sample takes, and how much may be left over.

    In bytes, and in samples where it is compressed.
    """
    formats = {signal.format for signal in signals}
    if len(formats) > 1 or not formats <= BYTES.keys() | FLAC.keys():
        readable = ", ".join(map(str, [*BYTES, *FLAC]))
        raise InputError(f"WFDB format {sorted(formats)}; readable are {readable}")
    size = max(_path(folder, signals[0]).stat().st_size - signals[0].offset, 0)
    storage = formats.pop()
    if storage in FLAC:
        with _opened(folder, signals[0]) as file:
            return frames_of(file, size, signals), 1.0, 0
    width = sum(signal.samples_per_frame for signal in signals) * BYTES[storage]
    return size, width, PADDING.get(storage, 0)


@contextmanager
def _opened(folder: Path, signal: SignalLine) -> Iterator[BinaryIO]:
    try:
        with _path(folder, signal).open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot read {signal.file}: {error.strerror}") from error


def _path(folder: Path, signal: SignalLine) -> Path:
    path = inside(folder, signal.file)
    try:
        regular = S_ISREG(path.stat().st_mode)
    except OSError:
        regular = False
    if not regular:
        raise InputError(f"its signal file {signal.file} is missing")
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
