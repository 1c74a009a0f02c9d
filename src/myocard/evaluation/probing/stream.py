"""States of a frozen encoder, computed when they are asked for.

All tokens of PTB-XL under a base encoder would take 157 GB; a batch of them takes the same whatever
the number of records.
"""

from collections.abc import Collection
from copy import deepcopy
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from myocard.data.batches import Part, Windows
from myocard.data.store import Store
from myocard.encoders import protocol
from myocard.encoders.protocol import ECGEncoder
from myocard.evaluation.passes import passes
from myocard.nn.readouts.tokens import View
from myocard.nn.shapes import Signals, Tokens, ViewedTokens


class Stream:
    """An encoder and a store as a source of states for probes, without a cache on disk.

    It has the names of ``Features``: ``store`` is a hash, and ``encoder`` says what the encoder is.

    Args:
        encoder: The encoder.
        store: The records.

    Raises:
        InputError: When the store does not meet the encoder's input.
    """

    seconds = None

    def __init__(self, encoder: ECGEncoder, store: Store) -> None:
        store.require(encoder.input)
        self._encoder, self._store = encoder, store
        self.encoder, self.layers, self.leads = encoder.info, encoder.layers, encoder.input.leads
        self.store, self.records = store.key, store.records
        self._tokens: dict[tuple[View, ...], TokenStream] = {}

    @cached_property
    def known(self) -> pd.Series:
        """Words that say how each record is known to the encoder."""
        return self._encoder.pretrained_on.known(self._store.records)

    @cached_property
    def norm(self) -> nn.Module:
        """The encoder's final norm, which readouts apply; a frozen copy."""
        return deepcopy(self._encoder.norm).cpu().requires_grad_(requires_grad=False)

    def pooled(self) -> Tensor:
        """All states in float16, as a cache has them."""
        return self._pooled

    @cached_property
    def _pooled(self) -> Tensor:
        return self.states_of(np.arange(len(self._store.records)))

    def states_of(self, rows: NDArray[np.int64]) -> Tensor:
        """The states of some records, computed again whenever they are asked for."""
        windows = Windows([Part(self._store, rows)], self._encoder.input)

        def pooled(signals: Signals) -> Tensor:
            return protocol.joined_states(self._encoder, signals).half().cpu()

        return torch.cat(list(passes(self._encoder, windows, pooled, device=_device())))

    def tokens(self, views: Collection[View], keep: float) -> "TokenStream":
        """A stream of what ``views`` show; asked for again, the same one.

        Args:
            views: The parts of the states that are looked at.
            keep: Bytes of memory in which tokens of all records may be kept.
        """
        key = tuple(views)
        if key not in self._tokens:
            self._tokens[key] = TokenStream(self._encoder, self._store, key, keep)
        return self._tokens[key]


class TokenStream:
    """Tokens of a store's records, rounded to float16 as cached states are.

    Args:
        encoder: The encoder.
        store: The records.
        views: The parts of the states that are looked at.
        keep: Bytes. If what is read of all records fits, each record is computed once and kept in
            memory; else none is kept.
    """

    def __init__(
        self, encoder: ECGEncoder, store: Store, views: Collection[View], keep: float
    ) -> None:
        self.encoder, self.store, self.views = encoder, store, views
        one, count = self._compute(np.zeros(1, np.int64)), len(store.records)
        fits = sum(tokens.nbytes for tokens in one.values()) * count <= keep
        self.kept = {v: x.new_empty(count, *x.shape[1:]) for v, x in one.items()} if fits else {}
        self.computed = np.zeros(count, dtype=bool)

    def __getitem__(self, rows: NDArray[np.int64]) -> dict[View, Tensor]:
        """The tokens of ``rows`` in each view: ``(records, layers, tokens, width)``, in float32."""
        if not self.kept:
            return {view: tokens.float() for view, tokens in self._compute(rows).items()}
        missing = rows[~self.computed[rows]]
        if len(missing):
            for view, tokens in self._compute(missing).items():
                self.kept[view][missing] = tokens
            self.computed[missing] = True
        return {view: tokens[rows].float() for view, tokens in self.kept.items()}

    def _compute(self, rows: NDArray[np.int64]) -> dict[View, Tensor]:
        windows = Windows([Part(self.store, rows)], self.encoder.input)

        def looked(signals: Signals) -> dict[View, Tensor]:
            viewed = look(self.encoder, signals, self.views)
            return {view: tokens.half().cpu() for view, tokens in viewed.items()}

        parts = list(passes(self.encoder, windows, looked, device=_device()))
        return {view: torch.cat([part[view] for part in parts]) for view in self.views}


def look(
    encoder: ECGEncoder, signals: Signals, views: Collection[View]
) -> dict[View, ViewedTokens]:
    """Tokens of each view, under the encoder's final norm; of other layers nothing is kept.

    Raises:
        InputError: For a view of leads, where the encoder does not keep leads apart.
    """
    viewed: dict[View, list[Tokens]] = {view: [] for view in views}
    for layer, tokens in enumerate(encoder.hidden_states(signals)):
        for view, parts in viewed.items():
            if layer in view.layers:
                parts.append(encoder.norm(_shown(encoder, tokens, view)))
    return {view: torch.stack(parts, dim=1) for view, parts in viewed.items()}


def _shown(encoder: ECGEncoder, tokens: Tokens, view: View) -> Float[Tensor, "batch shown width"]:
    if view.pool == "tokens":
        return tokens
    return protocol.require_leadwise(encoder, "a readout of leads").by_lead(tokens).mean(dim=2)


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
