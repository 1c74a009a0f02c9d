"""The named sizes of encoders and decoders, in a module that imports no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Size:
    """Numbers of a named size.

    Attributes:
        width: Width of a token.
        depth: Number of blocks.
        heads: Attention heads of a block.
        decoder: Width, depth and heads of the decoder.
        s4d_width: Width of S4D, which has four layers at every size.
    """

    width: int
    depth: int
    heads: int
    decoder: tuple[int, int, int]
    s4d_width: int


# tiny, small and base are ViT's; nano is for the demo and for tests. The papers' decoder is 256
# wide and 4 deep whatever the encoder: beside a small encoder it would take most of the time.
SIZES = {
    "nano": Size(width=96, depth=8, heads=3, decoder=(64, 1, 1), s4d_width=32),
    "tiny": Size(width=192, depth=12, heads=3, decoder=(128, 2, 2), s4d_width=64),
    "small": Size(width=384, depth=12, heads=6, decoder=(256, 4, 4), s4d_width=128),
    "base": Size(width=768, depth=12, heads=12, decoder=(256, 4, 4), s4d_width=512),
}
