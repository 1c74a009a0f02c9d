"""Tokens as labels of the samples that they stand for."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from myocard.encoders.protocol import ECGEncoder, LeadwiseEncoder, TimewiseEncoder
from myocard.errors import InputError
from myocard.nn.shapes import LeadTokens, Tokens
from myocard.waves import NONE, WAVES

LABELS = 1 + len(WAVES)

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """The samples of a window, for which tokens stand evenly: each for some positions.

    Attributes:
        samples: Samples of the window.
        tokens: Tokens of a row.
    """

    samples: int
    tokens: int

    @property
    def positions(self) -> int:
        """Positions in a token: its samples, rounded up where tokens do not divide the window."""
        return -(-self.samples // self.tokens)

    @cached_property
    def sample_of(self) -> Indices:
        """``(tokens, positions)``: the sample at each position."""
        places = np.arange(self.tokens * self.positions).reshape(self.tokens, -1)
        return (2 * places + 1) * self.samples // (2 * self.tokens * self.positions)

    @cached_property
    def position_of(self) -> Indices:
        """``(samples,)``: the position of each sample, counted through all tokens."""
        token, rest = np.divmod(np.arange(self.samples) * self.tokens, self.samples)
        return token * self.positions + rest * self.positions // self.samples

    def targets(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Turn labels into targets of tokens.

        Args:
            labels: ``(…, samples)``.

        Returns:
            ``(…, tokens, positions · LABELS)``, one or zero, and ``(…, tokens)``: true where all of
            a token's labels are known.
        """
        shown = labels[..., torch.from_numpy(self.sample_of)].long()
        known = (shown >= NONE).all(dim=-1)
        return one_hot(shown.clamp(min=NONE), LABELS).flatten(-2).float(), known

    def labels(self, scores: Tensor) -> NDArray[np.int8]:
        """Return the best label of each sample, ``(…, samples)``, from scores as targets are."""
        best = scores.unflatten(-1, (self.positions, LABELS)).argmax(dim=-1).flatten(-2)
        return best[..., torch.from_numpy(self.position_of)].numpy().astype(np.int8)


def in_rows(encoder: ECGEncoder, tokens: Tokens) -> LeadTokens:
    """Return tokens ``(batch, rows, tokens, width)``: a row a lead, or one of all leads together.

    Raises:
        InputError: When nothing tells where in time a token stands.
    """
    if isinstance(encoder, LeadwiseEncoder):
        return encoder.by_lead(tokens)
    if isinstance(encoder, TimewiseEncoder):
        return encoder.by_time(tokens)
    raise InputError(
        f"{encoder.info.name}: nothing tells where in time its tokens stand, so that no wave can "
        "be read from them; give it a method by_lead or by_time (encoders/protocol.py)"
    )
