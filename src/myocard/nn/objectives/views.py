"""Two views of each record, the positive pairs of contrastive objectives.

A view is some patches of some leads, embedded. Halves of a record keep their positions, so that the
encoder is trained on all of them; an augmented crop begins at the first, and the last quarter of
positions is not trained.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from myocard.nn.encoder import Encoder
from myocard.nn.shapes import LeadTokens, Signals

_CROP, _NOISE, _DROPPED = 0.75, 0.1, 0.25


class View(NamedTuple):
    """A part of every record of a batch.

    Attributes:
        patches: Embedded patches.
        leads: Their rows of the signals; None for all, in order.
    """

    patches: LeadTokens
    leads: Int[Tensor, "batch shown"] | None = None


Pair = Callable[[Encoder, Signals], tuple[View, View]]


def two_augmentations(encoder: Encoder, signals: Signals) -> tuple[View, View]:
    """Augment the record at random twice (SimCLR)."""
    one, other = (augment(signals, encoder.shape.patch) for _ in range(2))
    return View(encoder.embed(one)), View(encoder.embed(other))


def two_times(encoder: Encoder, signals: Signals) -> tuple[View, View]:
    """Take the first half of the record and the second (CMSC of CLOCS, arXiv 2005.13249)."""
    embedded = encoder.embed(signals)
    first, second = embedded.tensor_split(2, dim=2)
    return View(first), View(second)


def two_lead_sets(encoder: Encoder, signals: Signals) -> tuple[View, View]:
    """Take a random half of the leads and the other half.

    A variant of CMLC of CLOCS, which takes each lead on its own.
    """
    embedded = encoder.embed(signals)
    batch, leads = embedded.shape[:2]
    order = torch.rand(batch, leads, device=signals.device).argsort(dim=1)
    rows = torch.arange(batch, device=signals.device)[:, None]
    one, other = order.tensor_split(2, dim=1)
    return View(embedded[rows, one], one), View(embedded[rows, other], other)


def augment(signals: Signals, patch: int) -> Float[Tensor, "batch leads cropped"]:
    """Crop three quarters at a random time, add noise, and make some leads flat.

    A change of amplitude is left out: the norm of each patch undoes it.
    """
    samples = int(_CROP * (signals.shape[-1] // patch)) * patch
    cropped = random_crop(signals, samples)
    return drop_leads(add_noise(cropped))


def random_crop(signals: Signals, samples: int) -> Float[Tensor, "batch leads cropped"]:
    """Take ``samples`` in a row, from each record's own random time."""
    batch, leads, spare = *signals.shape[:2], signals.shape[-1] - samples
    starts = torch.randint(spare + 1, (batch, 1, 1), device=signals.device)
    times = starts + torch.arange(samples, device=signals.device)
    return signals.gather(2, times.expand(-1, leads, -1))


def add_noise(signals: Signals) -> Signals:
    """Add white noise of a tenth of each lead's standard deviation."""
    deviation = signals.std(dim=-1, keepdim=True)
    return signals + _NOISE * deviation * torch.randn_like(signals)


def drop_leads(signals: Signals) -> Signals:
    """Make each lead flat with probability one quarter."""
    kept = torch.rand(signals.shape[:2], device=signals.device) >= _DROPPED
    return signals * kept[..., None]
