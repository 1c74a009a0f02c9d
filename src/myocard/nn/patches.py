"""Conversion of signals to patch tokens and back."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.nn.shapes import LeadTokens, Patches, Signals


def patchify(signals: Signals, patch: int) -> Patches:
    """Cut every lead into consecutive patches of ``patch`` samples."""
    return signals.unflatten(-1, (-1, patch))


def unpatchify(patches: Patches) -> Signals:
    """Undo ``patchify``."""
    return patches.flatten(-2)


def sincos_positions(count: int, width: int) -> Float[Tensor, "count width"]:
    """Return fixed sine-cosine positions 0, 1, …, count-1 (Vaswani et al. 2017, section 3.5)."""
    frequencies = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = torch.arange(count, dtype=torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


class PatchEmbedding(nn.Module):
    """LayerNorm, linear, LayerNorm: shared by all leads (ST-MEM, section 3)."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(patch)
        self.linear = nn.Linear(patch, width)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, patches: Patches) -> LeadTokens:
        return self.norm_out(self.linear(self.norm_in(patches)))
