"""One command from raw folders to the report of a benchmark.

Every piece is made by the rule of ``files/step.py``, so a benchmark that was stopped goes on where
it was, and one with other settings is refused by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from joblib import delayed

from myocard.benchmark import materials
from myocard.benchmark.config import Transfer
from myocard.benchmark.layout import Layout
from myocard.benchmark.trials import Benchmark, Condition, Trial
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import Features, extract
from myocard.evaluation.layers import measure_layers
from myocard.evaluation.probing import Stream, probe, stacks
from myocard.evaluation.transfer import transfer
from myocard.files.progress import Progress, silent
from myocard.leads import LEAD_SETS
from myocard.report import write_report
from myocard.training.processes import side_by_side

Stores = Mapping[str, Store]
Encoders = Mapping[str, ECGEncoder]


def run_benchmark(
    benchmark: Benchmark,
    out: Path,
    progress: Progress = silent,
    *,
    test: bool = False,
    jobs: int = 1,
) -> Path:
    """Do what is missing of ``benchmark`` below ``out``, and draw the report.

    Args:
        benchmark: The benchmark to do.
        out: The folder that holds all of it.
        progress: Called after every piece.
        test: Score the test folds too, and transfers, which are all test.
        jobs: Trials at a time, in processes of their own; -1 for one a core.

    Returns:
        The report's page.

    Raises:
        InputError: For what preparing, pretraining, extracting or probing refuses, for records that
            an encoder must not be pretrained on and would be, and when there is nothing to report.
    """
    # Before a day of training: every name that is asked for, and no trial twice.
    untrained = {encoder.info.name: encoder for encoder in materials.untrained(benchmark)}
    names = list(untrained)
    # Cross-fitted probes are all test.
    trials = [each for each in benchmark.trials(names) if test or not each.rotate]
    layer_trials = benchmark.layer_trials(names)
    layout = Layout(out)
    stores = materials.stores(benchmark, layout, progress)
    materials.refuse_leaks(benchmark, layout, stores)
    conditions = benchmark.conditions([*trials, *(trial for trial, _ in layer_trials)])
    if benchmark.refuse_seen:
        tested = [*conditions, *(trial.condition for trial in trials)]
        materials.refuse_seen(tested, untrained, stores)
    made = materials.encoders(benchmark, layout, stores, progress)
    encoders = {encoder.info.name: encoder for encoder in made}
    _extract(conditions, stores, encoders, layout, progress)
    cached = [trial for trial in trials if not trial.of_tokens]
    side_by_side("probe", [delayed(_probe)(t, layout, test=test) for t in cached], progress, jobs)
    of_tokens = [trial for trial in trials if trial.of_tokens]
    _probe_tokens(of_tokens, stores, encoders, layout, progress, test=test)
    for trial, records in layer_trials:
        condition = trial.condition
        runs = _probe(trial, layout, test=test)
        measure_layers(
            encoders[condition.encoder],
            stores[condition.store],
            runs,
            layout.layers(trial),
            records=records,
            test=test,
            progress=progress,
        )
    if test:
        calls = [delayed(_transfer)(*group, layout) for group in _transfers(benchmark, cached)]
        side_by_side("transfer", calls, progress, jobs)
    for each in benchmark.baselines:
        folder = layout.runs(each)
        train_baseline(stores[each.store], each.recipe, folder, test=test, progress=progress)
    # Encoders that exist elsewhere leave no folder here, and rotated sweeps none without a test.
    there = [folder for folder in (layout.results, layout.encoders) if folder.exists()]
    if not there:
        raise InputError(
            f"{out}: nothing was probed; name encoders, and give --test where sweeps are rotated"
        )
    return write_report(there, layout.report)


def _extract(
    conditions: Sequence[Condition],
    stores: Stores,
    encoders: Encoders,
    layout: Layout,
    progress: Progress,
) -> None:
    total = sum(len(stores[condition.store].records) for condition in conditions)
    done = 0
    for condition in conditions:
        store = stores[condition.store]
        encoder = encoders[condition.encoder].with_leads(LEAD_SETS[condition.lead_set])
        extract(encoder, store, layout.features(condition))
        done += len(store.records)
        progress("extract", done, total)


def _probe(trial: Trial, layout: Layout, *, test: bool) -> list[Path]:
    features = Features.open(layout.features(trial.condition))
    if trial.rotate:
        rotations, out = layout.rotations(trial), layout.runs(trial)
        return cross_fit(features, trial.recipe, trial.rotate, rotations, out)
    return probe(features, trial.recipe, layout.runs(trial), test=test)


def _probe_tokens(
    trials: Sequence[Trial],
    stores: Stores,
    encoders: Encoders,
    layout: Layout,
    progress: Progress,
    *,
    test: bool,
) -> None:
    """Probe tokens; trials under one condition share the tokens that are kept in memory."""
    by_condition: dict[Condition, list[Trial]] = {}
    for trial in trials:
        by_condition.setdefault(trial.condition, []).append(trial)
    for condition, members in by_condition.items():
        encoder = encoders[condition.encoder].with_leads(LEAD_SETS[condition.lead_set])
        stream = Stream(encoder, stores[condition.store])
        for trial in members:
            probe(stream, trial.recipe, layout.runs(trial), test=test, progress=progress)


def _transfers(
    benchmark: Benchmark, trials: Sequence[Trial]
) -> Iterator[tuple[list[Trial], Transfer]]:
    """Group the trials that are scored elsewhere, so that a target is read once for many."""

    def key(transferred: tuple[Trial, Transfer]) -> tuple[str, ...]:
        trial, target = transferred
        return target.origin, target.to, trial.condition.encoder, trial.recipe.task

    for _, group in groupby(sorted(benchmark.transferred(trials), key=key), key=key):
        members = list(group)
        yield [trial for trial, _ in members], members[0][1]


def _transfer(trials: Sequence[Trial], across: Transfer, layout: Layout) -> None:
    """Score one encoder's trials of one task on another store."""
    condition, task = trials[0].condition, trials[0].recipe.task
    trained = Features.open(layout.features(condition))
    target = Features.open(layout.features(replace(condition, store=across.to)))
    runs = [
        layout.runs(trial) / condition.encoder / task / each.name
        for trial in trials
        for probes in stacks(trial.recipe, len(trained.layers) - 1)
        for each in probes
    ]
    out, names = layout.transfers(across.origin, across.to), (across.origin, across.to)
    transfer(runs, trained, target, out, folds=across.folds, names=names)
