"""WFDB header files (``.hea``): statements of a record about itself.

Format: https://physionet.org/physiotools/wag/header-5.htm. A header is a claim by a stranger, so
nothing here opens another file or reserves memory for what it promises.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from myocard.errors import InputError

# Twelve leads take 1 kB. A header of this size is something else.
_MOST_BYTES = 1_000_000
_MOST_SIGNALS = 512
_MOST_SEGMENTS = 10_000

# WFDB takes 200 units per millivolt where the gain is missing or 0 (header-5, "ADC gain").
DEFAULT_GAIN = 200.0

# Longer numbers are no counts, and int() of thousands of digits is slow.
_INTEGER = r"[-+]?[0-9]{1,15}"
_COUNT = "[0-9]{1,15}"
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"

# name[/segments] signals [rate[/counter rate[(counter base)]] [samples [time [date]]]]
_RECORD_LINE = re.compile(
    rf"""(\S+?)(?:/({_COUNT}))? \s+ ({_COUNT})
    (?:\s+ ({_NUMBER}) (?:/{_NUMBER} (?:\({_NUMBER}\))?)?
    (?:\s+ ({_COUNT}) (?:\s .*)? )? )?""",
    re.VERBOSE,
)
# file format[xframe][:skew][+offset] [gain[(baseline)][/unit]
#     [resolution [zero [initial value [checksum [block size [description]]]]]]]
_SIGNAL_LINE = re.compile(
    rf"""(\S+) \s+ ({_COUNT}) (?:x({_COUNT}))? (?::({_COUNT}))? (?:\+({_COUNT}))?
    (?:\s+ ({_NUMBER}) (?:\(({_INTEGER})\))? (?:/(\S+))?
    (?:\s+ {_INTEGER} (?:\s+ ({_INTEGER}) (?:\s+ ({_INTEGER}) (?:\s+ ({_INTEGER})
    (?:\s+ {_INTEGER} (?:\s+ (.*) )? )? )? )? )? )? )?""",
    re.VERBOSE,
)
_SEGMENT_LINE = re.compile(rf"(\S+) \s+ ({_COUNT})", re.VERBOSE)


class SignalLine(NamedTuple):
    """One line of a header: where a signal lies and how its integers become physical units.

    Attributes:
        file: Name of the file in the header's folder.
        format: WFDB storage format, such as 16 or 212.
        samples_per_frame: Samples of this signal for each of the record's.
        skew: Samples by which this signal lags.
        offset: Bytes before the first sample.
        gain: ADC units per physical unit.
        baseline: ADC value of 0 physical units.
        unit: Physical unit, mV where the header names none.
        initial: Value of the first sample; 0 where the header says none.
        checksum: Sum of all samples, of which 16 bits count; 0 where the header says none.
        name: The signal's description, which names its lead; empty where there is none.
    """

    file: str
    format: int
    samples_per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    initial: int
    checksum: int
    name: str


@dataclass(frozen=True)
class Header:
    """A parsed header.

    Attributes:
        rate: Samples per second (Hz).
        samples: Samples per signal, or None where the header does not say.
        signals: One for each signal; empty in a record of several segments.
        segments: ``(record name, samples)`` of each segment; empty in a record of one.
        comments: Comment lines without their ``#``, stripped.
    """

    rate: float
    samples: int | None
    signals: tuple[SignalLine, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]

    def comment(self, key: str) -> str | None:
        """Return the value of the first comment ``key: value``, in any case, or None."""
        for line in self.comments:
            name, colon, value = line.partition(":")
            if colon and name.strip(" <>").lower() == key.lower():
                return value.strip()
        return None


def read_header(path: Path) -> Header:
    """Read the header at ``path``.

    Raises:
        InputError: When it is missing or broken; the message names the file.
    """
    try:
        if path.is_fifo():
            raise InputError(f"{path}: a pipe, which is not read")
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot read the header: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path}: longer than any WFDB header ({_MOST_BYTES} bytes)")
    try:
        return parse_header(_text(content))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _text(content: bytes) -> str:
    """Decode UTF-8, or else Latin-1, in which older programs write the micro sign."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def parse_header(text: str) -> Header:
    """Parse the header that ``text`` holds.

    Lines end at a newline alone: a comment may hold whatever else Python takes for the end of one.

    Raises:
        InputError: When a line is missing or broken. Lines that lost their newline, as in
            ``JS01052.hea`` of ecg-arrhythmia 1.0.0, show as missing ones.
    """
    lines = [line.strip() for line in text.split("\n" if "\n" in text else "\r")]
    comments = tuple(line.lstrip("#").strip() for line in lines if line.startswith("#"))
    content = [line for line in lines if line and not line.startswith("#")]
    if not content:
        raise InputError("a WFDB header without a record line")
    segments, signals, rate, samples = _record_line(content[0])
    if len(content) - 1 == signals and not all(map(_SEGMENT_LINE.fullmatch, content[1:])):
        segments = 0  # A number behind a folder, as in ``beats/2``, is the record's name.
    promised = segments or signals
    if len(content) - 1 != promised:
        kind = "segments" if segments else "signals"
        raise InputError(
            f"the record line promises {promised} {kind}, {len(content) - 1} lines follow; "
            "look for a lost line or newline"
        )
    if segments:
        return Header(rate, samples, (), tuple(map(_segment_line, content[1:])), comments)
    return Header(rate, samples, tuple(map(_signal_line, content[1:])), (), comments)


def _record_line(line: str) -> tuple[int, int, float, int | None]:
    """Read segments (0 for a plain record), signals, rate (Hz) and samples per signal.

    Base time and date, which the Challenge writes in forms of its own, are not used.
    """
    _, segments, signals, rate, samples = _fields(_RECORD_LINE, line)
    counts = int(segments or 0), int(signals)
    if not 0 < counts[1] <= _MOST_SIGNALS or counts[0] > _MOST_SEGMENTS or segments == "0":
        raise InputError(f"not a WFDB record line: {_shown(line)}")
    # WFDB takes 250 Hz where the rate is missing; 0 samples means "not stated".
    return *counts, float(rate or 250), int(samples or 0) or None


def _segment_line(line: str) -> tuple[str, int]:
    name, samples = _fields(_SEGMENT_LINE, line)
    return name, int(samples)


def _signal_line(line: str) -> SignalLine:
    fields = _fields(_SIGNAL_LINE, line)
    file, storage, per_frame, skew, offset, gain, baseline, unit, zero, *check, name = fields
    place = file, int(storage), int(per_frame or 1), int(skew or 0), int(offset or 0)
    if place[2] < 1:
        raise InputError(f"no samples in a frame: {_shown(line)}")
    scale = _gain(gain, line), int(baseline or zero or 0), unit or "mV"
    initial, checksum = (int(value or 0) for value in check)
    return SignalLine(*place, *scale, initial, checksum, (name or "").strip())


def _fields(pattern: re.Pattern[str], line: str) -> tuple[Any, ...]:
    found = pattern.fullmatch(line)
    if found is None:
        raise InputError(f"not a line of a WFDB header: {_shown(line)}")
    return found.groups()


def _gain(text: str | None, line: str) -> float:
    gain = float(text or 0) or DEFAULT_GAIN
    if not 1e-12 < abs(gain) < 1e12:
        raise InputError(f"an ADC gain of {text}: {_shown(line)}")
    return gain


def _shown(line: str) -> str:
    return repr(line if len(line) <= 120 else line[:117] + "...")
