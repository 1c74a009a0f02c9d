"""Decoders: all patches of a record, predicted from the tokens of the visible ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, lead_rows
from myocard.nn.objectives.masks import Mask, Visible
from myocard.nn.patches import sincos_positions
from myocard.nn.shapes import Patches
from myocard.nn.transformer import Block, CrossBlock, initialise

Canvas = Float[Tensor, "batch leads tokens inner"]


@dataclass(frozen=True)
class DecoderShape:
    """The decoder's numbers: token width, number of blocks, attention heads."""

    width: int
    depth: int
    heads: int


class _PatchDecoder(nn.Module):
    """Parts that all decoders have in common.

    Args:
        encoder: Encoder of the tokens.
        shape: The decoder's numbers.
        outputs: Predicted numbers of a patch: its samples by default.
    """

    block: type[Block] | type[CrossBlock]
    separated: bool

    def __init__(
        self, encoder: Encoder, shape: DecoderShape, *, outputs: int | None = None
    ) -> None:
        super().__init__()
        patch, patches = encoder.shape.patch, encoder.shape.samples // encoder.shape.patch
        self.enter = nn.Linear(encoder.shape.width, shape.width)
        self.mask_token = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        if self.separated:
            self.separator = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        blocks = (self.block(shape.width, shape.heads) for _ in range(shape.depth))
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(shape.width)
        self.leave = nn.Linear(shape.width, outputs or patch)
        positions = sincos_positions(patches + 1, shape.width)[1:]
        self.positions = nn.Buffer(positions, persistent=False)
        self.apply(initialise)


class Decoder(_PatchDecoder):
    """Predicts a lead's patches from its visible tokens; all leads share the weights."""

    block = Block
    separated = True

    def forward(self, visible: Visible, mask: Mask, leads: Sequence[str]) -> Patches:
        tokens = self.canvas(visible, mask)
        decoded = self.blocks(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        return self.predict(decoded)

    def canvas(self, visible: Visible, mask: Mask) -> Canvas:
        """Put mask tokens, visible tokens and separators of every lead in their places."""
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
    """A decoder whose attention runs over all leads, distinguished by an embedding.

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


class HiddenOnly(_PatchDecoder):
    """Predicts the hidden patches alone, each from the visible patches of its lead.

    Hidden patches attend to the visible ones and not to each other (CrossMAE, Fu et al., arXiv
    2401.14391), so that nothing is computed for visible patches: their outputs, which no loss
    reads, are zero. The mask has to hide as much of each lead as of any other.
    """

    block = CrossBlock
    separated = False

    def forward(self, visible: Visible, mask: Mask, leads: Sequence[str]) -> Patches:
        batch, rows, _ = mask.hidden.shape
        places = mask.hidden.nonzero()[:, 2].view(batch, rows, -1)
        shown = self.enter(visible) + self.positions[mask.patches]
        hidden = (self.mask_token + self.positions[places]).flatten(0, 1)
        for block in self.blocks:
            hidden = block(hidden, shown.flatten(0, 1))
        predicted = self.leave(self.norm(hidden)).unflatten(0, (batch, rows))
        everywhere = predicted.new_zeros(*mask.hidden.shape, predicted.shape[-1])
        return everywhere.masked_scatter(mask.hidden[..., None], predicted)
