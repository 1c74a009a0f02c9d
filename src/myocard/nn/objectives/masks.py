"""Masks: patches of each lead, the same times in all leads, or whole leads are hidden.

A mask shows some leads of a record, and of each of these some patches; the rest is hidden. Every
record of a batch shows as many as any other.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from myocard.nn.shapes import LeadTokens

Hidden = Bool[Tensor, "batch leads patches"]
Visible = Float[Tensor, "batch shown visible width"]


class Mask(NamedTuple):
    """The patches that the encoder sees.

    Attributes:
        leads: Rows of the signals, in rising order.
        patches: Patches of each of these rows, in rising order.
        hidden: True at all other patches.
    """

    leads: Int[Tensor, "batch shown"]
    patches: Int[Tensor, "batch shown visible"]
    hidden: Hidden

    @property
    def places(self) -> Int[Tensor, "batch tokens"]:
        """Indices of the shown patches among all patches of a record, lead after lead."""
        return (self.leads[..., None] * self.hidden.shape[2] + self.patches).flatten(1)

    def visible(self, embedded: LeadTokens) -> Visible:
        """Select the tokens that are shown."""
        places = self.places[..., None].expand(-1, -1, embedded.shape[-1])
        return embedded.flatten(1, 2).gather(1, places).unflatten(1, self.patches.shape[1:])


Masking = Callable[[LeadTokens, float], Mask]
"""Draws a mask for embedded patches that hides a given share."""


def each_lead(embedded: LeadTokens, ratio: float) -> Mask:
    """Hide a share of the patches, uniformly, in each lead on its own (ST-MEM)."""
    batch, leads, patches, _ = embedded.shape
    drawn = _draw(embedded, (batch, leads), patches, visible_count(patches, ratio))
    return _mask(_every(embedded), drawn, embedded)


def same_times(embedded: LeadTokens, ratio: float) -> Mask:
    """Hide a share of the times, the same in all leads (MTAE)."""
    batch, leads, patches, _ = embedded.shape
    times = _draw(embedded, (batch, 1), patches, visible_count(patches, ratio))
    return _mask(_every(embedded), times.expand(-1, leads, -1), embedded)


def whole_leads(embedded: LeadTokens, ratio: float) -> Mask:
    """Hide a share of the leads, but for one at least, each record's own (MLAE)."""
    shown = _some_leads(embedded, ratio)
    every = torch.arange(embedded.shape[2], device=embedded.device)
    return _mask(shown, every.expand(*shown.shape, -1), embedded)


def half_the_leads(embedded: LeadTokens, ratio: float, *, masking: Masking) -> Mask:
    """Hide half of the leads, each record's own, and a share of the others by ``masking``.

    Random lead masking (RLM, Oh et al., arXiv 2203.06889), which hides each lead with probability
    one half.
    """
    shown = _some_leads(embedded, 0.5)
    inner = masking(embedded[:, : shown.shape[1]], ratio)
    return _mask(shown, inner.patches, embedded)


def visible_count(patches: int, ratio: float) -> int:
    """Return how many of N stay visible: ⌊N·(1−r)⌋."""
    # Rounded first: 30·(1−0.6) is 12.000000000000002 and 10·(1−0.9) is 0.9999999999999998.
    return math.floor(round(patches * (1 - ratio), 9))


def _mask(leads: Tensor, patches: Tensor, embedded: LeadTokens) -> Mask:
    """Build the mask that shows ``patches`` of ``leads``."""
    hidden = torch.ones(embedded.shape[:3], dtype=torch.bool, device=embedded.device)
    places = Mask(leads, patches, hidden).places
    hidden = hidden.flatten(1).scatter(1, places, value=False).view_as(hidden)
    return Mask(leads, patches, hidden)


def _every(embedded: LeadTokens) -> Int[Tensor, "batch leads"]:
    return torch.arange(embedded.shape[1], device=embedded.device).expand(len(embedded), -1)


def _some_leads(embedded: LeadTokens, ratio: float) -> Int[Tensor, "batch shown"]:
    batch, leads = embedded.shape[:2]
    return _draw(embedded, (batch,), leads, max(1, visible_count(leads, ratio)))


def _draw(
    embedded: LeadTokens, groups: tuple[int, ...], count: int, visible: int
) -> Int[Tensor, "*groups visible"]:
    """Draw uniformly the ``visible`` of ``count`` in each group, in rising order."""
    noise = torch.rand(*groups, count, device=embedded.device)
    return noise.argsort(dim=-1)[..., :visible].sort(dim=-1).values
