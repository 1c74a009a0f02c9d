"""The windows of records that a model reads: one of each, or with a stated step."""

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.data import steps
from myocard.data.faults import Unfit, unreadable
from myocard.data.formats.reading import opened
from myocard.data.formats.recording import Recording
from myocard.data.formats.wfdb import reason_of
from myocard.data.signal import Preprocessing, resampled_length
from myocard.data.spans import Window, cut, cut_with_margins, places_in
from myocard.errors import InputError
from myocard.record import Record


class Stated(NamedTuple):
    """Statements about records whose files do not make them, as ``read`` takes them."""

    rate: float | None = None
    leads: tuple[str, ...] | None = None
    unit: str | None = None
    rename: Mapping[str, str] | None = None


class Place(NamedTuple):
    """Place of a window that a model is to read.

    Attributes:
        file: The file of its record.
        start: Seconds of the record before it; None for the middle window.
    """

    file: Path
    start: float | None = None


class Seen(NamedTuple):
    """Findings of a record beside its window.

    Attributes:
        flag: ``cropped`` for a record that is longer than the window; for one that has none a
            reason as of ``Unfit`` or of ``reason_of``.
        error: The reason in words; None for a record that can be used.
    """

    flag: str | None = None
    error: str | None = None


def window_of(record: Record, expected: Preprocessing) -> NDArray[np.float32]:
    """Cut the middle window of a record, ``(leads, samples)``, as an encoder expects it.

    Raises:
        Unfit: When a lead is missing, constant or not finite, or the record too short or without
            the voltage that the encoder needs.
    """
    record = _required(record, expected)
    return expected(record.signal, record.rate)


def _required(record: Record, expected: Preprocessing) -> Record:
    """Return the leads that an encoder expects, once it can read them."""
    missing = ", ".join(lead for lead in expected.leads if lead not in record.leads)
    if missing:
        has = ", ".join(record.leads)
        raise Unfit(f"the record has no lead {missing}; it has {has}", "missing_lead")
    record = record.select(expected.leads)
    if not record.signal.size:
        told = "a record of 0 s is shorter than the encoder's window; give a longer one"
        raise Unfit(told, "too_short")
    if record.not_finite:
        broken = ", ".join(record.not_finite)
        raise Unfit(f"lead {broken} holds values that are not finite", "not_finite")
    if record.flat:
        raise Unfit(f"lead {', '.join(record.flat)} is constant", "flat_lead")
    if expected.needs_voltage and record.unit == "NU":
        told = "the record has no voltage, which the encoder reads; give it in mV"
        raise Unfit(told, "no_voltage")
    return record


def span_read(samples: int, rate: float, expected: Preprocessing) -> tuple[int, int]:
    """Find the samples of a record that its window covers, as it is cut by ``window_of``.

    Args:
        samples: Length of the record.
        rate: Its samples per second (Hz).
        expected: Input of the encoder.

    Returns:
        The first of them, and the first behind them.
    """
    if not expected.steps:
        return _span(samples, rate, steps.Window(expected.samples), expected.rate)
    to = rate
    for step in expected.steps:
        if isinstance(step, steps.Window):
            return _span(samples, rate, step, to)
        if isinstance(step, steps.Resample):
            to = step.rate
        if isinstance(step, steps.DecimateJoined):
            to /= step.factor
    return 0, samples


def _span(samples: int, rate: float, window: steps.Window, to: float) -> tuple[int, int]:
    """Find the samples at ``rate`` that a window covers which is cut out at ``to`` Hz."""
    spare = max(resampled_length(samples, rate, to) - window.samples, 0)
    first = spare // 2 if window.start is None else window.start
    return round(first * rate / to), round((first + window.samples) * rate / to)


def window_at(recording: Recording, start: float, expected: Preprocessing) -> NDArray[np.float32]:
    """Cut the window of a record from a second on, as an encoder expects it.

    Where the encoder states steps, they are done to the window alone; else it is filtered with what
    lies beside it.

    Raises:
        Unfit: As ``window_of``, of the window.
    """
    place = Window(start, expected.samples / expected.rate)
    record = _required(cut(recording, place), expected)
    if expected.steps:
        return expected(record.signal, record.rate)
    around = cut_with_margins(recording, place, expected.leads, expected.rate, expected.band)
    spare = resampled_length(around.signal.shape[1], record.rate, expected.rate) - around.samples
    return expected(around.signal, record.rate, (around.first + 0.5) / (spare + 1))


def places_of(
    files: Sequence[Path], step: float, expected: Preprocessing, stated: Stated
) -> list[Place]:
    """List the windows of the records in files, one every ``step`` seconds.

    A file that cannot be read, or whose record is shorter than a window, is one place.
    """
    return [place for file in files for place in _places_of(file, step, expected, stated)]


def _places_of(file: Path, step: float, expected: Preprocessing, stated: Stated) -> list[Place]:
    try:
        recording = opened(file, **stated._asdict())
        recording.check()
    # Whatever it is, reading the file raises it again.
    except Exception:
        return [Place(file)]
    to = recording.rate if expected.steps else expected.rate
    starts = [
        place.start for place in places_in(recording, expected.samples / expected.rate, step, to)
    ]
    if not set(expected.leads) <= set(recording.leads):
        starts = starts[:1]
    return [Place(file, start) for start in starts] or [Place(file)]


def windows_of(
    places: Sequence[Place], expected: Preprocessing, stated: Stated
) -> tuple[NDArray[np.float32], list[Seen]]:
    """Cut the windows at some places, and tell what was found of every one.

    Returns:
        ``(records, leads, samples)`` of those that can be used, in the order of their places.
    """
    windows, seen = [np.zeros((0, len(expected.leads), expected.samples), np.float32)], []
    open_once = lru_cache(maxsize=1)(partial(opened, **stated._asdict()))
    for file, start in places:
        try:
            recording = open_once(file)
            if start is None:
                windows.append(window_of(recording.whole(), expected)[None])
                longer = resampled_length(recording.samples, recording.rate, expected.rate)
                seen.append(Seen("cropped" if longer > expected.samples else None))
            else:
                windows.append(window_at(recording, start, expected)[None])
                seen.append(Seen())
        except InputError as error:
            seen.append(Seen(_reason(error), " ".join(str(error).split())))
        except Exception as error:
            found = unreadable(file, error)
            seen.append(Seen(found.reason, str(found)))
    return np.concatenate(windows), seen


def _reason(error: InputError) -> str:
    if isinstance(error, Unfit):
        return error.reason
    return reason_of(error)
