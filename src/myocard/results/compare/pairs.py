"""One run against another, on the same resamples of the same records."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.metrics.summary import Difference as Difference
from myocard.metrics.summary import difference, macro_resamples
from myocard.results.run import SplitName
from myocard.results.saved import Predictions, SavedRun

Candidate = tuple[dict[str, str], SavedRun | None, SavedRun | None]
"""Cells that name a comparison, by column, and its two runs."""


class Pair(NamedTuple):
    """Two runs that were scored on the same records.

    Attributes:
        named: Cells that name the comparison, by column.
        run: The run.
        against_run: The reference.
        found: Their paired difference.
    """

    named: dict[str, str]
    run: SavedRun
    against_run: SavedRun
    found: Difference

    @property
    def places(self) -> dict[str, str]:
        return {"run": self.run.place, "against_run": self.against_run.place}


def paired(candidates: Iterable[Candidate], split: SplitName) -> Iterator[Pair]:
    """The candidates for which ``compare`` finds a difference."""
    for named, run, reference in candidates:
        found = compare(run, reference, split)
        if run and reference and found:
            yield Pair(named, run, reference, found)


def compare(
    run: SavedRun | None, reference: SavedRun | None, split: SplitName
) -> Difference | None:
    """``run`` minus ``reference`` on the same resamples of patients.

    None where one of them is missing, was not scored on ``split``, or on other records or classes.
    """
    if run is None or reference is None or not _alike(run, reference, split):
        return None
    return difference(_resamples(run, split), _resamples(reference, split))


@lru_cache(maxsize=32)
def predictions(run: SavedRun, split: SplitName) -> Predictions:
    """``run.predictions(split)``, which several tables ask for."""
    return run.predictions(split)


def _alike(run: SavedRun, reference: SavedRun, split: SplitName) -> bool:
    sides = (run.info, reference.info)
    if any(s.metrics(split) is None for s in sides) or sides[0].classes != sides[1].classes:
        return False
    a, b = predictions(run, split), predictions(reference, split)
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.targets, b.targets, equal_nan=True)


@lru_cache(maxsize=1000)
def _resamples(run: SavedRun, split: SplitName) -> NDArray[np.floating]:
    found = predictions(run, split)
    return macro_resamples(
        found.targets, found.scores, outcome=run.info.outcome, groups=found.patients
    )
