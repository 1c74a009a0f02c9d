"""One run against another, on the same resamples of the same records."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from myocard.metrics.scores import difference, macro_resamples
from myocard.report.runs import Predictions, Run, Split


@dataclass(frozen=True)
class Difference:
    """A paired difference in macro AUROC, its 95 % interval, two-sided p and standard error."""

    difference: float
    low: float
    high: float
    p: float
    se: float


def compare(run: Run | None, reference: Run | None, split: Split) -> Difference | None:
    """``run`` minus ``reference`` on the same resamples of patients.

    None where one of them is missing, was not scored on ``split``, or on other records or classes.
    """
    if run is None or reference is None or not _alike(run, reference, split):
        return None
    return Difference(**difference(_resamples(run, split), _resamples(reference, split)))


@lru_cache(maxsize=32)
def predictions(run: Run, split: Split) -> Predictions:
    """``run.predictions(split)``, which several tables ask for."""
    return run.predictions(split)


def _alike(run: Run, reference: Run, split: Split) -> bool:
    sides = (run.states, reference.states)
    if any(s.metrics(split) is None for s in sides) or sides[0].classes != sides[1].classes:
        return False
    a, b = predictions(run, split), predictions(reference, split)
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.targets, b.targets)


@lru_cache(maxsize=1000)
def _resamples(run: Run, split: Split) -> NDArray[np.floating]:
    found = predictions(run, split)
    return macro_resamples(found.targets, found.scores, groups=found.patients)
