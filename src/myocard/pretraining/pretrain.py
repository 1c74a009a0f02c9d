"""Self-supervised pretraining: a recipe and stores in, a checkpoint folder out."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from myocard.data.batches import Part, Shuffled, Windows, shuffled
from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder, Origin
from myocard.errors import InputError
from myocard.files.progress import Progress, silent
from myocard.files.step import INPUTS, Inputs
from myocard.models.checkpoint import Checkpoint
from myocard.nn.encoder import Encoder, EncoderShape, align
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.objectives.momentum import follow
from myocard.nn.objectives.predictive import JEPA
from myocard.pretraining.objectives import OBJECTIVES, Model, check_recipe
from myocard.pretraining.observation import reconstruct, spread, watched
from myocard.recipe import CorpusPart, PretrainRecipe, without_pace
from myocard.training import devices
from myocard.training.loop import Diverged, fit, seeded
from myocard.training.state import LOG, Step
from myocard.training.tracking import Tracking


def pretrain(
    recipe: PretrainRecipe,
    stores: Mapping[str, Store],
    out: Path,
    *,
    progress: Progress = silent,
    fsdp: bool = False,
    tracking: Tracking | None = None,
) -> Checkpoint:
    """Pretrain by ``recipe`` into the checkpoint folder ``out``, or take up a run that was stopped.

    Args:
        recipe: Settings of the encoder, its corpus and its training.
        stores: Stores by the names that the recipe gives them.
        out: The folder to make, by the rule of ``files/step.py``.
        progress: Called after every step.
        fsdp: Keep a part of weights and moments in each process that ``torchrun`` started, not all.
        tracking: Tracker to mirror the log in, with ranks of all layers and reconstructions.

    Raises:
        InputError: When settings of the recipe do not go together, it names a store that is not
            given, a store does not meet the encoder's input, or ``out`` holds another encoder.
    """
    check_recipe(recipe)
    selected = select_all(recipe.corpus, stores)

    def make(folder: Path, work: Path) -> None:
        expected = recipe.input.preprocessing()
        windows = Windows([part for _, part in selected], expected)
        shown = windows
        if recipe.watch is not None:
            shown = Windows([part for _, part in select_all([recipe.watch], stores)], expected)
        model = build(recipe)
        with watched(model, recipe, (windows, shown), work, tracking, fsdp=fsdp) as told:

            def report(done: Step) -> None:
                told(done)
                progress(f"pretrain {recipe.name}", done.step, done.steps)

            _train(model, recipe, windows, work, report, fsdp=fsdp)
        checkpoint = describe(recipe, model, windows)
        if devices.is_first():
            also = [INPUTS, LOG]
            shutil.copy(work / LOG, folder)
            if isinstance(model, MaskedAutoencoder):
                arrays = reconstruct(model.cpu(), shown, expected)
                np.savez(folder / "reconstruction.npz", allow_pickle=False, **arrays)
                also.append("reconstruction.npz")
            checkpoint.write(folder, *also)

    devices.shared_step(out, inputs_of(recipe, selected), make)
    return Checkpoint.load(out)


def inputs_of(recipe: PretrainRecipe, selected: Sequence[tuple[CorpusPart, Part]]) -> Inputs:
    """All that an encoder depends on: stores by content, as they have other paths elsewhere."""
    settings = recipe.model_dump(mode="json", exclude={"corpus", "watch"})
    corpus = [
        part.model_dump(mode="json", exclude={"store"}) | {"store": records.store.key}
        for part, records in selected
    ]
    return {"recipe": without_pace(settings), "corpus": corpus}


def select_all(
    parts: Sequence[CorpusPart], stores: Mapping[str, Store]
) -> list[tuple[CorpusPart, Part]]:
    """The records of every part; a part that names no store is of all of them.

    Raises:
        InputError: For a store that is not given, or a part without records.
    """
    return [(part, select(part, store)) for part in parts for store in _stores_of(part, stores)]


def _stores_of(part: CorpusPart, stores: Mapping[str, Store]) -> Iterator[Store]:
    names = [*stores] if part.store is None else [part.store]
    for name in names:
        if name not in stores:
            given = ", ".join(stores) or "none"
            raise InputError(
                f"the recipe names a store {name!r}, and given are {given}; add --store "
                f"{name}=FOLDER"
            )
        yield stores[name]
    if not names:
        raise InputError("no store is given to pretrain on; add --store FOLDER")


def select(part: CorpusPart, store: Store) -> Part:
    """The records of a store that a recipe asks for.

    Raises:
        InputError: When there are none.
    """
    chosen = np.ones(len(store.records), dtype=bool)
    if part.folds is not None:
        chosen &= store.records["fold"].isin(part.folds).to_numpy()
    if part.code is not None:
        chosen &= store.records["codes"].map(lambda codes: part.code in codes).to_numpy()
    if not chosen.any():
        raise InputError(f"{store.folder}: no record has folds {part.folds} and code {part.code}")
    return Part(store, np.flatnonzero(chosen))


def build(recipe: PretrainRecipe) -> Model:
    """The encoder of a recipe in its objective, its weights drawn with the recipe's seed."""
    expected = recipe.input.preprocessing()
    with seeded(recipe.optimisation.seed):
        shape = EncoderShape.of_size(
            recipe.size, samples=expected.samples, patch=recipe.input.patch
        )
        model = OBJECTIVES[recipe.objective].build(Encoder(shape), recipe)
        if recipe.initialisation == "aligned":
            model.apply(align)
            if isinstance(model, JEPA):
                follow(model.target_encoder, model.encoder, 0.0)
        return model


def _train(
    model: Model,
    recipe: PretrainRecipe,
    windows: Windows,
    work: Path,
    report: Callable[[Step], None],
    *,
    fsdp: bool,
) -> None:
    settings, leads = recipe.optimisation, recipe.input.preprocessing().leads
    order = Shuffled(len(windows), settings.batch, settings.seed)
    try:
        fit(
            model,
            loss=lambda module, signals: module(signals, leads).loss,
            batches=lambda numbers: shuffled(windows, order, numbers, settings.workers),
            steps_per_epoch=max(1, order.steps_per_epoch // settings.accumulate),
            settings=settings,
            folder=work,
            report=report,
            sharded=fsdp and devices.count() > 1,
        )
    except Diverged as error:
        positions = {place for number in error.batches for place, _ in order[number]}
        named = ", ".join(windows.ids(sorted(positions)))
        raise Diverged(f"{error} (records {named})") from error


def describe(recipe: PretrainRecipe, model: Model, windows: Windows) -> Checkpoint:
    """The checkpoint of what was trained."""
    corpus = pd.concat([p.store.records.iloc[p.rows] for p in windows.parts])
    # Reports tell ST-MEM from IPASTMEM by the mixture; what differs in anything else is neither.
    published = (recipe.objective, recipe.mixture_layers, recipe.decoder) == ("mae", None, "full")
    pretrained_on = PretrainedOn(corpus.loc[:, list(CORPUS_COLUMNS)].reset_index(drop=True))
    encoder = MyocardEncoder(
        recipe.name, model.encoder.eval(), windows.preprocessing, pretrained_on
    )
    origin = Origin(
        seed=recipe.optimisation.seed,
        preset=recipe.input.preset,
        mixture=recipe.mixture if published else None,
        pretraining=_all_but_the_mixture(recipe, windows),
        sources={str(k): int(v) for k, v in corpus["source"].value_counts(sort=False).items()},
        stores={str(p.store.folder): p.store.key for p in windows.parts},
        effective_rank=spread(encoder, windows),
        recipe=recipe,
    )
    rest = {k: v for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    whole = MyocardEncoder(encoder.name, encoder.network, encoder.input, pretrained_on, origin)
    return Checkpoint(whole, rest)


def _all_but_the_mixture(recipe: PretrainRecipe, windows: Windows) -> str:
    """A hash that a plain encoder and an IPASTMEM share if nothing else sets them apart."""
    settings = recipe.model_dump(mode="json", exclude={"name", "mixture", "watch", "corpus"})
    rows = [(part.store.key, part.rows.tolist()) for part in windows.parts]
    content = json.dumps([without_pace(settings), rows], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
