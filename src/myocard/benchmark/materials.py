"""The stores and encoders of a benchmark, made where they are missing."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from myocard import simulation
from myocard.benchmark.corpora import StoreSettings, expand
from myocard.benchmark.layout import Layout
from myocard.benchmark.trials import Benchmark
from myocard.data.leaks import PretrainedOn
from myocard.data.preparation import Wanted, prepare, settings_of
from myocard.data.sources import dataset, entries, simulated
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.files.progress import Progress, silent
from myocard.files.step import is_kept, read_inputs
from myocard.models.checkpoint import load_encoder
from myocard.pretraining.pretrain import build, pretrain, select_all
from myocard.recipe import PretrainRecipe
from myocard.tasks.audit import leaks


def stores(benchmark: Benchmark, layout: Layout, progress: Progress = silent) -> dict[str, Store]:
    """All stores of the benchmark, made where they are missing."""
    found: dict[str, Store] = {}
    for name, settings in benchmark.stores.items():
        parts = [found[each] for each in settings.of]
        found[name] = (
            Store.joined(layout.store(name), parts)
            if parts
            else store(name, benchmark, layout, progress)
        )
    return found


def store(name: str, benchmark: Benchmark, layout: Layout, progress: Progress = silent) -> Store:
    """Simulate and prepare a store, or open the one that was made from the same inputs."""
    folder, settings = layout.store(name), benchmark.stores[name]
    assert settings.source is not None
    expected = benchmark.input.preprocessing()
    wanted = Wanted(
        expected.rate,
        settings.seconds,
        expected.leads,
        expected.band,
        settings.allow,
        settings.filtered,
        settings.standardise,
    )
    source, drawn = _source(name, settings), settings.simulate
    raw = _records(name, settings, layout)
    if folder.exists() and not raw.exists():
        # A store that came from elsewhere, or whose records were removed.
        known = dict(settings_of(wanted, source=source))
        known |= {} if drawn is None else {"records": drawn.records}
        is_kept(folder, known, inputs_of=lambda out: _only(read_inputs(out), known))
        return Store.open(folder)
    if drawn is not None:
        simulation.write(
            raw,
            drawn.layout,
            count=drawn.records,
            seed=drawn.seed,
            site=drawn.site,
            progress=progress,
        )
    return prepare(entries(settings.source, raw), folder, wanted, source=source, progress=progress)


def _only(inputs: Mapping[str, object], keys: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in inputs.items() if key in keys}


def _records(name: str, settings: StoreSettings, layout: Layout) -> Path:
    """The folder of a store's records, as a vendor lays them out."""
    if settings.folder is not None:
        return expand(settings.folder, name)
    return layout.records(name)


def _source(name: str, settings: StoreSettings) -> str:
    """The data set within which a store's ids and patients mean the same."""
    if settings.dataset is not None:
        return settings.dataset
    if settings.folder is not None and settings.source is not None:
        return dataset(settings.source, expand(settings.folder, name))
    drawn = settings.simulate
    assert drawn is not None
    return simulated(drawn.layout, drawn.site, drawn.seed)


def refuse_leaks(benchmark: Benchmark, layout: Layout, stores: Mapping[str, Store]) -> None:
    """Refuse what the records themselves tell, copies under other names too, before training."""
    corpora = {recipe.name: _corpus(recipe, layout, stores) for recipe in benchmark.pretrained}
    for held_out in benchmark.held_out():
        records = stores[held_out.store].records
        found = leaks(corpora[held_out.encoder], records, held_out.folds)
        if found:
            made = (layout.encoders / held_out.encoder).exists()
            raise InputError(
                f"leak: encoder {held_out.encoder!r} {'was' if made else 'would be'} pretrained on "
                f"{len(found)} records of {held_out.store} that must be held out ({found[0]}); "
                "leave them out of its corpus"
            )


def _corpus(recipe: PretrainRecipe, layout: Layout, stores: Mapping[str, Store]) -> pd.DataFrame:
    """The records that an encoder was trained on, or would be."""
    folder = layout.encoders / recipe.name
    if folder.exists():
        records = load_encoder(folder).pretrained_on.records
        assert records is not None
        return records
    parts = [part for _, part in select_all(recipe.corpus, stores)]
    return pd.concat([part.store.records.iloc[part.rows] for part in parts])


def encoders(
    benchmark: Benchmark, layout: Layout, stores: Mapping[str, Store], progress: Progress
) -> list[MyocardEncoder]:
    """Pretrain what is missing; return all encoders of the benchmark."""
    trained = [
        pretrain(recipe, stores, layout.encoders / recipe.name, progress=progress).encoder
        for recipe in benchmark.pretrained
    ]
    trained += [load_encoder(folder) for folder in benchmark.checkpoints]
    return with_random(trained, benchmark.random)


def untrained(benchmark: Benchmark) -> list[MyocardEncoder]:
    """All encoders of the benchmark under their names, before any training."""
    found = [
        MyocardEncoder(
            recipe.name, build(recipe).encoder.eval(), recipe.input.preprocessing(), PretrainedOn()
        )
        for recipe in benchmark.pretrained
    ]
    found += [load_encoder(folder) for folder in benchmark.checkpoints]
    return with_random(found, benchmark.random)


def with_random(trained: Sequence[MyocardEncoder], seeds: Sequence[int]) -> list[MyocardEncoder]:
    """``trained``, and behind them encoders with random weights, one for each shape and seed."""
    shapes = {each.network.shape: each for each in reversed(trained)}
    return [*trained, *(each.randomised(seed) for each in shapes.values() for seed in seeds)]
