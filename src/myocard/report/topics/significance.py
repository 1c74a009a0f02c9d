"""Differences that stand once all questions are counted, and those that could have been seen."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.metrics.outcomes import headline_metric
from myocard.metrics.scores import macro
from myocard.metrics.significance import delong_test, detectable, holm
from myocard.outcomes import CLASSES
from myocard.report.blocks import Chapter, table_blocks
from myocard.report.table import Table, number, p_text, signed
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.pairs import Candidate, Pair, paired, predictions
from myocard.results.run import BEST_LAYER, SplitName
from myocard.results.saved import SavedRun


def chapters(sections: Sequence[Section]) -> list[Chapter]:
    """The chapter of key differences, if there are any."""
    blocks = table_blocks(across_tasks(sections), NOTES["significance"])
    return [Chapter("across", "Across tasks", blocks)] if blocks else []


def across_tasks(sections: Sequence[Section]) -> Table:
    """The key differences of each pretrained encoder on every task, adjusted for their number.

    A family is one question about one encoder under one head, over the tasks.
    """
    numbers = pd.DataFrame([line for section in sections for line in _answers(section)])
    if not numbers.empty:
        family = ["question", "family", "against"]
        numbers["p_holm"] = numbers.groupby(family, sort=False)["p"].transform(holm)
        order = numbers.groupby(family, sort=False).ngroup()
        numbers = numbers.iloc[order.argsort(kind="stable")].drop(columns="family")
    shown = pd.DataFrame([_shown(line) for line in numbers.to_dict("records")])
    return Table(
        "across-tasks", "Key differences in the leading metric, on every task.", shown, numbers
    )


def by_class(section: Section, group: Group) -> Table:
    """DeLong's test of PMA against the last layer and the scalar mix; empty where there is none."""
    shown: dict[str, list[str]] = {}
    numbers = []
    for pair in _of_classes(paired(_candidates_of_pma(group), group.split)):
        found, question = _delong(pair, group.split), pair.named["question"]
        numbers.append(found.assign(question=question, **pair.places))
        gains = found[["difference", "low", "high"]].itertuples(index=False)
        shown |= {
            "Class": found["class"].tolist(),
            "Positives": found["positives"].astype(str).tolist(),
            f"{question} [95 %]": [signed(*each) for each in gains],
            f"{question}: p": found["p"].map(p_text).tolist(),
            f"{question}: p, Holm": found["p_holm"].map(p_text).tolist(),
        }
    caption = NOTES["delong"].format(group=group.label, split=section.split)
    frame = pd.concat(numbers) if numbers else pd.DataFrame()
    name = section.stem("delong", group)
    return Table(name, caption, pd.DataFrame(shown), frame, grouped=False)


def _of_classes(pairs: Iterator[Pair]) -> Iterator[Pair]:
    return (pair for pair in pairs if pair.run.info.outcome in CLASSES)


def _candidates_of_pma(group: Group) -> list[Candidate]:
    """Questions about the PMA of a pretrained encoder; none about others."""
    pma, last, mix = (group.runs.get(name) for name in ("pma", "last", "scalar-mix"))
    asked: list[Candidate] = [({"question": "PMA − last layer"}, pma, last)]
    asked.append(({"question": "PMA − scalar mix"}, pma, mix))
    return asked if group.pretrained else []


def _candidates(section: Section, group: Group) -> Iterator[Candidate]:
    if group.pretrained:
        last = group.runs.get("last")
        best = None if group.best_layer is None else group.layers[group.best_layer]
        chosen = best or group.runs.get(BEST_LAYER)
        yield from _candidates_of_pma(group)
        yield {"question": "Best layer on validation − last layer"}, chosen, last
        for each in section.groups:
            if each.random and each.may_stand_for(group):
                question = "Pretrained − random weights, last layer"
                yield {"question": question}, last, each.runs.get("last")


def _answers(section: Section) -> Iterator[dict[str, object]]:
    for group in section.groups:
        for pair in paired(_candidates(section, group), group.split):
            yield {
                **pair.named,
                "encoder": group.label,
                # Labels may count the task's records.
                "family": repr(group.family),
                "against": pair.against_run.info.encoder.name,
                "task": section.name,
                "source": section.source,
                "split": section.split,
                **pair.found._asdict(),
                "seed_sd": _seed_spread(pair.run, pair.against_run, section.split),
                "detectable": detectable(pair.found.se),
                **pair.places,
            }


def _seed_spread(run: SavedRun, reference: SavedRun, split: SplitName) -> float:
    """Standard deviation of the difference from seed to seed; NaN where seeds are not shared."""
    if run.info.seeds != reference.info.seeds or len(run.info.seeds) < 2:
        return float("nan")
    return float(np.std(_by_seed(run, split) - _by_seed(reference, split), ddof=1))


def _by_seed(run: SavedRun, split: SplitName) -> NDArray[np.floating]:
    found = predictions(run, split)
    once = np.ones((1, len(found.ids)), int)
    metric = headline_metric(run.info.outcome)
    return np.array([macro(metric(found.targets, each, once)).item() for each in found.scores])


def _delong(pair: Pair, split: SplitName) -> pd.DataFrame:
    a, b = predictions(pair.run, split), predictions(pair.against_run, split)
    found = delong_test(a.targets, a.scores, b.scores)
    known = {"class": pair.run.info.classes, "positives": (a.targets == 1).sum(axis=0)}
    return pd.DataFrame(known | found._asdict() | {"p_holm": holm(found.p)})


def _shown(line: Mapping[Hashable, Any]) -> dict[str, str]:
    return {
        "Question": f"{line['question']} · {line['encoder']}",
        "Task": f"{line['task']}, {line['source']}",
        "Difference [95 %]": signed(line["difference"], line["low"], line["high"]),
        "Seed SD": number(line["seed_sd"]),
        "p": p_text(line["p"]),
        "p, Holm": p_text(line["p_holm"]),
        "Detectable": number(line["detectable"]),
    }
