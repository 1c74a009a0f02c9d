"""What the main readouts give at thresholds that were chosen for a sensitivity."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from myocard.calibration import operating_point, thresholds_at
from myocard.reporting.comparisons import Group, Row, Section, predictions
from myocard.reporting.tables import MISSING, Table, gathered

SENSITIVITIES = (0.9, 0.95)


def operating_points(section: Section, group: Group) -> Table:
    """Sensitivity, specificity and precision of every class; empty for other than pretrained."""
    lines = [line for row in group.main_rows() for line in _points(row, group)]
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
                names = (measure, f"{measure}_low", f"{measure}_high")
                line |= dict(zip(names, values[k], strict=True))
            yield line | {"run": row.run.place}


def _shown(lines: list[dict[str, Any]]) -> dict[str, str]:
    """One readout and class at every sensitivity."""
    shown = {"Readout": lines[0]["readout"], "Class": lines[0]["class"]}
    shown["Positives"] = str(lines[0]["positives"])
    for line in lines:
        for measure, short in (
            ("sensitivity", "Sens."),
            ("specificity", "Spec."),
            ("precision", "PPV"),
        ):
            ends = [line[key] for key in (measure, f"{measure}_low", f"{measure}_high")]
            column = f"{short} at {line['wanted']:.2f} [95 %]"
            shown[column] = (
                MISSING if np.isnan(ends[0]) else "{:.2f} [{:.2f}, {:.2f}]".format(*ends)
            )
    return shown
