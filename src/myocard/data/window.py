"""The one window of a record that a model reads, and the windows of many files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.data.faults import Unfit
from myocard.data.formats.reading import read
from myocard.data.formats.wfdb import reason_of
from myocard.data.signal import Preprocessing, resampled_length
from myocard.errors import InputError
from myocard.record import Record


class Stated(NamedTuple):
    """Statements about records whose files do not make them, as ``read`` takes them."""

    rate: float | None = None
    leads: tuple[str, ...] | None = None
    unit: str | None = None
    rename: Mapping[str, str] | None = None


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
    return expected(record.signal, record.rate)


def windows_of(
    files: Sequence[Path], expected: Preprocessing, stated: Stated
) -> tuple[NDArray[np.float32], list[Seen]]:
    """Cut the window of the record in each file, and tell what was found of every one.

    Returns:
        ``(records, leads, samples)`` of those that can be used, in the order of their files.
    """
    windows, seen = [np.zeros((0, len(expected.leads), expected.samples), np.float32)], []
    for file in files:
        try:
            record = read(file, **stated._asdict())
            windows.append(window_of(record, expected)[None])
            longer = resampled_length(record.signal.shape[1], record.rate, expected.rate)
            seen.append(Seen("cropped" if longer > expected.samples else None))
        except InputError as error:
            seen.append(Seen(_reason(error), " ".join(str(error).split())))
        # One file that a reader fails on should not be the end of all others, each time anew.
        except Exception as error:
            told = f"{file}: not readable ({type(error).__name__}: {error})"
            seen.append(Seen("unreadable", " ".join(told.split())))
    return np.concatenate(windows), seen


def _reason(error: InputError) -> str:
    if isinstance(error, Unfit):
        return error.reason
    return reason_of(error)
