"""Predictive objectives: predict the encoding of hidden or later parts."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, patch_tokens
from myocard.nn.objectives.contrastive import Outcome, summary
from myocard.nn.objectives.masked import encode_visible, last_layer
from myocard.nn.objectives.masks import same_times
from myocard.nn.objectives.momentum import follow, slow_copy
from myocard.nn.objectives.views import View
from myocard.nn.shapes import LeadTokens, Loss, Signals

EPSILON = 1e-4
Stretches = Float[Tensor, "batch stretches width"]


class JEPA(nn.Module):
    """Predict the latents of hidden patches (ECG-JEPA, arXiv 2410.08559; I-JEPA, 2301.08243).

    The mask hides the same times in all leads. The target is the last layer of a slow copy of the
    encoder that sees all patches, each number standardised over the records of the batch. All that
    records share, as lead and position, is then no part of the target: with tokens scaled one by
    one, as in the papers, it is nearly all of it, and states that say nothing else predict it.

    Args:
        encoder: Any ``Encoder``.
        predictor: A ``Decoder`` with as many outputs as the encoder is wide.
        mask_ratio: Share of the times to hide.
        momentum: Momentum of the copy; constant, while the papers raise .996 to 1.
    """

    def __init__(
        self, encoder: Encoder, predictor: nn.Module, *, mask_ratio: float, momentum: float = 0.99
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = predictor
        self.mask_ratio = mask_ratio
        self.target_encoder = slow_copy(encoder)
        self.momentum = momentum

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Outcome:
        if self.training:
            follow(self.target_encoder, self.encoder, self.momentum)
        embedded = self.encoder.embed(signals)
        mask = same_times(embedded, self.mask_ratio)
        visible = encode_visible(self.encoder, embedded, mask, leads, last_layer)
        predicted = self.predictor(visible, mask, leads)
        target = latents(self.target_encoder, signals, leads)
        return Outcome(smooth_l1_loss(predicted.float()[mask.hidden], target[mask.hidden]))


@torch.no_grad()
def latents(encoder: Encoder, signals: Signals, leads: Sequence[str]) -> LeadTokens:
    """Return the last layer's patch tokens, standardised over records at each lead and time."""
    last = last_layer(encoder.layers(encoder.tokens(signals, leads)), encoder.norm)
    tokens = patch_tokens(last, len(leads)).float()
    centred = tokens - tokens.mean(dim=0)
    return centred / (centred.square().mean(dim=0).sqrt() + EPSILON)


class CPC(nn.Module):
    """Contrastive predictive coding (van den Oord et al., arXiv 1807.03748).

    A record is cut into stretches, each of which is encoded on its own: attention over all would
    include the target. A recurrent network sums up the past, and a matrix for each distance
    predicts a later stretch, which is to be matched among those of the other records at the same
    time. Positions are the record's and the same for all candidates, so they reveal nothing.

    Args:
        encoder: Any ``Encoder``.
        stretches: Number of stretches; patches that are left over are not read.
        ahead: Number of later stretches to predict.
    """

    def __init__(self, encoder: Encoder, *, stretches: int = 5, ahead: int = 2) -> None:
        super().__init__()
        width = encoder.shape.width
        self.encoder = encoder
        self.stretches = stretches
        self.context = nn.GRU(width, width, batch_first=True)
        self.predictors = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(ahead))

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Outcome:
        encoded = self.encode(signals, leads)
        context, _ = self.context(encoded)
        losses = [
            found_among_records(predict(context[:, :-distance]), encoded[:, distance:])
            for distance, predict in enumerate(self.predictors, start=1)
        ]
        return Outcome(torch.stack(losses).mean())

    def encode(self, signals: Signals, leads: Sequence[str]) -> Stretches:
        """Return the summary of every stretch, from its own samples alone."""
        embedded = self.encoder.embed(signals)
        length = embedded.shape[2] // self.stretches
        whole = embedded[:, :, : self.stretches * length]
        alone = whole.unflatten(2, (self.stretches, length)).transpose(1, 2).flatten(0, 1)
        return summary(self.encoder, View(alone), leads).unflatten(0, (-1, self.stretches))


def found_among_records(guesses: Stretches, encoded: Stretches) -> Loss:
    """Compute InfoNCE (eq. 4) at every time, with other records' stretches as negatives.

    Products are over the root of the width, as in attention, so that they start small.
    """
    batch, times, width = guesses.shape
    scores = torch.einsum("itd,jtd->tij", guesses.float(), encoded.float()) / width**0.5
    own = torch.arange(batch, device=scores.device).expand(times, -1)
    return cross_entropy(scores.flatten(0, 1), own.flatten())
