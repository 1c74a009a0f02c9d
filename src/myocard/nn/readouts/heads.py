"""Heads: one score per class from a representation."""

from collections.abc import Callable

from torch import nn

from myocard.nn.readouts.dropout import Dropout

LEAST_SPREAD = 0.01
"""Deviation of features below which the 1e-5 that heads add to variances counts."""
LARGEST = 1e15
"""Size of features above which variances overflow in float32."""


def linear(features: int, classes: int) -> nn.Sequential:
    """Build the linear probe: standardise each feature over the batch, then one linear layer.

    The norm has no parameters and folds into the linear layer once trained. Without it, one penalty
    would not be comparable between layers, since their features differ in spread.
    """
    return nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Linear(features, classes))


def mlp(features: int, classes: int) -> nn.Module:
    """Build the head of ECG-Soup: two layers with batch norm and dropout."""
    return nn.Sequential(
        nn.BatchNorm1d(features),
        Dropout(0.25),
        nn.Linear(features, 256),
        nn.ReLU(),
        nn.BatchNorm1d(256),
        Dropout(0.5),
        nn.Linear(256, classes),
    )


HEADS: dict[str, Callable[[int, int], nn.Module]] = {
    "linear": linear,
    "ridge": linear,
    "mlp": mlp,
}
"""Heads by name; ``ridge`` is a linear one that fits targets by least squares."""

TRAINABLE = tuple(name for name in HEADS if name != "ridge")
"""Heads that can be trained with what they read; ridge regression is solved on fixed features."""
