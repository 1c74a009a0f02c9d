"""Samples of WFDB signal files (``.dat``, ``.mat``) in every format.

Formats: https://physionet.org/physiotools/wag/signal-5.htm. They are decoded here and not by the
``wfdb`` package, which parses headers on its own, and reads a unit ``µV`` in Latin-1 as ``V``.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.refusals import most_unpacked
from myocard.data.formats.wfdb_header import SignalLine
from myocard.errors import InputError

if TYPE_CHECKING:
    import soundfile

BYTES = {8: 1.0, 16: 2.0, 24: 3.0, 32: 4.0, 61: 2.0, 80: 1.0, 160: 2.0, 212: 1.5}
"""Bytes per sample of the formats that do not compress."""
BYTES |= {310: 4 / 3, 311: 4 / 3}
PADDING = {212: 1, 310: 3, 311: 3}
"""Bytes by which writers fill up the last group of a packed format."""
_GROUPS = {212: (2, 3), 310: (3, 4), 311: (3, 4)}
"""Samples of packed formats, and the bytes that they share."""
FLAC = {508: 8, 516: 16, 524: 24}
"""Bits per sample of the formats that compress, by FLAC (MIMIC-IV's waveforms)."""
_INVALID = {16: -(2**15), 24: -(2**23), 32: -(2**31), 61: -(2**15), 80: -(2**7), 160: -(2**15)}
_INVALID |= {212: -(2**11), 310: -(2**9), 311: -(2**9), 508: -(2**7), 516: -(2**15)}
_INVALID |= {524: -(2**23)}
_DIFFERENCES = 8
# Bytes of a sample that soundfile has decoded.
_UNPACKED = 4
_WIDE = frozenset({24, 32, 524, _DIFFERENCES})
"""Formats whose integers float32 does not hold exactly."""

Integers = NDArray[Any]


def decoded(file: BinaryIO, signals: Sequence[SignalLine], start: int, stop: int) -> Integers:
    """Decode a span of a file: ``(samples, sum of samples per frame)`` ADC units.

    Only the bytes of the span are read; of a file of differences (format 8), all before them, too.

    Args:
        file: Open for reading bytes.
        signals: All signals of the file, of one format.
        start: First sample, in the record's rate.
        stop: The one behind the last.

    Raises:
        InputError: When a compressed file is broken, or holds something else.
    """
    storage = signals[0].format
    if storage in FLAC:
        return _flac(file, signals, start, stop)
    if storage == _DIFFERENCES:
        return _summed(_plain_frames(file, signals, 0, stop), signals)[start:]
    return _plain_frames(file, signals, start, stop)


def _plain_frames(file: BinaryIO, signals: Sequence[SignalLine], start: int, stop: int) -> Integers:
    storage, width = signals[0].format, sum(signal.samples_per_frame for signal in signals)
    group, each = _GROUPS.get(storage, (1, int(BYTES[storage])))
    first, last = start * width // group, -(-stop * width // group)
    file.seek(signals[0].offset + first * each)
    content = file.read((last - first) * each)
    before = start * width - first * group
    values = _DECODERS[storage](content, before + (stop - start) * width)
    return values[before:].reshape(stop - start, width)


def _summed(frames: Integers, signals: Sequence[SignalLine]) -> Integers:
    """Add differences up, each from its signal's initial value on."""
    return np.hstack(
        [
            signal.initial + np.cumsum(part, dtype=np.int64).reshape(part.shape)
            for part, signal in zip(by_signal(frames, signals), signals, strict=True)
        ]
    )


def by_signal(frames: Integers, signals: Sequence[SignalLine]) -> list[Integers]:
    """Cut frames into ``(samples, samples per frame)`` of each signal."""
    ends = np.cumsum([signal.samples_per_frame for signal in signals])
    return np.split(frames, ends[:-1], axis=1)


def as_rows(units: Integers, signals: Sequence[SignalLine], samples: int) -> NDArray[np.floating]:
    """Turn ADC units into ``(signals, samples)`` of floats; what is marked as invalid is NaN.

    Several samples a frame are averaged. A signal that lags is moved back by as many of the frames
    that follow, with NaN behind the last.
    """
    storage = signals[0].format
    wide = storage in _WIDE
    values: NDArray[np.floating] = units.astype(np.float64 if wide else np.float32)
    invalid = _INVALID.get(storage)
    # The mark is the least value of its format, and one look for it is faster than a comparison.
    if invalid is not None and units.min() == invalid:
        values[units == invalid] = np.nan
    if len(values) > len(signals):
        values = np.stack([each.mean(axis=1) for each in by_signal(values.T, signals)])
    if not any(signal.skew for signal in signals):
        return values
    moved = np.full((len(signals), samples), np.nan, values.dtype)
    for row, late, signal in zip(moved, values, signals, strict=True):
        kept = late[signal.skew : signal.skew + samples]
        row[: len(kept)] = kept
    return moved


def frames_of(file: BinaryIO, size: int, signals: Sequence[SignalLine]) -> int:
    """Return the frames that a compressed file of some bytes promises.

    Raises:
        InputError: When it is no FLAC file of these signals, or promises more than it can hold.
    """
    if len({signal.samples_per_frame for signal in signals}) > 1:
        raise InputError("signals of several rates in one FLAC file")
    with _opened_flac(file, signals) as flac:
        channels, frames = flac.channels, flac.frames
    if channels != len(signals):
        raise InputError(f"{channels} channels of FLAC for {len(signals)} signals")
    if _UNPACKED * frames * channels > most_unpacked(size):
        raise InputError(f"{frames} samples are promised by {size} bytes of FLAC")
    return int(frames) // signals[0].samples_per_frame


def _flac(file: BinaryIO, signals: Sequence[SignalLine], start: int, stop: int) -> Integers:
    per_frame = signals[0].samples_per_frame
    count = (stop - start) * per_frame
    with _opened_flac(file, signals) as flac:
        flac.seek(start * per_frame)
        # In int32, soundfile puts the bits of a sample at the top.
        read = flac.read(count, dtype="int32", always_2d=True)
    if len(read) != count:
        raise InputError(f"its FLAC ends after {len(read)} of {count} samples; fetch it again")
    units = read >> (32 - FLAC[signals[0].format])
    # (samples, per frame, signals) as the other formats have them: signal by signal in a frame.
    return units.reshape(stop - start, per_frame, -1).transpose(0, 2, 1).reshape(stop - start, -1)


@contextmanager
def _opened_flac(file: BinaryIO, signals: Sequence[SignalLine]) -> Iterator["soundfile.SoundFile"]:
    """Open the FLAC in a file, and refuse what soundfile cannot read."""
    import soundfile

    file.seek(signals[0].offset)
    # soundfile takes a file from its first byte on.
    content = BytesIO(file.read()) if signals[0].offset else file
    try:
        if content.read(4) != b"fLaC":
            raise ValueError("no FLAC")
        content.seek(0)
        with soundfile.SoundFile(content) as flac:
            yield flac
    except (RuntimeError, ValueError, OSError, TypeError) as error:
        raise InputError(f"not a FLAC file: {error}; fetch it again") from error


def _packed_12(content: bytes, count: int) -> Integers:
    """Decode pairs of 12 bits in three bytes."""
    padded = content + bytes(-len(content) % 3)
    low, middle, high = np.frombuffer(padded, np.uint8).reshape(-1, 3).T.astype(np.int16)
    pairs = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1)
    return _signed(pairs.ravel()[:count], 12)


def _packed_10(content: bytes, count: int) -> Integers:
    """Decode format 310: of two words, the 10 bits above the last each, and the rest of both."""
    words = np.frombuffer(content + bytes(-len(content) % 4), "<u2").reshape(-1, 2).T
    first, second = words
    third = first >> 11 | (second >> 11) << 5
    triples = np.stack([first >> 1 & 0x3FF, second >> 1 & 0x3FF, third], axis=1)
    return _signed(triples.ravel()[:count].astype(np.int16), 10)


def _packed_10_in_order(content: bytes, count: int) -> Integers:
    """Decode format 311: three times 10 bits in 32, the first one lowest."""
    words = np.frombuffer(content + bytes(-len(content) % 4), "<u4")
    triples = np.stack([words & 0x3FF, words >> 10 & 0x3FF, words >> 20 & 0x3FF], axis=1)
    return _signed(triples.ravel()[:count].astype(np.int16), 10)


def _bytes_24(content: bytes, count: int) -> Integers:
    low, middle, high = np.frombuffer(content, np.uint8, 3 * count).reshape(-1, 3).T
    return (
        low.astype(np.int32)
        | middle.astype(np.int32) << 8
        | high.view(np.int8).astype(np.int32) << 16
    )


def _signed(values: NDArray[np.int16], bits: int) -> NDArray[np.int16]:
    """Carry the sign of some bits to 16, by shifting up and down again."""
    return (values << (16 - bits)) >> (16 - bits)


def _plain(kind: str, zero: int = 0) -> Callable[[bytes, int], Integers]:
    def decode(content: bytes, count: int) -> Integers:
        values = np.frombuffer(content, kind, count)
        return (values.astype(np.int32) - zero) if zero else values

    return decode


_DECODERS: dict[int, Callable[[bytes, int], Integers]] = {
    _DIFFERENCES: _plain("i1"),
    16: _plain("<i2"),
    24: _bytes_24,
    32: _plain("<i4"),
    61: _plain(">i2"),
    80: _plain("u1", 2**7),
    160: _plain("<u2", 2**15),
    212: _packed_12,
    310: _packed_10,
    311: _packed_10_in_order,
}
