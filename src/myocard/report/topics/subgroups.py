"""Scores of the main readouts by sex, age, site and device."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from myocard.metrics.outcomes import are_positive, headline_metric
from myocard.metrics.scores import macro
from myocard.metrics.summary import Estimate, macro_estimate
from myocard.report.blocks import Block, folded_tables, headed
from myocard.report.table import Table, estimate, gathered
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Row, Section
from myocard.results.compare.pairs import predictions
from myocard.results.strata import scorable, strata

RESAMPLES = 500


def blocks(section: Section) -> list[Block]:
    """A folded table for each pretrained encoder."""
    tables = [subgroups(section, group) for group in section.groups]
    return headed("For whom does it work?", folded_tables(tables, NOTES["subgroups"]))


def subgroups(section: Section, group: Group) -> Table:
    """Leading metric in each subgroup; empty for other than pretrained, and without a trait."""
    rows = group.main_rows()
    numbers = pd.DataFrame([line for row in rows for line in _scores(row, group)])
    shown = pd.DataFrame([_shown(lines) for lines in gathered(numbers, "trait", "subgroup")])
    caption = f"{group.label}: {section.metric} by subgroup on {section.split}."
    return Table(section.stem("subgroups", group), caption, shown, numbers)


def _scores(row: Row, group: Group) -> Iterator[dict[str, object]]:
    found = predictions(row.run, group.split)
    once = np.ones((1, len(found.ids)), int)
    outcome = row.run.info.outcome
    metric = headline_metric(outcome)
    everyone = np.concatenate([metric(found.targets, each, once)[0] for each in found.scores])
    for trait, name, inside in strata(found.traits):
        targets = found.targets[inside]
        positives = are_positive(targets, outcome).sum(axis=0)
        kept = scorable(targets, outcome)
        if kept.any():
            scores, patients = found.scores[:, inside][:, :, kept], found.patients[inside]
            scored = macro_estimate(
                targets[:, kept],
                scores,
                outcome=outcome,
                groups=patients,
                resamples=RESAMPLES,
            )
            yield {
                "trait": trait,
                "subgroup": name,
                "readout": row.label,
                "records": len(targets),
                "positives": positives[kept].sum(),
                "classes": kept.sum(),
                **scored.model_dump(),
                "all_records": macro(everyone[:, kept]).mean(),
                "run": row.run.place,
            }


def _shown(lines: pd.DataFrame) -> dict[str, str]:
    """All readouts in one subgroup."""
    first = lines.iloc[0]
    shown = {"Trait": first["trait"].capitalize(), "Subgroup": first["subgroup"]}
    shown |= {name.capitalize(): str(first[name]) for name in ("records", "positives", "classes")}
    for line in lines.to_dict("records"):
        scored = Estimate(value=line["value"], low=line["low"], high=line["high"])
        shown[f"{line['readout']} [95 %]"] = estimate(scored)
        shown[f"{line['readout'].split(':')[0]}, all records"] = f"{line['all_records']:.3f}"
    return shown
