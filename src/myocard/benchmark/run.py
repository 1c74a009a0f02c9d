"""One command from raw folders to a report over a grid of probes.

What is there already is kept: every store, encoder, cache and run appears whole or not at all, so a
benchmark that was stopped goes on where it was. An encoder or run that was made by another recipe
is refused; stores are kept as they are, whatever their settings say now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, cpu_count, delayed

from myocard.benchmark import materials
from myocard.benchmark.config import Transfer
from myocard.benchmark.layout import Advance, Places
from myocard.benchmark.trials import Baseline, Condition, Grid, TokenTrial, Trial
from myocard.data.store import Store
from myocard.evaluation.baselines import measure
from myocard.evaluation.features import Features, extract
from myocard.evaluation.layers import dissect
from myocard.evaluation.probing import probe, stacks
from myocard.evaluation.probing.runs import is_finished
from myocard.evaluation.probing.streaming import TokenStream
from myocard.evaluation.probing.tokens import probe_tokens, views
from myocard.evaluation.transfer import transfer
from myocard.files.atomic import sweep
from myocard.leads import LEAD_SETS
from myocard.models.checkpoint import Checkpoint
from myocard.report import write_report
from myocard.training.loop import Progress


def benchmark(
    grid: Grid, out: Path, advance: Advance, *, test: bool = False, jobs: int = 1
) -> Path:
    """Do what is missing of ``grid`` below ``out``, and draw the report.

    Args:
        test: Score the test folds too, and transfers, which are all test.
        jobs: Trials at a time, in processes of their own; -1 for one a core.

    Returns:
        The report's page.

    Raises:
        InputError: For what preparing, pretraining, extracting or probing refuses, and for records
            that an encoder must not meet and would.
    """
    # Before a day of training: every name that the grid asks for, and no two of the same cell.
    names = [encoder.name for encoder in materials.untrained(grid)]
    trials, token_trials = grid.trials(names), grid.token_trials(names)
    dissections = grid.dissections(names)
    places = Places(out)
    for folder in (out / "stores", out / "features", places.encoders, places.results):
        sweep(folder)
    stores = {name: materials.store(name, grid, places, advance) for name in grid.stores}
    materials.refuse_leaks(grid, places)
    encoders = {encoder.name: encoder for encoder in materials.encoders(grid, places, advance)}
    jobs = cpu_count() if jobs == -1 else jobs
    _extract(grid.conditions(trials), stores, encoders, places, advance)
    _probe(trials, places, advance, test=test, jobs=jobs)
    for trial in token_trials:
        _probe_tokens(trial, stores, encoders, places, advance, test=test)
    _dissect(dissections, stores, encoders, places, advance, test=test)
    if test:
        _transfer(grid.crossings(trials), places, advance, jobs=jobs)
    for baseline in grid.baselines:
        _measure(baseline, stores[baseline.store], places, advance, test=test)
    write_report([places.results, places.encoders], out)
    return out / "report.html"


def _extract(
    conditions: Sequence[Condition],
    stores: Mapping[str, Store],
    encoders: Mapping[str, Checkpoint],
    places: Places,
    advance: Advance,
) -> None:
    count = sum(len(stores[condition.store].records) for condition in conditions)
    done = 0
    for condition in conditions:
        store = stores[condition.store]
        encoder = encoders[condition.encoder].reading(LEAD_SETS[condition.lead_set])
        extract(encoder, store, places.features(condition))
        done += len(store.records)
        advance("extract", done, count)


def _probe(
    trials: Sequence[Trial], places: Places, advance: Advance, *, test: bool, jobs: int
) -> None:
    calls = [delayed(_try)(trial, places, test=test) for trial in trials]
    _side_by_side("probe", calls, advance, jobs)


def _side_by_side(verb: str, calls: Sequence[Any], advance: Advance, jobs: int) -> None:
    """Make joblib's ``calls``, each of which returns what it was about."""
    # Workers of their own: those that prepared stores would take torch's memory for a leak.
    workers = Parallel(
        n_jobs=jobs,
        return_as="generator_unordered",
        initializer=torch.set_num_threads,
        initargs=(max(1, torch.get_num_threads() // jobs),),
    )
    for done, name in enumerate(workers(calls), start=1):
        advance(f"{verb}, {name}", done, len(calls))


def _try(trial: Trial, places: Places, *, test: bool) -> str:
    features = Features.open(places.features(trial.condition))
    probe(features, trial.recipe, places.results / trial.place, test=test)
    return trial.name


def _probe_tokens(
    trial: TokenTrial,
    stores: Mapping[str, Store],
    encoders: Mapping[str, Checkpoint],
    places: Places,
    advance: Advance,
    *,
    test: bool,
) -> None:
    encoder = encoders[trial.condition.encoder]
    looks = views((name for r in trial.recipes for name in r.readouts), encoder.encoder.shape)
    keep = max(recipe.keep for recipe in trial.recipes) * 1e9
    stream = TokenStream(encoder, stores[trial.condition.store], looks, keep)
    for recipe in trial.recipes:
        verb = f"probe tokens {encoder.name} {recipe.task}"

        def progress(step: Progress, verb: str = verb) -> None:
            advance(f"{verb}, loss {step.loss:.3f}", step.step, step.steps)

        probe_tokens(recipe, stream, places.results / trial.place, test=test, report=progress)


def _dissect(
    dissections: Sequence[tuple[Trial, int]],
    stores: Mapping[str, Store],
    encoders: Mapping[str, Checkpoint],
    places: Places,
    advance: Advance,
    *,
    test: bool,
) -> None:
    for done, (trial, records) in enumerate(dissections):
        condition = trial.condition
        advance(f"layers, {condition.encoder}", done, len(dissections))
        store, encoder = stores[condition.store], encoders[condition.encoder]
        features = extract(encoder, store, places.features(condition))
        runs = probe(features, trial.recipe, places.results / trial.place, test=test)
        dissect(encoder, store, runs, places.anatomy(trial), records=records, test=test)


def _transfer(
    crossings: Sequence[tuple[Trial, Transfer]], places: Places, advance: Advance, *, jobs: int
) -> None:
    """Score the trials elsewhere, those together whose target need be read and compared once."""
    ordered = sorted(crossings, key=_crossed)
    groups = [list(members) for _, members in groupby(ordered, key=_crossed)]
    calls = [delayed(_cross)([t for t, _ in each], each[0][1], places) for each in groups]
    _side_by_side("transfer", calls, advance, jobs)


def _crossed(crossing: tuple[Trial, Transfer]) -> tuple[str, ...]:
    trial, across = crossing
    return across.origin, across.to, trial.condition.encoder, trial.recipe.task


def _cross(trials: Sequence[Trial], across: Transfer, places: Places) -> str:
    """Of one encoder and task."""
    condition, task = trials[0].condition, trials[0].recipe.task
    trained = Features.open(places.features(condition))
    target = Features.open(places.features(replace(condition, store=across.to)))
    runs = [
        places.results / trial.place / condition.encoder / task / cell.name
        for trial in trials
        for stack in stacks(trial.recipe, trained.depth)
        for cell in stack
    ]
    out = places.results / across.to / f"from-{across.origin}"
    names = (across.origin, across.to)
    transfer(runs, trained, target, out, folds=across.folds, names=names)
    return f"{condition.encoder}, {task}, {across.origin} to {across.to}"


def _measure(
    baseline: Baseline, store: Store, places: Places, advance: Advance, *, test: bool
) -> None:
    folder, recipe = places.results / baseline.place, baseline.recipe
    origin = {"hashes": {"store": store.key}, "recipe": recipe.model_dump(mode="json")}
    if not is_finished(folder, origin, test=test):
        measure(store, recipe, folder, test=test, report=advance)
