"""Scores of the main readouts by sex, age, site and device."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.metrics.outcomes import are_positive, headline_metric
from myocard.metrics.scores import macro
from myocard.metrics.summary import Estimate, macro_estimate
from myocard.outcomes import CLASSES
from myocard.report.blocks import Block, folded_tables, headed
from myocard.report.table import Table, estimate, gathered
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Row, Section
from myocard.results.compare.pairs import predictions

MIN_POSITIVES = 10
"""A subgroup is scored on the classes with as many positives, and negatives, in it."""

RESAMPLES = 500
UNKNOWN = "unknown"

_AGES = {"< 40": 0.0, "40–59": 40.0, "60–79": 60.0, "≥ 80": 80.0}


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


def strata(traits: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Trait, subgroup and which records are in it, for every trait that tells records apart.

    Records of which it is not known are a subgroup of their own.
    """
    for trait in traits:
        named = _named(traits[trait])
        sizes = named.value_counts()
        order = [*_AGES, UNKNOWN] if trait == "age" else [*sizes.index]
        for name in order if len(sizes) > 1 else []:
            yield str(trait), name, (named == name).to_numpy()


def _named(values: pd.Series) -> pd.Series:
    if values.name == "age":
        edges = [*_AGES.values(), np.inf]
        named = pd.cut(values.astype(float), edges, right=False, labels=[*_AGES]).astype(object)
    else:
        named = values.astype(object).where(values.notna(), UNKNOWN).astype(str)
    return named.where(named.notna(), UNKNOWN)


def _scores(row: Row, group: Group) -> Iterator[dict[str, object]]:
    found = predictions(row.run, group.split)
    once = np.ones((1, len(found.ids)), int)
    outcome = row.run.info.outcome
    metric = headline_metric(outcome)
    everyone = np.concatenate([metric(found.targets, each, once) for each in found.scores])
    for trait, name, inside in strata(found.traits):
        targets = found.targets[inside]
        positives = are_positive(targets, outcome).sum(axis=0)
        others = (targets <= 0).sum(axis=0)
        kept = positives >= MIN_POSITIVES
        if outcome in CLASSES:
            kept &= others >= MIN_POSITIVES
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
