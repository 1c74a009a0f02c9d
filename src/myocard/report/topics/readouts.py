"""The tables of readouts, encoders, single layers and classes."""

import pandas as pd

from myocard.metrics.outcomes import MEASURES, titled
from myocard.metrics.summary import Estimate, Metrics
from myocard.outcomes import CLASSES
from myocard.report.blocks import Block, folded_tables, headed, table_blocks
from myocard.report.table import (
    MISSING,
    Table,
    differences,
    estimate,
    gain,
    number,
    p_value,
    prefixed,
    table_of,
)
from myocard.report.topics import significance
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Row, Section
from myocard.results.compare.names import named_layer
from myocard.results.run import Run


def blocks(section: Section) -> list[Block]:
    """The table of readouts."""
    return headed("Readouts", table_blocks(table(section), NOTES["readouts"]))


def encoder_blocks(section: Section) -> list[Block]:
    """Encoders against what they should beat."""
    return headed("Is the pretraining worth it?", table_blocks(encoders(section)))


def detail_blocks(section: Section) -> list[Block]:
    """Single layers and classes, folded."""
    tables = [single_layers(section)]
    tables += [by_class(section, group) for group in section.groups]
    tables += [significance.by_class(section, group) for group in section.groups]
    return headed("In detail", folded_tables(tables))


def table(section: Section) -> Table:
    """Every readout of every encoder, and what it gains on the last layer."""
    rows = [(group, row) for group in section.groups for row in group.rows()]
    shown = [_readout_shown(section, group, row) for group, row in rows]
    numbers = [_readout_numbers(group, row) for group, row in rows]
    caption = f"Readouts, scored on {section.split}."
    return table_of(f"{section.name}-readouts", caption, shown, numbers)


def encoders(section: Section) -> Table:
    """Every encoder against random weights and baselines, and IPASTMEM against plain."""
    return differences(f"{section.name}-encoders", NOTES["encoders"], section.matches())


def single_layers(section: Section) -> Table:
    """Every probed layer, with what it scored on validation."""
    rows = [(g, layer, run) for g in section.groups for layer, run in g.layers.items()]
    shown, numbers = [], []
    for group, layer, run in rows:
        validation, scored = run.info.validation.main.macro, group.score(run)
        shown.append(
            {
                "Encoder": group.label,
                "Layer": named_layer(run.info.encoder, layer),
                f"Validation {section.metric} [95 %]": estimate(validation),
                f"{section.split.capitalize()} {section.metric} [95 %]": estimate(scored),
            }
        )
        numbers.append(
            {"encoder": group.label, "layer": layer, "run": run.place}
            | prefixed("validation", validation)
            | prefixed("score", scored)
        )
    frame = pd.DataFrame(shown).T.drop_duplicates().T
    name = f"{section.name}-single-layers"
    return Table(name, "Every layer read alone.", frame, pd.DataFrame(numbers))


def by_class(section: Section, group: Group) -> Table:
    """Leading metric of every output under every readout of one group."""
    shown, numbers = [], []
    for name in group.first.info.classes:
        line = {"Class": name, "Positives": MISSING}
        for row in group.rows():
            metrics = row.run.info.metrics(section.split)
            found = metrics.main.by_class.get(name) if metrics else None
            line[row.label] = estimate(found)
            if found:
                line["Positives"] = str(found.positives)
                numbers.append(
                    {"class": name, "positives": found.positives, "readout": row.label}
                    | prefixed("score", found)
                    | {"run": row.run.place}
                )
        shown.append(line)
    metric = section.metric.removeprefix("Macro ")
    caption = f"{group.label}: {metric} [95 %] by output on {section.split}."
    frames = pd.DataFrame(shown), pd.DataFrame(numbers)
    return Table(section.stem("classes", group), caption, *frames, grouped=False)


def _readout_shown(section: Section, group: Group, row: Row) -> dict[str, str]:
    metrics, score = row.run.info.metrics(group.split), group.score(row.run)
    others = {name: _macro(row.run.info, metrics, name) for name in _others(row.run.info)}
    is_last = row.run.info.readout == "last"
    return {
        "Encoder": group.label,
        "Readout": row.label,
        f"{section.metric} [95 %]": estimate(score),
        "Seed SD": number(score.seed_sd if score else None),
        **{
            titled(name, row.run.info.unit): number(found.value if found else None)
            for name, found in others.items()
        },
        "Gain on last layer [95 %]": "reference" if is_last else gain(row.against_last),
        "p": "" if is_last else p_value(row.against_last),
        "On validation": number(row.run.info.validation.main.macro.value),
        "Optimum": _found(row.run.info),
    }


def _others(info: Run) -> list[str]:
    """The metrics beside the leading one."""
    names = [*MEASURES[info.outcome], *(["f1"] if info.outcome in CLASSES else [])]
    return [name for name in names if name != info.validation.headline]


def _macro(info: Run, metrics: Metrics | None, name: str) -> Estimate | None:
    """A metric of a run; Brier's score of probabilities alone."""
    found = metrics.scores.get(name) if metrics else None
    unfit = name == "brier" and not info.has_probabilities
    return None if found is None or unfit else found.macro


def _found(info: Run) -> str:
    """Tell in a word or two how a run's weights were found."""
    if not info.stops:
        return "solved" if info.kind == "probe" else ""
    open_ends = sum(not stop.settled for stop in info.stops)
    steps = sorted(stop.step for stop in info.stops)
    of = f" ({open_ends} of {len(info.stops)})" if open_ends < len(info.stops) else ""
    stopped = (
        f"stopped at {steps[0]}–{steps[-1]}" if steps[0] < steps[-1] else f"stopped at {steps[0]}"
    )
    return f"not converged{of}" if open_ends else stopped


def _readout_numbers(group: Group, row: Row) -> dict[str, object]:
    info, metrics = row.run.info, row.run.info.metrics(group.split)
    line: dict[str, object] = {
        "task": info.task,
        "encoder": group.label,
        "readout": row.label,
        "head": info.head,
        "run": row.run.place,
        "split": group.split,
        "records": metrics.records if metrics else None,
    }
    for name in (info.validation.headline, *_others(info)):
        line |= prefixed(name, _macro(info, metrics, name))
    against = row.against_last._asdict() if row.against_last else {}
    for name in ("difference", "low", "high", "p"):
        line[f"against_last_{name}"] = against.get(name)
    line["validation"] = info.validation.main.macro.value
    return line | {"settled": all(stop.settled for stop in info.stops)}
