"""The pre-norm Transformer block of encoder and decoder (ViT, Dosovitskiy et al. 2021)."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from myocard.nn.shapes import Tokens


class Attention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tokens) -> Tokens:
        qkv = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class CrossAttention(nn.Module):
    """Multi-head attention from one set of tokens to another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tokens, others: Float[Tensor, "batch others width"]) -> Tokens:
        query = self.query(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key_value = self.key_value(others).unflatten(-1, (2, self.heads, -1))
        key, value = key_value.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out(mixed.transpose(1, 2).flatten(-2))


class Block(nn.Module):
    """Attention, then a GELU perceptron, each on the normalised residual stream and added to it."""

    def __init__(self, width: int, heads: int, mlp_ratio: int = 4) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = perceptron(width, mlp_ratio)

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))


class CrossBlock(nn.Module):
    """A block whose tokens attend to others, and not to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.others_norm = nn.LayerNorm(width)
        self.attention = CrossAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = perceptron(width)

    def forward(self, tokens: Tokens, others: Float[Tensor, "batch others width"]) -> Tokens:
        tokens = tokens + self.attention(self.attention_norm(tokens), self.others_norm(others))
        return tokens + self.mlp(self.mlp_norm(tokens))


def perceptron(width: int, ratio: int = 4) -> nn.Sequential:
    """Build two linear layers with a GELU between, ``ratio`` times as wide inside."""
    inner = ratio * width
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


def initialise(module: nn.Module) -> None:
    """Give linear layers Xavier-uniform weights and zero biases (ST-MEM); for ``Module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
