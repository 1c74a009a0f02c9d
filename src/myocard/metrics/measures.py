"""The measures by which models are compared, and their resamples.

Targets are ``(records, classes)``: 1 for a positive, 0 for a negative, NaN where nothing is known.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from myocard.metrics import scores as measures
from myocard.metrics.calibration import brier_score
from myocard.metrics.outcomes import NAMES, measured
from myocard.metrics.scores import Counts, Flags, Metric, Reals, bootstrap_counts
from myocard.metrics.significance import Comparison, delong_test

_CELLS = 4_000_000  # Counts that are handled at once: tens of MB.


class Measure(NamedTuple):
    """A measure of how good a model's scores are.

    Attributes:
        name: Its name in files.
        metric: Its value.
        sign: 1 where more is better, -1 where less is.
        fault: Function of one class's scores ``(seeds, records)``: the reason why the measure says
            nothing of them, or None.
        test: A second paired test, which takes records as independent.
    """

    name: str
    metric: Metric
    sign: int
    fault: Callable[[Reals], str | None]
    test: Callable[[Flags, Reals, Reals], Comparison] | None = None

    @property
    def title(self) -> str:
        """Its name in tables."""
        return NAMES[self.name]


def _fault_of_ranks(scores: Reals) -> str | None:
    constant = (scores == scores[:, :1]).all(axis=1).any()
    return "gives every record the same score" if constant else None


def _fault_of_probabilities(scores: Reals) -> str | None:
    outside = scores.min() < 0 or scores.max() > 1
    return "has scores that are no probabilities" if outside else None


AUROC = Measure("auroc", measures.auroc, 1, _fault_of_ranks, delong_test)
PRECISION = Measure("average_precision", measures.average_precision, 1, _fault_of_ranks)
BRIER = Measure("brier", brier_score, -1, _fault_of_probabilities)

MEASURES = (AUROC, PRECISION, BRIER)
"""All measures; the first leads."""


def resampled(
    asked: Sequence[Measure],
    targets: Reals,
    scores: Sequence[Reals],
    *,
    groups: ArrayLike | None,
    resamples: int,
    seed: int = 0,
) -> list[Reals]:
    """Measures of several models on the records as they are, and then on the same resamples.

    Args:
        asked: The measures.
        targets: ``(records, classes)``.
        scores: Each model's, ``(seeds, records, classes)``.
        groups: Each record's patient; None resamples single records.
        resamples: Number of resamples.
        seed: Seed of the resamples.

    Returns:
        Each model's values, ``(measures, seeds, 1 + resamples, classes)``.
    """
    parts: list[list[Reals]] = [[] for _ in scores]
    for counts in _chunks(groups, len(targets), resamples, seed):
        for part, by_seed in zip(parts, scores, strict=True):
            values = [
                [measured(each.metric, "any")(targets, one, counts) for one in by_seed]
                for each in asked
            ]
            part.append(np.array(values))
    return [np.concatenate(part, axis=2) for part in parts]


def _chunks(groups: ArrayLike | None, records: int, resamples: int, seed: int) -> Iterator[Counts]:
    """The set as it is, every record once; then the resamples, so many at a time as fit."""
    yield np.ones((1, records), dtype=np.int32)
    rows = max(1, _CELLS // records)
    seeds = np.random.SeedSequence(seed).generate_state(-(-resamples // rows)).tolist()
    for k, own in enumerate(seeds):
        left = min(rows, resamples - k * rows)
        yield bootstrap_counts(groups, records=records, resamples=left, seed=own)
