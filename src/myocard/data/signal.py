"""What a model is fed: resampled, filtered, cropped, standardised, always in that order.

Filtering before cropping keeps the filter's edge transients out of the window.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from myocard.errors import InputError
from myocard.leads import LEADS

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Band:
    """A zero-phase Butterworth band, run forwards and backwards over the whole record.

    Attributes:
        highpass: Cut-off in Hz, or None.
        lowpass: Cut-off in Hz, or None.
        order: Order of each of the two filters.
    """

    highpass: float | None = None
    lowpass: float | None = None
    order: int = 5

    def __str__(self) -> str:
        cutoffs = (("high-pass", self.highpass), ("low-pass", self.lowpass))
        named = [f"{kind} {cut:g} Hz" for kind, cut in cutoffs if cut is not None]
        return ", ".join([*named, f"order {self.order}"]) if named else "none"

    @property
    def shortest(self) -> int:
        """Samples that the shortest record has: SciPy mirrors 3 (order + 1) of them at each end."""
        return 1 if self.highpass is None and self.lowpass is None else 3 * (self.order + 1) + 1

    def check(self, rate: float) -> None:
        """Refuse cut-offs that ``rate`` (Hz) cannot represent, or in the wrong order.

        Raises:
            InputError: Naming the cut-offs and their limit.
        """
        if self.lowpass is not None and self.lowpass >= rate / 2:
            raise InputError(
                f"a low-pass at {self.lowpass:g} Hz needs more than {rate:g} Hz; "
                f"set it below {rate / 2:g} Hz"
            )
        cutoffs = [cut for cut in (0.0, self.highpass, self.lowpass, rate / 2) if cut is not None]
        if cutoffs != sorted(set(cutoffs)):
            raise InputError(
                f"cut-offs at {', '.join(f'{cut:g}' for cut in cutoffs[1:-1])} Hz; the high-pass "
                f"must be above 0 Hz and below the low-pass and {rate / 2:g} Hz"
            )


@dataclass(frozen=True)
class Preprocessing:
    """The statement of what an encoder expects; it travels in the checkpoint.

    Attributes:
        rate: Samples per second (Hz).
        samples: Length of the window.
        leads: Rows, in this order.
        band: Applied to the whole record, after resampling and before cropping.
        standardise: z-score over the whole window, all leads jointly (``"record"``), or lead by
            lead (``"lead"``).
    """

    rate: int
    samples: int
    leads: tuple[str, ...] = LEADS
    band: Band = Band()
    standardise: Literal["record", "lead"] = "lead"

    def __post_init__(self) -> None:
        self.band.check(self.rate)


def conform(signal: Signal, rate: float, to: int, band: Band) -> Signal:
    """``(leads, samples)`` at ``rate`` Hz, resampled to ``to`` Hz and filtered as a whole."""
    return filter_band(resample(signal, rate, to), to, band)


def resampled_length(samples: int, rate: float, to: float) -> int:
    """How many of ``samples`` at ``rate`` Hz there are at ``to`` Hz."""
    return round(samples * to / rate)


def resample(signal: Signal, rate: float, to: float) -> Signal:
    """``(leads, samples)`` at ``rate`` Hz to ``to`` Hz, by a polyphase anti-aliasing filter."""
    if rate == to:
        return signal
    length = resampled_length(signal.shape[-1], rate, to)
    ratio = (Fraction(to) / Fraction(rate)).limit_denominator(10_000)
    # Padding along a line: a lead with an offset must not start and end with a step to zero.
    resampled = resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    return resampled[..., :length].astype(np.float32)


def filter_band(signal: Signal, rate: float, band: Band) -> Signal:
    """High-pass, then low-pass, each forwards and backwards (zero phase).

    Raises:
        InputError: For a signal shorter than ``band.shortest``.
    """
    if signal.shape[-1] < band.shortest:
        raise InputError(
            f"{signal.shape[-1]} samples are too few for a filter of order {band.order}, which "
            f"needs {band.shortest}"
        )
    for cutoff, kind in ((band.highpass, "highpass"), (band.lowpass, "lowpass")):
        if cutoff is not None:
            signal = sosfiltfilt(_sections(band.order, cutoff, kind, rate), signal, axis=-1)
    return signal.astype(np.float32)


@cache
def _sections(order: int, cutoff: float, kind: str, rate: float) -> NDArray[np.float64]:
    # The design takes longer than running it over a record.
    return butter(order, cutoff, btype=kind, fs=rate, output="sos")


def crop(signal: NDArray[Any], samples: int, start: int | None = None) -> NDArray[Any]:
    """``samples`` consecutive samples from ``start`` on, or from the middle."""
    if start is None:
        start = (signal.shape[-1] - samples) // 2
    return signal[..., start : start + samples]


def standardise(signal: Signal, over: Literal["record", "lead"]) -> Signal:
    """z-score ``(…, leads, samples)`` over each record or lead; what is constant becomes zero."""
    axes = (-2, -1) if over == "record" else (-1,)
    mean = signal.mean(axis=axes, keepdims=True, dtype=np.float64)
    deviation = signal.std(axis=axes, keepdims=True, dtype=np.float64)
    return ((signal - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
