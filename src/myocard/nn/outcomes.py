"""Likelihoods of outcomes: from logits to losses, and to the scores that people read.

There is one for each of ``myocard.outcomes``. A target of NaN is unknown, and adds nothing to a
loss.
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from myocard.outcomes import Outcome

Logits = Float[Tensor, "... records outputs"]
Targets = Float[Tensor, "... records outputs"]


@runtime_checkable
class Likelihood(Protocol):
    """The likelihood of targets, given logits.

    Attributes:
        separate: True if each output has a loss of its own, to which the others do not matter.
    """

    separate: bool

    def loss(self, logits: Logits, targets: Targets) -> Float[Tensor, "... records"]:
        """Compute each record's negative log likelihood in nats, the sum over its outputs."""
        ...

    def slopes(self, logits: Logits, targets: Targets) -> Logits:
        """Compute the derivative of the summed loss by each logit."""
        ...

    def curvatures(self, logits: Logits, targets: Targets) -> Logits:
        """Compute the second derivative by each logit, or about it."""
        ...

    def start(self, targets: Float[Tensor, "records outputs"]) -> Float[Tensor, " outputs"]:
        """Compute the logits of a model that knows no features."""
        ...

    def scores(self, logits: Logits) -> Logits:
        """Turn logits into scores: probabilities for classes, else the logits themselves."""
        ...


class AnyClasses:
    """Any number of classes: a sigmoid and a binary cross-entropy each."""

    separate = True

    def loss(self, logits: Logits, targets: Targets) -> Float[Tensor, "... records"]:
        told = targets.nan_to_num()
        each = binary_cross_entropy_with_logits(logits, told, reduction="none")
        return (each * ~targets.isnan()).sum(dim=-1)

    def slopes(self, logits: Logits, targets: Targets) -> Logits:
        return (self.scores(logits) - targets).nan_to_num()

    def curvatures(self, logits: Logits, targets: Targets) -> Logits:
        probabilities = self.scores(logits)
        return probabilities * (1 - probabilities) * ~targets.isnan()

    def start(self, targets: Float[Tensor, "records outputs"]) -> Float[Tensor, " outputs"]:
        return class_rates(targets).logit()

    def scores(self, logits: Logits) -> Logits:
        return logits.sigmoid()


class OneClass(AnyClasses):
    """One of several classes: a softmax and its cross-entropy. No target is unknown."""

    separate = False

    def loss(self, logits: Logits, targets: Targets) -> Float[Tensor, "... records"]:
        return -(logits.log_softmax(dim=-1) * targets).sum(dim=-1)

    def start(self, targets: Float[Tensor, "records outputs"]) -> Float[Tensor, " outputs"]:
        return class_rates(targets).log()

    def scores(self, logits: Logits) -> Logits:
        return logits.softmax(dim=-1)


class Number:
    """Numbers with a normal error of variance 1, about a logit each."""

    separate = True

    def loss(self, logits: Logits, targets: Targets) -> Float[Tensor, "... records"]:
        return self.slopes(logits, targets).square().sum(dim=-1) / 2

    def slopes(self, logits: Logits, targets: Targets) -> Logits:
        return (logits - targets).nan_to_num()

    def curvatures(self, logits: Logits, targets: Targets) -> Logits:
        return (~targets.isnan()).to(logits.dtype).expand_as(logits)

    def start(self, targets: Float[Tensor, "records outputs"]) -> Float[Tensor, " outputs"]:
        return targets.nanmean(dim=0)

    def scores(self, logits: Logits) -> Logits:
        return logits


class EventTime:
    """Times to an event: Cox's partial likelihood, ties after Breslow (1974).

    A logit is a log hazard against the other records' of the batch, which are the risk set. Signs
    of targets are those of ``myocard.outcomes``.
    """

    separate = True

    def loss(self, logits: Logits, targets: Targets) -> Float[Tensor, "... records"]:
        # A time of 0 comes before every event, so that an unknown one is in no risk set.
        signed = targets.nan_to_num().expand_as(logits).transpose(-1, -2)
        times, order = signed.abs().sort(dim=-1)
        hazards = logits.transpose(-1, -2).gather(-1, order)
        later = hazards.flip(-1).logcumsumexp(dim=-1).flip(-1)
        first = torch.searchsorted(times.contiguous(), times.contiguous())
        happened = signed.gather(-1, order) > 0
        each = (later.gather(-1, first) - hazards) * happened
        return torch.zeros_like(each).scatter(-1, order, each).sum(dim=-2)

    def slopes(self, logits: Logits, targets: Targets) -> Logits:
        with torch.enable_grad():
            leaf = logits.detach().requires_grad_()
            (found,) = torch.autograd.grad(self.loss(leaf, targets).sum(), leaf)
        return found

    def curvatures(self, logits: Logits, targets: Targets) -> Logits:
        return (targets > 0).to(logits.dtype).mean(dim=-2, keepdim=True).expand_as(logits)

    def start(self, targets: Float[Tensor, "records outputs"]) -> Float[Tensor, " outputs"]:
        return torch.zeros(targets.shape[1])

    def scores(self, logits: Logits) -> Logits:
        return logits


LIKELIHOODS: Mapping[Outcome, Likelihood] = {
    "any": AnyClasses(),
    "one": OneClass(),
    "number": Number(),
    "time": EventTime(),
}


def class_rates(targets: Float[Tensor, "records classes"]) -> Float[Tensor, " classes"]:
    """Frequency of each class among the records where it is known; never 0 or 1."""
    known = (~targets.isnan()).sum(dim=0)
    return (targets.nansum(dim=0) + 0.5) / (known + 1)
