"""Scores of hazards against times to an event, resample by resample (``scores.Metric``).

Targets are signed as in ``myocard.outcomes``: an event at ``t`` is ``t``, a record that was last
seen without it at ``t`` is ``-t``. A higher score is an earlier event.
"""

from collections.abc import Callable

import numpy as np

from myocard.metrics.scores import Counts, Reals

_ROWS = 512
"""Records that are held against all others at once."""


def harrell(targets: Reals, scores: Reals, counts: Counts) -> Reals:
    """Share of comparable pairs in the right order; tied scores count half.

    A pair is comparable where the earlier time is an event (Harrell et al., JAMA 247, 1982). Two
    records of one time are comparable where one of them had the event.
    """
    return _by_output(targets, scores, counts, lambda target: np.ones(len(target)))


def uno(targets: Reals, scores: Reals, counts: Counts) -> Reals:
    """The same with pairs weighted against censoring (Uno et al., Stat. Med. 30, 2011, eq. 6).

    A pair weighs 1 / G(t)², with G the Kaplan-Meier estimate, from all records given, of not being
    censored by the earlier time t.
    """
    return _by_output(targets, scores, counts, _against_censoring)


def _by_output(
    targets: Reals, scores: Reals, counts: Counts, weights_of: Callable[[Reals], Reals]
) -> Reals:
    found = [
        _concordance(target, score, counts, weights_of(target))
        for target, score in zip(targets.T, scores.T, strict=True)
    ]
    return np.stack(found, axis=1)


def _concordance(target: Reals, score: Reals, counts: Counts, weights: Reals) -> Reals:
    times, happened = np.abs(target), target > 0
    events = np.flatnonzero(happened & (weights > 0))
    pairs, right = np.zeros((2, len(counts)))
    drawn = counts.astype(np.float32)
    for rows in np.array_split(events, max(1, -(-len(events) // _ROWS))):
        at = times[rows, None]
        later = (at < times) | ((at == times) & ~happened)
        ahead = (score[rows, None] > score) + 0.5 * (score[rows, None] == score)
        own = drawn[:, rows] * weights[rows].astype(np.float32)
        pairs += (own * (drawn @ later.T.astype(np.float32))).sum(axis=1, dtype=float)
        right += (own * (drawn @ (later * ahead).T.astype(np.float32))).sum(axis=1, dtype=float)
    return np.divide(right, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _against_censoring(target: Reals) -> Reals:
    """1 / G(t)² at each record's time; 0 where nobody is left in view."""
    times, censored = np.abs(target), target < 0
    distinct, place = np.unique(times, return_inverse=True)
    leaving = np.bincount(place, minlength=len(distinct))
    lost = np.bincount(place, weights=censored, minlength=len(distinct))
    events = leaving - lost
    at_risk = len(times) - np.concatenate([[0], leaving.cumsum()[:-1]])
    # Events come before the censoring of the same time.
    stay = 1 - lost / np.maximum(at_risk - events, 1)
    kept = np.cumprod(stay)[place]
    return np.divide(1.0, kept**2, out=np.zeros(len(times)), where=kept > 0)
