"""WFDB records: a header (``.hea``) with its signal files (``.dat``, ``.mat``)."""

from pathlib import Path

import numpy as np

from myocard.data.formats.found import Found
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.formats.wfdb_signals import WrongChecksum as WrongChecksum
from myocard.data.formats.wfdb_signals import WrongLength as WrongLength
from myocard.data.formats.wfdb_signals import described, inside, read_signals
from myocard.errors import InputError
from myocard.files.names import in_any_case

_REASONS = {WrongLength: "wrong_length", WrongChecksum: "wrong_checksum"}
HEADER = ".hea"
SIGNALS = (".dat", ".mat")
# Monitors drop signals and take them up again; one in so many samples is there.
_MOST_GAPS = 16


def header_of(path: Path) -> Path:
    """Return the header of the record at ``path``, whose ending may be given or not."""
    stem = path.with_suffix("") if path.suffix.lower() in (HEADER, *SIGNALS) else path
    return in_any_case(stem.parent / f"{stem.name}{HEADER}")


def read_wfdb(path: Path) -> Found:
    """Read all signals of the record at ``path``, voltages in millivolts.

    Samples that WFDB marks as invalid are NaN. A gain that is missing or 0 counts as WFDB's default
    of 200 units per millivolt.

    Raises:
        WrongLength: When a signal file is shorter or longer than the header says.
        WrongChecksum: When it holds other values than those of which the header has the sum.
        InputError: When a file is missing, broken, outside the header's folder, or segments differ
            in what cannot be joined.
    """
    header_path = header_of(path)
    header = read_header(header_path)
    try:
        if header.segments:
            return _joined(header, header_path.parent)
        return read_signals(header, header_path.parent)
    except InputError as error:
        raise type(error)(f"{header_path}: {error}") from error


def reason_of(error: InputError) -> str:
    """Return why a file cannot be read: wrong_length, wrong_checksum or unreadable."""
    return _REASONS.get(type(error), "unreadable")


def _joined(header: Header, folder: Path) -> Found:
    """Join segments by the names of their signals; what a segment lacks is NaN."""
    segments = _segment_headers(header, folder)
    parts: list[tuple[int, Found]] = []
    start = 0
    for name, samples in header.segments:
        if name != "~":
            parts.append((start, _segment(*segments[name], samples)))
        start += samples
    units: dict[str, str] = {}
    for _, part in parts:
        for signal, unit in zip(part.leads or (), part.unit or (), strict=True):
            if units.setdefault(signal, unit) != unit:
                raise InputError(f"signal {signal} in {units[signal]} and in {unit}")
    rows = {signal: row for row, signal in enumerate(units)}
    held = sum(part.signal.size for _, part in parts)
    if len(rows) * start > _MOST_GAPS * held:
        raise InputError(
            f"{len(rows)} signals of {start} samples, of which it has {held}; read its segments"
        )
    joined = np.full((len(rows), start), np.nan, np.float32)
    for first, part in parts:
        places = [rows[signal] for signal in part.leads or ()]
        joined[places, first : first + part.signal.shape[1]] = part.signal
    stated = tuple(dict.fromkeys(unit for _, part in parts for unit in part.stated))
    return Found(joined, header.rate, tuple(rows), tuple(units.values()), stated=stated)


def _segment(header: Header, path: Path, samples: int) -> Found:
    """Read a segment; of a layout, which has no samples, the signals' names."""
    if samples == 0 and all(signal.file == "~" for signal in header.signals):
        return described(header, np.empty((len(header.signals), 0), np.float32))
    found = read_signals(header, path.parent)
    if found.signal.shape[1] != samples:
        raise WrongLength(f"wrong length: segment {path.stem} does not hold {samples} samples")
    return found


def _segment_headers(header: Header, folder: Path) -> dict[str, tuple[Header, Path]]:
    """Read the segments' headers, and refuse what cannot be joined or asks for more than it has."""
    names = [name for name, _ in header.segments if name != "~"]
    segments = {}
    for name in names:
        path = in_any_case(inside(folder, f"{name}{HEADER}"))
        segments[name] = read_header(path), path
    for name, (segment, _) in segments.items():
        if segment.segments:
            raise InputError(f"segment {name} has segments itself")
        if segment.rate != header.rate:
            rates = f"{segment.rate:g} Hz in a record of {header.rate:g} Hz"
            raise InputError(f"segment {name} of {rates}; segments of one rate are read")
    files = [
        {signal.file for signal in segment.signals} - {"~"} for segment, _ in segments.values()
    ]
    if len(segments) < len(names) or len(set().union(*files)) < sum(map(len, files)):
        raise InputError("two segments are of one file")
    total = sum(samples for _, samples in header.segments)
    gaps = sum(samples for name, samples in header.segments if name == "~")
    if gaps > total - gaps:
        raise InputError(f"{gaps} samples of gaps between {total - gaps} of signal")
    if header.samples not in (None, total):
        raise WrongLength(f"wrong length: {header.samples} samples in segments of {total}")
    return segments
