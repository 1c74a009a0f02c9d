"""Networks trained from scratch through the common loop, on random windows of each record."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from myocard.data.signal import Preprocessing
from myocard.data.store import Store, StoreInput
from myocard.errors import InputError
from myocard.evaluation.supervised import Supervision
from myocard.nn.baselines.s4 import S4D
from myocard.nn.baselines.xresnet import XResNet
from myocard.nn.encoder import Encoder
from myocard.nn.readouts.classifier import Classifier, SignalClassifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import build_readout
from myocard.nn.sizes import S4D_WIDTHS, encoder_shape
from myocard.recipe import NetworkRecipe
from myocard.tasks.cohort import Cohort
from myocard.training.loop import Progress

# The papers' heads: S4D and ViT end in one linear layer, xresnet1d101 in two.
_HEADS = {"xresnet1d101": "mlp", "s4d": "linear", "vit": "linear"}


def score(
    store: Store,
    cohort: Cohort,
    recipe: NetworkRecipe,
    splits: Sequence[str],
    folder: Path,
    report: Callable[[str, int, int], None],
) -> dict[str, NDArray[np.float32]]:
    """Scores of each split, ``(seeds, records, classes)``.

    Args:
        folder: Where a run that is stopped is kept, and taken up again.
    """
    preprocessing = window(store.made, recipe)
    supervision = Supervision(
        store, preprocessing, cohort, recipe.optimisation, recipe.crops, recipe.fraction
    )
    scoring = {"optimisation", "seeds", "crops", "resamples"}
    about = {"recipe": recipe.model_dump(mode="json", exclude=scoring), "store": store.key}

    def say(progress: Progress) -> None:
        report(f"{recipe.model}, loss {progress.loss:.4f}", progress.step, progress.steps)

    _, scores = supervision.train(
        lambda seed: build(recipe, preprocessing, len(cohort.classes), seed),
        recipe.seeds,
        splits,
        folder=folder,
        about=about,
        report=say,
    )
    return scores


def window(made: StoreInput, recipe: NetworkRecipe) -> Preprocessing:
    """What the recipe's network is fed of such a store.

    Raises:
        InputError: When the patches of a ViT do not divide it.
    """
    samples = made.samples if recipe.seconds is None else round(recipe.seconds * made.rate)
    if recipe.model == "vit" and samples % recipe.patch:
        raise InputError(
            f"a patch of {recipe.patch} samples does not divide a window of {samples}; "
            "change patch or seconds"
        )
    return Preprocessing(made.rate, samples, made.leads, made.band)


def build(
    recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int, seed: int
) -> nn.Module:
    """The recipe's network with the random weights of ``seed``: signals in, logits out."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if recipe.model == "vit":
            return _vit(recipe, preprocessing, classes)
        leads = len(preprocessing.leads)
        body = S4D(leads, S4D_WIDTHS[recipe.size]) if recipe.model == "s4d" else XResNet(leads)
        return nn.Sequential(body, HEADS[_HEADS[recipe.model]](body.features, classes))


def _vit(recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int) -> SignalClassifier:
    """The pretrained encoders' twin, read as ViTs are: at the last layer."""
    shape = encoder_shape(recipe.size, samples=preprocessing.samples, patch=recipe.patch)
    encoder = Encoder(shape)
    readout = build_readout("last", encoder.norm, shape.depth)
    head = HEADS[_HEADS["vit"]](readout.features, classes)
    return SignalClassifier(encoder, Classifier(readout, head), preprocessing.leads)


def describe(recipe: NetworkRecipe) -> dict[str, Any]:
    """What a run's file says of the network."""
    name = recipe.model if recipe.model == "xresnet1d101" else f"{recipe.model}-{recipe.size}"
    return {"encoder": {"name": name}, "head": _HEADS[recipe.model]}
