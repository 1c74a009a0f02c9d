"""Readout and head together: states in, one logit per output out."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Classifier(nn.Module):
    """A head on a readout, whatever the readout reads: pooled states or tokens."""

    # Any: readouts of pooled states and of tokens differ in the type of their input.
    readout: Any

    def __init__(self, readout: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.readout = readout
        self.head = head

    def forward(self, states: Tensor) -> Float[Tensor, "batch outputs"]:
        return self.head(self.readout(states))
