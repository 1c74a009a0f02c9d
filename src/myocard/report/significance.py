"""Which differences stand once all questions are counted, and which could have been seen at all."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.metrics.scores import auroc, macro
from myocard.metrics.significance import delong_test, detectable, holm
from myocard.report.comparisons import Group, Section
from myocard.report.pairs import Difference, compare, predictions
from myocard.report.runs import Run, Split
from myocard.report.tables import MISSING, Table, signed

Pair = tuple[str, Run | None, Run | None]
"""A question, and the two runs whose difference answers it."""


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
    return Table(
        "across-tasks",
        "Key differences in macro AUROC, on every task.",
        pd.DataFrame([_shown(line) for line in numbers.to_dict("records")]),
        numbers,
        grouped=True,
    )


def by_class(section: Section, group: Group) -> Table:
    """DeLong's test of PMA against the last layer and the scalar mix; empty where there is none."""
    shown: dict[str, list[str]] = {}
    numbers = []
    for question, run, reference, _ in _answered(_pairs_of_pma(group), group):
        found = _delong(run, reference, group.split)
        runs = {"run": run.place, "against_run": reference.place}
        numbers.append(found.assign(question=question, **runs))
        gains = found[["difference", "low", "high"]].itertuples(index=False)
        shown |= {
            "Class": found["class"].tolist(),
            "Positives": found["positives"].astype(str).tolist(),
            f"{question} [95 %]": [signed(*each) for each in gains],
            f"{question}: p": found["p"].map(_p).tolist(),
            f"{question}: p, Holm": found["p_holm"].map(_p).tolist(),
        }
    return Table(
        f"{section.name}-delong-{section.groups.index(group) + 1}",
        f"{group.label}: difference in AUROC by class on {section.split}, tested by DeLong's "
        "method, which takes records as independent.",
        pd.DataFrame(shown),
        pd.concat(numbers) if numbers else pd.DataFrame(),
    )


def _pairs_of_pma(group: Group) -> list[Pair]:
    pma = group.runs.get("pma")
    return [
        ("PMA − last layer", pma, group.runs.get("last")),
        ("PMA − scalar mix", pma, group.runs.get("scalar-mix")),
    ]


def _pairs(section: Section, group: Group) -> list[Pair]:
    last = group.runs.get("last")
    best = None if group.best_layer is None else group.layers[group.best_layer]
    random = [each for each in section.groups if each.random and each.may_stand_for(group)]
    return [
        *_pairs_of_pma(group),
        ("Best layer on validation − last layer", best, last),
        *(("Pretrained − random weights, last layer", last, r.runs.get("last")) for r in random),
    ]


def _answered(pairs: Iterable[Pair], group: Group) -> Iterator[tuple[str, Run, Run, Difference]]:
    """The pairs of a pretrained encoder that were both scored on the same records."""
    for question, run, reference in pairs:
        found = compare(run, reference, group.split)
        if group.pretrained and run and reference and found:
            yield question, run, reference, found


def _answers(section: Section) -> Iterator[dict[str, Any]]:
    for group in section.groups:
        for question, run, reference, found in _answered(_pairs(section, group), group):
            yield {
                "question": question,
                "encoder": group.label,
                # Labels may count the task's records.
                "family": repr(group.family),
                "against": reference.states.encoder.name,
                "task": section.name,
                "source": section.source,
                "split": section.split,
                **vars(found),
                "seed_sd": _seed_spread(run, reference, section.split),
                "detectable": detectable(found.se),
                "run": run.place,
                "against_run": reference.place,
            }


def _seed_spread(run: Run, reference: Run, split: Split) -> float:
    """Standard deviation of the difference from seed to seed; NaN where seeds are not shared."""
    if run.states.seeds != reference.states.seeds or len(run.states.seeds) < 2:
        return float("nan")
    return float(np.std(_by_seed(run, split) - _by_seed(reference, split), ddof=1))


def _by_seed(run: Run, split: Split) -> NDArray[np.floating]:
    found = predictions(run, split)
    once = np.ones((1, len(found.ids)), int)
    return np.array([macro(auroc(found.targets, each, once))[0] for each in found.scores])


def _delong(run: Run, reference: Run, split: Split) -> pd.DataFrame:
    a, b = predictions(run, split), predictions(reference, split)
    found = delong_test(a.targets, a.scores, b.scores)
    known = {"class": run.states.classes, "positives": a.targets.sum(axis=0)}
    return pd.DataFrame(known | found._asdict() | {"p_holm": holm(found.p)})


def _shown(line: dict[Any, Any]) -> dict[str, str]:
    return {
        "Question": f"{line['question']} · {line['encoder']}",
        "Task": f"{line['task']}, {line['source']}",
        "Difference [95 %]": signed(line["difference"], line["low"], line["high"]),
        "Seed SD": _number(line["seed_sd"]),
        "p": _p(line["p"]),
        "p, Holm": _p(line["p_holm"]),
        "Detectable": _number(line["detectable"]),
    }


def _p(value: float) -> str:
    return "< 0.001" if value < 0.0005 else _number(value)


def _number(value: float) -> str:
    return MISSING if np.isnan(value) else f"{value:.3f}"
