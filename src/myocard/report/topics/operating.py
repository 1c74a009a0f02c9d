"""Operating points: the main readouts at thresholds that were chosen for a sensitivity."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from myocard.metrics.calibration import operating_point, thresholds_at
from myocard.outcomes import CLASSES
from myocard.report.blocks import Block, folded_tables
from myocard.report.table import MISSING, Table, gathered
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Row, Section
from myocard.results.compare.pairs import predictions

SENSITIVITIES = (0.9, 0.95)

_MEASURES = {"sensitivity": "Sens.", "specificity": "Spec.", "precision": "PPV"}


def blocks(section: Section) -> list[Block]:
    """A folded table for each pretrained encoder."""
    tables = [operating_points(section, group) for group in section.groups]
    return folded_tables(tables, NOTES["operating"])


def operating_points(section: Section, group: Group) -> Table:
    """Sensitivity, specificity and precision of every class; empty for other than pretrained."""
    rows = group.main_rows()
    numbers = pd.DataFrame([line for row in rows for line in _points(row, group)])
    shown = pd.DataFrame([_shown(lines) for lines in gathered(numbers, "readout", "class")])
    caption = f"{group.label}: operating points on {section.split}."
    return Table(section.stem("operating", group), caption, shown, numbers)


def _points(row: Row, group: Group) -> Iterator[dict[str, object]]:
    if row.run.info.rotations or row.run.info.outcome not in CLASSES:
        return  # No threshold fits all probes of rotations, and numbers have none.
    validation, scored = (predictions(row.run, split) for split in ("validation", group.split))
    positives = (scored.targets == 1).sum(axis=0)
    for wanted in SENSITIVITIES:
        chosen = [thresholds_at(wanted, validation.targets, each) for each in validation.scores]
        found = operating_point(scored.targets, scored.scores, np.stack(chosen))
        for k, name in enumerate(row.run.info.classes):
            line = {"readout": row.label, "class": name, "positives": positives[k]}
            line |= {"wanted": wanted, "threshold": np.mean(chosen, axis=0)[k]}
            for measure, values in found._asdict().items():
                ends = zip(("", "_low", "_high"), values[k], strict=True)
                line |= {f"{measure}{end}": value for end, value in ends}
            yield line | {"run": row.run.place}


def _shown(lines: pd.DataFrame) -> dict[str, str]:
    """One readout and class at every sensitivity."""
    first = lines.iloc[0]
    shown = {name.capitalize(): str(first[name]) for name in ("readout", "class", "positives")}
    for line in lines.to_dict("records"):
        for measure, short in _MEASURES.items():
            value, low, high = (line[f"{measure}{end}"] for end in ("", "_low", "_high"))
            cell = MISSING if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
            shown[f"{short} at {line['wanted']:.2f} [95 %]"] = cell
    return shown
