"""Readout and head together: states in, one logit per class out."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class Classifier(nn.Module):
    """A head on a readout, whatever the readout reads: pooled states or tokens."""

    # Any: readouts of pooled states and of tokens differ in the type of their input.
    readout: Any

    def __init__(self, readout: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.readout = readout
        self.head = head

    def forward(self, states: Tensor) -> Float[Tensor, "batch classes"]:
        return self.head(self.readout(states))


def classification_loss(
    logits: Float[Tensor, "... classes"], targets: Float[Tensor, "... classes"], *, exclusive: bool
) -> Float[Tensor, "..."]:
    """Compute the cross-entropy of each record (nats) against targets of 0 and 1.

    The sum over classes: of one softmax where classes exclude each other, else of a sigmoid each.
    """
    if exclusive:
        return -(logits.log_softmax(dim=-1) * targets).sum(dim=-1)
    return binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=-1)


def probabilities(
    logits: Float[Tensor, "... classes"], *, exclusive: bool
) -> Float[Tensor, "... classes"]:
    """Apply one softmax over the classes, or a sigmoid to each."""
    return logits.softmax(dim=-1) if exclusive else logits.sigmoid()
