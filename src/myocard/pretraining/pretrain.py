"""Self-supervised pretraining: a recipe in, a checkpoint folder out."""

import hashlib
import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from myocard.data.batches import Part, Shuffled, Windows, in_order, shuffled
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.atomic import DONE, replace_folder, require_new, workplace
from myocard.models.checkpoint import CORPUS_COLUMNS, Checkpoint
from myocard.nn.analysis.representation import effective_rank
from myocard.nn.encoder import Encoder
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.patches import patchify, unpatchify
from myocard.nn.sizes import encoder_shape
from myocard.pretraining.objectives import OBJECTIVES, Objective
from myocard.recipe import CorpusPart, PretrainRecipe
from myocard.training import devices
from myocard.training.loop import Diverged, Progress, fit

COLLAPSED = 2.0
"""An effective rank below this is reported as a collapse. Random weights have about a tenth of the
width."""


def pretrain(
    recipe: PretrainRecipe,
    out: Path,
    *,
    report: Callable[[Progress], None] = lambda progress: None,
    fsdp: bool = False,
) -> Checkpoint:
    """Pretrain by ``recipe`` into the checkpoint folder ``out``, or take up a run that was stopped.

    The run's state lies beside it, in ``out``.run, until the checkpoint is written.

    Args:
        recipe: What to train, on what, and how.
        out: The folder to make.
        report: Called after every step.
        fsdp: Keep a part of weights and moments in each process that ``torchrun`` started, not all.

    Raises:
        InputError: When ``out`` exists, or a store does not meet the encoder's input.
    """
    run = out.with_name(f"{out.name}.run")
    if not devices.is_first():
        return _pretrain(recipe, out, run, report, fsdp=fsdp)
    with workplace(run):
        require_new(out, run)
        return _pretrain(recipe, out, run, report, fsdp=fsdp)


def _pretrain(
    recipe: PretrainRecipe,
    out: Path,
    run: Path,
    report: Callable[[Progress], None],
    *,
    fsdp: bool,
) -> Checkpoint:
    settings = recipe.optimisation
    preprocessing = recipe.input.preprocessing()
    windows = Windows([select(part) for part in recipe.corpus], preprocessing)
    shown = Windows([select(recipe.watch)], preprocessing) if recipe.watch else windows
    model = build(recipe, preprocessing)
    order = Shuffled(len(windows), settings.batch, settings.seed)
    try:
        fit(
            model,
            loss=lambda module, signals: module(signals, preprocessing.leads).loss,
            batches=lambda numbers: shuffled(windows, order, numbers, settings.workers),
            steps_per_epoch=max(1, order.steps_per_epoch // settings.accumulate),
            settings=settings,
            folder=run,
            about={
                "recipe": recipe.model_dump(mode="json", exclude={"optimisation", "watch"}),
                "stores": [part.store.key for part in windows.parts],
            },
            report=report,
            sharded=fsdp and devices.count() > 1,
        )
    except Diverged as error:
        met = {place for number in error.batches for place, _ in order[number]}
        raise Diverged(f"{error} (records {', '.join(windows.ids(sorted(met)))})") from error
    checkpoint = describe(recipe, model, preprocessing, windows)

    def write(folder: Path) -> None:
        checkpoint.write(folder)
        shutil.copy(run / "log.jsonl", folder)
        if isinstance(model, MaskedAutoencoder):
            drawn = reconstruct(model.cpu(), shown, preprocessing)
            np.savez(folder / "reconstruction.npz", allow_pickle=False, **drawn)
        (run / DONE).touch()

    if devices.is_first():
        replace_folder(out, write)
    return checkpoint


def select(part: CorpusPart) -> Part:
    """The records of a store that a recipe asks for.

    Raises:
        InputError: When there are none.
    """
    store = Store.open(part.store)
    chosen = np.ones(len(store.records), dtype=bool)
    if part.folds is not None:
        chosen &= store.records["fold"].isin(part.folds).to_numpy()
    if part.code is not None:
        chosen &= store.records["codes"].map(lambda codes: part.code in codes).to_numpy()
    if not chosen.any():
        raise InputError(f"{part.store}: no record has folds {part.folds} and code {part.code}")
    return Part(store, np.flatnonzero(chosen))


def build(recipe: PretrainRecipe, preprocessing: Preprocessing) -> Objective:
    """The encoder of a recipe in its objective, its weights drawn with the recipe's seed.

    Raises:
        InputError: When more layers are to be averaged than there are.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.optimisation.seed)
        shape = encoder_shape(recipe.size, samples=preprocessing.samples, patch=recipe.input.patch)
        if (recipe.mixture_layers or 1) > shape.depth:
            wanted = recipe.mixture_layers
            raise InputError(f"mixture_layers = {wanted}: {recipe.size!r} has {shape.depth} blocks")
        return OBJECTIVES[recipe.objective](Encoder(shape), recipe)


def describe(
    recipe: PretrainRecipe, model: Objective, preprocessing: Preprocessing, windows: Windows
) -> Checkpoint:
    """The checkpoint of what was trained."""
    corpus = pd.concat([p.store.records.iloc[p.rows] for p in windows.parts])
    # Reports tell ST-MEM from IPASTMEM by the mixture; what differs in anything else is neither.
    published = (recipe.objective, recipe.mixture_layers, recipe.decoder) == ("mae", None, "full")
    about = {
        "input": recipe.input.preset,
        "objective": recipe.objective,
        # Plain and IPASTMEM are a pair to compare; other objectives are not of it.
        "mixture": recipe.mixture if published else None,
        "seed": recipe.optimisation.seed,
        "effective_rank": spread(model.encoder, windows, preprocessing),
        "pretraining": _all_but_the_mixture(recipe, windows),
        "sources": corpus.groupby("source").size().to_dict(),
        "stores": {str(p.store.folder): p.store.key for p in windows.parts},
        "recipe": recipe.model_dump(mode="json"),
    }
    rest = {k: v for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    columns = corpus.loc[:, list(CORPUS_COLUMNS)]
    return Checkpoint(recipe.name, model.encoder.eval(), preprocessing, columns, about, rest)


def _all_but_the_mixture(recipe: PretrainRecipe, windows: Windows) -> str:
    """A hash that a plain encoder and an IPASTMEM share if nothing else sets them apart."""
    stated = recipe.model_dump(mode="json", exclude={"name", "mixture", "watch", "corpus"})
    for without_effect in ("checkpoint_every", "workers"):
        del stated["optimisation"][without_effect]
    corpus = [
        part.model_dump(mode="json") | {"store": read.store.key}
        for part, read in zip(recipe.corpus, windows.parts, strict=True)
    ]
    return hashlib.sha256(json.dumps([stated, corpus], sort_keys=True).encode()).hexdigest()


@torch.inference_mode()
def spread(encoder: Encoder, windows: Windows, preprocessing: Preprocessing) -> dict[str, float]:
    """The effective rank (RankMe) of LN(h_L) over the first 256 records."""
    device, leads = encoder.separator.device, preprocessing.leads
    batches = islice(in_order(windows, batch=32), 8)
    states = encoder.norm(torch.cat([encoder.pooled(x.to(device), leads)[:, -1] for x in batches]))
    return {
        "value": round(effective_rank(states), 2),
        "bound": COLLAPSED,
        "width": encoder.shape.width,
        "records": len(states),
    }


def collapsed(checkpoint: Checkpoint) -> bool:
    """Whether the encoder says nearly the same of every record."""
    rank = checkpoint.about["effective_rank"]
    return rank["value"] < rank["bound"]


@torch.inference_mode()
def reconstruct(
    model: MaskedAutoencoder, windows: Windows, preprocessing: Preprocessing
) -> dict[str, np.ndarray]:
    """The first record as it was, as it was shown to the encoder, and as the decoder completed it.

    Predicted patches come in units of each hidden patch's own mean and deviation; they are put back
    to its scale, so that the drawing shows shape, and not how well the level was guessed.
    """
    signals = next(in_order(windows, batch=1))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = model.eval()(signals, preprocessing.leads)
    patches = patchify(signals, model.encoder.shape.patch)
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    completed = made.patches.float() * (variance + 1e-6).sqrt() + mean
    hidden = made.hidden[..., None]
    return {
        "original": signals[0].numpy(),
        "masked": unpatchify(patches.masked_fill(hidden, float("nan")))[0].numpy(),
        "reconstruction": unpatchify(torch.where(hidden, completed, patches))[0].numpy(),
        "rate": np.array(preprocessing.rate),
        "leads": np.array(preprocessing.leads),
    }
