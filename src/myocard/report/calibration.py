"""Whether the scores of the main readouts can be read as probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from myocard.metrics.calibration import (
    brier_score,
    chance_calibration_error,
    expected_calibration_error,
    fit_temperature,
    reliability,
    scale,
)
from myocard.metrics.scores import difference, macro_estimate, macro_resamples
from myocard.report.comparisons import Group, Row, Section
from myocard.report.drawing import BLUE, GREY, VERMILION, Figure, style, to_svg
from myocard.report.pairs import predictions
from myocard.report.runs import Estimate, Predictions
from myocard.report.selection import main_rows
from myocard.report.tables import Table, estimate, signed

_STAGES = {"as trained": BLUE, "at its temperature": VERMILION}


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The probabilities of a readout, as they are and at their temperature.

    Attributes:
        label: What was read, in words.
        scored: What was said of the records of the section's split.
        temperatures: ``(seeds,)``, each fitted on validation.
        after: ``scored.scores`` at these temperatures.
        place: Of the run.
    """

    label: str
    scored: Predictions
    temperatures: NDArray[np.floating]
    after: NDArray[np.floating]
    place: str


def calibration(section: Section) -> tuple[list[Figure], Table]:
    """Reliability curves of each pretrained encoder, and a table of all their errors.

    Readouts whose scores are no probabilities are left out.
    """
    found = [
        (group, [each for row in main_rows(group) if (each := _calibrated(row, group))])
        for group in section.groups
    ]
    lines = [_errors(group, each) for group, members in found for each in members]
    table = Table(
        f"{section.name}-calibration",
        f"Probabilities on {section.split}, as trained and at a temperature chosen on validation.",
        pd.DataFrame([_shown(line) for line in lines]),
        pd.DataFrame(lines),
        grouped=True,
    )
    return [_figure(section, group, members) for group, members in found if members], table


def _calibrated(row: Row, group: Group) -> Calibrated | None:
    validation, scored = (predictions(row.run, split) for split in ("validation", group.split))
    scores = validation.scores
    if scores.min() < 0 or scores.max() > 1:
        return None
    exclusive = np.allclose(scores.sum(axis=-1), 1, atol=1e-3)  # a softmax; sigmoids do not
    fitted = [fit_temperature(validation.targets, each, exclusive=exclusive) for each in scores]
    pairs = zip(scored.scores, fitted, strict=True)
    after = np.stack([scale(each, value, exclusive=exclusive) for each, value in pairs])
    return Calibrated(row.label, scored, np.array(fitted), after, row.run.place)


def _errors(group: Group, found: Calibrated) -> dict[str, Any]:
    line: dict[str, Any] = {"encoder": group.label, "readout": found.label}
    line["temperature"] = found.temperatures.mean()
    targets, patients = found.scored.targets, found.scored.patients
    resamples = []
    for stage, scores in (("before", found.scored.scores), ("after", found.after)):
        errors = [expected_calibration_error(targets, each).mean() for each in scores]
        line[f"ece_{stage}"] = np.mean(errors)
        line[f"ece_{stage}_by_chance"] = np.mean([chance_calibration_error(s) for s in scores])
        brier = macro_estimate(targets, scores, metric=brier_score, groups=patients)
        line |= {f"brier_{stage}_{name}": value for name, value in brier.items()}
        resamples.append(macro_resamples(targets, scores, metric=brier_score, groups=patients))
    change = difference(resamples[1], resamples[0])
    line |= {f"brier_change_{name}": value for name, value in change.items()}
    return line | {"run": found.place}


def _shown(line: dict[str, Any]) -> dict[str, str]:
    brier = {
        stage: Estimate(**{k: line[f"brier_{stage}_{k}"] for k in ("value", "low", "high")})
        for stage in ("before", "after")
    }
    change = (line[f"brier_change_{name}"] for name in ("difference", "low", "high"))
    return {
        "Encoder": line["encoder"],
        "Readout": line["readout"],
        "Temperature": f"{line['temperature']:.2f}",
        "ECE (by chance)": f"{line['ece_before']:.3f} ({line['ece_before_by_chance']:.3f})",
        "… at temperature": f"{line['ece_after']:.3f} ({line['ece_after_by_chance']:.3f})",
        "Brier [95 %]": estimate(brier["before"]),
        "… at temperature [95 %]": estimate(brier["after"]),
        "Change [95 %]": signed(*change),
    }


def _figure(section: Section, group: Group, members: list[Calibrated]) -> Figure:
    name = f"{section.name}-reliability-{section.groups.index(group) + 1}"
    tables = [_curves(group, each) for each in members]
    with style():
        canvas = Canvas(figsize=(2.3 * len(members) + 0.6, 3.6), layout="constrained")
        axes = canvas.subplots(
            2, len(members), sharex=True, sharey="row", squeeze=False, height_ratios=[4, 1]
        )
        for (upper, lower), table in zip(axes.T, tables, strict=True):
            _draw(upper, lower, table)
        axes[0, 0].set_ylabel("Share that is true")
        axes[1, 0].set_ylabel("Pairs")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=2)
        svg = to_svg(canvas, name, f"Reliability curves, {group.label}")
    caption = (
        f"{group.label}, on {section.split}: of the pairs of record and class that were given a "
        "probability, how many are true; on the diagonal it means what it says. All classes "
        "together, in fifteenths; bars are Wilson intervals, pairs taken as independent. Below, "
        "how many pairs there are (logarithmic). One temperature a seed, fitted on validation."
    )
    return Figure(name, caption, svg, pd.concat(tables))


def _curves(group: Group, found: Calibrated) -> pd.DataFrame:
    known = {"encoder": group.label, "readout": found.label}
    stages = zip(_STAGES, (found.scored.scores, found.after), strict=True)
    return pd.concat(
        pd.DataFrame(reliability(found.scored.targets, scores)._asdict()).assign(
            **known, stage=stage
        )
        for stage, scores in stages
    )


def _draw(upper: Axes, lower: Axes, table: pd.DataFrame) -> None:
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
    upper.set_title(str(table["readout"].iloc[0]).split(":")[0].replace(" on validation", ""))
    upper.grid()
