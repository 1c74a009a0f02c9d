"""Masked autoencoding of ECGs, plain (ST-MEM) and with averaged layers (IPASTMEM).

Hide three quarters of each lead's patches, encode the rest, decode each lead on its own, and
compare with what was hidden. What the decoder reads is a *mixture of layers*: the last one in
ST-MEM, their mean in IPASTMEM (ECG-Soup, arXiv 2509.00102, Scheme III). That is the whole
difference.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, lead_rows, patch_tokens
from myocard.nn.masks import Hidden, Mask, Masking, Visible, each_lead
from myocard.nn.patches import patchify, sincos_positions
from myocard.nn.shapes import LeadTokens, Patches, Signals, Tokens
from myocard.nn.transformer import Block, initialise

Mixture = Callable[[Iterator[Tokens], nn.Module], Tokens]
Canvas = Float[Tensor, "batch leads tokens inner"]


def last_layer(layers: Iterator[Tokens], norm: nn.Module) -> Tokens:
    """LN(X_L): the practice of ST-MEM."""
    *_, last = layers
    return norm(last)


def mean_of_layers(layers: Iterator[Tokens], norm: nn.Module) -> Tokens:
    """(1/L) Σ_{l=1..L} LN(X_l), token by token: IPASTMEM (ECG-Soup, Scheme III)."""
    next(layers)  # X_0, the embedding, is not mixed in
    total, count = norm(next(layers)), 1
    for x in layers:
        total, count = total + norm(x), count + 1
    return total / count


def mean_of_last(layers: Iterator[Tokens], norm: nn.Module, *, count: int) -> Tokens:
    """(1/k) Σ_{l=L−k+1..L} LN(X_l): between ST-MEM (k = 1) and IPASTMEM (k = L); our extension."""
    recent = deque(layers, maxlen=count)
    return torch.stack([norm(x) for x in recent]).mean(dim=0)


MIXTURES: dict[str, Mixture] = {"last": last_layer, "mean": mean_of_layers}


class Reconstruction(NamedTuple):
    """What a masked autoencoder made of a batch.

    Attributes:
        loss: Mean squared error over the hidden patches, each scaled to mean 0 and variance 1.
        patches: The predicted patches, in that scale.
        hidden: True where a patch was hidden from the encoder.
    """

    loss: Float[Tensor, ""]
    patches: Patches
    hidden: Hidden


@dataclass(frozen=True)
class DecoderShape:
    """The decoder's numbers: token width, number of blocks, attention heads."""

    width: int
    depth: int
    heads: int


class Decoder(nn.Module):
    """Predicts a lead's patches from its visible tokens; the same weights serve every lead.

    Args:
        encoder: Whose tokens it reads.
        shape: Its own numbers.
        outputs: How many numbers it says of a patch: its samples, unless told otherwise.
    """

    positions: Tensor

    def __init__(
        self, encoder: Encoder, shape: DecoderShape, *, outputs: int | None = None
    ) -> None:
        super().__init__()
        patch, patches = encoder.shape.patch, encoder.shape.samples // encoder.shape.patch
        self.enter = nn.Linear(encoder.shape.width, shape.width)
        self.mask_token = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        self.separator = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        self.blocks = nn.Sequential(*(Block(shape.width, shape.heads) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, outputs or patch)
        positions = sincos_positions(patches + 1, shape.width)[1:]
        self.register_buffer("positions", positions, persistent=False)
        self.apply(initialise)

    def forward(self, visible: Visible, mask: Mask, leads: Sequence[str]) -> Patches:
        tokens = self.canvas(visible, mask)
        decoded = self.blocks(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        return self.predict(decoded)

    def canvas(self, visible: Visible, mask: Mask) -> Canvas:
        """Mask tokens, visible tokens and separators of every lead, in their places."""
        entered = self.enter(visible)
        shape, width = mask.hidden.shape, entered.shape[-1]
        canvas = self.mask_token.to(entered.dtype).expand(shape[0], shape[1:].numel(), width)
        places = mask.places[..., None].expand(-1, -1, width)
        tokens = canvas.scatter(1, places, entered.flatten(1, 2)).unflatten(1, shape[1:])
        separators = self.separator.expand(*shape[:2], 1, -1)
        return torch.cat([separators, tokens + self.positions, separators], dim=2)

    def predict(self, tokens: Canvas) -> Patches:
        return self.leave(self.norm(tokens[:, :, 1:-1]))


class AcrossLeads(nn.Module):
    """A decoder whose attention runs over all leads, which it tells apart by an embedding.

    A lead that is hidden as a whole can be completed from the others alone.
    """

    def __init__(self, encoder: Encoder, shape: DecoderShape) -> None:
        super().__init__()
        self.lead = Decoder(encoder, shape)
        self.lead_embedding = nn.Parameter(torch.empty(len(LEADS), shape.width).normal_(std=0.02))

    def forward(self, visible: Visible, mask: Mask, leads: Sequence[str]) -> Patches:
        tokens = self.lead.canvas(visible, mask) + self.lead_embedding[lead_rows(leads), None]
        decoded = self.lead.blocks(tokens.flatten(1, 2)).unflatten(1, tokens.shape[1:3])
        return self.lead.predict(decoded)


class MaskedAutoencoder(nn.Module):
    """Mask, encode, mix the layers, decode, compare.

    Args:
        encoder: Any ``Encoder``.
        decoder: A ``Decoder`` or ``AcrossLeads``, made for it.
        masking: Draws what is hidden.
        mixture: Which layers the decoder reads.
        mask_ratio: Share of what ``masking`` chooses from to hide.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: nn.Module,
        *,
        mixture: Mixture,
        masking: Masking = each_lead,
        mask_ratio: float = 0.75,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.mixture = mixture
        self.masking = masking
        self.mask_ratio = mask_ratio

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Reconstruction:
        embedded = self.encoder.embed(signals)
        mask = self.masking(embedded, self.mask_ratio)
        visible = encode_visible(self.encoder, embedded, mask, leads, self.mixture)
        predicted = self.decoder(visible, mask, leads)
        loss = masked_loss(predicted, patchify(signals, self.encoder.shape.patch), mask.hidden)
        return Reconstruction(loss, predicted, mask.hidden)


def encode_visible(
    encoder: Encoder, embedded: LeadTokens, mask: Mask, leads: Sequence[str], mixture: Mixture
) -> Visible:
    """The mixture's tokens of the patches that are shown, from these patches alone."""
    tokens = encoder.assemble(mask.visible(embedded), leads, mask.leads)
    mixed = mixture(encoder.layers(tokens), encoder.norm)
    return patch_tokens(mixed, mask.leads.shape[1])


def standardise_patches(patches: Patches) -> Patches:
    """Each patch scaled to mean 0 and (unbiased) variance 1."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()


def masked_loss(predicted: Patches, patches: Patches, hidden: Hidden) -> Float[Tensor, ""]:
    """Mean squared error to the standardised patches, over the hidden ones alone."""
    errors = (predicted.float() - standardise_patches(patches)).square().mean(dim=-1)
    return (errors * hidden).sum() / hidden.sum()
