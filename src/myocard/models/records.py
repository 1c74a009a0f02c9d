"""Records as a user hands them to a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from myocard.data.faults import Unfit
from myocard.data.signal import Preprocessing
from myocard.data.window import window_of
from myocard.errors import InputError
from myocard.record import Record

Records = Record | Sequence[Record] | ArrayLike
_OF_LEADS = ("missing_lead", "not_finite", "flat_lead")
"""Faults of single leads, which a model may leave out."""


class ArrayForm(TypedDict, total=False):
    """The form of an array of signals.

    Attributes:
        rate: Samples per second (Hz).
        leads: Names of its rows.
        unit: mV, uV, V or NU.
    """

    rate: float | None
    leads: Sequence[str] | None
    unit: str | None


class Form(ArrayForm, total=False):
    """The form of what a model is asked about: of an array, and for any records the leads to read.

    Attributes:
        only: Some of the encoder's leads, for records that lack the others.
    """

    only: Sequence[str] | None


class RecordError(InputError):
    """Error for one of several records, told by its index.

    Attributes:
        number: Index of the record.
        reason: What is wrong with it.
    """

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"record {number}, counted from 0: {reason}")
        self.number = number
        self.reason = reason


def listed(
    records: Records,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
) -> tuple[list[Record], bool]:
    """The records as a list, and whether a single one was given.

    Raises:
        InputError: When there is none, an array does not say its form, or a record is told one.
    """
    stated = {"rate": rate, "leads": leads, "unit": unit}
    if isinstance(records, Record):
        _refuse_form(stated)
        return [records], True
    if isinstance(records, Sequence) and all(isinstance(each, Record) for each in records):
        if not records:
            raise InputError("no record is given")
        _refuse_form(stated)
        return list(records), False
    if isinstance(records, str | Path):
        raise InputError(f"{records}: a path, not a record; give myocard.read(path)")
    try:
        array = np.asarray(records)
    except ValueError as error:
        raise InputError("give arrays of one shape, or a list of Records") from error
    missing = [name for name, value in stated.items() if value is None]
    if rate is None or leads is None or unit is None:
        named = ", ".join(f"{name}=…" for name in missing)
        raise InputError(
            f"an array does not say its {', '.join(missing)}; give {named}, or a Record: "
            "myocard.Record.from_array(array, rate, leads, unit)"
        )
    if array.ndim not in (2, 3) or not len(array):
        raise InputError(
            f"an array of shape {array.shape}; give (leads, samples) or (records, leads, samples)"
        )
    single = array.ndim == 2
    signals = array[None] if single else array
    return [Record.from_array(signal, rate, leads, unit) for signal in signals], single


def _refuse_form(stated: Mapping[str, object]) -> None:
    given = ", ".join(f"{name}=" for name, value in stated.items() if value is not None)
    if given:
        raise InputError(f"a Record states its own rate, leads and unit; leave {given} out")


def stacked(
    records: Records, expected: Preprocessing, **form: Unpack[ArrayForm]
) -> tuple[NDArray[np.float32], int | slice]:
    """The windows of all records, ``(records, leads, samples)``, and the index of what was given.

    Raises:
        InputError: As ``listed`` and ``window``.
    """
    each_one, single = listed(records, **form)
    windows = []
    for number, record in enumerate(each_one):
        try:
            windows.append(window(record, expected))
        except InputError as error:
            raise error if single else RecordError(number, str(error)) from error
    return np.stack(windows), 0 if single else slice(None)


def window(record: Record, expected: Preprocessing) -> NDArray[np.float32]:
    """Cut the middle window of a record, as an encoder expects it.

    Raises:
        InputError: When the record has none that the encoder can read.
    """
    try:
        return window_of(record, expected)
    except Unfit as error:
        advice = "; fix it, or name other leads with `only`" if error.reason in _OF_LEADS else ""
        raise Unfit(f"{error}{advice}", error.reason) from error
