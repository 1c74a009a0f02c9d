"""Metrics of several models on the same bootstrap resamples."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from myocard.metrics.scores import Counts, JoinedMetrics, Reals, bootstrap_counts

_CELLS = 4_000_000  # Counts that are handled at once: tens of MB.


def resampled(
    metrics: JoinedMetrics,
    targets: Any,
    scores: Sequence[Any],
    *,
    groups: ArrayLike | None,
    resamples: int,
    seed: int,
) -> list[Reals]:
    """Metrics of several models on the records as they are, and then on the same resamples.

    Args:
        metrics: The metrics, as ``measured`` joins them.
        targets: ``(records, outputs)``.
        scores: Each model's, ``(seeds, records, outputs)``.
        groups: Each record's patient; None resamples single records.
        resamples: Number of resamples.
        seed: Seed of the resamples.

    Returns:
        Each model's values, ``(metrics, seeds, 1 + resamples, outputs)``.
    """
    parts: list[list[Reals]] = [[] for _ in scores]
    for counts in _counts(groups, len(targets), resamples, seed):
        for part, by_seed in zip(parts, scores, strict=True):
            part.append(np.stack([metrics(targets, one, counts) for one in by_seed], axis=1))
    return [np.concatenate(part, axis=2) for part in parts]


def _counts(groups: ArrayLike | None, records: int, resamples: int, seed: int) -> Iterator[Counts]:
    """The set as it is, every record once, and then the resamples; as many at a time as fit."""
    rng = np.random.default_rng(seed)
    rows = np.arange(1 + resamples)
    for part in np.array_split(rows, min(len(rows), -(-len(rows) * records // _CELLS))):
        first = bool(part[0] == 0)
        own = bootstrap_counts(groups, records=records, resamples=len(part) - first, seed=rng)
        yield np.concatenate([np.ones((1, records), own.dtype), own]) if first else own
