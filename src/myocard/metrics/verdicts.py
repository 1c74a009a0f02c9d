"""Verdicts on the claim that one model is better than another."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from myocard.metrics.outcomes import are_positive
from myocard.metrics.scores import LEVEL, Reals
from myocard.metrics.summary import Difference
from myocard.outcomes import CLASSES, Outcome

ALPHA = round(1 - LEVEL, 10)
FEWEST = 10
"""Patients with a positive, and with a negative, that a class needs to be tested; patients with a
number, or with an event."""

_POSITIVE: Mapping[Outcome, str] = {
    "any": "a positive",
    "one": "a positive",
    "number": "a number",
    "time": "an event",
}

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


def too_few(target: Reals, groups: ArrayLike, outcome: Outcome) -> str | None:
    """The reason why one output cannot be tested on these records, or None.

    Args:
        target: ``(records,)``, as ``myocard.outcomes`` has it.
        groups: Each record's patient.
        outcome: Kind of the target.
    """
    owners, there = np.asarray(groups), are_positive(target, outcome)
    needed = {_POSITIVE[outcome]: there}
    if outcome in CLASSES:
        needed["a negative"] = target == 0
    for kind, having in needed.items():
        count = len(np.unique(owners[having]))
        if count < FEWEST:
            return f"{count} patients with {kind}, fewer than {FEWEST}"
    if outcome == "number" and np.ptp(target[there]) == 0:
        return "the same number everywhere"
    return None


def too_coarse(resamples: int, tests: int) -> str | None:
    """The reason why a bootstrap cannot find anything among so many tests, or None.

    Its smallest p is 2 / (resamples + 1), which Holm multiplies by the number of tests.
    """
    if 2 * tests < ALPHA * (resamples + 1):
        return None
    needed = int(2 * tests / ALPHA)
    return f"among {tests} tests no p can be below {ALPHA:g}; give more than {needed:,} resamples"
