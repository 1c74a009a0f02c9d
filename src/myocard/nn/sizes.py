"""The named encoders and decoders: one dial, the size."""

from myocard.nn.encoder import EncoderShape
from myocard.nn.objectives.decoders import DecoderShape

# Width, depth, heads. tiny, small and base are ViT's; nano is for the demo and for tests.
_ENCODERS = {"nano": (96, 8, 3), "tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12)}

# The papers' decoder is 256 wide and 4 deep whatever the encoder. Beside a small encoder it would
# take most of the time.
DECODERS = {
    "nano": DecoderShape(64, 1, 1),
    "tiny": DecoderShape(128, 2, 2),
    "small": DecoderShape(256, 4, 4),
    "base": DecoderShape(256, 4, 4),
}

# Of S4D, which has four layers at every size.
S4D_WIDTHS = {"nano": 32, "tiny": 64, "small": 128, "base": 512}


def encoder_shape(size: str, *, samples: int, patch: int) -> EncoderShape:
    """The encoder of a named size for windows of ``samples`` in patches of ``patch``."""
    width, depth, heads = _ENCODERS[size]
    return EncoderShape(samples, patch, width, depth, heads)
