"""Accuracy of each layer from tallies of records, with intervals over patients."""

from typing import Any

import numpy as np

from myocard.metrics.boundaries import BOUNDARIES, EVENTS, TOLERANCES, Tallies, f1, measures
from myocard.metrics.scores import Counts, Reals, macro
from myocard.metrics.summary import difference, estimated
from myocard.results.delineation import MEAN, Accuracy, Gain

CHOICE = 40
"""Tolerance (ms) by which penalties and the best layer are chosen."""


def overall(tallies: Tallies, tolerance: int = CHOICE) -> Reals:
    """Return the mean F1 of the boundaries within a tolerance; zero where nothing is defined."""
    values = f1(tallies)[..., : len(BOUNDARIES), TOLERANCES.index(tolerance)]
    return np.nan_to_num(macro(values))


def accuracy(tallies: Tallies, counts: Counts) -> tuple[Accuracy, ...]:
    """Return what is found at each layer.

    Args:
        tallies: ``(records, layers, events, tolerances, 5)``.
        counts: The records as they are, and below them resamples, ``(1 + resamples, records)``.
    """
    found = []
    for layer in range(tallies.shape[1]):
        drawn = np.tensordot(counts, tallies[:, layer], axes=1)
        values, waves = measures(drawn), drawn[0, :, 0, :2].sum(axis=-1)
        for place, tolerance in enumerate(TOLERANCES):
            at: dict[str, Any] = {"layer": layer, "tolerance": tolerance}
            for number, event in enumerate(EVENTS):
                one = {name: each[:, number, place] for name, each in values.items()}
                found.append(_accuracy(at | {"event": event, "waves": int(waves[number])}, one))
            found.append(_accuracy(at | {"event": MEAN}, {"f1": overall(drawn, tolerance)}))
    return tuple(found)


def gains(tallies: Tallies, counts: Counts, best: int) -> tuple[Gain, ...]:
    """Return what the best layer gains over the last one, on the same resamples."""
    drawn = np.tensordot(counts, tallies[:, [best, -1]], axes=1)
    found = []
    for tolerance in TOLERANCES:
        values = overall(drawn, tolerance)
        found.append(Gain(tolerance=tolerance, **difference(*values.T)._asdict()))
    return tuple(found)


def _accuracy(about: dict[str, Any], values: dict[str, Reals]) -> Accuracy:
    estimates = {name: estimated(each[None]) for name, each in values.items()}
    return Accuracy(**about | estimates)
