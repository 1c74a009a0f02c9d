"""States that are in memory, as a source for probes that become no run."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.encoders.protocol import Layer
from myocard.results.run import EncoderInfo


@dataclass(frozen=True, eq=False)
class InMemory:
    """The states of an array; it has the names of ``Features``.

    Attributes:
        states: ``(records, layers, width)``, or ``(records, sum of widths)`` where widths differ.
        layers: Name and width of each layer.
        norm: The norm that readouts apply.
    """

    encoder: ClassVar[EncoderInfo] = EncoderInfo(name="states in memory")
    store: ClassVar[str] = "memory"
    leads: ClassVar[tuple[str, ...]] = ()
    seconds: ClassVar[None] = None

    states: Tensor
    layers: tuple[Layer, ...]
    norm: nn.Module

    @property
    def records(self) -> pd.DataFrame:
        """A row a record, without codes."""
        return pd.DataFrame({"codes": [()] * len(self.states)})

    def pooled(self) -> Tensor:
        """All states."""
        return self.states

    def states_of(self, rows: NDArray) -> Tensor:
        """The states of some records."""
        return self.states[torch.from_numpy(rows)]
