"""Verdicts on the claim that one model is better than another."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from myocard.metrics.scores import LEVEL, Reals
from myocard.metrics.summary import Difference

ALPHA = round(1 - LEVEL, 10)
FEWEST = 10
"""Patients with a positive, and with a negative, that a class needs to be tested."""

Verdict = Literal["supported", "contradicted", "unresolved", "untestable"]


def verdict(found: Difference | None, p: float, *, sign: int) -> Verdict:
    """Judge the claim that the first of two models is better than the second.

    - *supported*: ``p`` is below .05 and the interval lies where the first is better;
    - *contradicted*: ``p`` is below .05 and the interval lies where the second is better;
    - *unresolved*: neither; it was not shown that they differ, nor that they are equal;
    - *untestable*: there is no difference to judge.

    Args:
        found: First less second, with its 95 % interval; None where no test could have answered.
        p: Two-sided, adjusted for the number of tests in its family.
        sign: 1 where more is better, -1 where less is.
    """
    if found is None:
        return "untestable"
    low, high = sorted((sign * found.low, sign * found.high))
    if p < ALPHA and low > 0:
        return "supported"
    if p < ALPHA and high < 0:
        return "contradicted"
    return "unresolved"


def too_few(target: Reals, groups: ArrayLike) -> str | None:
    """The reason why one class cannot be tested on these records, or None.

    Args:
        target: ``(records,)``: 1, 0, or NaN where it is not known.
        groups: Each record's patient.
    """
    owners = np.asarray(groups)
    for value, kind in ((1, "a positive"), (0, "a negative")):
        count = len(np.unique(owners[target == value]))
        if count < FEWEST:
            return f"{count} patients with {kind}, fewer than {FEWEST}"
    return None


def too_coarse(resamples: int, tests: int) -> str | None:
    """The reason why a bootstrap cannot find anything among so many tests, or None.

    Its smallest p is 2 / (resamples + 1), which Holm multiplies by the number of tests.
    """
    if 2 * tests < ALPHA * (resamples + 1):
        return None
    needed = int(2 * tests / ALPHA)
    return f"among {tests} tests no p can be below {ALPHA:g}; give more than {needed:,} resamples"
