"""The chapters of a comparison's page."""

from collections.abc import Iterator, Sequence

from myocard.outcomes import CLASSES
from myocard.report.blocks import (
    Block,
    Chapter,
    Gallery,
    Points,
    Words,
    folded_tables,
    table_blocks,
)
from myocard.report.predictions import forest, tables
from myocard.report.words import NOTES
from myocard.results.comparison import Comparison


def chapters(comparison: Comparison) -> list[Chapter]:
    """Verdicts; each model by itself; subgroups; and what was asked."""
    unit = comparison.interval.unit
    by_class = forest.classes(comparison)
    verdicts: list[Block] = [
        Points(list(tables.sentences(comparison))),
        *(Words(text, "warn") for text in _warnings(comparison)),
        Gallery([forest.overall(comparison)], wide=True),
        *table_blocks(tables.differences(comparison), NOTES["comparison"].format(unit=unit)),
        *([Gallery([by_class], wide=True)] if by_class else []),
        *folded_tables([tables.class_differences(comparison)], _note_by_class(comparison)),
    ]
    models = [
        *table_blocks(tables.models(comparison)),
        *table_blocks(tables.calibrations(comparison), NOTES["comparison_calibration"]),
    ]
    note = NOTES["comparison_subgroups"].format(unit=unit)
    inside = table_blocks(tables.subgroups(comparison), note)
    told: Sequence[tuple[str, str, Sequence[Block]]] = [
        ("verdicts", "Verdicts", verdicts),
        ("models", "Each model", models),
        ("subgroups", "Subgroups", inside),
        ("provenance", "Where the numbers come from", [Points(list(_provenance(comparison)))]),
    ]
    return [Chapter(*each) for each in told if each[2]]


def _note_by_class(comparison: Comparison) -> str:
    """The note on differences by output; of DeLong's test where there is one."""
    delong = f" {NOTES['comparison_delong']}" if comparison.outcome in CLASSES else ""
    return NOTES["comparison_classes"] + delong


def _warnings(comparison: Comparison) -> Iterator[str]:
    if comparison.left_out:
        listed = "; ".join(f"{name} (has {why})" for name, why in comparison.left_out.items())
        yield f"Cannot be tested, and not in any mean: {listed}."
    reasons = {each.reason: None for each in tables.headline(comparison) if each.reason}
    yield from (f"Untestable under some measure, as {reason}." for reason in reasons)
    for model in comparison.models:
        if model.dropped:
            yield f"{model.dropped} records of {model.name} are left out: another model lacks them."


def _provenance(comparison: Comparison) -> Iterator[str]:
    yield comparison.command
    if comparison.plan.choose_on is not None:
        yield f"{comparison.reference}: the best on {comparison.plan.choose_on}, so the reference"
    for model in comparison.models:
        yield f"{model.name}: {model.file}, SHA-256 {model.sha256}"
    yield ", ".join(f"{name} {number}" for name, number in comparison.versions.items())
