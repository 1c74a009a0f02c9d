"""A dry run: which pieces of a benchmark are there, missing or refused, and what they cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from joblib import cpu_count

from myocard.benchmark.config import Transfer
from myocard.benchmark.corpora import expand
from myocard.benchmark.layout import Layout
from myocard.benchmark.materials import store as open_store
from myocard.benchmark.materials import untrained
from myocard.benchmark.sample import SAMPLE, Sample
from myocard.benchmark.trials import BaselineTrial, Benchmark, Condition, Trial
from myocard.data.sources import entries
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation import baselines, crossfit, features, layers
from myocard.evaluation.probing import Probe, has_test, inputs_of, own_recipe, stacks
from myocard.files.step import Inputs, is_kept
from myocard.leads import LEAD_SETS
from myocard.models.checkpoint import load_encoder
from myocard.pretraining import pretrain
from myocard.recipe import NetworkRecipe, Optimisation, PretrainRecipe

_FOLDS = 10


@dataclass(frozen=True)
class Piece:
    """One thing that a benchmark makes.

    Attributes:
        name: Its name.
        state: State of its folder: there, missing, or refused as made from other inputs.
        seconds: About how long it takes to make; 0 for one that is not missing.
        reason: Reason for which it is refused.
    """

    name: str
    state: Literal["there", "missing", "refused"]
    seconds: float = 0.0
    reason: str = ""


def estimate(
    benchmark: Benchmark, out: Path, *, test: bool = False, jobs: int = 1
) -> Iterator[Piece]:
    """List every store, encoder, cache and run of ``benchmark``, with its cost if it is missing.

    Each kind of missing piece is tried once, small, by the programs themselves; its time is scaled
    to the records and steps that are asked for.

    Args:
        benchmark: The benchmark that would be done.
        out: The folder of the benchmark; nothing is written there.
        test: True if the test folds would be scored.
        jobs: Trials at a time, as in ``run_benchmark``.
    """
    jobs = cpu_count() if jobs == -1 else jobs
    with TemporaryDirectory() as scratch:
        yield from _DryRun(benchmark, Layout(out), Sample(benchmark, Path(scratch), jobs), test)


class _DryRun:
    """Iterator over the pieces; what is there is opened, to know whether the rest fits it."""

    def __init__(self, benchmark: Benchmark, layout: Layout, sample: Sample, test: bool) -> None:
        self.benchmark, self.layout, self.sample, self.test = benchmark, layout, sample, test
        self.encoders = {encoder.info.name: encoder for encoder in untrained(benchmark)}
        self.stores: dict[str, Store] = {}
        for name, settings in benchmark.stores.items():
            if settings.folder is not None:
                expand(settings.folder, name)
        missing = {recipe.name for recipe in benchmark.pretrained}
        self.trained = {name: e for name, e in self.encoders.items() if name not in missing}

    def __iter__(self) -> Iterator[Piece]:
        benchmark, names = self.benchmark, list(self.encoders)
        trials = [each for each in benchmark.trials(names) if self.test or not each.rotate]
        measured = benchmark.layer_trials(names)
        for name, settings in benchmark.stores.items():
            if not settings.of:
                yield self._store(name)
            elif all(each in self.stores for each in settings.of):
                yield from self._joined(name, settings.of)
        for recipe in benchmark.pretrained:
            yield self._encoder(recipe)
        for condition in benchmark.conditions([*trials, *(trial for trial, _ in measured)]):
            yield self._features(condition)
        for trial in trials:
            yield self._trial(trial)
        for trial, records in measured:
            yield self._layers(trial, records)
        for baseline in benchmark.baselines:
            yield self._baseline(baseline)
        for trial, transfer in benchmark.transferred(trials) if self.test else ():
            yield self._transfer(trial, transfer)
        report = self.sample.timed("report").seconds * (1 + len(trials) / 10)
        yield Piece("report", "missing", report)

    def _piece(
        self,
        name: str,
        folder: Path,
        inputs: Callable[[], Inputs | None],
        seconds: Callable[[], float],
        *,
        has_test: Callable[[Path], bool] = lambda folder: True,
    ) -> Piece:
        """A piece in ``folder``; ``inputs`` gives None where they depend on what is missing."""
        if not folder.exists():
            return Piece(name, "missing", seconds())
        enough = has_test if self.test else lambda folder: True
        try:
            wanted = inputs()
            kept = wanted is None or is_kept(folder, wanted, is_enough=enough)
        except InputError as error:
            return Piece(name, "refused", reason=str(error))
        return Piece(name, "there") if kept else Piece(name, "missing", seconds())

    def _store(self, name: str) -> Piece:
        folder, drawn = self.layout.store(name), self.benchmark.stores[name].simulate

        def inputs() -> None:
            self.stores[name] = open_store(name, self.benchmark, self.layout)

        def seconds() -> float:
            simulated = drawn is not None and not self.layout.records(name).exists()
            a_record = self.sample.timed("prepare").seconds
            a_record += self.sample.timed("simulate").seconds if simulated else 0
            return a_record / SAMPLE * self._count(name)

        return self._piece(f"store {name}", folder, inputs, seconds)

    def _joined(self, name: str, parts: Sequence[str]) -> Iterator[Piece]:
        """Join stores that are there; a piece only where they do not fit each other."""
        try:
            found = [self.stores[part] for part in parts]
            self.stores[name] = Store.joined(self.layout.store(name), found)
        except InputError as error:
            yield Piece(f"store {name}", "refused", reason=str(error))

    def _count(self, name: str) -> int:
        """Records of a store that is there or would be made."""
        settings = self.benchmark.stores[name]
        if name in self.stores:
            return len(self.stores[name].records)
        if settings.simulate is not None:
            return settings.simulate.records
        if settings.of:
            return sum(self._count(each) for each in settings.of)
        assert settings.folder is not None
        assert settings.source is not None
        return len(entries(settings.source, expand(settings.folder, name)))

    def _encoder(self, recipe: PretrainRecipe) -> Piece:
        folder = self.layout.encoders / recipe.name

        def inputs() -> Inputs | None:
            self.trained[recipe.name] = load_encoder(folder)
            if any(part.store not in self.stores for part in recipe.corpus):
                return None
            return pretrain.inputs_of(recipe, pretrain.select_all(recipe.corpus, self.stores))

        def seconds() -> float:
            shares = [(str(part.store), len(part.folds or range(_FOLDS))) for part in recipe.corpus]
            records = sum(self._count(store) * share // _FOLDS for store, share in shares)
            timed = self.sample.timed("pretrain", recipe)
            # Steps are counted in forward passes: the sample takes one a step.
            passes = recipe.optimisation.epochs * max(1, records // recipe.optimisation.batch)
            return timed.step * passes + timed.rest

        return self._piece(f"encoder {recipe.name}", folder, inputs, seconds)

    def _made(self, condition: Condition) -> tuple[ECGEncoder, Store] | None:
        """Encoder and store of a condition, once both are there."""
        trained, store = self.trained.get(condition.encoder), self.stores.get(condition.store)
        if trained is None or store is None:
            return None
        return trained.with_leads(LEAD_SETS[condition.lead_set]), store

    def _features(self, condition: Condition) -> Piece:
        folder = self.layout.features(condition)
        encoder = self.encoders[condition.encoder].with_leads(LEAD_SETS[condition.lead_set])

        def inputs() -> Inputs | None:
            made = self._made(condition)
            return features.inputs_of(*made) if made else None

        def seconds() -> float:
            timed = self.sample.timed("extract", encoder)
            return timed.seconds / SAMPLE * self._count(condition.store)

        name = f"features {condition.store}, leads {condition.lead_set}, {condition.encoder}"
        return self._piece(name, folder, inputs, seconds)

    def _runs(
        self,
        name: str,
        trial: Trial,
        below: Path,
        inputs: Callable[[Probe], Inputs | None],
        seconds: Callable[[], float],
    ) -> Piece:
        """The runs of a trial's probes, which are there if all of them are."""
        condition, recipe = trial.condition, trial.recipe
        target = below / condition.encoder / recipe.task
        depth, pieces = len(self.encoders[condition.encoder].layers) - 1, []
        for each in chain.from_iterable(stacks(recipe, depth)):
            folder, own = target / each.name, partial(inputs, each)
            pieces.append(self._piece(name, folder, own, lambda: 0.0, has_test=has_test))
        worst = max(pieces, key=lambda piece: ("there", "missing", "refused").index(piece.state))
        return replace(worst, seconds=seconds()) if worst.state == "missing" else worst

    def _trial(self, trial: Trial) -> Piece:
        made = self._made(trial.condition)

        def inputs(probe: Probe) -> Inputs | None:
            if made is None:
                return None
            recipe = own_recipe(trial.recipe, probe)
            if trial.rotate:
                hashes = made[0].info.hash, made[1].key
                return crossfit.inputs_of(*hashes, recipe, trial.rotate)
            return inputs_of(made[0].info.hash, made[1].key, recipe)

        name, runs = ", ".join(trial.names), self.layout.runs(trial)
        return self._runs(name, trial, runs, inputs, lambda: self._probing(trial))

    def _transfer(self, trial: Trial, transfer: Transfer) -> Piece:
        name = f"transfer to {transfer.to}: {trial.names[0]}"
        runs = self.layout.transfers(transfer.origin, transfer.to)
        return self._runs(name, trial, runs, lambda probe: None, lambda: 1.0)

    def _probing(self, trial: Trial) -> float:
        recipe, count = trial.recipe, self._count(trial.condition.store)
        timed = self.sample.timed("probe", self.encoders[trial.condition.encoder], recipe)
        train = count * len(recipe.split.train) // _FOLDS
        seconds = timed.step * _steps(recipe.optimisation, train)
        seconds += timed.rest * max(1.0, count / SAMPLE)
        seconds *= max(1, len(trial.rotate))
        return seconds if trial.of_tokens else seconds / self.sample.jobs

    def _layers(self, trial: Trial, records: int) -> Piece:
        encoder, recipe = self.encoders[trial.condition.encoder], trial.recipe
        made = self._made(trial.condition)

        def inputs() -> Inputs | None:
            if made is None:
                return None
            return layers.inputs_of(made[0].info.hash, made[1].key, recipe, records)

        def seconds() -> float:
            count = self._count(trial.condition.store)
            shares = [len(recipe.split.train), len(recipe.split.validation)]
            used = sum(min(records, count * share // _FOLDS) for share in shares)
            timed = self.sample.timed("layers", encoder)
            return timed.seconds / SAMPLE * used + self._probing(trial)

        name = f"layers {trial.condition.encoder}, {recipe.task}"
        folder = self.layout.layers(trial)
        return self._piece(name, folder, inputs, seconds, has_test=layers.has_test)

    def _baseline(self, trial: BaselineTrial) -> Piece:
        recipe = trial.recipe

        def inputs() -> Inputs | None:
            store = self.stores.get(trial.store)
            return baselines.inputs_of(store, recipe) if store else None

        def seconds() -> float:
            timed, count = self.sample.timed("baseline", recipe), self._count(trial.store)
            one = timed.rest * max(1.0, count / SAMPLE)
            if isinstance(recipe, NetworkRecipe):
                train = count * len(recipe.split.train) // _FOLDS
                one += timed.step * _steps(recipe.optimisation, train)
            return one * len(recipe.seeds)

        name, folder = f"baseline {trial.place}", self.layout.runs(trial)
        return self._piece(name, folder, inputs, seconds, has_test=has_test)


def _steps(settings: Optimisation, records: int) -> float:
    return settings.epochs * max(1, records // max(1, min(settings.batch, records)))
