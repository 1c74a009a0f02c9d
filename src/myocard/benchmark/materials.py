"""The stores and encoders of a benchmark, made where they are missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from myocard import simulation
from myocard.benchmark.corpora import StoreSettings, expand
from myocard.benchmark.layout import Layout
from myocard.benchmark.trials import Benchmark, Condition
from myocard.data.corpora import trained_on_nothing
from myocard.data.preparation import Wanted, prepare, settings_of
from myocard.data.signal import Preprocessing
from myocard.data.sources import dataset, entries, simulated
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.published import PublishedEncoder
from myocard.errors import InputError
from myocard.files.progress import Progress, silent
from myocard.files.step import is_kept, read_inputs
from myocard.models.checkpoint import Checkpoint, load_encoder
from myocard.pretraining.pretrain import build, pretrain, select_all
from myocard.recipe import PretrainRecipe
from myocard.tasks.audit import leaks, leaks_by_name


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
    if settings.raw is not None:
        expected = Preprocessing(settings.raw, round(settings.raw * settings.seconds))
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


def refuse_seen(
    conditions: Sequence[Condition],
    encoders: Mapping[str, ECGEncoder],
    stores: Mapping[str, Store],
) -> None:
    """Refuse encoders whose records are not known and that may have seen what they are tested on.

    Raises:
        InputError: Naming the encoder, the store and what is known.
    """
    for each in conditions:
        pretrained_on = encoders[each.encoder].pretrained_on
        for found in leaks_by_name(pretrained_on, stores[each.store].records):
            raise InputError(
                f"leak: encoder {each.encoder!r} on {each.store}: {found}; leave it out, or set "
                "refuse_seen = false to have it marked"
            )


def _corpus(recipe: PretrainRecipe, layout: Layout, stores: Mapping[str, Store]) -> pd.DataFrame:
    """The records that an encoder was trained on, or would be."""
    folder = layout.encoders / recipe.name
    if folder.exists():
        records = Checkpoint.load(folder).encoder.pretrained_on.records
        assert records is not None
        return records
    parts = [part for _, part in select_all(recipe.corpus, stores)]
    return pd.concat([part.store.records.iloc[part.rows] for part in parts])


def encoders(
    benchmark: Benchmark, layout: Layout, stores: Mapping[str, Store], progress: Progress
) -> list[ECGEncoder]:
    """Pretrain what is missing; return all encoders of the benchmark."""
    trained: list[ECGEncoder] = [
        pretrain(recipe, stores, layout.encoders / recipe.name, progress=progress).encoder
        for recipe in benchmark.pretrained
    ]
    trained += _at_hand(benchmark.checkpoints)
    return with_random(trained, benchmark.random)


def untrained(benchmark: Benchmark) -> list[ECGEncoder]:
    """All encoders of the benchmark under their names, before any training."""
    found: list[ECGEncoder] = [
        MyocardEncoder(
            recipe.name,
            build(recipe).encoder.eval(),
            recipe.input.preprocessing(),
            trained_on_nothing(),
        )
        for recipe in benchmark.pretrained
    ]
    found += _at_hand(benchmark.checkpoints)
    return with_random(found, benchmark.random)


def _at_hand(places: Sequence[Path]) -> list[ECGEncoder]:
    """Open checkpoints; several of one published model are named after their files too."""
    opened = [load_encoder(place) for place in places]
    times = Counter(encoder.info.name for encoder in opened)
    return [
        replace(encoder, name=f"{encoder.name}-{place.stem}")
        if isinstance(encoder, PublishedEncoder) and times[encoder.name] > 1
        else encoder
        for place, encoder in zip(places, opened, strict=True)
    ]


def with_random(trained: Sequence[ECGEncoder], seeds: Sequence[int]) -> list[ECGEncoder]:
    """``trained``, and behind them encoders with random weights, one for each shape and seed.

    Raises:
        InputError: When two of ``trained`` have one name.
    """
    for name, times in Counter(each.info.name for each in trained).items():
        if times > 1:
            raise InputError(
                f"{times} encoders are named {name!r}; rename a file, or leave one out"
            )
    shapes = {shape_of(each): each for each in reversed(trained)}
    return [*trained, *(each.randomised(seed) for each in shapes.values() for seed in seeds)]


def shape_of(encoder: ECGEncoder) -> tuple[tuple[str, torch.Size], ...]:
    """The names and shapes of its weights."""
    return tuple((name, value.shape) for name, value in encoder.network.state_dict().items())
