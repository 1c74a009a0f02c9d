"""The heart as one moving dipole, and its projection on twelve leads.

Each wave of a beat is a Gaussian in time along a fixed direction in space (McSharry et al. 2003,
IEEE Trans Biomed Eng 50(3):289; in three dimensions Sameni et al. 2007, EURASIP J Adv Signal
Process 043407). Their sum is the vectorcardiogram in Frank's axes: x to the patient's left, y to
the feet, z to the back, in mV. Dower's matrix projects it on the eight independent leads.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.leads import LEADS, limb_leads

Array = NDArray[np.float64]

# Standard deviations from its peak at which a wave has begun, and ended.
REACH = 2.2

INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Dower et al. 1980 (J Electrocardiol 13:27); its pseudo-inverse is the matrix of Edenbrandt and
# Pahlm 1988 (J Electrocardiol 21:361). Rows as INDEPENDENT_LEADS, columns x, y, z.
DOWER: Array = np.array(
    [
        [0.632, -0.235, 0.059],
        [0.235, 1.066, -0.132],
        [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277],
        [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086],
        [0.831, 0.076, 0.230],
    ]
)


class Waves(NamedTuple):
    """Gaussian waves.

    Attributes:
        at: ``(waves,)`` times of the peaks (s).
        width: ``(waves,)`` standard deviations (s).
        vector: ``(waves, 3)`` dipole at the peaks (mV).
    """

    at: Array
    width: Array
    vector: Array

    @classmethod
    def of(cls, *rows: tuple[int, int, tuple[float, float, float]]) -> "Waves":
        """Build waves from rows of (peak in ms, width in ms, dipole in mV)."""
        at, width, vector = zip(*rows, strict=True)
        return cls(np.array(at) / 1000, np.array(width) / 1000, np.array(vector))

    @property
    def onset(self) -> float:
        """Start of the first wave (s)."""
        return float((self.at - REACH * self.width).min())

    @property
    def offset(self) -> float:
        """End of the last wave (s)."""
        return float((self.at + REACH * self.width).max())

    def repeated(self, times: Array, sizes: Array) -> "Waves":
        """Repeat these waves at each of ``times`` (s), each time with its own size."""
        at = np.add.outer(times, self.at).ravel()
        vector = np.multiply.outer(sizes, self.vector).reshape(-1, 3)
        return Waves(at, np.tile(self.width, len(times)), vector)


def joined(parts: Sequence[Waves]) -> Waves:
    """Join the waves of ``parts``."""
    return Waves(*(np.concatenate(field) for field in zip(*parts, strict=True)))


def low_passed(waves: Waves, cut: float) -> Waves:
    """Pass waves through a Gaussian low-pass filter that is -3 dB at ``cut`` (Hz).

    A Gaussian through a Gaussian is a wider, lower Gaussian: exact at any sampling rate.
    """
    smear = np.sqrt(np.log(2)) / (2 * np.pi * cut)
    width = np.hypot(waves.width, smear)
    return Waves(waves.at, width, waves.vector * (waves.width / width)[:, None])


def vectorcardiogram(waves: Waves, samples: int, rate: float) -> Array:
    """Return the ``(3, samples)`` dipole (mV) at ``rate`` (Hz), from time 0."""
    # Six standard deviations from its peak a wave of 1 mV is below 0.00002 µV: look no further.
    reach = int(6 * waves.width.max() * rate) + 1
    place = np.rint(waves.at * rate).astype(int)[:, None] + np.arange(-reach, reach + 1)
    distance = (place / rate - waves.at[:, None]) / waves.width[:, None]
    size = np.exp(-0.5 * distance**2)
    inside = (place >= 0) & (place < samples)
    where = place[inside]
    axes = [np.bincount(where, (size * part[:, None])[inside], samples) for part in waves.vector.T]
    return np.stack(axes, dtype=np.float64)


def rotation(frontal: float, transverse: float) -> Array:
    """Return the ``(3, 3)`` rotation of the heart in its chest.

    Args:
        frontal: Angle clockwise as the observer sees it, as axes are counted: towards the feet and
            then the patient's right (degrees).
        transverse: Angle seen from the feet, from the left to the back (degrees).
    """
    a, b = np.deg2rad([frontal, transverse])
    in_front = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    across = [[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]]
    return np.array(across) @ np.array(in_front)


def twelve_leads(independent: Array) -> NDArray[np.float32]:
    """Derive all leads, ``(12, samples)``, from the independent ones, ``(8, samples)`` (mV)."""
    rows = dict(zip(INDEPENDENT_LEADS, independent, strict=True))
    rows |= limb_leads(rows["I"], rows["II"])
    return np.stack([rows[lead] for lead in LEADS]).astype(np.float32)
