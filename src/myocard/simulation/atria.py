"""Atrial activity without beats: the waves of fibrillation and flutter."""

import numpy as np
from numpy.random import Generator

from myocard.simulation.dipole import Array


def fibrillation(time: Array, rng: Generator) -> Array:
    """Draw the ``(3, samples)`` dipole (mV) of f waves, 4 to 9 a second, of changing amplitude.

    They are largest in V1 and the inferior leads. The model, a modulated wave with its harmonics,
    is that of Stridh and Sörnmo 2001 (IEEE Trans Biomed Eng 48(1):105).
    """
    amplitude = np.exp(rng.normal(np.log(0.03), 0.6))
    directions = [[-0.1, 0.55, -0.8], [0.3, 0.8, -0.3]]
    total = np.zeros((3, len(time)))
    for direction in directions:
        frequency, drift, swell = rng.uniform([4.5, 0.1, 0.1], [8.5, 0.5, 0.6])
        phase = rng.uniform(0, 2 * np.pi, 4)
        angle = 2 * np.pi * frequency * time + phase[0]
        angle += rng.uniform(0.5, 2.5) * np.sin(2 * np.pi * drift * time + phase[1])
        envelope = 1 + 0.5 * np.sin(2 * np.pi * swell * time + phase[2])
        wave = np.sin(angle) + 0.4 * np.sin(2 * angle + phase[3])
        total += np.outer(direction, amplitude * envelope * wave)
    return total


def flutter(time: Array, frequency: float, rng: Generator) -> Array:
    """Draw the ``(3, samples)`` dipole (mV) of flutter waves, a sawtooth, negative in II, III, aVF.

    Args:
        time: Times of the samples (s).
        frequency: Flutter waves per second (Hz).
        rng: Random numbers to draw from.
    """
    amplitude = np.exp(rng.normal(np.log(0.085), 0.45))
    phase = rng.uniform(0, 2 * np.pi)
    angle = 2 * np.pi * frequency * time + phase
    saw = sum(np.sin(k * angle) * np.exp(-0.12 * k**2) / k for k in range(1, 5))
    direction = np.array([0.05, -0.9, -0.35]) + rng.normal(0, 0.15, 3)
    return np.outer(direction, amplitude * saw)
