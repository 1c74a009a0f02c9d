"""WFDB records (``.hea`` with ``.dat`` or ``.mat``) as ``Record``s.

The formats that 12-lead ECGs come in, 16 and 212 in one file, are decoded here with NumPy. All else
(several files or segments, other formats, skew) goes to the ``wfdb`` package.
"""

import warnings
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from stat import S_ISREG

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.wfdb_header import Header, SignalLine, read_header
from myocard.errors import InputError
from myocard.leads import canonical, parse_leads
from myocard.record import Record

_HEADER = ".hea"
_SUFFIXES = (_HEADER, ".dat", ".mat")

# Bytes per sample of the formats that do not compress (signal-5).
_BYTES = {8: 1.0, 16: 2.0, 24: 3.0, 32: 4.0, 61: 2.0, 80: 1.0, 160: 2.0, 212: 1.5}
_BYTES |= {310: 4 / 3, 311: 4 / 3}
# Bytes by which writers fill up the last group of a packed format.
_PADDING = {212: 1, 310: 3, 311: 3}
# The value that marks a sample as invalid in the formats that are decoded here.
_INVALID = {16: -32768, 212: -2048}

# ADC units per millivolt are the header's ADC units per unit times this.
_UNITS_PER_MILLIVOLT = {"mv": 1.0, "uv": 1e3, "µv": 1e3, "μv": 1e3, "v": 1e-3, "nu": 1.0}

_SEPARATORS = frozenset("/\\\0")


class WrongLength(InputError):
    """Error for a header and a signal file that disagree about the number of samples."""


def read_wfdb(path: str | Path) -> Record:
    """Read the record at ``path``, its header's suffix given or not, in millivolts.

    Signals that are none of the twelve leads, such as Frank's vx, vy and vz, are left out. Leads
    keep their order in the file. Samples that WFDB marks as invalid (-32768 in format 16, -2048 in
    212) are NaN. A gain that is missing or 0 counts as WFDB's default of 200 units per millivolt.

    Raises:
        WrongLength: When the signal file is shorter or longer than the header says.
        InputError: When a file is missing, broken, outside the header's folder, or holds no lead.
    """
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in _SUFFIXES else path
    header_path = stem.parent / (stem.name + _HEADER)
    header = read_header(header_path)
    try:
        return _read(header, stem)
    except InputError as error:
        raise type(error)(f"{header_path}: {error}") from error


def _read(header: Header, stem: Path) -> Record:
    if not 0 < header.rate < float("inf"):
        raise InputError(f"a rate of {header.rate} Hz")
    if header.segments:
        _check_segments(header, stem.parent)
        return _read_with_package(stem)
    samples = _check_files(header, stem.parent)
    if not _is_plain(header.signals):
        return _read_with_package(stem)
    first = header.signals[0]
    try:
        content = (stem.parent / first.file).read_bytes()[first.offset :]
    except OSError as error:
        raise InputError(f"cannot read {first.file}: {error.strerror}") from error
    frames = _decode(content, first.format, samples * len(header.signals))
    return _scaled(frames.reshape(samples, -1), header, _INVALID[first.format])


def _is_plain(signals: Sequence[SignalLine]) -> bool:
    """Tell if all signals lie in one file, sample by sample, in a format that is decoded here."""
    first = signals[0]
    return first.format in _INVALID and all(
        (signal.file, signal.format, signal.offset) == (first.file, first.format, first.offset)
        and signal.samples_per_frame == 1
        and signal.skew == 0
        for signal in signals
    )


def _check_files(header: Header, folder: Path) -> int:
    """Return the samples per signal, after comparing the size of every file with the header.

    Raises:
        WrongLength: When a file's size and the header disagree.
        InputError: For a file that is missing, outside ``folder``, or of a compressed format.
    """
    counts = set()
    for file in dict.fromkeys(signal.file for signal in header.signals):
        signals = [signal for signal in header.signals if signal.file == file]
        size = max(_size(folder, file) - signals[0].offset, 0)
        width = sum(signal.samples_per_frame for signal in signals) * _bytes_per_sample(signals)
        samples = header.samples if header.samples is not None else int(size / width)
        most = ceil(samples * width) + _PADDING.get(signals[0].format, 0)
        if not samples * width <= size <= most:
            raise WrongLength(
                f"wrong length: the header promises {samples} samples of {len(signals)} signals, "
                f"{file} holds {size / width:g}; fetch both files again"
            )
        if max(signal.skew for signal in signals) > samples:
            raise InputError(f"a signal of {file} lags by more than its {samples} samples")
        counts.add(samples)
    if len(counts) > 1 or 0 in counts:
        raise WrongLength(f"wrong length: signals of {sorted(counts)} samples")
    return counts.pop()


def _check_segments(header: Header, folder: Path) -> None:
    """Check each segment's files, and that gaps do not ask for more room than the segments."""
    read, gaps = 0, 0
    for name, samples in header.segments:
        if name == "~":
            gaps += samples
            continue
        segment = read_header(_inside(folder, name + _HEADER))
        if segment.segments:
            raise InputError(f"segment {name} has segments itself")
        if samples == 0 and all(signal.file == "~" for signal in segment.signals):
            continue  # The layout of a record whose segments differ in their signals.
        if _check_files(segment, folder) != samples:
            raise WrongLength(f"wrong length: segment {name} does not hold {samples} samples")
        read += samples
    if gaps > read:
        raise InputError(f"{gaps} samples of gaps between {read} of signal")


def _bytes_per_sample(signals: Sequence[SignalLine]) -> float:
    formats = {signal.format for signal in signals}
    if len(formats) > 1 or not formats <= _BYTES.keys():
        readable = ", ".join(map(str, _BYTES))
        raise InputError(f"WFDB format {sorted(formats)}; readable are {readable}")
    return _BYTES[formats.pop()]


def _size(folder: Path, file: str) -> int:
    try:
        status = _inside(folder, file).stat()
    except OSError:
        status = None
    if status is None or not S_ISREG(status.st_mode):
        raise InputError(f"its signal file {file} is missing")
    return status.st_size


def _inside(folder: Path, file: str) -> Path:
    elsewhere = file in {"", ".", ".."} or not _SEPARATORS.isdisjoint(file)
    if elsewhere or len(file.encode()) > 255:
        raise InputError(f"it names {file!r}, a file outside its own folder")
    return folder / file


def _decode(content: bytes, storage: int, count: int) -> NDArray[np.int16]:
    """Decode ``count`` samples of WFDB format 16 or 212, in the file's order."""
    if storage == 16:
        return np.frombuffer(content, dtype="<i2", count=count)
    padded = content + bytes(-len(content) % 3)
    low, middle, high = np.frombuffer(padded, np.uint8).reshape(-1, 3).T.astype(np.int16)
    pairs = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1)
    # Shifting up and down again carries the sign of 12 bits to 16.
    return (pairs.ravel()[:count] << 4) >> 4


def _scaled(frames: NDArray[np.int16], header: Header, invalid: int) -> Record:
    """Make a record from ``(samples, signals)`` ADC units."""
    rows = [row for row, signal in enumerate(header.signals) if canonical(signal.name)]
    chosen = [header.signals[row] for row in rows]
    leads, unit = _leads_and_unit([s.name for s in chosen], [s.unit for s in chosen])
    units = np.ascontiguousarray(frames.T if len(rows) == frames.shape[1] else frames.T[rows])
    signal = units.astype(np.float32)
    if any(s.baseline for s in chosen):
        signal -= np.array([[s.baseline] for s in chosen], np.float32)
    gains = [[s.gain * _UNITS_PER_MILLIVOLT[s.unit.lower()]] for s in chosen]
    signal /= np.array(gains, np.float32)
    # The mark is the least value of its format, and one look for it is faster than a comparison.
    if units.min() == invalid:
        signal[units == invalid] = np.nan
    return Record(signal, header.rate, leads, unit)


def _read_with_package(stem: Path) -> Record:
    """Read with ``wfdb``; the sizes have been checked."""
    with warnings.catch_warnings():
        # wfdb 4.3 uses what pandas 3 deprecates, which is no concern of ours or the user's.
        warnings.simplefilter("ignore", DeprecationWarning)
        import wfdb
    try:
        record = wfdb.rdrecord(str(stem))
    # The package raises errors of every kind; with sizes checked, all mean a broken file.
    except Exception as error:
        raise InputError(f"wfdb cannot read it: {error}") from error
    rows = [row for row, name in enumerate(record.sig_name) if name and canonical(name)]
    units = [record.units[row] or "mV" for row in rows]
    leads, unit = _leads_and_unit([record.sig_name[row] for row in rows], units)
    factors = np.array([[_UNITS_PER_MILLIVOLT[each.lower()]] for each in units])
    signal = (record.p_signal.T[rows] / factors).astype(np.float32)
    return Record(signal, float(record.fs), leads, unit)


def _leads_and_unit(names: Sequence[str], units: Sequence[str]) -> tuple[tuple[str, ...], str]:
    if not names:
        raise InputError("no signal of the twelve leads in it")
    unknown = sorted({unit for unit in units if unit.lower() not in _UNITS_PER_MILLIVOLT})
    if unknown:
        raise InputError(f"unknown unit {', '.join(unknown)}; the units are mV, uV, V and NU")
    without_voltage = {unit.lower() == "nu" for unit in units}
    if len(without_voltage) > 1:
        raise InputError("some leads in millivolts and some without a unit (NU)")
    return parse_leads(names), "NU" if without_voltage.pop() else "mV"
