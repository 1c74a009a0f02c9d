"""Every pair of models under every measure: differences, tests, verdicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.metrics.outcomes import Measure, measured
from myocard.metrics.resamples import resampled
from myocard.metrics.scores import Reals, macro
from myocard.metrics.significance import detectable, holm
from myocard.metrics.summary import Difference, difference
from myocard.metrics.verdicts import too_coarse, too_few, verdict
from myocard.results.comparison import Contrast, PairedTest
from myocard.results.panel import Panel

Pairs = Sequence[tuple[int, int]]
"""Places of two models: the first is claimed to be better."""


@dataclass(frozen=True, eq=False)
class Scored:
    """A panel under every measure, on the same resamples.

    Attributes:
        panel: The panel.
        measures: The measures.
        left_out: Outputs that cannot be tested on its records, each with the reason.
        values: Each model's, ``(measures, seeds, 1 + resamples, outputs)``.
    """

    panel: Panel
    measures: Sequence[Measure]
    left_out: dict[str, str]
    values: list[Reals]

    @property
    def tested(self) -> NDArray[np.bool_]:
        """True for the outputs that can be tested, ``(outputs,)``; means are over these."""
        return np.array([name not in self.left_out for name in self.panel.classes])

    def series(self, model: int, measure: Measure, label: str | None) -> Reals:
        """The values of an output, or of the mean over them, ``(seeds, 1 + resamples)``."""
        values = self.values[model][self.measures.index(measure)]
        if label is None:
            return macro(values[..., self.tested])
        return np.asarray(values[..., self.panel.classes.index(label)])

    def hindrance(self, measure: Measure, label: str | None, *models: int) -> str | None:
        """The reason why these models cannot be judged, or None."""
        if label in self.left_out or self.tested.sum() == 0:
            name = next(iter(self.left_out)) if label is None else label
            return f"{name} has {self.left_out[name]}"
        if label is None and measure.in_units and len(self.panel.classes) > 1:
            return "numbers in several units have no mean"
        for k, name in enumerate(self.panel.classes):
            if name == label or (label is None and self.tested[k]):
                known = ~np.isnan(self.panel.targets[:, k])
                for model in models:
                    fault = measure.fault(self.panel.scores[model][:, known, k])
                    if fault:
                        return f"{self.panel.names[model]} {fault} for {name}"
        if any(np.isnan(self.series(model, measure, label)[:, 0]).any() for model in models):
            return f"{measure.title} has no value on these records"
        return None


class _Question(NamedTuple):
    pair: tuple[int, int]
    label: str | None
    reason: str | None


def scored(panel: Panel, measures: Sequence[Measure], *, resamples: int, seed: int) -> Scored:
    """Score every model of a panel."""
    metrics = measured([each.metric for each in measures], panel.outcome)
    values = resampled(
        metrics, panel.targets, panel.scores, groups=panel.patients, resamples=resamples, seed=seed
    )
    return Scored(panel, measures, left_out(panel), values)


def left_out(panel: Panel) -> dict[str, str]:
    """The outputs that cannot be tested on a panel's records, each with the reason."""
    reasons = {
        name: too_few(panel.targets[:, k], panel.owners, panel.outcome)
        for k, name in enumerate(panel.classes)
    }
    return {name: reason for name, reason in reasons.items() if reason}


def pairs_of(names: Sequence[str], reference: str | None) -> Pairs:
    """Every model against the reference; without one all pairs, the one given first as better.

    Raises:
        InputError: For a reference that is none of the models.
    """
    if reference is None:
        return list(combinations(range(len(names)), 2))
    if reference not in names:
        raise InputError(f"--reference {reference}: choose one of {', '.join(names)}")
    place = names.index(reference)
    return [(k, place) for k in range(len(names)) if k != place]


def best(panel: Panel, measure: Measure) -> str:
    """The model of best mean over outputs; the first of equals.

    Raises:
        InputError: When no output can be scored.
    """
    found = scored(panel, [measure], resamples=0, seed=0)
    means = [measure.sign * macro(values[0, :, 0]).mean() for values in found.values]
    if np.isnan(means).any():
        raise InputError("--choose-on: nothing can be scored there; name another split")
    return panel.names[int(np.argmax(means))]


def contrasts(found: Scored, pairs: Pairs) -> list[Contrast]:
    """Differences with their verdicts.

    A family, over which p is adjusted, is one measure: the means over outputs of all pairs, and
    apart from these all pairs and outputs. With one output there is no mean.
    """
    classes = found.panel.classes
    levels: list[Sequence[str | None]] = [(None,), classes] if len(classes) > 1 else [classes]
    return [
        each
        for measure in found.measures
        for labels in levels
        for each in _family(found, pairs, measure, labels)
    ]


def _family(
    found: Scored, pairs: Pairs, measure: Measure, labels: Sequence[str | None]
) -> list[Contrast]:
    asked = [
        _Question(pair, label, found.hindrance(measure, label, *pair))
        for pair in pairs
        for label in labels
    ]
    resamples = found.values[0].shape[2] - 1
    coarse = too_coarse(resamples, sum(each.reason is None for each in asked))
    asked = [each._replace(reason=each.reason or coarse) for each in asked]
    seen = [None if each.reason else _difference(found, measure, each) for each in asked]
    adjusted = holm([each.p if each else np.nan for each in seen])
    return [
        _contrast(found, measure, question, each, float(p))
        for question, each, p in zip(asked, seen, adjusted, strict=True)
    ]


def _difference(found: Scored, measure: Measure, question: _Question) -> Difference:
    model, against = (found.series(k, measure, question.label) for k in question.pair)
    return difference(model.mean(axis=0), against.mean(axis=0))


def _contrast(
    found: Scored, measure: Measure, question: _Question, seen: Difference | None, p: float
) -> Contrast:
    model, against = (found.panel.names[place] for place in question.pair)
    return Contrast(
        model=model,
        against=against,
        measure=measure.name,
        label=question.label,
        verdict=verdict(seen, p, sign=measure.sign),
        reason=question.reason,
        test=None
        if seen is None
        else PairedTest(
            difference=seen.difference,
            low=seen.low,
            high=seen.high,
            p=seen.p,
            p_holm=p,
            detectable=detectable(seen.se),
            p_delong=_second_p(found.panel, measure, question),
        ),
    )


def _second_p(panel: Panel, measure: Measure, question: _Question) -> float | None:
    """P of the measure's second test of a class; None where it has none."""
    if measure.test is None or question.label is None:
        return None
    k = panel.classes.index(question.label)
    known = ~np.isnan(panel.targets[:, k])
    one, other = (panel.scores[model][:, known, k : k + 1] for model in question.pair)
    p = float(measure.test(panel.targets[known, k : k + 1] == 1, one, other).p[0])
    return None if np.isnan(p) else p
