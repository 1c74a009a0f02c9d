"""Boundaries of waves that were found, against those that are true.

Each boundary is matched with a true one within a tolerance, one to one. 150 ms is the window within
which ANSI/AAMI EC57 matches beats, and in use for boundaries too.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from myocard.metrics.scores import Reals
from myocard.waves import NONE, QRS, UNKNOWN, WAVES, Delineation, Kinds, Times

BOUNDARIES = tuple(f"{wave} {end}" for wave in WAVES for end in ("onset", "offset"))
BEAT = "beat"
"""The middle of a QRS complex."""
EVENTS = (*BOUNDARIES, BEAT)
TOLERANCES = (20, 40, 150)
"""Milliseconds."""
SHORTEST = 0.03
"""Seconds below which a run of equal labels counts as none; the shortest wave takes twice that."""

Tallies = NDArray[np.float64]
"""``(…, events, tolerances, 5)``, see ``tally``; they add up over leads and records."""

_HITS, _MISSED, _SPURIOUS, _ERRORS, _SQUARES = range(5)


def runs(labels: Kinds, rate: float, shortest: float = SHORTEST) -> Delineation:
    """Return the waves of a sequence of labels.

    Runs shorter than ``shortest`` are dropped, and a wave that one of them divided is whole again;
    the first and last run, which go on where the sequence ends, stay. A boundary lies half way
    between two samples; one that the sequence does not show is infinite.
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1])
    ends = np.append(starts[1:], len(labels))
    long = ends - starts >= shortest * rate
    long[[0, -1]] = True
    kind, starts, ends = labels[starts][long], starts[long], ends[long]
    first = np.append(True, kind[1:] != kind[:-1])
    last = np.append(first[1:], True)
    kind, starts, ends = kind[first], starts[first], ends[last]
    onset = np.where(starts > 0, (starts - 0.5) / rate, -np.inf)
    offset = np.where(ends < len(labels), (ends - 0.5) / rate, np.inf)
    waves = kind != NONE
    return Delineation(kind[waves], onset[waves], offset[waves])


def matched(truth: Times, found: Times, tolerance: float) -> NDArray[np.int64]:
    """Match times one to one: as many as lie within ``tolerance``, and of those ways the nearest.

    Returns:
        ``(pairs, 2)``: places in ``truth`` and in ``found``.
    """
    squares = np.square(truth[:, None] - found)
    near = squares <= tolerance**2
    # One pair more is worth any distance of all the others.
    cost = np.where(near, squares, (len(truth) + 1) * tolerance**2)
    pairs = np.stack(linear_sum_assignment(cost), axis=1)
    return pairs[near[pairs[:, 0], pairs[:, 1]]]


def tally(truth: Delineation, found: Delineation) -> Tallies:
    """Count what was found of a lead's boundaries.

    What is found where the truth is unknown counts as neither right nor wrong, unless it is matched
    with a true boundary beside.

    Returns:
        ``(events, tolerances, 5)``: matched, missed, spurious, and of the matched ones the sum of
        errors (s), and of their squares; an error is positive where the boundary is found late.
    """
    unknown = truth.kind == UNKNOWN
    counts = np.zeros((len(EVENTS), len(TOLERANCES), 5))
    for event, (true, seen) in enumerate(zip(_times(truth), _times(found), strict=True)):
        looked_at = ~_inside(seen, truth.onset[unknown], truth.offset[unknown])
        for place, tolerance in enumerate(TOLERANCES):
            pairs = matched(true, seen, tolerance / 1000)
            errors = seen[pairs[:, 1]] - true[pairs[:, 0]]
            spurious = looked_at.sum() - looked_at[pairs[:, 1]].sum()
            counts[event, place] = (
                len(pairs), len(true) - len(pairs), spurious, errors.sum(), np.square(errors).sum()
            )  # fmt: skip
    return counts


def f1(tallies: Tallies) -> Reals:
    """Return F1 by event and tolerance; NaN where there was nothing to find and nothing found."""
    hits, missed, spurious = np.moveaxis(tallies[..., :_ERRORS], -1, 0)
    return _ratio(2 * hits, 2 * hits + missed + spurious)


def measures(tallies: Tallies) -> dict[str, Reals]:
    """Return F1, sensitivity, positive predictive value, and mean and SD of the error (ms)."""
    hits, missed, spurious, errors, squares = np.moveaxis(tallies, -1, 0)
    mean = _ratio(errors, hits)
    variance = _ratio(squares, hits) - np.square(mean)
    return {
        "f1": f1(tallies),
        "sensitivity": _ratio(hits, hits + missed),
        "predictive_value": _ratio(hits, hits + spurious),
        "error_mean": 1000 * mean,
        "error_sd": 1000 * np.sqrt(np.maximum(variance, 0)),
    }


def _times(waves: Delineation) -> list[Times]:
    """List the times of every event that can be seen."""
    found = []
    for kind in WAVES.values():
        own = waves.kind == kind
        found += [waves.onset[own], waves.offset[own]]
    own = waves.kind == QRS
    with np.errstate(invalid="ignore"):  # of a complex without beginning and end
        found.append((waves.onset[own] + waves.offset[own]) / 2)
    return [times[np.isfinite(times)] for times in found]


def _inside(times: Times, onset: Times, offset: Times) -> NDArray[np.bool_]:
    within = (onset <= times[:, None]) & (times[:, None] <= offset)
    return np.asarray(within.any(axis=1))


def _ratio(part: Reals, whole: Reals) -> Reals:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
