"""Self-supervised pretraining: a recipe and stores in, a checkpoint folder out."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from myocard.data.batches import Part, Shuffled, Windows, in_order, shuffled
from myocard.data.leaks import CORPUS_COLUMNS, PretrainedOn
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders.ours import EffectiveRank, MyocardEncoder, Origin
from myocard.encoders.protocol import joined_states
from myocard.errors import InputError
from myocard.files.progress import Progress, silent
from myocard.files.step import INPUTS, Inputs
from myocard.models.checkpoint import Checkpoint
from myocard.nn.analysis.representation import effective_rank
from myocard.nn.encoder import Encoder, EncoderShape, align
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.objectives.momentum import follow
from myocard.nn.objectives.predictive import JEPA
from myocard.nn.patches import patchify, unpatchify
from myocard.pretraining.objectives import OBJECTIVES, Model, check_recipe
from myocard.recipe import CorpusPart, PretrainRecipe, without_pace
from myocard.training import devices
from myocard.training.loop import Diverged, fit, seeded

COLLAPSED = 2.0
"""An effective rank below this is reported as a collapse. Random weights have about a tenth of the
width."""


def pretrain(
    recipe: PretrainRecipe,
    stores: Mapping[str, Store],
    out: Path,
    *,
    progress: Progress = silent,
    fsdp: bool = False,
) -> Checkpoint:
    """Pretrain by ``recipe`` into the checkpoint folder ``out``, or take up a run that was stopped.

    Args:
        recipe: Settings of the encoder, its corpus and its training.
        stores: Stores by the names that the recipe gives them.
        out: The folder to make, by the rule of ``files/step.py``.
        progress: Called after every step.
        fsdp: Keep a part of weights and moments in each process that ``torchrun`` started, not all.

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
        _train(model, recipe, windows, work, progress, fsdp=fsdp)
        checkpoint = describe(recipe, model, windows)
        if devices.is_first():
            also = [INPUTS, "log.jsonl"]
            shutil.copy(work / "log.jsonl", folder)
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
    progress: Progress,
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
            report=lambda done: progress(f"pretrain {recipe.name}", done.step, done.steps),
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
    pretrained_on = PretrainedOn(
        corpus.loc[:, list(CORPUS_COLUMNS)].reset_index(drop=True),
        tuple(sorted(set(corpus["source"]))),
    )
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


@torch.inference_mode()
def spread(encoder: MyocardEncoder, windows: Windows) -> EffectiveRank:
    """The effective rank (RankMe) of LN(h_L) over the first 256 records."""
    device = encoder.network.separator.device
    batches = islice(in_order(windows, batch=32), 8)
    last = torch.cat([joined_states(encoder, x.to(device))[:, -1] for x in batches])
    states = encoder.norm(last)
    return EffectiveRank(
        value=round(effective_rank(states), 2),
        bound=COLLAPSED,
        width=encoder.network.shape.width,
        records=len(states),
    )


@torch.inference_mode()
def reconstruct(
    model: MaskedAutoencoder, windows: Windows, preprocessing: Preprocessing
) -> dict[str, np.ndarray]:
    """The first record as it was, as it was shown to the encoder, and as the decoder completed it.

    Predicted patches come in units of each hidden patch's own mean and deviation; they are put back
    to its scale, so that the drawing shows shape, and not how well the level was guessed.
    """
    signals = next(in_order(windows, batch=1))
    with seeded(0):
        completed = model.eval()(signals, preprocessing.leads)
    patches = patchify(signals, model.encoder.shape.patch)
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    rescaled = completed.patches.float() * (variance + 1e-6).sqrt() + mean
    hidden = completed.hidden[..., None]
    return {
        "original": signals[0].numpy(),
        "masked": unpatchify(patches.masked_fill(hidden, float("nan")))[0].numpy(),
        "reconstruction": unpatchify(torch.where(hidden, rescaled, patches))[0].numpy(),
        "rate": np.array(preprocessing.rate),
        "leads": np.array(preprocessing.leads),
    }
