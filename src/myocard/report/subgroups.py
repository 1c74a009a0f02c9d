"""For whom the main readouts work: by sex, age, site and device."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.metrics.scores import auroc, macro, macro_estimate
from myocard.report.comparisons import Group, Row, Section
from myocard.report.pairs import predictions
from myocard.report.runs import Estimate
from myocard.report.selection import main_rows
from myocard.report.tables import Table, estimate, gathered

MIN_POSITIVES = 10
"""A subgroup is scored on the classes with as many positives, and negatives, in it."""

RESAMPLES = 500
UNKNOWN = "unknown"

_AGES = {"< 40": 0.0, "40–59": 40.0, "60–79": 60.0, "≥ 80": 80.0}


def subgroups(section: Section, group: Group) -> Table:
    """Macro AUROC in each subgroup; empty for other than pretrained, and where no trait is told."""
    lines = [line for row in main_rows(group) for line in _scores(row, group)]
    return Table(
        f"{section.name}-subgroups-{section.groups.index(group) + 1}",
        f"{group.label}: macro AUROC by subgroup on {section.split}.",
        pd.DataFrame([_shown(each) for each in gathered(lines, "trait", "subgroup")]),
        pd.DataFrame(lines),
        grouped=True,
    )


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


def _scores(row: Row, group: Group) -> Iterator[dict[str, Any]]:
    found = predictions(row.run, group.split)
    once = np.ones((1, len(found.ids)), int)
    everyone = np.concatenate([auroc(found.targets, each, once) for each in found.scores])
    for trait, name, inside in strata(found.traits):
        targets = found.targets[inside]
        positives, negatives = targets.sum(axis=0), (~targets).sum(axis=0)
        kept = (positives >= MIN_POSITIVES) & (negatives >= MIN_POSITIVES)
        if kept.any():
            scored = macro_estimate(
                targets[:, kept],
                found.scores[:, inside][:, :, kept],
                groups=found.patients[inside],
                resamples=RESAMPLES,
            )
            yield {
                "trait": trait,
                "subgroup": name,
                "readout": row.label,
                "records": len(targets),
                "positives": positives[kept].sum(),
                "classes": kept.sum(),
                **scored,
                "all_records": macro(everyone[:, kept]).mean(),
                "run": row.run.place,
            }


def _shown(lines: list[dict[str, Any]]) -> dict[str, str]:
    """All readouts in one subgroup."""
    first = lines[0]
    shown = {"Trait": first["trait"].capitalize(), "Subgroup": first["subgroup"]}
    shown |= {name.capitalize(): str(first[name]) for name in ("records", "positives", "classes")}
    for line in lines:
        scored = {name: line[name] for name in Estimate.model_fields}
        shown[f"{line['readout']} [95 %]"] = estimate(Estimate(**scored))
        shown[f"{line['readout'].split(':')[0]}, all records"] = f"{line['all_records']:.3f}"
    return shown
