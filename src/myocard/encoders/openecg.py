"""openecg's codec: a small one-lead network, trained with labels; no foundation model.

Its input is ranks: amplitude, offset and unit of a signal are not in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from myocard.data.signal import Preprocessing
from myocard.data.steps import Ranks, Resample, Window
from myocard.encoders.protocol import Layer
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened, Weights
from myocard.encoders.tensors import count, filled, find, part, present, shape_of
from myocard.nn.shapes import Signals, Tokens

CARD = Card(
    name="openecg",
    title="openecg's codec",
    paper="H.-C. Lee's group (VitalDB, Seoul National University), openecg 0.11.0, 2026",
    code_licence="Apache-2.0",
    weights_licence="Apache-2.0",
    commercial=True,
    where="in the package openecg: pip install --no-deps openecg opendsp; "
    "openecg/models/codec_v6.pt",
    pretrained_on=("ludb", "qtdb", "isp", "mitdb", "vitaldb-arrhythmia", "lydus"),
    size="8 × 128",
    signals="500 Hz, 10 s, lead II",
    layers="The first state is the tokens of 20 ms with their positions; the next are normed "
    "convolutions of them; the last is the output of the last pre-norm block, without a norm.",
)
# Linear: at 500 Hz, all that its makers state, Fourier's rounding would break ties of ranks.
_INPUT = Preprocessing(500, 5000, ("II",), steps=(Resample(500, "linear"), Window(5000), Ranks()))
_SIGN = "lower_convs.0.weight"
_HEADS = 4
_LEFT_OUT = {
    "refine.": "the way from tokens back to samples",
    "head_sample.": "the head of waves, of each sample",
    "beat_sample.": "the head of beats, of each sample",
    "rhythm_sample.": "the head of rhythms, of each sample",
    "head.": "a leftover of training",
}


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        width: Width of a token.
        patch: Samples that a token sees; tokens are half as many apart.
        kernel: Tokens that a convolution sees.
        convs: Number of convolutions.
        blocks: Number of Transformer blocks.
        heads: Attention heads.
        hidden: Width inside a block's perceptron.
    """

    width: int
    patch: int
    kernel: int
    convs: int
    blocks: int
    heads: int
    hidden: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        convs = (f"convolution {conv}" for conv in range(1, self.convs + 1))
        blocks = (f"block {block}" for block in range(1, self.blocks + 1))
        return tuple(Layer(name, self.width) for name in ("embedding", *convs, *blocks))


class Codec(LayeredNetwork):
    """Convolutions over tokens, and pre-norm Transformer blocks.

    Args:
        shape: Sizes of the network.
        positions: The fixed table of positions; a row for each token.
    """

    def __init__(self, shape: Shape, positions: Float[Tensor, "1 tokens width"]) -> None:
        super().__init__()
        width, patch = shape.width, shape.patch
        self.conv_tok = nn.Conv1d(1, width, patch, patch // 2, padding=patch // 4)
        self.pos_enc = nn.Buffer(positions.clone())
        self.lower_convs = nn.ModuleList(
            nn.Conv1d(width, width, shape.kernel, padding=shape.kernel // 2)
            for _ in range(shape.convs)
        )
        self.lower_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(shape.convs))
        self.upper_transformer = nn.ModuleDict(
            {"layers": nn.ModuleList(_block(shape) for _ in range(shape.blocks))}
        )

    def states(self, signals: Signals) -> Iterator[Tokens]:
        stride = self.conv_tok.stride[0]
        tokens = self.conv_tok(signals)[:, :, : signals.shape[2] // stride].transpose(1, 2)
        tokens = tokens + self.pos_enc[:, : tokens.shape[1]]
        yield tokens
        for conv, norm in zip(self.lower_convs, self.lower_norms, strict=True):
            convolved = gelu(conv(tokens.transpose(1, 2))).transpose(1, 2)
            tokens = norm(convolved + tokens)
            yield tokens
        for block in self.upper_transformer["layers"].children():
            tokens = block(tokens)
            yield tokens


def _block(shape: Shape) -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(
        shape.width,
        shape.heads,
        shape.hidden,
        dropout=0,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of openecg's codec by its first convolution over tokens."""
    return find(content, _SIGN) is not None


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of openecg's codec; all its versions have one shape."""
    tensors, _ = find(content, _SIGN) or ({}, "")
    left_out = present(tensors, _LEFT_OUT)
    weights = part(tensors, "", left_out, file)
    heads = content.get("model_config", {}).get("n_heads", _HEADS)
    shape = _read_shape(weights, heads, file)
    build = partial(Codec, shape, weights["pos_enc"])
    network = filled(build, weights, CARD, file)
    return Opened(
        card=CARD,
        network=network,
        layers=shape.layers,
        input=_INPUT,
        build=build,
        left_out=left_out,
    )


def _read_shape(weights: Weights, heads: int, file: Path) -> Shape:
    width, _, patch = shape_of(weights, "conv_tok.weight", 3, CARD, file)
    shape_of(weights, "pos_enc", 3, CARD, file)
    blocks = "upper_transformer.layers."
    return Shape(
        width=width,
        patch=patch,
        kernel=shape_of(weights, _SIGN, 3, CARD, file)[2],
        convs=count(weights, "lower_convs."),
        blocks=count(weights, blocks),
        heads=heads,
        hidden=shape_of(weights, f"{blocks}0.linear1.weight", 2, CARD, file)[0],
    )


FAMILY = Family((CARD,), recognises, read)
