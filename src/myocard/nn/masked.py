"""Masked autoencoding of ECGs, plain (ST-MEM) and with averaged layers (IPASTMEM).

Hide three quarters of each lead's patches, encode the rest, decode each lead on its own, and
compare with what was hidden. What the decoder reads is a *mixture of layers*: the last one in
ST-MEM, their mean in IPASTMEM (ECG-Soup, arXiv 2509.00102, Scheme III). That is the whole
difference.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.patches import patchify, sincos_positions
from myocard.nn.shapes import LeadTokens, Patches, Signals, Tokens
from myocard.nn.transformer import Block, initialise

Mixture = Callable[[Iterator[Tokens], nn.Module], Tokens]
Hidden = Bool[Tensor, "batch leads patches"]


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
    """Predicts a lead's patches from its visible tokens; the same weights serve every lead."""

    positions: Tensor

    def __init__(self, encoder: Encoder, shape: DecoderShape) -> None:
        super().__init__()
        patch, patches = encoder.shape.patch, encoder.shape.samples // encoder.shape.patch
        self.enter = nn.Linear(encoder.shape.width, shape.width)
        self.mask_token = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        self.separator = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        self.blocks = nn.Sequential(*(Block(shape.width, shape.heads) for _ in range(shape.depth)))
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, patch)
        positions = sincos_positions(patches + 1, shape.width)[1:]
        self.register_buffer("positions", positions, persistent=False)
        self.apply(initialise)

    def forward(
        self,
        visible: Float[Tensor, "batch leads visible width"],
        kept: Int[Tensor, "batch leads visible"],
    ) -> Patches:
        batch, leads = kept.shape[:2]
        entered = self.enter(visible)
        width, patches = entered.shape[-1], self.positions.shape[0]
        canvas = self.mask_token.to(entered.dtype).expand(batch, leads, patches, width)
        tokens = canvas.scatter(2, kept[..., None].expand_as(entered), entered) + self.positions
        separators = self.separator.expand(batch * leads, 1, width)
        tokens = torch.cat([separators, tokens.flatten(0, 1), separators], dim=1)
        decoded = self.blocks(tokens)[:, 1:-1]
        return self.leave(self.norm(decoded)).unflatten(0, (batch, leads))


class MaskedAutoencoder(nn.Module):
    """Mask, encode, mix the layers, decode, compare.

    Args:
        encoder: Any ``Encoder``.
        decoder: A ``Decoder`` made for it.
        mixture: Which layers the decoder reads, one of ``MIXTURES``.
        mask_ratio: Share of each lead's patches to hide.
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, *, mixture: Mixture, mask_ratio: float = 0.75
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.mixture = mixture
        self.mask_ratio = mask_ratio

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Reconstruction:
        embedded = self.encoder.embed(signals)
        kept, hidden = random_mask(embedded, self.mask_ratio)
        visible = embedded.gather(2, kept[..., None].expand(*kept.shape, embedded.shape[-1]))
        layers = self.encoder.layers(self.encoder.assemble(visible, leads))
        mixed = patch_tokens(self.mixture(layers, self.encoder.norm), len(leads))
        predicted = self.decoder(mixed, kept)
        loss = masked_loss(predicted, patchify(signals, self.encoder.shape.patch), hidden)
        return Reconstruction(loss, predicted, hidden)


def visible_count(patches: int, mask_ratio: float) -> int:
    """⌊N·(1−r)⌋ patches of a lead stay visible."""
    # Rounded first: 30·(1−0.6) is 12.000000000000002 and 10·(1−0.9) is 0.9999999999999998.
    return math.floor(round(patches * (1 - mask_ratio), 9))


def random_mask(
    embedded: LeadTokens, mask_ratio: float
) -> tuple[Int[Tensor, "batch leads visible"], Hidden]:
    """Draw each lead's visible patches uniformly and on its own.

    Returns:
        The positions of the visible patches in rising order, and True at each hidden patch.
    """
    noise = torch.rand(embedded.shape[:3], device=embedded.device)
    kept = noise.argsort(dim=2)[:, :, : visible_count(noise.shape[2], mask_ratio)]
    kept = kept.sort(dim=2).values
    hidden = torch.ones_like(noise, dtype=torch.bool).scatter(2, kept, value=False)
    return kept, hidden


def standardise_patches(patches: Patches) -> Patches:
    """Each patch scaled to mean 0 and (unbiased) variance 1."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()


def masked_loss(predicted: Patches, patches: Patches, hidden: Hidden) -> Float[Tensor, ""]:
    """Mean squared error to the standardised patches, over the hidden ones alone."""
    errors = (predicted.float() - standardise_patches(patches)).square().mean(dim=-1)
    return errors[hidden].mean()
