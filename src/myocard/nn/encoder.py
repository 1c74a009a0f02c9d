"""The ECG Transformer encoder (ST-MEM, arXiv 2402.09450), opened at every layer.

Tokens are patches of single leads. A learned separator stands at both ends of each lead, positions
encode time within a lead, and lead embeddings the lead; attention runs over the tokens of all leads
together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from myocard.leads import LEADS
from myocard.nn.patches import PatchEmbedding, patchify, sincos_positions
from myocard.nn.shapes import Layers, LeadTokens, Signals, Tokens
from myocard.nn.sizes import SIZES
from myocard.nn.transformer import Attention, Block, initialise


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """The numbers that fix an encoder's parameters, stored in its checkpoint.

    Attributes:
        samples: Samples of one lead in the input window.
        patch: Samples in a patch; divides ``samples``.
        width: Width of a token, D.
        depth: Number of blocks, L.
        heads: Attention heads; divides ``width``.
        mlp_ratio: Hidden width of a block's perceptron over ``width``.
    """

    samples: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp_ratio: int = 4

    def __post_init__(self) -> None:
        if self.samples % self.patch:
            raise ValueError(f"a patch of {self.patch} samples does not divide {self.samples}")
        if self.width % self.heads or self.width % 2:
            raise ValueError(f"{self.heads} heads do not divide an even width ({self.width})")

    @classmethod
    def of_size(cls, name: str, *, samples: int, patch: int) -> "EncoderShape":
        """Return the shape of a named size for windows of ``samples`` in patches of ``patch``."""
        size = SIZES[name]
        return cls(
            samples=samples, patch=patch, width=size.width, depth=size.depth, heads=size.heads
        )


class Encoder(nn.Module):
    """Signals in, the residual stream after every block out.

    Every method takes ``leads``, the names of the rows of ``signals``: any subset of the twelve, in
    any order. Signals last any whole number of patches, up to the window of the shape.
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.patch_embedding = PatchEmbedding(shape.patch, shape.width)
        self.separator = nn.Parameter(torch.empty(shape.width).normal_(std=0.02))
        self.lead_embedding = nn.Parameter(torch.empty(len(LEADS), shape.width).normal_(std=0.02))
        self.blocks = nn.ModuleList(
            Block(shape.width, shape.heads, shape.mlp_ratio) for _ in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.width)
        # Position 0 and N+1 belong to the separators, which carry none.
        positions = sincos_positions(shape.samples // shape.patch + 1, shape.width)[1:]
        self.positions = nn.Buffer(positions, persistent=False)
        self.apply(initialise)

    def forward(self, signals: Signals, leads: Sequence[str] = LEADS) -> Layers:
        """Return the states of all tokens after every layer, from the embedding to the last."""
        return torch.stack(list(self.layers(self.tokens(signals, leads))))

    def tokens(self, signals: Signals, leads: Sequence[str]) -> Tokens:
        """Embed every patch of ``signals``: the sequence that enters the first block."""
        return self.assemble(self.embed(signals), leads)

    def embed(self, signals: Signals) -> LeadTokens:
        """Embed patches and add their positions, before separators and lead embeddings."""
        patches = self.patch_embedding(patchify(signals, self.shape.patch))
        return patches + self.positions[: patches.shape[2]]

    def assemble(
        self,
        patches: LeadTokens,
        leads: Sequence[str],
        shown: Int[Tensor, "batch shown"] | None = None,
    ) -> Tokens:
        """Put separators around each lead's patches, add lead embeddings, and join the leads.

        Args:
            shown: Indices into ``leads`` of the patches' leads; None for all, in order.
        """
        separators = self.separator.expand(*patches.shape[:2], 1, -1)
        tokens = torch.cat([separators, patches, separators], dim=2)
        names = self.lead_embedding[lead_rows(leads)]
        names = names if shown is None else names[shown]
        return (tokens + names[..., None, :]).flatten(1, 2)

    def layers(self, tokens: Tokens) -> Iterator[Tokens]:
        """Yield the residual stream X_0 … X_L, one layer at a time, without any norm."""
        yield tokens
        for block in self.blocks:
            tokens = block(tokens)
            yield tokens


@torch.no_grad()
def align(module: nn.Module) -> None:
    """Let tokens attend to their like from the first step; for ``Module.apply``.

    Queries and keys start equal, and twice as large, so that tokens of the same time look at each
    other (mimetic initialisation, Trockman and Kolter, arXiv 2305.09828), and lead embeddings as
    large as positions, so that leads differ. As published, both start near zero: all tokens attend
    to all, and hundreds of steps pass before a masked autoencoder predicts more than a mean.
    """
    if isinstance(module, Attention):
        query, key, _ = module.qkv.weight.chunk(3)
        query.mul_(2)
        key.copy_(query)
    if isinstance(module, Encoder):
        module.lead_embedding.normal_(std=0.5)


def lead_rows(leads: Sequence[str]) -> list[int]:
    """Return the indices of ``leads`` among the twelve: the rows of a lead embedding."""
    return [LEADS.index(lead) for lead in leads]


def patch_tokens(tokens: Tokens, leads: int) -> Float[Tensor, "batch {leads} patches width"]:
    """Return the tokens of each lead without its separators."""
    return tokens.unflatten(1, (leads, -1))[:, :, 1:-1]
