"""What is probed: stores and encoders, made where they are not there yet."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from myocard import simulation
from myocard.benchmark.corpora import StoreSettings, expand
from myocard.benchmark.layout import Advance, Places
from myocard.benchmark.trials import Grid
from myocard.data.preparation import Wanted, prepare
from myocard.data.sources import dataset, entries
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.atomic import replace_folder
from myocard.models.checkpoint import CORPUS_COLUMNS, Checkpoint
from myocard.pretraining.pretrain import build, pretrain, select
from myocard.recipe import PretrainRecipe, check
from myocard.tasks.audit import leaks


def store(name: str, grid: Grid, places: Places, advance: Advance) -> Store:
    folder, settings = places.store(name), grid.stores[name]
    if folder.exists():
        return Store.open(folder)
    stated = grid.input.preprocessing()
    wanted = Wanted(stated.rate, settings.seconds, stated.leads, stated.band, settings.allow)
    found = entries(settings.source, _records(name, settings, places, advance))
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        advance(f"prepare {name}", done, len(found))

    return prepare(found, folder, wanted, source=_origin(name, settings), progress=progress)


def _records(name: str, settings: StoreSettings, places: Places, advance: Advance) -> Path:
    if settings.folder is not None:
        return expand(settings.folder, name)
    wanted = settings.simulate
    assert wanted is not None
    folder = places.out / "records" / name

    def write(fresh: Path) -> None:
        simulation.write(
            fresh,
            wanted.layout,
            count=wanted.records,
            seed=wanted.seed,
            site=wanted.site,
            progress=lambda done: advance(f"simulate {name}", done, wanted.records),
        )

    if not folder.exists():
        replace_folder(folder, write)
    return folder


def _origin(name: str, settings: StoreSettings) -> str:
    """The data set within which a store's ids and patients mean the same."""
    if settings.dataset is not None:
        return settings.dataset
    if settings.folder is not None:
        return dataset(settings.source, expand(settings.folder, name))
    drawn = settings.simulate
    assert drawn is not None
    return f"simulated {drawn.layout}, site {drawn.site}, seed {drawn.seed}"


def refuse_leaks(grid: Grid, places: Places) -> None:
    """What the records themselves tell, copies under other names too, before a day of training."""
    corpora = {recipe.name: _corpus(recipe, places) for recipe in grid.pretrained}
    for kept in grid.held_out():
        records = Store.open(places.store(kept.store)).records
        found = leaks(corpora[kept.encoder], records, kept.folds)
        if found:
            made = (places.encoders / kept.encoder).exists()
            raise InputError(
                f"leak: encoder {kept.encoder!r} {'was' if made else 'would be'} pretrained on "
                f"{len(found)} records of {kept.store} that it must not meet ({found[0]}); "
                "leave them out of its corpus"
            )


def _corpus(recipe: PretrainRecipe, places: Places) -> pd.DataFrame:
    """What the encoder that is there was trained on, or what a new one would be."""
    folder = places.encoders / recipe.name
    if folder.exists():
        return Checkpoint.load(folder).corpus
    parts = [select(places.part(part)) for part in recipe.corpus]
    return pd.concat([part.store.records.iloc[part.rows] for part in parts])


def encoders(grid: Grid, places: Places, advance: Advance) -> list[Checkpoint]:
    trained = [_pretrained(recipe, grid, places, advance) for recipe in grid.pretrained]
    trained += [Checkpoint.load(folder) for folder in grid.checkpoints]
    return with_random(trained, grid.random)


def untrained(grid: Grid) -> list[Checkpoint]:
    """The encoders under their names, before those that are trained here have learned anything."""
    nothing = pd.DataFrame(columns=list(CORPUS_COLUMNS))
    found = [
        Checkpoint(recipe.name, build(recipe, stated).encoder.eval(), stated, nothing)
        for recipe in grid.pretrained
        for stated in [recipe.input.preprocessing()]
    ]
    found += [Checkpoint.load(folder) for folder in grid.checkpoints]
    return with_random(found, grid.random)


def with_random(trained: Sequence[Checkpoint], seeds: Sequence[int]) -> list[Checkpoint]:
    """``trained``, and behind it encoders with random weights, for each shape and seed one."""
    shapes = {each.encoder.shape: each for each in reversed(trained)}
    return [*trained, *(each.randomised(seed) for each in shapes.values() for seed in seeds)]


def _pretrained(recipe: PretrainRecipe, grid: Grid, places: Places, advance: Advance) -> Checkpoint:
    folder = places.encoders / recipe.name
    if folder.exists():
        return _known(folder, recipe)

    corpus = tuple(places.part(part) for part in recipe.corpus)
    watch = recipe.watch and places.part(recipe.watch)
    return pretrain(
        recipe.model_copy(update={"corpus": corpus, "watch": watch}),
        folder,
        report=lambda p: advance(f"pretrain {recipe.name}, loss {p.loss:.3f}", p.step, p.steps),
    )


def _known(folder: Path, recipe: PretrainRecipe) -> Checkpoint:
    """The encoder that is there, if it was trained as the recipe says."""
    found = Checkpoint.load(folder)
    made = check(PretrainRecipe, found.about.get("recipe", {}), f"{folder}/config.json")
    if _portable(made) != _portable(recipe):
        raise InputError(f"{folder}: an encoder of another recipe; choose another folder")
    return found


def _portable(recipe: PretrainRecipe) -> PretrainRecipe:
    """What decides about the encoder: stores by name, as they have other paths elsewhere."""
    named = [part.model_copy(update={"store": Path(part.store.name)}) for part in recipe.corpus]
    return recipe.model_copy(update={"corpus": tuple(named), "watch": None})
