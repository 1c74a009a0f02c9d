"""Split conformal prediction: answers that hold the truth with a stated probability.

Nothing is assumed of the model or of the data, but that the records that a bound is from and those
to come are exchangeable (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates, arXiv 2107.07511,
section 1.1).
"""

from collections.abc import Sequence
from math import ceil

import numpy as np

from myocard.metrics.scores import Reals, Targets
from myocard.outcomes import Outcome

_ROUNDING = 1e-9  # 0.9 × 10 may be above 9.


def fewest(coverage: float) -> int:
    """The fewest records from which a bound of ``coverage`` can be had."""
    return ceil(coverage / (1 - coverage) - _ROUNDING)


def shortage(
    targets: Targets, outputs: Sequence[str], outcome: Outcome, coverage: float
) -> str | None:
    """Tell which output has too few records for sets of ``coverage``, and which could be had.

    Args:
        targets: ``(records, outputs)`` of the validation records, as ``myocard.outcomes`` has them.
        outputs: Their names.
        outcome: Their kind; sets of times do not exist.
        coverage: Probability with which sets are to hold the truth.

    Returns:
        The sentence; None if there are enough.
    """
    counts = {"": int((~np.isnan(targets)).sum(axis=0).min())}
    if outcome == "any":
        answers = {"with": targets == 1, "without": targets == 0}
        counts = {
            f" {word} {name}": int(records.sum())
            for word, given in answers.items()
            for name, records in zip(outputs, given.T, strict=True)
        }
    needed, fewer = fewest(coverage), min(counts, key=lambda which: counts[which])
    few = counts[fewer]
    if few >= needed:
        return None
    most = 100 * few // (few + 1) / 100
    return (
        f"a coverage of {coverage:g} needs {needed} validation records{fewer}, and there are {few};"
        f" {f'give --coverage {most:g} at most, or ' if most else ''}leave --coverage out"
    )


def bound(residuals: Reals, coverage: float) -> float:
    """The residual that a record to come stays within, with probability ``coverage`` at least.

    The ⌈(n + 1) coverage⌉-th smallest of ``residuals`` ``(n,)``, infinite where n is too small.
    Where no two are equal, the probability is at most 1 / (n + 1) above ``coverage``.
    """
    rank = ceil((len(residuals) + 1) * coverage - _ROUNDING)
    return float(np.sort(residuals)[rank - 1]) if rank <= len(residuals) else np.inf


def bounds_by_answer(targets: Targets, scores: Reals, coverage: float) -> tuple[Reals, Reals]:
    """The least score of "yes" and the largest of "no" for each class, ``(classes,)`` both.

    Each is from the records of which that answer is true, so that it covers among these alone:
    coverage is conditional on the class (Vovk, ACML 2012).
    """
    columns = list(zip(targets.T, scores.T, strict=True))
    yes = [-bound(-score[target == 1], coverage) for target, score in columns]
    no = [bound(score[target == 0], coverage) for target, score in columns]
    return np.array(yes), np.array(no)


def bound_of_class(targets: Targets, probabilities: Reals, coverage: float) -> float:
    """The least probability with which a class is in the set, where classes exclude each other.

    Coverage is marginal. These are the smallest sets on average, if the probabilities are true
    (Sadinle, Lei and Wasserman, JASA 114, 2019).
    """
    return -bound(-probabilities[targets == 1], coverage)
