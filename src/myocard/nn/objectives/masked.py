"""Masked autoencoding of ECGs, plain (ST-MEM) and with averaged layers (IPASTMEM).

Hide three quarters of each lead's patches, encode the rest, decode each lead on its own, and
compare with the hidden patches. The decoder reads a *mixture of layers*: the last one in ST-MEM,
their mean in IPASTMEM (ECG-Soup, arXiv 2509.00102, Scheme III). There is no other difference.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.objectives.masks import Hidden, Mask, Masking, Visible, each_lead
from myocard.nn.patches import patchify
from myocard.nn.shapes import LeadTokens, Loss, Patches, Signals, Tokens

Mixture = Callable[[Iterator[Tokens], nn.Module], Tokens]


def last_layer(layers: Iterator[Tokens], norm: nn.Module) -> Tokens:
    """Return LN(X_L): the practice of ST-MEM."""
    *_, last = layers
    return norm(last)


def mean_of_layers(layers: Iterator[Tokens], norm: nn.Module) -> Tokens:
    """Return (1/L) Σ_{l=1..L} LN(X_l), token by token: IPASTMEM (ECG-Soup, Scheme III)."""
    next(layers)  # X_0, the embedding, is not mixed in
    total, count = norm(next(layers)), 1
    for x in layers:
        total, count = total + norm(x), count + 1
    return total / count


def mean_of_last(layers: Iterator[Tokens], norm: nn.Module, *, count: int) -> Tokens:
    """Return (1/k) Σ_{l=L−k+1..L} LN(X_l), our extension: ST-MEM is k = 1, IPASTMEM k = L."""
    recent = deque(layers, maxlen=count)
    return torch.stack([norm(x) for x in recent]).mean(dim=0)


MIXTURES: dict[str, Mixture] = {"last": last_layer, "mean": mean_of_layers}


class Reconstruction(NamedTuple):
    """Outputs of a masked autoencoder for a batch.

    Attributes:
        loss: Mean squared error over the hidden patches, each scaled to mean 0 and variance 1.
        patches: The predicted patches, in that scale.
        hidden: True where a patch was hidden from the encoder.
    """

    loss: Loss
    patches: Patches
    hidden: Hidden


class MaskedAutoencoder(nn.Module):
    """Mask, encode, mix the layers, decode, compare.

    Args:
        encoder: Any ``Encoder``.
        decoder: One of ``decoders``, made for it.
        masking: Draws the mask.
        mixture: Mixture of layers that the decoder reads.
        mask_ratio: Share that ``masking`` hides.
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
    """Encode the patches that are shown, from these alone, and mix the layers."""
    tokens = encoder.assemble(mask.visible(embedded), leads, mask.leads)
    mixed = mixture(encoder.layers(tokens), encoder.norm)
    return patch_tokens(mixed, mask.leads.shape[1])


def standardise_patches(patches: Patches) -> Patches:
    """Scale each patch to mean 0 and (unbiased) variance 1."""
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()


def masked_loss(predicted: Patches, patches: Patches, hidden: Hidden) -> Loss:
    """Compute the mean squared error to the standardised patches, over the hidden ones alone."""
    errors = (predicted.float() - standardise_patches(patches)).square().mean(dim=-1)
    return (errors * hidden).sum() / hidden.sum()
