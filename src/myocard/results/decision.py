"""Decisions from the scores of a model, chosen on validation records: ``decision.json``."""

from collections.abc import Sequence
from itertools import compress
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from myocard.metrics.calibration import scale
from myocard.metrics.scores import Flags, Reals
from myocard.metrics.summary import Estimate, Frozen
from myocard.outcomes import CLASSES, Outcome
from myocard.results.classifier import SplitInfo
from myocard.results.document import Document

DECISION = "decision.json"
_ANSWERS = np.array(["neither", "no", "yes", "yes or no"])


class Basis(Frozen):
    """The run whose validation records a decision is from.

    Attributes:
        source: The data set of training and validation.
        tested_on: The data set of test.
        splits: Records and patients of each split.
        metric: Name of the leading metric.
        score: Its value on test, as a mean over seeds; None where it was not scored.
        seeds: Number of seeds; the model is the first.
    """

    source: str
    tested_on: str
    splits: dict[str, SplitInfo]
    metric: str
    score: Estimate | None = None
    seeds: int = 1


class Decision(Document):
    """All that ``decision.json`` says: calibration, thresholds and conformal sets of a model.

    Coverage is what split conformal prediction promises if records to come are like those of
    validation. These chose the penalty of the head and the temperature too, which costs some of it:
    see ``docs/predict.md`` for how much. Where patients have several records, coverage is an
    average over records that are not independent, and true on average only.

    Attributes:
        outcome: Kind of what is predicted.
        classes: The outputs, in order.
        temperature: Divisor of the logits; None for outputs that are no classes.
        sensitivity: The one that thresholds have on validation; None for the best F1.
        thresholds: Calibrated score of each class from which up the decision is "yes".
        coverage: Probability with which a set holds the truth; None for no sets.
        yes_from: Least score of each class with which "yes" (``any``) or the class (``one``) is in
            the set.
        no_to: Largest score of each class with which "no" is in the set (``any``).
        reach: Half the width of the interval around each output (``number``).
        basis: The run that all this is from.
    """

    # The threshold of a class without positives is infinite.
    model_config = ConfigDict(ser_json_inf_nan="strings")

    FILE = DECISION
    FIX = "save the model again"

    version: Literal[1] = Field(default=1, alias="schema")
    outcome: Outcome
    classes: tuple[str, ...]
    temperature: float | None = Field(default=None, gt=0)
    sensitivity: float | None = None
    thresholds: tuple[float, ...] = ()
    coverage: float | None = None
    yes_from: tuple[float, ...] = ()
    no_to: tuple[float, ...] = ()
    reach: tuple[float, ...] = ()
    basis: Basis

    @model_validator(mode="after")
    def _has_a_value_for_each_class(self) -> "Decision":
        for name in ("thresholds", "yes_from", "no_to", "reach"):
            if len(getattr(self, name)) not in (0, len(self.classes)):
                raise ValueError(f'"{name}" holds no value for each of "classes"')
        return self

    def calibrated(self, scores: Reals) -> NDArray[np.float32]:
        """Scores ``(records, outputs)`` at the decision's temperature."""
        if self.temperature is None:
            return scores.astype(np.float32)
        exclusive = self.outcome == "one"
        return scale(scores, self.temperature, exclusive=exclusive).astype(np.float32)

    def columns(self, scores: Reals) -> dict[str, NDArray[Any]]:
        """The columns of a table of predictions, from scores ``(records, outputs)``."""
        values = self.calibrated(scores)
        found = self._by_class("score", values)
        if self.outcome in CLASSES:
            found |= self._by_class("decision", values >= self.thresholds)
        return found if self.coverage is None else found | self._sets(values)

    def _sets(self, values: Reals) -> dict[str, NDArray[Any]]:
        if self.outcome == "number":
            reach = np.array(self.reach, np.float32)
            low, high = values - reach, values + reach
            return self._by_class("low", low) | self._by_class("high", high)
        held = values >= self.yes_from
        if self.outcome == "one":
            return {"set": np.array([named(self.classes, row) for row in held], dtype=str)}
        return self._by_class("set", _ANSWERS[2 * held + (values <= self.no_to)])

    def _by_class(self, kind: str, values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return {f"{kind}:{name}": values[:, k] for k, name in enumerate(self.classes)}


def named(classes: Sequence[str], held: Flags) -> str:
    """The classes that are in a set, or ``none``."""
    return ";".join(compress(classes, held)) or "none"
