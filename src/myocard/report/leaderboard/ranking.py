"""Encoders ranked on a task, with the groups that cannot be told apart."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from string import ascii_lowercase
from typing import NamedTuple

import numpy as np

from myocard.metrics.outcomes import MEASURES, headline
from myocard.report.predictions.contrasts import contrasts, pairs_of, scored
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.names import describe_encoder, label_of
from myocard.results.compare.pairs import predictions
from myocard.results.comparison import Contrast
from myocard.results.leaderboard import Board, Entry, Gap, Readout
from myocard.results.panel import Panel
from myocard.results.run import BEST_LAYER
from myocard.results.saved import SavedRun

_MIXTURES = ("ppa", "scalar-mix", "class-mix", "gated-mix", "pma", "alf", "concat")
_IN_PLACE_OF_VALIDATION = (BEST_LAYER, "scalar-mix", "last")
"""Readouts to take of cross-fitted runs, in which validation folds are others' test folds."""
_RESAMPLES = 4000
_TOLD_APART = ("supported", "contradicted")


class _Contender(NamedTuple):
    """An encoder with the runs that stand for it."""

    groups: Sequence[Group]
    best: SavedRun

    @property
    def name(self) -> str:
        return describe_encoder(self.best)


def board_of(section: Section) -> Board | None:
    """Rank the encoders of a section; None where none was scored on its split."""
    found = [each for each in map(_contender, _by_encoder(section)) if each is not None]
    there = [each for each in found if each.best.info.metrics(section.split)]
    if not there:
        return None
    ranked, elsewhere = _on_the_same_records(there, section)
    ranked.sort(key=lambda each: -_value(each.best, section))
    panel = _panel(ranked, section)
    measure = MEASURES[panel.outcome][headline(panel.outcome)]
    pairs = pairs_of(panel.names, None)
    resamples = max(_RESAMPLES, 100 * len(pairs))
    judged = scored(panel, [measure], resamples=resamples, seed=0)
    by_pair = dict(zip(pairs, _means(contrasts(judged, pairs)), strict=True))
    differ = {pair for pair, each in by_pair.items() if each.verdict in _TOLD_APART}
    ties = letters(len(ranked), differ)
    missing = {each.name: f"not scored on {section.split}" for each in found if each not in there}
    return Board(
        task=section.task,
        source=section.source,
        trained_on=section.trained_on,
        metric=section.metric,
        split=section.split,
        records=len(panel.ids),
        patients=len(set(panel.owners)),
        resamples=resamples,
        entries=tuple(
            _entry(each, place, ties[place], by_pair.get((0, place)), section)
            for place, each in enumerate(ranked)
        ),
        left_out=judged.left_out,
        unranked=missing | {each.name: "scored on other records" for each in elsewhere},
    )


def letters(count: int, differ: Iterable[tuple[int, int]]) -> list[str]:
    """Letters for each of ``count``, so that two share one unless they differ.

    By insertion and absorption (Piepho, Journal of Computational and Graphical Statistics 13,
    2004): as few letters as that gives, in the order of the first that has each.
    """
    columns = [frozenset(range(count))]
    for one, other in differ:
        both = [each for each in columns if {one, other} <= each]
        rest = [each for each in columns if each not in both]
        columns = _maximal([*rest, *(each - {part} for each in both for part in (one, other))])
    ordered = sorted(columns, key=sorted)
    held = [[k for k, each in enumerate(ordered) if place in each] for place in range(count)]
    return ["".join(map(_letter, each)) for each in held]


def _maximal(sets: Sequence[frozenset[int]]) -> list[frozenset[int]]:
    distinct = list(dict.fromkeys(sets))
    return [each for each in distinct if not any(each < other for other in distinct)]


def _letter(place: int) -> str:
    return ascii_lowercase[place % 26] + "′" * (place // 26)


def _by_encoder(section: Section) -> list[list[Group]]:
    def key(group: Group) -> tuple[str, str, str]:
        info = group.first.info
        return info.encoder.name, info.encoder.hash or "", info.kind

    return [list(groups) for _, groups in groupby(sorted(section.groups, key=key), key=key)]


def _contender(groups: Sequence[Group]) -> _Contender | None:
    best = _best(run for group in groups for run in group.every_run)
    return None if best is None else _Contender(groups, best)


def _best(runs: Iterable[SavedRun]) -> SavedRun | None:
    """The run that is best on validation; of cross-fitted ones, one that was chosen beforehand."""
    given = list(runs)
    crossed = {run.info.readout: run for run in given if run.info.rotations}
    if crossed:
        found = (crossed[name] for name in _IN_PLACE_OF_VALIDATION if name in crossed)
        return next(found, None)
    values = [(run.info.validation.main.macro.value, run) for run in given]
    told = [(value, run) for value, run in values if value is not None]
    return max(told, key=lambda pair: pair[0])[1] if told else None


def _value(run: SavedRun, section: Section) -> float:
    metrics = run.info.metrics(section.split)
    value = metrics.main.macro.value if metrics else None
    return -np.inf if value is None else value


def _on_the_same_records(
    found: Sequence[_Contender], section: Section
) -> tuple[list[_Contender], list[_Contender]]:
    """The contenders of the most common records and classes, and the others."""

    def ground(each: _Contender) -> tuple[tuple[str, ...], bytes]:
        seen = predictions(each.best, section.split)
        return each.best.info.classes, "\n".join(map(str, seen.ids)).encode()

    grounds = [ground(each) for each in found]
    most = max(grounds, key=grounds.count)
    pairs = list(zip(found, grounds, strict=True))
    return [each for each, on in pairs if on == most], [each for each, on in pairs if on != most]


def _panel(ranked: Sequence[_Contender], section: Section) -> Panel:
    read = [predictions(each.best, section.split) for each in ranked]
    info = ranked[0].best.info
    return Panel(
        names=tuple(f"{place} {each.name}" for place, each in enumerate(ranked, start=1)),
        outcome=info.outcome,
        classes=info.classes,
        ids=read[0].ids.astype(object),
        patients=read[0].patients.astype(object),
        targets=read[0].targets,
        scores=tuple(each.scores for each in read),
        traits=read[0].traits,
        dropped=(0,) * len(ranked),
    )


def _means(found: Sequence[Contrast]) -> list[Contrast]:
    """The contrast of each pair in the mean over outputs, or in the one output."""
    means = [each for each in found if each.label is None]
    return means or list(found)


def _entry(
    each: _Contender, place: int, ties: str, against_first: Contrast | None, section: Section
) -> Entry:
    info = each.best.info
    runs = [run for group in each.groups for run in group.runs.values()]
    mixtures = [run for run in runs if run.info.readout in _MIXTURES]
    test = against_first.test if against_first else None
    gap = None
    if test is not None:  # of the first less this one
        gap = Gap(difference=-test.difference, low=-test.high, high=-test.low, p_holm=test.p_holm)
    return Entry(
        place=place + 1,
        ties=ties,
        encoder=info.encoder.name,
        hash=info.encoder.hash,
        kind=info.kind,
        random=info.encoder.random,
        best=_readout(each.best, section),
        last=_found(_best(run for run in runs if run.info.readout == "last"), section),
        mixture=_found(_best(mixtures), section),
        gap=gap,
        records=info.encoder.sources,
        datasets=info.encoder.datasets,
        seen=info.seen,
        leak_check=info.encoder.leak_check,
        seeds=len(info.seeds),
    )


def _found(run: SavedRun | None, section: Section) -> Readout | None:
    if run is None or run.info.metrics(section.split) is None:
        return None
    return _readout(run, section)


def _readout(run: SavedRun, section: Section) -> Readout:
    metrics = run.info.metrics(section.split)
    assert metrics is not None
    return Readout(name=label_of(run), head=run.info.head, score=metrics.main.macro, run=run.place)
