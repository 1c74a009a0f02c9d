"""Steps of the preprocessing that published encoders state: each turns a signal into the next.

A step holds all its numbers, so that a list of steps says the order of operations too. Signals are
``(leads, samples)`` in float64, and filters are SciPy's, as in the encoders' own preprocessing.
SciPy's signal package and pandas are imported in the steps that use them: each takes a second.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from myocard.errors import InputError

Values = NDArray[np.float64]
Over = Literal["record", "lead"]


@dataclass(frozen=True)
class Resample:
    """Resample the whole record.

    Attributes:
        rate: Samples per second (Hz).
        by: ``fourier`` (``scipy.signal.resample``); ``linear``: interpolation between the first
            sample and the last, without a filter; ``kaiser``: the windowed sinc of resampy's
            ``kaiser_best``.
    """

    rate: int
    by: Literal["fourier", "linear", "kaiser"]
    step: Literal["resample"] = "resample"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        samples = int(signal.shape[-1] * self.rate / rate)
        if self.by == "linear":
            old, new = np.linspace(0, samples - 1, signal.shape[-1]), np.arange(samples)
            return np.stack([np.interp(new, old, lead) for lead in signal]), self.rate
        if self.by == "kaiser":
            return _kaiser_resampled(signal, self.rate / rate), self.rate
        from scipy.signal import resample

        return resample(signal, samples, axis=-1), self.rate


@dataclass(frozen=True)
class Butterworth:
    """Run a Butterworth filter forwards and backwards (``sosfiltfilt``, or ``filtfilt``).

    Attributes:
        cutoffs: One frequency in Hz, or the two of a band.
        kind: What passes.
        order: Order of the filter that is run twice.
        sections: True for second-order sections, False for a transfer function.
    """

    cutoffs: tuple[float, ...]
    kind: Literal["highpass", "lowpass", "bandpass"]
    order: int
    sections: bool = True
    step: Literal["butterworth"] = "butterworth"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        from scipy.signal import butter, filtfilt, sosfiltfilt

        cutoffs = self.cutoffs if len(self.cutoffs) > 1 else self.cutoffs[0]
        if self.sections:
            sections = butter(self.order, cutoffs, self.kind, fs=rate, output="sos")
            return sosfiltfilt(sections, signal, axis=-1), rate
        numerator, denominator = butter(self.order, cutoffs, self.kind, fs=rate)
        return filtfilt(numerator, denominator, signal, axis=-1), rate


@dataclass(frozen=True)
class HammingBand:
    """Run a linear-phase band-pass of a Hamming window's design forwards and backwards.

    Attributes:
        low: Lower cut-off (Hz).
        high: Upper cut-off (Hz).
        seconds: Length of the filter, whose number of taps is made odd.
    """

    low: float
    high: float
    seconds: float
    step: Literal["hamming-band"] = "hamming-band"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        from scipy.signal import filtfilt, firwin

        taps = int(self.seconds * rate)
        taps += taps % 2 == 0
        band = firwin(taps, [self.low, self.high], pass_zero=False, fs=rate)
        return filtfilt(band, 1.0, signal, axis=-1), rate


@dataclass(frozen=True)
class Notch:
    """Take out one frequency (Hz), forwards and backwards."""

    frequency: float
    quality: float
    step: Literal["notch"] = "notch"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        from scipy.signal import filtfilt, iirnotch

        return filtfilt(*iirnotch(self.frequency, self.quality, fs=rate), signal, axis=-1), rate


@dataclass(frozen=True)
class LessMedian:
    """Subtract the running median over ``samples``, an odd number; beyond the ends are zeros."""

    samples: int
    step: Literal["less-median"] = "less-median"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        import pandas as pd

        beyond = self.samples // 2
        around = pd.DataFrame(np.pad(signal, ((0, 0), (beyond, beyond))).T)
        medians = around.rolling(self.samples).median().to_numpy()[2 * beyond :]
        return signal - medians.T, rate


@dataclass(frozen=True)
class Window:
    """Cut ``samples`` out.

    Attributes:
        samples: Length of the window.
        start: Its first sample; None takes the middle.
        padded: True if zeros are put behind a record that is shorter.
    """

    samples: int
    start: int | None = None
    padded: bool = False
    step: Literal["window"] = "window"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        spare = signal.shape[-1] - self.samples
        if self.padded and spare < 0:
            return np.pad(signal, ((0, 0), (0, -spare))), rate
        start = spare // 2 if self.start is None else self.start
        if not 0 <= start <= spare:
            raise InputError(
                f"a record of {signal.shape[-1]} samples has no window of {self.samples} from "
                f"{start} on; give a longer one"
            )
        return signal[:, start : start + self.samples], rate


@dataclass(frozen=True)
class ZScore:
    """Standardise to zero mean and unit deviation (of the population); a constant becomes zero.

    Attributes:
        over: Each lead by itself, or the record as a whole.
        epsilon: Added to the deviation.
    """

    over: Over
    epsilon: float = 0.0
    step: Literal["z-score"] = "z-score"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        axis = None if self.over == "record" else -1
        # Less its first sample, a constant is exactly zero.
        level = signal[:, :1] if self.over == "lead" else signal[:1, :1]
        centred = signal - level
        centred -= centred.mean(axis=axis, keepdims=True)
        deviation = centred.std(axis=axis, keepdims=True) + self.epsilon
        return centred / np.where(deviation > 0, deviation, 1), rate


@dataclass(frozen=True)
class MinMax:
    """Scale from ``low`` at the minimum to ``high`` at the maximum.

    Attributes:
        over: Each lead by itself, or the record as a whole.
        low: Value of the minimum.
        high: Value of the maximum.
        epsilon: Added to the range.
    """

    over: Over
    low: float
    high: float
    epsilon: float = 1e-8
    step: Literal["min-max"] = "min-max"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        axis = None if self.over == "record" else -1
        least = signal.min(axis=axis, keepdims=True)
        spread = signal.max(axis=axis, keepdims=True) - least + self.epsilon
        return self.low + (self.high - self.low) * (signal - least) / spread, rate


@dataclass(frozen=True)
class Constants:
    """Standardise each lead by a data set's mean and deviation (mV), one of each for a lead."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    step: Literal["constants"] = "constants"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        mean, deviation = np.array(self.mean)[:, None], np.array(self.deviation)[:, None]
        return (signal - mean) / deviation, rate


@dataclass(frozen=True)
class Clip:
    """Clip to ``limit`` on both sides of zero."""

    limit: float
    step: Literal["clip"] = "clip"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        return signal.clip(-self.limit, self.limit), rate


@dataclass(frozen=True)
class DecimateJoined:
    """Join the leads end to end, keep every ``factor``-th sample behind a filter, and part them.

    The filter (``scipy.signal.decimate``) runs across the joints, as HuBERT-ECG's does.
    """

    factor: int
    step: Literal["decimate-joined"] = "decimate-joined"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        from scipy.signal import decimate

        return decimate(signal.ravel(), self.factor).reshape(len(signal), -1), rate / self.factor


@dataclass(frozen=True)
class Ranks:
    """Replace each lead's samples by their ranks, from -1 to 1; ties share their mean rank."""

    step: Literal["ranks"] = "ranks"

    def __call__(self, signal: Values, rate: float) -> tuple[Values, float]:
        from scipy.stats import rankdata

        return 2 * (rankdata(signal, axis=-1) - 1) / (signal.shape[-1] - 1) - 1, rate


Step = Annotated[
    Resample
    | Butterworth
    | HammingBand
    | Notch
    | LessMedian
    | Window
    | ZScore
    | MinMax
    | Constants
    | Clip
    | DecimateJoined
    | Ranks,
    Field(discriminator="step"),
]
_SCALE_FREE = (ZScore, MinMax, Ranks)


def needs_voltage(steps: tuple[Step, ...]) -> bool:
    """Tell whether the result of ``steps`` depends on the unit of the signal."""
    return not any(isinstance(step, _SCALE_FREE) for step in steps)


# resampy's table: https://github.com/bmcfee/resampy (ISC), filter ``kaiser_best``.
_ZEROS, _TABLE = 50, 8192
_ROLLOFF, _BETA = 0.9173473712608761, 12.98458525


def _kaiser_resampled(signal: Values, ratio: float) -> Values:
    """Sum a windowed sinc over the samples around each new one; zeros lie beyond the ends."""
    from scipy.special import i0

    scale = min(1.0, ratio)
    samples = int(signal.shape[-1] * ratio)
    places = np.arange(samples) / ratio
    before = np.floor(places).astype(int)
    turns = np.linspace(0, _ZEROS, _ZEROS * _TABLE + 1)
    window = i0(_BETA * np.sqrt(1 - np.square(turns / _ZEROS))) / i0(_BETA)
    table = _ROLLOFF * np.sinc(_ROLLOFF * turns) * window * scale
    step = int(scale * _TABLE)
    found = np.zeros((len(signal), samples))
    fraction = scale * (places - before)
    for start, first, direction in ((fraction, before, -1), (scale - fraction, before + 1, 1)):
        position = start * _TABLE
        taps = np.arange(len(table) // step + 1)
        at = position[:, None] + taps * step
        within = taps < ((len(table) - np.floor(position).astype(int)) // step)[:, None]
        index = first[:, None] + direction * taps
        within &= (index >= 0) & (index < signal.shape[-1])
        weights = np.interp(at, np.arange(len(table)), table) * within
        found += np.einsum(
            "lst,st->ls", signal[:, np.clip(index, 0, signal.shape[-1] - 1)], weights
        )
    return found
