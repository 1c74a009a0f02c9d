"""Preprocessing: resampled, filtered, cropped, standardised, in that order or in stated steps.

Filtering before cropping keeps the filter's edge transients out of the window.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Literal

import numpy as np
from numpy.polynomial.chebyshev import chebval
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from myocard.data.faults import Unfit
from myocard.data.steps import Step, Window, needs_voltage
from myocard.errors import InputError
from myocard.leads import LEADS

Signal = NDArray[np.float32]
Curve = NDArray[np.floating]

# SciPy's anti-aliasing filter looks this many samples of the lower rate to each side.
_REACH = 10
_FINENESS = 16


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
    def cutoffs(self) -> dict[str, float]:
        """The cut-offs that are set, in Hz."""
        cutoffs = {"highpass": self.highpass, "lowpass": self.lowpass}
        return {kind: cutoff for kind, cutoff in cutoffs.items() if cutoff is not None}

    def check(self, rate: float) -> None:
        """Refuse cut-offs that ``rate`` (Hz) cannot represent or in the wrong order, and no order.

        Raises:
            InputError: Naming the cut-offs and their limit, or the order.
        """
        if self.order < 1:
            raise InputError(f"a filter of order {self.order}; give 1 or more")
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
    """Input that an encoder expects; it travels in the checkpoint.

    Attributes:
        rate: Samples per second (Hz).
        samples: Length of the window.
        leads: Rows, in this order.
        band: Applied to the whole record, after resampling and before cropping.
        standardise: z-score over the whole window, all leads jointly (``"record"``), or lead by
            lead (``"lead"``).
        steps: Where given, all that is done to the whole record at its own rate, in this order;
            ``band`` and ``standardise`` then say nothing.
    """

    rate: int
    samples: int
    leads: tuple[str, ...] = LEADS
    band: Band = Band()
    standardise: Literal["record", "lead"] = "lead"
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        self.band.check(self.rate)

    @property
    def needs_voltage(self) -> bool:
        """True if the unit of a signal matters."""
        return bool(self.steps) and needs_voltage(self.steps)

    @property
    def least_seconds(self) -> float:
        """Length of the shortest record that is enough; 0 where zeros are put behind short ones."""
        padded = any(isinstance(step, Window) and step.padded for step in self.steps)
        return 0.0 if padded else self.samples / self.rate

    def __call__(self, signal: Signal, rate: float, draw: float = np.nan) -> Signal:
        """Make the input ``(leads, samples)`` from a record's ``leads`` at ``rate`` Hz, in mV.

        Args:
            signal: The whole record.
            rate: Its samples per second (Hz).
            draw: A number from [0, 1) that places the window, where no step does; NaN takes the
                middle.

        Raises:
            Unfit: When the record is too short, or its values are too large for a filter.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            found = (
                self._stepped(signal, rate) if self.steps else self._conformed(signal, rate, draw)
            )
        if not np.isfinite(found).all():
            raise Unfit("values too large to be filtered; look at their unit", "too_large")
        return found

    def _conformed(self, signal: Signal, rate: float, draw: float) -> Signal:
        length = resampled_length(signal.shape[-1], rate, self.rate)
        if length < self.samples:
            raise too_short(signal.shape[-1] / rate, self.samples / self.rate)
        conformed = conform(signal, rate, self.rate, self.band)
        start = int(placed(np.array(draw), conformed.shape[-1] - self.samples))
        return standardise(conformed[:, start : start + self.samples], self.standardise)

    def _stepped(self, signal: Signal, rate: float) -> Signal:
        seconds = signal.shape[-1] / rate
        values = signal.astype(np.float64)
        for step in self.steps:
            values, rate = step(values, rate)
        if values.shape[-1] != self.samples:
            raise too_short(seconds, self.samples / self.rate)
        return values.astype(np.float32)


def placed(draws: NDArray[np.floating], spare: int) -> NDArray[np.int64]:
    """Return the first samples of windows, of which ``spare`` lie beside each; NaN: the middle."""
    return np.where(np.isnan(draws), spare // 2, draws * (spare + 1)).astype(np.int64)


def too_short(seconds: float, wanted: float) -> Unfit:
    """Return the error for a record that is shorter than an encoder's window."""
    return Unfit(
        f"a record of {seconds:g} s is shorter than the encoder's window of {wanted:g} s; give a "
        "longer one",
        "too_short",
    )


def conform(signal: Signal, rate: float, to: int, band: Band) -> Signal:
    """Resample ``(leads, samples)`` at ``rate`` Hz to ``to`` Hz, and filter them as a whole.

    One Fourier transform does both: its bins have the gain of SciPy's ``resample_poly`` times that
    of ``sosfiltfilt``, and away from the ends the result is theirs, less what aliases there. Beyond
    its ends, which no filter sees, the record goes on as its own odd mirror image.
    """
    if rate == to and not band.cutoffs:
        return signal
    samples = signal.shape[-1]
    period, found_period = _periods(samples, rate, to, band)
    level, slope = ends(signal)
    around = np.zeros((*signal.shape[:-1], period), np.float32)
    record = around[..., :samples]
    np.multiply(slope, np.arange(samples, dtype=np.float32), out=record)
    record += level
    np.subtract(signal, record, out=record)
    _mirror(around, samples)
    gain = _gain(period, found_period, rate, to, band)
    spectrum = rfft(around, overwrite_x=True)[..., : len(gain)]
    spectrum *= gain
    length = resampled_length(samples, rate, to)
    found = irfft(spectrum, n=found_period, overwrite_x=True)[..., :length]
    if band.highpass is None:
        found += level + slope * (np.arange(length) * (rate / to)).astype(np.float32)
    return found


def resampled_length(samples: int, rate: float, to: float) -> int:
    """Return the number of samples at ``to`` Hz of ``samples`` at ``rate`` Hz."""
    return round(samples * to / rate)


def ratio_of(rate: float, to: float) -> Fraction:
    """Return the samples at ``to`` Hz for each at ``rate`` Hz."""
    return (Fraction(to) / Fraction(rate)).limit_denominator(10_000)


def reach(rate: float, to: float, band: Band, periods: float) -> int:
    """Return the samples at ``rate`` Hz in some periods of the lowest cut-off.

    Resampling counts as one, whose period is what it reaches: ten samples of the lower rate.
    """
    return ceil(periods * rate / min([*band.cutoffs.values(), min(rate, to) / _REACH]))


def ends(signal: Signal) -> tuple[Signal, Signal]:
    """Fit the straight line from the first sample to the last: its first value, and its step."""
    first, last = signal[..., :1], signal[..., -1:]
    return first, (last - first) / np.float32(max(signal.shape[-1] - 1, 1))


@lru_cache(maxsize=256)
def _periods(samples: int, rate: float, to: int, band: Band) -> tuple[int, int]:
    """Return the samples of the transforms at the two rates, with room beyond the ends.

    Two periods of the lowest cut-off: what a high-pass still remembers then is under 10 µV in real
    ECGs. Without one, what resampling reaches.
    """
    ratio = ratio_of(rate, to)
    beyond = 2 * min(reach(rate, to, band, 2), samples)
    count = next_fast_len(ceil((samples + beyond) / ratio.denominator), real=True)
    return count * ratio.denominator, count * ratio.numerator


def _mirror(around: Signal, samples: int) -> None:
    """Fill what lies behind ``samples``, and before them, which in a Fourier transform is the end.

    The record's first and last samples are 0. Samples that its mirror images do not reach stay 0.
    """
    period = around.shape[-1]
    before = min((period - samples) // 2, samples - 1)
    behind = min(period - samples - before, samples - 1)
    reversed_ = around[..., samples - 1 :: -1]
    np.negative(reversed_[..., 1 : 1 + behind], out=around[..., samples : samples + behind])
    np.negative(reversed_[..., -1 - before : -1], out=around[..., period - before :])


@lru_cache(maxsize=256)
def _gain(period: int, found_period: int, rate: float, to: int, band: Band) -> Signal:
    """Return the gain at each frequency that both transforms have.

    Written out rather than taken from ``scipy.signal``, whose import takes a second.
    """
    frequencies: Curve = np.arange(min(period, found_period) // 2 + 1) * (rate / period)
    gain = np.full(len(frequencies), found_period / period)
    if rate != to:
        gain *= _anti_aliasing(frequencies / min(rate, to))
    for kind, cutoff in band.cutoffs.items():
        gain *= _butterworth(np.pi * frequencies / to, np.pi * cutoff / to, kind, band.order)
    return gain.astype(np.float32)


def _butterworth(angles: Curve, cutoff: float, kind: str, order: int) -> Curve:
    """Gain of a Butterworth filter's bilinear transform, run there and back: 1 / (1 + r²ᴺ)."""
    power = 2 * order if kind == "lowpass" else -2 * order
    with np.errstate(divide="ignore", over="ignore"):
        return 1 / (1 + (np.tan(angles) / np.tan(cutoff)) ** power)


def _anti_aliasing(turns: Curve) -> Curve:
    """Gain of the filter of SciPy's ``resample_poly``, at frequencies in units of the lower rate.

    A sinc under a Kaiser window, at ``_FINENESS`` times that rate. It is symmetric, so that its
    gain is a sum of cosines: a Chebyshev series in one.
    """
    places = np.arange(_REACH * _FINENESS + 1)
    taps = np.sinc(places / _FINENESS) * np.kaiser(2 * len(places) - 1, 5.0)[len(places) - 1 :]
    taps[1:] *= 2
    return chebval(np.cos(turns * (2 * np.pi / _FINENESS)), taps) / taps.sum()


def crop(signal: Signal, samples: int) -> Signal:
    """Cut out the middle ``samples``."""
    start = (signal.shape[-1] - samples) // 2
    return signal[..., start : start + samples]


def standardise(
    signal: NDArray[np.float32] | NDArray[np.int16], over: Literal["record", "lead"]
) -> Signal:
    """Z-score ``(…, leads, samples)`` over each record or lead; what is constant becomes zero."""
    rows = signal.reshape(*signal.shape[:-2], -1) if over == "record" else signal
    # Less the first sample, a constant is exactly zero, and float32 is enough for the rest.
    centred = np.subtract(rows, rows[..., :1], dtype=np.float32)
    centred -= centred.mean(axis=-1, keepdims=True)
    deviation = np.sqrt(np.vecdot(centred, centred) / np.float32(rows.shape[-1]))[..., None]
    centred /= np.where(deviation > 0, deviation, 1)
    return centred.reshape(signal.shape)
