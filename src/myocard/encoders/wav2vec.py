"""The wav2vec 2.0 network that ECG-FM, HuBERT-ECG and their kin share (arXiv 2006.11477).

Convolutions turn a signal into frames, a wide convolution over the frames adds their positions, and
post-norm Transformer layers follow. Modules are named as in ECG-FM's checkpoints.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from myocard.encoders.published import Card, LayeredNetwork, Weights
from myocard.encoders.tensors import count, shape_of
from myocard.errors import InputError
from myocard.nn.shapes import Signals, Tokens

_CONVS, _LAYERS = "feature_extractor.conv_layers.", "encoder.layers."
_POSITIONS = "conv_pos.pos_conv.0"
_NORMED = (
    (f"{_POSITIONS}.weight_g", f"{_POSITIONS}.weight_v"),
    (
        f"{_POSITIONS}.parametrizations.weight.original0",
        f"{_POSITIONS}.parametrizations.weight.original1",
    ),
)
"""Names of a weight-normed tensor's gain and direction, as older and newer writers have them."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The numbers that fix the network.

    Attributes:
        channels: Channels of the input: leads, or one where the leads are joined end to end.
        features: Width of the convolutions, C.
        kernels: Samples that each convolution sees.
        strides: Samples between the outputs of each convolution.
        width: Width of a token, D.
        inner: Hidden width of a layer's perceptron.
        depth: Number of layers.
        heads: Attention heads.
        taps: Frames that the positional convolution sees.
        groups: Groups of the positional convolution.
        projected: False where a frame's C features are its token, with no linear map between.
    """

    channels: int
    features: int
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    width: int
    inner: int
    depth: int
    heads: int
    taps: int
    groups: int
    projected: bool


class Wav2Vec(LayeredNetwork):
    """Signals in, the tokens after every layer out; a token is a frame."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.feature_extractor = Convolutions(shape)
        self.layer_norm = nn.LayerNorm(shape.features)
        projection = nn.Linear(shape.features, shape.width) if shape.projected else nn.Identity()
        self.post_extract_proj = projection
        self.conv_pos = PositionalConvolution(shape)
        self.encoder = PostNormTransformer(shape)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        tokens = self.encoder.layer_norm(self.positioned(self.frames(signals)))
        yield tokens
        for layer in self.encoder.layers:
            tokens = layer(tokens)
            yield tokens

    def frames(self, signals: Signals) -> Tokens:
        """Project the convolutions' features to tokens; leads are joined where channels are one."""
        joined = signals.reshape(signals.shape[0], self.shape.channels, -1)
        features = self.feature_extractor(joined).transpose(1, 2)
        return self.post_extract_proj(self.layer_norm(features))

    def positioned(self, frames: Tokens) -> Float[Tensor, "batch positioned width"]:
        return frames + self.conv_pos(frames)


class Convolutions(nn.Module):
    """Convolutions without padding or bias; the first one's channels are normed over time."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels = (shape.channels, *[shape.features] * (len(shape.kernels) - 1))
        self.conv_layers = nn.Sequential()
        for inputs, kernel, stride in zip(channels, shape.kernels, shape.strides, strict=True):
            # ECG-FM's dropout has no tensors and keeps its number.
            parts = OrderedDict[str, nn.Module]()
            parts["0"] = nn.Conv1d(inputs, shape.features, kernel, stride, bias=False)
            if not self.conv_layers:
                parts["2"] = nn.GroupNorm(shape.features, shape.features)
            parts["3"] = nn.GELU()
            self.conv_layers.append(nn.Sequential(parts))

    def forward(self, signals: Signals) -> Float[Tensor, "batch features frames"]:
        return self.conv_layers(signals)


class PositionalConvolution(nn.Module):
    """A convolution over frames whose last output is cut where the kernel is even."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, taps = shape.width, shape.taps
        conv = nn.Conv1d(width, width, taps, padding=taps // 2, groups=shape.groups)
        self.pos_conv = nn.Sequential(conv, nn.GELU())

    def forward(self, frames: Tokens) -> Tokens:
        return self.pos_conv(frames.transpose(1, 2)).transpose(1, 2)[:, : frames.shape[1]]


class PostNormTransformer(nn.Module):
    """Layers, and the norm of what enters the first."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PostNormLayer(shape) for _ in range(shape.depth))
        self.layer_norm = nn.LayerNorm(shape.width)


class PostNormLayer(nn.Module):
    """Attention, then a GELU perceptron, each added to the tokens and normed with them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = SelfAttention(shape.width, shape.heads)
        self.self_attn_layer_norm = nn.LayerNorm(shape.width)
        self.fc1 = nn.Linear(shape.width, shape.inner)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(shape.inner, shape.width)
        self.final_layer_norm = nn.LayerNorm(shape.width)

    def forward(self, tokens: Tokens) -> Tokens:
        tokens = self.self_attn_layer_norm(tokens + self.self_attn(tokens))
        return self.final_layer_norm(tokens + self.fc2(self.gelu(self.fc1(tokens))))


class SelfAttention(nn.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, tokens: Tokens) -> Tokens:
        query, key, value = (
            projected(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projected in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(-2))


def read_shape(
    weights: Weights,
    card: Card,
    file: Path,
    *,
    channels: int,
    strides: Sequence[int],
    heads: int | None,
    published_heads: Mapping[int, int],
) -> Shape:
    """Read the network's shape from its tensors, and take what they do not tell.

    Args:
        weights: By the network's names, with the positional convolution folded.
        card: For messages.
        file: For messages.
        channels: Channels of the input.
        strides: Strides of the convolutions.
        heads: Attention heads, where the checkpoint states them.
        published_heads: Attention heads of the published models, by width.

    Raises:
        InputError: When a tensor is missing or has too few axes, or what tensors do not tell is
            not known or does not fit them.
    """
    convs = [
        shape_of(weights, f"{_CONVS}{conv}.0.weight", 3, card, file)
        for conv in range(count(weights, _CONVS))
    ]
    width, inputs, taps = shape_of(weights, f"{_POSITIONS}.weight", 3, card, file)
    heads = heads or published_heads.get(width)
    fits = width % inputs == 0 and len(strides) == len(convs)
    if not (fits and isinstance(heads, int) and heads > 0 and width % heads == 0):
        raise InputError(
            f"{file}: no checkpoint of {card.title}: tensors of {len(convs)} convolutions and a "
            f"width of {width} in groups of {inputs}, for {len(strides)} strides and "
            f"{heads or 'an unknown number of'} heads"
        )
    return Shape(
        channels=channels,
        features=convs[0][0],
        kernels=tuple(kernel for *_, kernel in convs),
        strides=tuple(strides),
        width=width,
        inner=shape_of(weights, f"{_LAYERS}0.fc1.weight", 2, card, file)[0],
        depth=count(weights, _LAYERS),
        heads=heads,
        taps=taps,
        groups=width // inputs,
        projected="post_extract_proj.weight" in weights or convs[0][0] != width,
    )


def folded(weights: Weights) -> dict[str, Tensor]:
    """Replace gain and direction of the positional convolution by its weight.

    Its norm is over the first two axes: one for each tap.
    """
    kept = dict(weights)
    for gain, direction in _NORMED:
        if gain in kept and direction in kept:
            scale, vectors = kept.pop(gain).float(), kept.pop(direction).float()
            norms = torch.linalg.vector_norm(vectors, dim=(0, 1), keepdim=True)
            kept[f"{_POSITIONS}.weight"] = vectors * (scale / norms)
    return kept
