"""Probabilities: how far the scores of the main readouts can be read as such."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from myocard.metrics import calibration as measures
from myocard.metrics.summary import Estimate, difference, macro_estimate, macro_resamples
from myocard.plot.canvas import canvas_of, to_svg
from myocard.plot.reliability import calibrated, curves_of, draw_reliability
from myocard.report.blocks import Block, galleries, headed, table_blocks
from myocard.report.drawing import Figure
from myocard.report.table import Table, estimate, signed
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.results.saved import Predictions


def blocks(section: Section) -> list[Block]:
    """Reliability curves and the table of errors."""
    figures, table = calibration(section)
    found = galleries(figures) + table_blocks(table, NOTES["calibration"])
    return headed("Do the scores mean what they say?", found)


def calibration(section: Section) -> tuple[list[Figure], Table]:
    """Reliability curves of each pretrained encoder, and a table of all their errors.

    Readouts whose scores are no probabilities are left out.
    """
    lines, figures = [], []
    for group in section.groups:
        curves = []
        for row in group.main_rows():
            found = calibrated(row.run, group.split)
            if found is not None:
                known = {"encoder": group.label, "readout": row.label}
                errors = {"temperature": found.temperature, **_errors(*found.stages)}
                lines.append({**known, **errors, "run": row.run.place})
                curves.append(curves_of(found.stages).assign(**known))
        if curves:
            figures.append(_figure(section, group, curves))
    numbers = pd.DataFrame(lines)
    shown = pd.DataFrame([_shown(line) for line in numbers.to_dict("records")])
    caption = "as trained and at a temperature chosen on validation"
    name = f"{section.name}-calibration"
    return figures, Table(name, f"Probabilities on {section.split}, {caption}.", shown, numbers)


def _errors(before: Predictions, after: Predictions) -> dict[str, object]:
    line: dict[str, object] = {}
    resamples = []
    for stage, (_, patients, targets, scores, _) in (("before", before), ("after", after)):
        errors = [measures.expected_calibration_error(targets, each).mean() for each in scores]
        by_chance = [measures.chance_calibration_error(targets, each) for each in scores]
        line |= {f"ece_{stage}": np.mean(errors), f"ece_{stage}_by_chance": np.mean(by_chance)}
        brier = macro_estimate(targets, scores, metric=measures.brier_score, groups=patients)
        line |= {f"brier_{stage}_{name}": value for name, value in brier}
        resamples.append(
            macro_resamples(targets, scores, metric=measures.brier_score, groups=patients)
        )
    change = difference(resamples[1], resamples[0])
    return line | {f"brier_change_{name}": value for name, value in change._asdict().items()}


def _shown(line: Mapping[Hashable, Any]) -> dict[str, str]:
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


def _figure(section: Section, group: Group, curves: list[pd.DataFrame]) -> Figure:
    name = section.stem("reliability", group)
    with canvas_of(2.3 * len(curves) + 0.6, 3.6) as canvas:
        axes = canvas.subplots(
            2, len(curves), sharex=True, sharey="row", squeeze=False, height_ratios=[4, 1]
        )
        for (upper, lower), table in zip(axes.T, curves, strict=True):
            draw_reliability(upper, lower, table)
            label = str(table["readout"].iloc[0])
            upper.set_title(label.split(":")[0].replace(" on validation", ""))
        axes[0, 0].set_ylabel("Share that is true")
        axes[1, 0].set_ylabel("Pairs")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=2)
    caption = NOTES["reliability"].format(group=group.label, split=section.split)
    svg = to_svg(canvas, name, f"Reliability curves, {group.label}")
    return Figure(name, caption, svg, pd.concat(curves))
