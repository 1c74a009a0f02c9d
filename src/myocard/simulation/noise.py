"""Noise of the leads: baseline wander, muscle noise and hum."""

import numpy as np
from numpy.random import Generator

from myocard.simulation.dipole import Array
from myocard.simulation.sites import Site

# Sampling leaves nothing above this fraction of the rate, as a device's anti-alias filter would.
_USABLE = 0.45


def noise(shape: tuple[int, int], rate: float, site: Site, rng: Generator) -> Array:
    """Draw baseline wander, muscle noise and hum (mV) of ``shape`` (leads, samples).

    It is a sum of frequencies, each with the same random share at every rate, so that a higher
    rate adds detail and changes nothing else.
    """
    leads, samples = shape
    levels, mains, chance = rng.spawn(3)
    # Twice as long as needed: a sum of frequencies repeats itself, its first half does not.
    length = 2 * samples
    step = rate / length
    count = int(min(1.5 * site.band[1], _USABLE * rate) / step)
    frequency = step * np.arange(1, count + 1, dtype=np.float64)
    shares = chance.standard_normal((count, leads, 2))
    spectrum = np.zeros((leads, samples + 1), dtype=complex)
    spectrum[:, 1 : count + 1] = (shares[..., 0] + 1j * shares[..., 1]).T
    spectrum[:, 1 : count + 1] *= np.sqrt(_density(frequency, leads, site, levels) * step)
    broad = np.fft.irfft(spectrum, length)[:, :samples] * (length / 2)
    if site.mains > _USABLE * rate:
        return broad
    return broad + _hum(leads, np.arange(samples) / rate, site, mains)


def _density(frequency: Array, leads: int, site: Site, rng: Generator) -> Array:
    """Draw the ``(leads, frequencies)`` power of wander and muscle noise (mV² per Hz), filtered."""
    wander, muscle = np.exp(rng.normal(np.log([site.wander, site.muscle]), 0.65))
    each = np.exp(rng.normal(0, 0.35, (2, leads, 1)))
    breath = rng.uniform(0.15, 0.35)
    slow = 1 / (1 + (frequency / 0.25) ** 3) + 0.7 * np.exp(-(((frequency - breath) / 0.05) ** 2))
    # Surface electromyograms rise from a few Hz, peak around 30 to 50 Hz and fall slowly.
    fast = (frequency / 30) ** 2 / (1 + (frequency / 30) ** 4) + 0.05
    # Divided by the bands' effective widths (Hz), so that the levels are roots of mean squares.
    density = (wander * each[0]) ** 2 * slow / 0.4 + (muscle * each[1]) ** 2 * fast / 50
    low, high = site.band
    passed = (frequency / low) ** 2 / (1 + (frequency / low) ** 2)
    return density * passed * 0.5 ** ((frequency / high) ** 2)


def _hum(leads: int, time: Array, site: Site, rng: Generator) -> Array:
    """Draw the hum of the mains near their nominal frequency behind the device's filter (mV)."""
    passed = 0.5 ** ((site.mains / site.band[1]) ** 2 / 2)
    amplitude = site.hum * np.exp(rng.normal(0, 0.7)) * np.exp(rng.normal(0, 0.5, (leads, 1)))
    phase = rng.uniform(0, 2 * np.pi) + rng.normal(0, 0.5, (leads, 1))
    frequency = site.mains + rng.normal(0, 0.03)
    return passed * amplitude * np.sin(2 * np.pi * frequency * time + phase)
