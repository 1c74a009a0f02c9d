"""Decisions chosen on the validation records of a run, and a warning of runs that know nothing."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.metrics.calibration import fit_temperature, thresholds_at
from myocard.metrics.conformal import bound, bound_of_class, bounds_by_answer, shortage
from myocard.metrics.outcomes import CHANCE, NAMES
from myocard.metrics.scores import Reals, best_thresholds
from myocard.outcomes import CLASSES, Outcome
from myocard.results.decision import Basis, Decision
from myocard.results.run import Run
from myocard.results.saved import SavedRun

LOG = logging.getLogger(__name__)


def warn_below_chance(folders: Sequence[Path]) -> None:
    """Log a warning of runs that rank validation records worse than a model that knows nothing.

    Encoders of random weights are left out: nobody asks more of them.
    """
    below = []
    for folder in folders:
        run = Run.read(folder)
        value = run.validation.main.macro.value
        if not run.encoder.random and value is not None and value < CHANCE[run.outcome]:
            below.append(f"{folder} ({NAMES[run.validation.headline]} {value:.2f})")
    if below:
        more = f" and {len(below) - 3} more" if below[3:] else ""
        LOG.warning(
            "worse than chance on validation: %s%s; the scores know nothing of the labels there, "
            "or are reversed: see that labels are of these records, and read as they were meant",
            ", ".join(below[:3]),
            more,
        )


def decide(
    folder: Path, *, sensitivity: float | None = None, coverage: float | None = None
) -> Decision:
    """Choose temperature, thresholds and bounds of sets for the model of a run's first seed.

    Args:
        folder: The run's folder.
        sensitivity: Share of its positives that a threshold is to find; by default thresholds give
            the best F1.
        coverage: Probability with which sets are to hold the truth; None for no sets.

    Raises:
        InputError: When it is no run of one model, its scores are no probabilities, a share is not
            between 0 and 1, or there are too few records for the coverage.
    """
    run = Run.read(folder)
    outcome = run.outcome
    _require_one_model(folder, run, outcome)
    for name, share in (("sensitivity", sensitivity), ("coverage", coverage)):
        if share is not None and not 0 < share < 1:
            raise InputError(f"{name} {share:g}: give a share between 0 and 1")
    warn_below_chance([folder])
    targets, scores = _validated(folder, run)
    decision = Decision(outcome=outcome, classes=run.classes, basis=_basis(run))
    if outcome in CLASSES:
        decision = _with_thresholds(decision, targets, scores, sensitivity)
    elif sensitivity is not None:
        raise InputError(f"{folder}: predicts no classes, which alone have a sensitivity")
    if coverage is None:
        return decision
    _require_enough(decision, targets, coverage, folder)
    return _with_sets(decision, targets, decision.calibrated(scores), coverage)


def temperature_of(folder: Path, run: Run) -> float | None:
    """Choose the temperature of a run's first seed; None where outputs are no classes."""
    if run.outcome not in CLASSES:
        return None
    return fit_temperature(*_validated(folder, run), exclusive=run.outcome == "one")


def _validated(folder: Path, run: Run) -> tuple[NDArray[np.float64], Reals]:
    """Targets of the validation records, and the scores of the first seed."""
    found = SavedRun(folder, folder.name, run).predictions("validation")
    return found.targets, found.scores[sorted(run.seeds).index(run.seeds[0])]


def _require_one_model(folder: Path, run: Run, outcome: Outcome) -> None:
    if run.rotations is not None:
        raise InputError(f"{folder}: cross-fitted, a model a fold; give a run of one split")
    if outcome in CLASSES and not run.has_probabilities:
        raise InputError(
            f"{folder}: scores of a {run.head} head are no probabilities; give a run of another"
        )
    if getattr(run.recipe, "crops", 1) > 1:
        raise InputError(
            f"{folder}: its scores are means over windows of a record, and a model reads the "
            "middle one; train with crops = 1"
        )


def _basis(run: Run) -> Basis:
    return Basis(
        source=run.trained_on or run.source,
        tested_on=run.source,
        splits=run.splits,
        metric=run.validation.headline,
        seeds=len(run.seeds),
        score=run.test.main.macro if run.test else None,
    )


def _with_thresholds(
    decision: Decision, targets: NDArray[Any], scores: Reals, sensitivity: float | None
) -> Decision:
    exclusive = decision.outcome == "one"
    temperature = fit_temperature(targets, scores, exclusive=exclusive)
    scaled = decision.model_copy(update={"temperature": temperature, "sensitivity": sensitivity})
    values = scaled.calibrated(scores)
    thresholds = (
        best_thresholds(targets, values)
        if sensitivity is None
        else thresholds_at(sensitivity, targets, values)
    )
    return scaled.model_copy(update={"thresholds": tuple(thresholds.tolist())})


def _require_enough(
    decision: Decision, targets: NDArray[Any], coverage: float, folder: Path
) -> None:
    """Refuse sets for which there are too few validation records, and those of times."""
    if decision.outcome == "time":
        raise InputError(f"{folder}: predicts a time to an event, for which there are no sets")
    lacking = shortage(targets, decision.classes, decision.outcome, coverage)
    if lacking is not None:
        raise InputError(f"{folder}: {lacking}")


def _with_sets(
    decision: Decision, targets: NDArray[Any], values: Reals, coverage: float
) -> Decision:
    found: dict[str, Any] = {"coverage": coverage}
    if decision.outcome == "any":
        yes, no = bounds_by_answer(targets, values, coverage)
        found |= {"yes_from": tuple(yes.tolist()), "no_to": tuple(no.tolist())}
    elif decision.outcome == "one":
        least = bound_of_class(targets, values, coverage)
        found["yes_from"] = (least,) * len(decision.classes)
    else:
        off = np.abs(targets - values)
        found["reach"] = tuple(bound(column[~np.isnan(column)], coverage) for column in off.T)
    return decision.model_copy(update=found)
