"""Rhythm of a file: its leads on one axis of time, with what follows from them computed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Found
from myocard.data.formats.limb_leads import assumption, with_limb_leads
from myocard.errors import InputError
from myocard.record import FASTEST, Facts

# Philips carts end a record of 11 s with 0.2 s of 1 mV and 0.1 s of nothing, in each lead.
_PULSE, _AFTER = 0.3, 0.1
_NEAR = 0.02


def found_rhythm(
    leads: Sequence[str], rows: Sequence[NDArray[np.floating[Any]]], rate: float, facts: Facts
) -> Found:
    """Make the content of a file from its leads.

    A calibration pulse at the end is cut, and limb leads that are missing are computed; ``assumed``
    says so.

    Args:
        leads: Their names.
        rows: ``(samples,)`` of each lead, in mV.
        rate: Samples per second (Hz).
        facts: Statements of the file.

    Raises:
        InputError: For leads of different lengths, or none, or a rate that is none.
    """
    if not 1 <= rate <= FASTEST:
        raise InputError(f"a rate of {rate:g} Hz; from 1 to {FASTEST:g} are expected")
    lengths = sorted({row.size for row in rows})
    if len(lengths) != 1 or not lengths[0]:
        told = ", ".join(map(str, lengths)) or "no"
        raise InputError(f"leads of {told} samples; all of one length are expected")
    signal, assumed = _without_pulse(np.stack(rows), rate)
    signal, names, computed = with_limb_leads(signal, leads)
    all_assumed = (*facts.assumed, *assumed, *assumption(computed))
    return Found(signal, rate, names, "mV", replace(facts, assumed=all_assumed))


def _without_pulse(
    signal: NDArray[np.floating[Any]], rate: float
) -> tuple[NDArray[np.floating[Any]], tuple[str, ...]]:
    """Cut to the whole seconds before a calibration pulse that all leads end with."""
    end = signal.shape[1]
    start, stop = end - round(_PULSE * rate), end - round(_AFTER * rate)
    kept = int(int(start / rate) * rate)
    pulse, after = signal[:, start:stop], signal[:, stop:]
    if kept <= 0 or not _near(pulse, 1.0) or not _near(after, 0.0):
        return signal, ()
    told = f"last {(end - kept) / rate:g} s cut: a calibration pulse in each lead, no ECG"
    return signal[:, :kept], (told,)


def _near(stretch: NDArray[np.floating[Any]], level: float) -> bool:
    return bool(stretch.size and (np.abs(stretch - level) <= _NEAR).all())
