"""Tokens of a frozen encoder, computed when they are asked for.

All tokens of PTB-XL under a base encoder would take 157 GB; a batch of them takes the same whatever
the number of records.
"""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.store import Store
from myocard.models.checkpoint import Checkpoint
from myocard.nn.readouts.tokens import View, look


class TokenStream:
    """What a frozen encoder says of a store's records, rounded to float16 as cached states are.

    Args:
        checkpoint: The encoder.
        store: The records.
        views: What is looked at.
        keep: Bytes. If what is seen of all records fits into them, each record is computed once and
            kept in memory; else none is kept.

    Raises:
        InputError: When the store does not meet the encoder's input.
    """

    def __init__(
        self, checkpoint: Checkpoint, store: Store, views: Collection[View], keep: float
    ) -> None:
        store.require(checkpoint.preprocessing)
        self.checkpoint = checkpoint
        self.store = store
        self.views = views
        one, count = self._compute([0]), len(store.records)
        fits = sum(shown.nbytes for shown in one.values()) * count <= keep
        self.kept = {v: x.new_empty(count, *x.shape[1:]) for v, x in one.items()} if fits else {}
        self.known = np.zeros(count, dtype=bool)

    def tokens(self, rows: NDArray[np.int64]) -> dict[View, Tensor]:
        """What each view shows of ``rows``: ``(records, layers, tokens, width)``, in float32."""
        if not self.kept:
            return {view: shown.float() for view, shown in self._compute(rows).items()}
        missing = rows[~self.known[rows]]
        if len(missing):
            for view, shown in self._compute(missing).items():
                self.kept[view][missing] = shown
            self.known[missing] = True
        return {view: shown[rows].float() for view, shown in self.kept.items()}

    @torch.no_grad()  # not inference mode: readouts learn from these tensors
    def _compute(self, rows: Sequence[int] | NDArray[np.int64]) -> dict[View, Tensor]:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        encoder, stated = self.checkpoint.encoder.to(device), self.checkpoint.preprocessing
        signals = torch.from_numpy(self.store.windows(rows, stated)).to(device)
        shown = look(encoder, signals, stated.leads, self.views)
        return {view: found.half().cpu() for view, found in shown.items()}
