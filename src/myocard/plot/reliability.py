"""Reliability curves: the share that is true by probability, as trained and at a temperature."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from myocard.errors import InputError
from myocard.metrics import calibration as measures
from myocard.plot.canvas import BLUE, GREY, VERMILION, styled
from myocard.plot.panels import Panels, key, panels
from myocard.results.compare.names import label_of
from myocard.results.compare.pairs import predictions
from myocard.results.run import SplitName
from myocard.results.saved import Predictions, SavedRun

_STAGES = {"as trained": BLUE, "at its temperature": VERMILION}


class Calibrated(NamedTuple):
    """Predictions as trained, and at each seed's temperature, the mean of which is told."""

    temperature: float
    stages: tuple[Predictions, Predictions]


@styled
def calibration(run: SavedRun, ax: Any = None) -> Panels:
    """Draw the reliability of a run's probabilities above the number of pairs in each bin.

    Pairs are of record and class. The temperature is chosen on validation; bars are Wilson
    intervals that take pairs as independent. Test records are drawn where they were scored, else
    those of validation.

    Args:
        run: A run whose scores are probabilities.
        ax: Two axes to draw on, or None for a new figure.

    Returns:
        Two axes: the curve, and the numbers of pairs.

    Raises:
        InputError: When the scores are no probabilities.
    """
    split: SplitName = "test" if run.info.test else "validation"
    found = calibrated(run, split)
    if found is None:
        raise InputError(f"{run.folder}: its scores are no probabilities; take another head")
    axes = panels(2, ax, 4.6, 2.2, sharex=True, height_ratios=[4, 1])
    draw_reliability(axes[0], axes[1], curves_of(found.stages))
    axes[0].set_title(f"{label_of(run)}, {split}; temperature {found.temperature:.2f}")
    axes[0].set_ylabel("Share that is true")
    axes[1].set_ylabel("Pairs")
    key(axes[:1], ax, ncols=2)
    return axes


def calibrated(run: SavedRun, split: SplitName) -> Calibrated | None:
    """The predictions of a split in both stages; None where scores are no probabilities."""
    validation, before = predictions(run, "validation"), predictions(run, split)
    targets, scores = validation.targets, validation.scores
    if not run.info.has_probabilities or scores.min() < 0 or scores.max() > 1:
        return None
    exclusive = run.info.outcome == "one"
    fitted = [measures.fit_temperature(targets, each, exclusive=exclusive) for each in scores]
    pairs = zip(before.scores, fitted, strict=True)
    after = np.stack([measures.scale(each, value, exclusive=exclusive) for each, value in pairs])
    return Calibrated(float(np.mean(fitted)), (before, before._replace(scores=after)))


def curves_of(stages: Sequence[Predictions]) -> pd.DataFrame:
    """The reliability curve of each stage."""
    curves = [pd.DataFrame(measures.reliability(s.targets, s.scores)._asdict()) for s in stages]
    named = zip(_STAGES, curves, strict=True)
    return pd.concat([curve.assign(stage=stage) for stage, curve in named])


def draw_reliability(upper: Axes, lower: Axes, table: pd.DataFrame) -> None:
    """Draw what ``curves_of`` tells."""
    upper.plot([0, 1], [0, 1], color=GREY, lw=0.8, zorder=0)
    for stage, colour in _STAGES.items():
        curve = table[table["stage"] == stage]
        ends = (curve["frequency"] - curve["low"], curve["high"] - curve["frequency"])
        reach = [end.clip(lower=0) for end in ends]  # at 0 and 1, rounding may turn the sign
        upper.errorbar(
            curve["confidence"], curve["frequency"], reach, fmt="o-", ms=3, lw=1.2,
            elinewidth=0.8, color=colour, label=stage,
        )  # fmt: skip
        lower.plot(curve["confidence"], curve["pairs"], "o-", ms=2, lw=1, color=colour)
    lower.set_xlabel("Probability")
    lower.set_yscale("log")
    lower.minorticks_off()
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    upper.grid()
