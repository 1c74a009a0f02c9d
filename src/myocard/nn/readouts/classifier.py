"""Readout and head together, on cached states or behind a live encoder."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder
from myocard.nn.readouts.pooled import Readout
from myocard.nn.shapes import Signals, States


class Classifier(nn.Module):
    """States in, one logit per class out."""

    def __init__(self, readout: Readout, head: nn.Module) -> None:
        super().__init__()
        self.readout = readout
        self.head = head

    def forward(self, states: States) -> Float[Tensor, "batch classes"]:
        return self.head(self.readout(states))


class SignalClassifier(nn.Module):
    """Signals in, one logit per class out: all of it trained end to end.

    ``leads`` are the names of the rows of the signals.
    """

    def __init__(
        self, encoder: Encoder, classifier: Classifier, leads: Sequence[str] = LEADS
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.leads = tuple(leads)

    def forward(self, signals: Signals) -> Float[Tensor, "batch classes"]:
        return self.classifier(self.encoder.pooled(signals, self.leads))


def classification_loss(
    logits: Float[Tensor, "... classes"], targets: Float[Tensor, "... classes"], *, exclusive: bool
) -> Float[Tensor, "..."]:
    """Cross-entropy of each record, in nats, against targets of 0 and 1.

    Summed over classes; of one softmax where classes exclude each other, else of a sigmoid each.
    """
    if exclusive:
        return -(logits.log_softmax(dim=-1) * targets).sum(dim=-1)
    return binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=-1)


def probabilities(
    logits: Float[Tensor, "... classes"], *, exclusive: bool
) -> Float[Tensor, "... classes"]:
    """One softmax over the classes, or a sigmoid each."""
    return logits.softmax(dim=-1) if exclusive else logits.sigmoid()
