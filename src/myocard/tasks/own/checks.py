"""Checks of a task before anything is trained: rare classes, metadata, copies across splits."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.data.corpora import CORPUS_COLUMNS
from myocard.data.leaks import recognise
from myocard.metrics.conformal import shortage
from myocard.outcomes import Outcome
from myocard.recipe import Split
from myocard.tasks.own.metadata import TOGETHER
from myocard.tasks.own.task import Follows, SplitCounts

Floats = NDArray[np.float64]
FEWEST = 5
"""Positives and negatives below which a class is called rare."""
COVERAGE = 0.9
"""Coverage of conformal sets that is checked for."""
FAR = 5.0
"""Widths of the middle half beyond which a number is called far."""
FOLLOWS = 0.7
"""Score from metadata alone above which labels are said to follow it."""


def rows_of_splits(folds: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each split, by the default ``Split``."""
    return {
        name: np.flatnonzero(np.isin(folds, members))
        for name, members in Split().model_dump().items()
    }


def counted(
    targets: Floats, patients: pd.Series, classes: tuple[str, ...], outcome: Outcome
) -> SplitCounts:
    """Count the records of one split, its patients, and what is known of each class."""
    return SplitCounts(
        records=len(targets),
        patients=patients.nunique(),
        classes={
            name: _counts(target, outcome) for name, target in zip(classes, targets.T, strict=True)
        },
    )


def _counts(target: Floats, outcome: Outcome) -> dict[str, int]:
    unknown = int(np.isnan(target).sum())
    seen, others = int((target > 0).sum()), int((target <= 0).sum())
    if outcome == "number":
        return {"known": seen + others, "unknown": unknown}
    if outcome == "time":
        return {"events": seen, "censored": others, "unknown": unknown}
    return {"positives": seen, "negatives": others, "unknown": unknown}


def rare(splits: Mapping[str, SplitCounts], outcome: Outcome) -> Iterator[str]:
    """Yield a sentence for each split that has too little of some classes."""
    needed = {"number": ("known",), "time": ("events",)}.get(outcome, ("positives", "negatives"))
    for split, counts in splits.items():
        few = [
            f"{name} ({found[what]} {what})"
            for name, found in counts.classes.items()
            for what in needed
            if found[what] < FEWEST
        ]
        if few:
            yield f"rare in {split}: {', '.join(few)}"


def uncovered(validation: Floats, outputs: tuple[str, ...], outcome: Outcome) -> Iterator[str]:
    """Yield a sentence if there are too few validation records for conformal sets."""
    lacking = None if outcome == "time" else shortage(validation, outputs, outcome, COVERAGE)
    if lacking is not None:
        yield f"sets of predictions (`myocard save --coverage`): {lacking}"


def far(targets: Floats, outputs: tuple[str, ...]) -> Iterator[str]:
    """Yield a sentence for each number of which some values lie far from the others.

    They lie more than ``FAR`` times the middle half's width from the median, as a code for
    "unknown" or "over 89" does.
    """
    for name, target in zip(outputs, targets.T, strict=True):
        known = target[~np.isnan(target)]
        low, median, high = np.quantile(known, [0.25, 0.5, 0.75])
        off = known[np.abs(known - median) > FAR * (high - low)]
        if high > low and len(off):
            counts = ", ".join(
                f"{value:g} ({n})" for value, n in Counter(off.tolist()).most_common(3)
            )
            yield (
                f"{name}: {len(off)} values lie far from the median of {median:g}, such as "
                f"{counts}; leave them blank if they are codes"
            )


def following(scores: Sequence[Follows]) -> Iterator[str]:
    """Yield a sentence for each thing besides the signal that some classes follow."""
    high: dict[str, list[str]] = {}
    for each in scores:
        if each.value > FOLLOWS:
            score = f"{each.measure} {each.value:.2f}, {each.share:.0%} of the records"
            high.setdefault(each.trait, []).append(f"{each.target} ({score})")
    if len(high) > 1:
        high.pop(TOGETHER, None)
    for trait, told in high.items():
        yield f"labels follow {trait}, without any signal: {', '.join(told)}"


def copies(records: pd.DataFrame, rows: Mapping[str, NDArray[np.int64]]) -> Iterator[str]:
    """Yield a sentence for each way in which records of two splits are the same.

    Args:
        records: The labelled records, as the store's table has them.
        rows: Rows of each split.
    """
    if not set(CORPUS_COLUMNS) <= set(records.columns):
        return
    for one, other in combinations(rows, 2):
        here = records.iloc[rows[other]]
        found = recognise(records.iloc[rows[one]], here)
        for how, count in Counter(found["how"]).items():
            first = found[found["how"] == how].iloc[0]
            name = here["id"].iloc[first["row"]]
            yield (
                f"{count} records of {other} are known in {one}: {name} is the {how} "
                f"{first['id']}; put them into one split, or drop them "
                '(copies = "drop" in a recipe)'
            )
