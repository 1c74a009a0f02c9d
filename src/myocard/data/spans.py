"""Windows of long records, with a stated step; no more than one of them is in memory.

A window is filtered with what lies beside it, so that it is what it would be if the whole record
were filtered and then cut: in simulated ECGs within 0.1 µV, or 5 µV without a low-pass, where
resampling rings; and within 10 µV at the record's ends, which every filter makes up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from math import ceil, inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from myocard.data.formats.reading import opened, read
from myocard.data.formats.recording import Recording
from myocard.data.signal import Band, Signal, ratio_of, reach, resampled_length
from myocard.errors import InputError
from myocard.record import Record

# What is taken in on each side of a window: periods of the lowest cut-off, after five of which a
# high-pass of order 5 remembers 6e-5 of a step, and seconds at least.
_PERIODS, _LEAST = 5, 2.0


class Window(NamedTuple):
    """Place of a window in a record.

    Attributes:
        start: Seconds before it.
        seconds: Its length.
    """

    start: float
    seconds: float

    def samples(self, rate: float) -> tuple[int, int]:
        """Return its first sample at a rate (Hz), and the one behind its last."""
        first = round(self.start * rate)
        # Rounded up, so that a window is not too short for an encoder at another rate.
        return first, first + ceil(round(self.seconds * rate, 6))


class WithMargins(NamedTuple):
    """A window with what lies beside it in the record.

    Attributes:
        signal: ``(leads, samples)`` at the record's rate.
        first: Sample of the resampled signal at which the window begins.
        samples: Those of the window, there.
    """

    signal: Signal
    first: int
    samples: int


def windows(
    path: str | Path,
    *,
    seconds: float = 10.0,
    step: float = 10.0,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Iterator[Record]:
    """Cut the record in a file into windows, one after the other; each has its ``start``.

    What is left at the end, shorter than a window, is left out; so is all of a shorter record.

    Args:
        path: The file, and ``rate``, ``leads``, ``unit`` and ``rename`` as ``read`` takes them.
        seconds: Length of a window.
        step: Seconds from the start of a window to that of the next.

    Raises:
        InputError: As ``read``, and for a length or step of less than a sample.
    """
    recording = opened(path, rate=rate, leads=leads, unit=unit, rename=rename)
    for given in (seconds, step):
        require_sample(given, recording.rate)
    recording.check()
    places = places_in(recording, seconds, step, recording.rate)
    return (cut(recording, place) for place in places)


def require_sample(seconds: float, rate: float) -> None:
    """Refuse a length or step of less than a sample at a rate (Hz), and an endless one."""
    if not 1 <= seconds * rate < inf:
        raise InputError(f"windows or steps of {seconds:g} s; give a sample at {rate:g} Hz or more")


def places_in(recording: Recording, seconds: float, step: float, to: float) -> list[Window]:
    """List the windows that a record holds, at its own rate and resampled to ``to`` Hz."""
    rate, samples = recording.rate, recording.samples
    last = resampled_length(samples, rate, to) - round(seconds * to)
    places = [Window(number * step, seconds) for number in range(int(samples / rate / step) + 1)]
    spans = [(place, *place.samples(rate)) for place in places]
    return [
        place
        for place, first, stop in spans
        if stop <= samples and resampled_length(first, rate, to) <= last
    ]


def cut(recording: Recording, place: Window) -> Record:
    """Cut a window out, as it was recorded; at the record's end it is shorter."""
    first, stop = place.samples(recording.rate)
    return recording.cut(min(first, recording.samples), min(stop, recording.samples))


def cut_with_margins(
    recording: Recording, place: Window, leads: Sequence[str], to: int, band: Band
) -> WithMargins:
    """Cut a window out with all that resampling it to ``to`` Hz and filtering it take in.

    The surroundings end at a value that is not finite: the last one before goes on from there.
    """
    rate, (first, stop) = recording.rate, place.samples(recording.rate)
    beside = max(reach(rate, to, band, _PERIODS), ceil(_LEAST * rate))
    if rate == to and not band.cutoffs:
        beside = 0
    # Both rates have a sample where it begins.
    every = ratio_of(rate, to).denominator
    begin = max(first - beside, 0) // every * every
    signal = recording.cut(begin, min(stop + beside, recording.samples)).select(leads).signal
    signal = _continued(signal, first - begin, stop - begin)
    samples = round(place.seconds * to)
    last = resampled_length(signal.shape[1], rate, to) - samples
    return WithMargins(signal, min(resampled_length(first - begin, rate, to), last), samples)


def _continued(signal: Signal, first: int, stop: int) -> Signal:
    """Replace what is not finite outside of ``first`` to ``stop``, and all that lies beyond it."""
    if np.isfinite(signal).all():
        return signal
    continued = signal.copy()
    for row in continued:
        broken = np.flatnonzero(~np.isfinite(row))
        before, behind = broken[broken < first], broken[broken >= stop]
        if before.size:
            row[: before[-1] + 1] = row[before[-1] + 1]
        if behind.size:
            row[behind[0] :] = row[behind[0] - 1]
    return continued


@lru_cache(maxsize=1)
def recording_of(reader: Callable[..., Record]) -> Recording:
    """Open what a reader of files would read; what another one reads is taken into memory."""
    if isinstance(reader, partial) and reader.func is read:
        return opened(*reader.args, **reader.keywords)
    return Recording.of(reader())
