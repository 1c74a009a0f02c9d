"""Pre-norm Vision Transformer blocks (Dosovitskiy et al. 2021) under the names of checkpoints."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from myocard.encoders.published import Card, LayeredNetwork, Weights
from myocard.encoders.tensors import count, shape_of
from myocard.nn.shapes import Signals, Tokens

Mask = Bool[Tensor, "tokens tokens"]


def attend(
    qkv: Float[Tensor, "batch tokens three_inner"], heads: int, mask: Mask | None = None
) -> Float[Tensor, "batch tokens inner"]:
    """Mix the values of stacked queries, keys and values; ``mask`` is True where a token looks."""
    query, key, value = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(-2)


@dataclass(frozen=True)
class BlockShape:
    """Sizes of a block.

    Attributes:
        width: Width of a token.
        heads: Number of attention heads.
        hidden: Width inside the perceptron.
        bias: True if norms and linear layers have biases.
        qkv_bias: True if queries, keys and values have biases.
        epsilon: Added to the variance in norms.
    """

    width: int
    heads: int
    hidden: int
    bias: bool = True
    qkv_bias: bool = False
    epsilon: float = 1e-5


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=shape.qkv_bias)
        self.proj = nn.Linear(shape.width, shape.width, bias=shape.bias)

    def forward(self, tokens: Tokens, mask: Mask | None) -> Tokens:
        return self.proj(attend(self.qkv(tokens), self.heads, mask))


class Block(nn.Module):
    """A block with the names of timm's; its two branches are not scaled."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        width, hidden = shape.width, shape.hidden
        self.norm1 = nn.LayerNorm(width, shape.epsilon, bias=shape.bias)
        self.attn = Attention(shape)
        self.attn_ls: nn.Module = nn.Identity()
        self.norm2 = nn.LayerNorm(width, shape.epsilon, bias=shape.bias)
        self.mlp = nn.Sequential(
            OrderedDict(
                fc1=nn.Linear(width, hidden, bias=shape.bias),
                gelu=nn.GELU(),
                fc2=nn.Linear(hidden, width, bias=shape.bias),
            )
        )
        self.mlp_ls: nn.Module = nn.Identity()

    def forward(self, tokens: Tokens, mask: Mask | None = None) -> Tokens:
        tokens = tokens + self.attn_ls(self.attn(self.norm1(tokens), mask))
        return tokens + self.mlp_ls(self.mlp(self.norm2(tokens)))


HEAD = 64
"""Width of a head in ST-MEM and MERL, whatever the width of a token."""


class HeadAttention(nn.Module):
    """Multi-head self-attention whose heads are ``HEAD`` wide."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * HEAD
        self.to_qkv = nn.Linear(width, 3 * inner)
        # A single head as wide as a token is not mixed again.
        whole = heads == 1 and width == HEAD
        self.to_out = nn.Sequential(*([] if whole else [nn.Linear(inner, width)]))

    def forward(self, tokens: Tokens) -> Tokens:
        return self.to_out(attend(self.to_qkv(tokens), self.heads))


class Branch(nn.Module):
    """A function of the normed residual stream, added to it."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, tokens: Tokens) -> Tokens:
        return tokens + self.fn(self.norm(tokens))


@dataclass(frozen=True)
class StackShape:
    """Sizes of a stack of blocks: see ``BlockShape``; ``depth`` is their number."""

    width: int
    depth: int
    heads: int
    hidden: int


class NumberedBlocks(LayeredNetwork):
    """Blocks with the names of ST-MEM's and MERL's, and the norm of the pooled last state."""

    def __init__(self, shape: StackShape) -> None:
        super().__init__()
        self.depth = shape.depth
        for number in range(shape.depth):
            self.add_module(f"block{number}", _numbered_block(shape))
        self.norm = nn.LayerNorm(shape.width)

    def embed(self, signals: Signals) -> Tokens:
        """Make the tokens that enter the first block."""
        raise NotImplementedError

    def states(self, signals: Signals) -> Iterator[Tokens]:
        tokens = self.embed(signals)
        yield tokens
        for number in range(self.depth):
            tokens = self.get_submodule(f"block{number}")(tokens)
            yield tokens


def _numbered_block(shape: StackShape) -> nn.Module:
    width, hidden = shape.width, shape.hidden
    # Dropout, which has no weights, was third.
    net = nn.Sequential(
        nn.Linear(width, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, width)
    )
    return nn.Sequential(
        OrderedDict(
            attn=Branch(width, HeadAttention(width, shape.heads)),
            ff=Branch(width, nn.Sequential(OrderedDict(net=net))),
        )
    )


def stack_shape(weights: Weights, card: Card, file: Path) -> StackShape:
    """Read the sizes of ``NumberedBlocks``.

    Raises:
        InputError: When a tensor that tells one is missing.
    """
    qkv = shape_of(weights, "block0.attn.fn.to_qkv.weight", 2, card, file)
    hidden = shape_of(weights, "block0.ff.fn.net.0.weight", 2, card, file)
    return StackShape(qkv[1], count(weights, "block"), qkv[0] // (3 * HEAD), hidden[0])


def of_leads(network: Any, places: Sequence[int]) -> Any:
    """Return a network with the same weights that reads those of its ``leads`` at ``places``."""
    fewer = copy(network)
    fewer.leads = tuple(network.leads[place] for place in places)
    return fewer
