"""A short account of a task: what was read, matched, left out and counted."""

from collections.abc import Iterator, Mapping

from myocard.tasks.own.task import TaskInfo

_CLASSES = 12
"""Classes that are counted in the account; ``task.json`` counts all."""


def account(info: TaskInfo) -> Iterator[str]:
    """Yield the lines of the account, the warnings last."""
    counts = info.counts
    yield (
        f"{info.labels.name}: {counts.rows:,} rows and {counts.blank:,} blank ones, "
        f"{counts.ids:,} ids"
    )
    yield from (f"  {sentence}" for sentence in info.told)
    matched = _listed(counts.matched)
    yield f"matched: {sum(counts.matched.values()):,} of {counts.records:,} records ({matched})"
    yield f"rows left out: {_listed(counts.rows_left_out)}"
    yield f"records left out: {_listed(counts.records_left_out)}"
    yield f"{info.name} ({info.settings.kind}): {counts.labelled:,} records"
    for split, found in info.splits.items():
        yield f"  {split}: {found.records:,} records of {found.patients:,} patients"
        for name, each in list(found.classes.items())[:_CLASSES]:
            yield f"    {name}: {_listed(each)}"
    if len(info.classes) > _CLASSES:
        yield f"  and {len(info.classes) - _CLASSES} more classes"
    for trait in dict.fromkeys(each.trait for each in info.follows):
        best = next(each for each in info.follows if each.trait == trait)
        yield (
            f"without any signal, from {trait}: {best.measure} {best.value:.2f} for {best.target} "
            f"({best.share:.0%} of the records)"
        )
    yield from (f"warning: {sentence}" for sentence in info.warnings)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items()) or "none"
