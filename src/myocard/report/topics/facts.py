"""The head of a chapter: records, warnings, and a sentence on each encoder."""

from collections.abc import Iterable

from myocard.report.blocks import Block, Fold, Points, Words, headed
from myocard.report.table import estimate
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.pairs import Difference
from myocard.results.saved import SavedRun


def blocks(section: Section) -> list[Block]:
    """Facts, warnings and findings of a section."""
    found: list[Block] = [Words(text, "facts") for text in _facts(section)]
    if section.split == "validation":
        found.append(Words(NOTES["validation_only"], "warn"))
    else:
        found.append(Words(NOTES["test"]))
    found += leak_checks(section.every_run)
    found += _left_out(section)
    findings = [finding(group) for group in section.groups if "last" in group.runs]
    return found + headed("In short", [Points(findings)] if findings else [])


def _facts(section: Section) -> Iterable[str]:
    metrics, info = section.metrics, section.every_run[0].info
    if metrics is None:
        return
    patients = "" if metrics.patients is None else f" of {metrics.patients} patients"
    interval = metrics.interval
    splits = " ".join(
        f"{name.capitalize()}: {size.records} records"
        f"{f' ({size.copies_dropped} copies dropped)' if size.copies_dropped else ''}, "
        f"folds {', '.join(map(str, size.folds))}."
        for name, size in info.splits.items()
    )
    yield (
        f"Scored on {section.split}: {metrics.records} records{patients}. Intervals: "
        f"{100 * interval.level:g} %, {interval.resamples} bootstrap resamples by "
        f"{interval.unit}, {interval.rule}. {splits} Seeds: {', '.join(map(str, info.seeds))}."
    )


def leak_checks(runs: Iterable[SavedRun]) -> list[Block]:
    """Tell for every pretrained encoder whether it may have seen what it was tested on."""
    infos = [run.info for run in runs]
    encoders = dict.fromkeys(
        (info.encoder.name, info.encoder.leak_check, info.encoder.datasets, info.seen)
        for info in infos
        if info.kind != "baseline" and not info.encoder.random
    )
    checked = [name for name, how, *_ in encoders if how == "records"]
    found: list[Block] = []
    if checked:
        text = NOTES["leak_check"].format(encoders=", ".join(checked))
        found.append(Words(text, "facts"))
    for name, how, datasets, seen in encoders:
        if how != "records":
            kind = "seen" if seen else "unseen" if datasets else how or "none"
            named = ", ".join(seen or datasets or ())
            text = NOTES[f"leak_check_{kind}"].format(encoder=name, datasets=named)
            found.append(Words(text, "facts" if kind == "unseen" else "warn"))
    return found


def _left_out(section: Section) -> list[Block]:
    left_out = section.every_run[0].info.classes_left_out
    found: list[Block] = []
    if left_out:
        named = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        summary = f"{len(left_out)} classes of the task are left out as too rare here."
        found.append(Fold(summary, [Words(f"{named}.")]))
    if section.metrics and section.metrics.undefined:
        undefined = ", ".join(section.metrics.undefined)
        found.append(Words(NOTES["undefined"].format(split=section.split, classes=undefined)))
    return found


def finding(group: Group) -> str:
    """A sentence on the readouts of one encoder that beat its last layer."""
    last = estimate(group.score(group.runs["last"]))
    compared = [(row.label, sign(row.against_last)) for row in group.rows() if row.against_last]
    said = {
        word: ", ".join(label for label, found in compared if found == word)
        for word in ("higher", "lower", "no clear difference")
    }
    parts = [f"{word}: {labels}" for word, labels in said.items() if labels]
    text = "; ".join(parts) or "nothing to compare it with"
    return f"{group.label}: last layer {last}. {text[0].upper()}{text[1:]}."


def sign(found: Difference) -> str:
    """The sign of a difference, where its interval does not leave it open."""
    if found.low > 0:
        return "higher"
    return "lower" if found.high < 0 else "no clear difference"
