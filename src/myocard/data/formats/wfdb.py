"""WFDB records: a header (``.hea``) with its signal files (``.dat``, ``.mat``)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from myocard.data.cells import age, sex
from myocard.data.formats.found import Found, Stored
from myocard.data.formats.wfdb_header import Header, read_header
from myocard.data.formats.wfdb_signals import WrongChecksum as WrongChecksum
from myocard.data.formats.wfdb_signals import WrongLength as WrongLength
from myocard.data.formats.wfdb_signals import described, inside, read_signals
from myocard.errors import InputError
from myocard.files.names import in_any_case
from myocard.record import Facts

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
    """Open all signals of the record at ``path``, voltages in millivolts.

    Samples that WFDB marks as invalid are NaN. A gain that is missing or 0 counts as WFDB's default
    of 200 units per millivolt.

    Raises:
        WrongLength: When a signal file is shorter or longer than the header says.
        WrongChecksum: When it holds other values than those of which the header has the sum; from
            the signal, once all of it is read.
        InputError: When a file is missing, broken, outside the header's folder, or segments differ
            in what cannot be joined.
    """
    header_path = header_of(path)
    header = read_header(header_path)
    with _naming(header_path):
        open_all = _joined if header.segments else read_signals
        found = open_all(header, header_path.parent)
    signal = found.stored(len(found.leads or ()))
    naming = _naming(header_path)
    named = Stored(signal.shape, naming(signal.cut), naming(signal.check))
    return replace(found, signal=named, facts=_facts(header))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the header's name before the message of every ``InputError``, which stays of its kind."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error


def _facts(header: Header) -> Facts:
    """Read comments such as ``Age: 63`` and ``Sex: Female``."""
    told = {name: header.comment(name) or "" for name in ("age", "sex")}
    return Facts(age=age(told["age"]), sex=sex(told["sex"]))


def reason_of(error: InputError) -> str:
    """Return why a file cannot be read: wrong_length, wrong_checksum or unreadable."""
    return _REASONS.get(type(error), "unreadable")


def _joined(header: Header, folder: Path) -> Found:
    """Join segments by the names of their signals; what a segment lacks is NaN."""
    segments = _segment_headers(header, folder)
    parts: list[tuple[int, Found]] = []
    end = 0
    for name, samples in header.segments:
        if name != "~":
            parts.append((end, _segment(*segments[name], samples)))
        end += samples
    units: dict[str, str] = {}
    for _, part in parts:
        for signal, unit in zip(part.leads or (), part.unit or (), strict=True):
            if units.setdefault(signal, unit) != unit:
                raise InputError(f"signal {signal} in {units[signal]} and in {unit}")
    shapes = [part.stored(len(part.leads or ())).shape for _, part in parts]
    held = sum(leads * samples for leads, samples in shapes)
    if len(units) * end > _MOST_GAPS * held:
        raise InputError(
            f"{len(units)} signals of {end} samples, of which it has {held}; read its segments"
        )
    stated = tuple(dict.fromkeys(unit for _, part in parts for unit in part.stated))
    joined = _joined_signal(parts, tuple(units), end)
    return Found(joined, header.rate, tuple(units), tuple(units.values()), stated=stated)


def _joined_signal(parts: Sequence[tuple[int, Found]], leads: tuple[str, ...], end: int) -> Stored:
    """Join the signals of segments, each from its first sample on."""
    rows = {lead: row for row, lead in enumerate(leads)}
    placed = []
    for first, part in parts:
        places = [rows[lead] for lead in part.leads or ()]
        placed.append((first, places, part.stored(len(places))))

    def cut(start: int, stop: int) -> NDArray[np.float32]:
        joined = np.full((len(leads), stop - start), np.nan, np.float32)
        for first, places, signal in placed:
            begin, last = max(start, first), min(stop, first + signal.shape[1])
            if begin < last:
                part = signal.cut(begin - first, last - first)
                joined[places, begin - start : last - start] = part
        return joined

    def check() -> None:
        for _, _, signal in placed:
            signal.check()

    return Stored((len(leads), end), cut, check)


def _segment(header: Header, path: Path, samples: int) -> Found:
    """Open a segment; of a layout, which has no samples, the signals' names."""
    if samples == 0 and all(signal.file == "~" for signal in header.signals):
        nothing = np.empty((len(header.signals), 0), np.float32)
        return described(header, nothing)
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
