"""What the main readouts give at thresholds that were chosen for a sensitivity."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from myocard.metrics.calibration import operating_point, thresholds_at
from myocard.report.comparisons import Group, Row, Section
from myocard.report.pairs import predictions
from myocard.report.selection import main_rows
from myocard.report.tables import MISSING, Table, gathered

SENSITIVITIES = (0.9, 0.95)

_MEASURES = {"sensitivity": "Sens.", "specificity": "Spec.", "precision": "PPV"}


def operating_points(section: Section, group: Group) -> Table:
    """Sensitivity, specificity and precision of every class; empty for other than pretrained."""
    lines = [line for row in main_rows(group) for line in _points(row, group)]
    return Table(
        f"{section.name}-operating-{section.groups.index(group) + 1}",
        f"{group.label}: operating points on {section.split}.",
        pd.DataFrame([_shown(each) for each in gathered(lines, "readout", "class")]),
        pd.DataFrame(lines),
        grouped=True,
    )


def _points(row: Row, group: Group) -> Iterator[dict[str, Any]]:
    validation, scored = (predictions(row.run, split) for split in ("validation", group.split))
    positives = scored.targets.sum(axis=0)
    for wanted in SENSITIVITIES:
        chosen = [thresholds_at(wanted, validation.targets, each) for each in validation.scores]
        found = operating_point(scored.targets, scored.scores, np.stack(chosen))
        for k, name in enumerate(row.run.states.classes):
            line = {"readout": row.label, "class": name, "positives": positives[k]}
            line |= {"wanted": wanted, "threshold": np.mean(chosen, axis=0)[k]}
            for measure, values in found._asdict().items():
                ends = zip(("", "_low", "_high"), values[k], strict=True)
                line |= {f"{measure}{end}": value for end, value in ends}
            yield line | {"run": row.run.place}


def _shown(lines: list[dict[str, Any]]) -> dict[str, str]:
    """One readout and class at every sensitivity."""
    shown = {"Readout": lines[0]["readout"], "Class": lines[0]["class"]}
    shown["Positives"] = str(lines[0]["positives"])
    for line in lines:
        for measure, short in _MEASURES.items():
            value, low, high = (line[f"{measure}{end}"] for end in ("", "_low", "_high"))
            cell = MISSING if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
            shown[f"{short} at {line['wanted']:.2f} [95 %]"] = cell
    return shown
