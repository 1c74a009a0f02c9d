"""ECG-JEPA of Kim (2024): a token for each lead and 0.2 s attends along its lead and its time."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.steps import Resample, Window
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened
from myocard.encoders.tensors import count, filled, part, shape_of
from myocard.encoders.vit import Block, BlockShape, of_leads
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.nn.shapes import Signals, Tokens

CARD = Card(
    name="ecg-jepa-kim",
    title="ECG-JEPA (Kim)",
    paper="Kim, Learning general representation of 12-lead electrocardiogram with a "
    "joint-embedding predictive architecture, 2024 (arXiv 2410.08559)",
    code_licence="MIT",
    weights_licence="not stated apart from the code's",
    commercial=None,
    where="Google Drive, linked from github.com/sehunfromdaegu/ECG_JEPA (multi-block masking "
    "1gMOT4xjQQg0GZkY1iE6NuDzua4ALw00l, random masking 1mh-XL0XOvvhFbhvuZ9c2KnTHa9B4F3Wx)",
    pretrained_on=("chapman", "ecg-arrhythmia", "code15"),
    size="12 × 768",
    signals="250 Hz, 10 s, 8 leads",
    layers="The first state is the patch embedding, without a position; the last is the output of "
    "the last block, which its makers norm before they average it over tokens. The position is "
    "added before every block and stays.",
)
HEADS = 16
"""Number of heads, which no tensor tells."""
INPUT_LEADS = ("I", "II", *LEADS[6:])


class CrossPatternViT(LayeredNetwork):
    """A ViT with cross-pattern attention.

    Args:
        position: The fixed table of positions; a row for each token of all leads.
        patch: Samples of a token.
        depth: Number of blocks.
        hidden: Width inside a block's perceptron.

    Attributes:
        leads: Places of the leads that it reads among its eight.
    """

    pos_embed: Tensor

    def __init__(
        self, position: Float[Tensor, "tokens width"], patch: int, depth: int, hidden: int
    ) -> None:
        super().__init__()
        width = position.shape[1]
        self.leads = tuple(range(len(INPUT_LEADS)))
        self.register_buffer("pos_embed", position.clone())
        self.W_P = nn.Linear(patch, width)
        blocks = (Block(BlockShape(width, HEADS, hidden)) for _ in range(depth))
        self.encoder_blocks = nn.ModuleDict({"blocks": nn.ModuleList(blocks)})
        self.norm = nn.LayerNorm(width)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        tokens = self.W_P(signals.unflatten(-1, (-1, self.W_P.in_features))).flatten(1, 2)
        yield tokens
        by_lead = self.pos_embed.unflatten(0, (len(INPUT_LEADS), -1))
        position = by_lead[list(self.leads)].flatten(0, 1)
        mask = cross_pattern(len(self.leads), by_lead.shape[1]).to(position.device)
        for block in self.encoder_blocks["blocks"].children():
            tokens = block(tokens + position, mask)
            yield tokens


def cross_pattern(leads: int, patches: int) -> Bool[Tensor, "tokens tokens"]:
    """Tell which tokens share a lead or a time."""
    place = torch.arange(leads * patches)
    lead, time = place // patches, place % patches
    return (lead[:, None] == lead) | (time[:, None] == time)


def stated_input(samples: int) -> Preprocessing:
    """Return the input that its makers state, for windows of ``samples``."""
    steps = (Resample(250, "fourier"), Window(samples))
    return Preprocessing(250, samples, INPUT_LEADS, steps=steps)


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of Kim's by its embeddings of patch and position."""
    weights = _weights(content)
    return isinstance(weights, Mapping) and {"pos_embed", "W_P.weight"} <= weights.keys()


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of Kim's."""
    weights = part(_weights(content), "", {}, file)
    tokens, width = shape_of(weights, "pos_embed", 2, CARD, file)
    if tokens % len(INPUT_LEADS) or width % HEADS:
        raise InputError(
            f"{file}: no checkpoint of {CARD.title}: tensor pos_embed {(tokens, width)} is not for "
            f"{len(INPUT_LEADS)} leads and {HEADS} heads"
        )
    patch = shape_of(weights, "W_P.weight", 2, CARD, file)[1]
    hidden = shape_of(weights, "encoder_blocks.blocks.0.mlp.fc1.weight", 2, CARD, file)[0]
    depth = count(weights, "encoder_blocks.blocks.")
    build = partial(CrossPatternViT, weights["pos_embed"], patch, depth, hidden)
    network = filled(build, weights, CARD, file)
    return Opened(
        card=CARD,
        network=network,
        layers=block_layers(width, depth),
        input=stated_input(patch * tokens // len(INPUT_LEADS)),
        build=build,
        norm="norm",
        of_leads=of_leads,
        order="lead by lead",
    )


def _weights(content: Mapping[str, Any]) -> Any:
    return content.get("encoder", content)


FAMILY = Family((CARD,), recognises, read)
