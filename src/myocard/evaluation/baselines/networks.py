"""Networks trained from scratch through the common loop, on random windows of each record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.data.store import Store, StoreInput
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.evaluation.supervised import SignalClassifier, Supervision
from myocard.files.progress import Progress
from myocard.nn.baselines.s4 import S4D
from myocard.nn.baselines.xresnet import XResNet
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import last_layer
from myocard.nn.sizes import SIZES
from myocard.recipe import NetworkRecipe, choose
from myocard.results.run import SplitName
from myocard.tasks.cohort import Cohort
from myocard.training.loop import seeded


@dataclass(frozen=True)
class Network:
    """A kind of network: its builder, and the head that its paper gives it.

    Attributes:
        build: Makes a module, signals in and logits out, of a recipe, its input and the number of
            classes.
        head: Name of its head.
        sized: True if the recipe's size changes it.
    """

    build: Callable[[NetworkRecipe, Preprocessing, int], nn.Module]
    head: str
    sized: bool = True


def score(
    store: Store,
    cohort: Cohort,
    recipe: NetworkRecipe,
    splits: Sequence[SplitName],
    folder: Path,
    progress: Progress,
) -> dict[SplitName, NDArray[np.float32]]:
    """Scores of each split, ``(seeds, records, classes)``.

    Args:
        store: The records.
        cohort: The splits and targets.
        recipe: Settings of the network.
        splits: Splits to score.
        folder: The folder in which a stopped run is kept and taken up again.
        progress: Called after every step.
    """
    preprocessing = window(store.made, recipe)

    def model(seed: int) -> nn.Module:
        return build(recipe, preprocessing, len(cohort.classes), seed)

    supervision = Supervision(store, preprocessing, cohort, recipe)
    what = f"baseline {recipe.model}"
    return supervision.train(model, splits, folder, what, progress)[1]


def window(made: StoreInput, recipe: NetworkRecipe) -> Preprocessing:
    """The window of such a store that the recipe's network is fed.

    Raises:
        InputError: When there is no such network, or the patches of a ViT do not divide it.
    """
    check_name(recipe)
    samples = made.samples if recipe.seconds is None else round(recipe.seconds * made.rate)
    if recipe.model == "vit" and samples % recipe.patch:
        raise InputError(
            f"a patch of {recipe.patch} samples does not divide a window of {samples}; "
            "change patch or seconds"
        )
    return Preprocessing(made.rate, samples, made.leads, made.band)


def check_name(recipe: NetworkRecipe) -> None:
    """Refuse a model that is not registered.

    Raises:
        InputError: Listing the choices.
    """
    choose((*NETWORKS, "minirocket"), recipe.model, "baseline")


def build(
    recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int, seed: int
) -> nn.Module:
    """Build the recipe's network with the random weights of ``seed``: signals in, logits out."""
    with seeded(seed):
        return NETWORKS[recipe.model].build(recipe, preprocessing, classes)


def name(recipe: NetworkRecipe) -> str:
    """The name of the network in tables."""
    return f"{recipe.model}-{recipe.size}" if NETWORKS[recipe.model].sized else recipe.model


def _xresnet(recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int) -> nn.Module:
    body = XResNet(len(preprocessing.leads))
    return nn.Sequential(body, HEADS["mlp"](body.features, classes))


def _s4d(recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int) -> nn.Module:
    body = S4D(len(preprocessing.leads), SIZES[recipe.size].s4d_width)
    return nn.Sequential(body, HEADS["linear"](body.features, classes))


def _vit(recipe: NetworkRecipe, preprocessing: Preprocessing, classes: int) -> nn.Module:
    """The architecture of the pretrained encoders, read at the last layer as ViTs are."""
    shape = EncoderShape.of_size(recipe.size, samples=preprocessing.samples, patch=recipe.patch)
    network = Encoder(shape)
    readout = last_layer(network.norm, shape.width, shape.depth)
    head = HEADS["linear"](readout.features, classes)
    encoder = MyocardEncoder("vit", network, preprocessing, trained_on_nothing())
    return SignalClassifier(encoder, Classifier(readout, head))


# The papers' heads: S4D and ViT end in one linear layer, xresnet1d101 in two.
NETWORKS = {
    "xresnet1d101": Network(_xresnet, "mlp", sized=False),
    "s4d": Network(_s4d, "linear"),
    "vit": Network(_vit, "linear"),
}
