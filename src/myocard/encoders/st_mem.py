"""ST-MEM (Na et al., ICLR 2024): one token for each lead and 0.3 s, and separators between leads.

Written from the paper and a description of names and shapes; no line is its makers' code.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.steps import Butterworth, Resample, Window, ZScore
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, Opened
from myocard.encoders.tensors import filled, linear_head, part, present, shape_of
from myocard.encoders.vit import NumberedBlocks, StackShape, of_leads, stack_shape
from myocard.leads import LEADS
from myocard.nn.shapes import Signals, Tokens

CARD = Card(
    name="st-mem",
    title="ST-MEM",
    paper="Na et al., Guiding masked representation learning to capture spatio-temporal "
    "relationship of electrocardiogram, ICLR 2024 (arXiv 2402.09450)",
    code_licence="CC BY-NC 4.0, with a notice of VUNO Inc.",
    weights_licence="not stated apart from the code's",
    commercial=False,
    where="Google Drive, linked from github.com/bakqui/ST-MEM (encoder 1E7J-A1HqWa2f08T6Sfk5uWk-"
    "_CFJhOYQ, with decoder 14nScwPk35sFi8wc-cuLJLqudVwynKS0n)",
    pretrained_on=("chapman", "ecg-arrhythmia", "code15"),
    size="12 × 768",
    signals="250 Hz, 9 s, 12 leads",
    layers="The first state is the patch embedding with those of place and lead; the last is the "
    "output of the last block, whose mean over tokens its makers norm.",
)
_BESIDE_ENCODER = {
    "to_patch_embedding.": "a copy of the encoder's",
    "to_decoder_embedding.": "the decoder of pretraining",
    "mask_embedding": "the decoder of pretraining",
    "decoder_": "the decoder of pretraining",
}


class STMEM(NumberedBlocks):
    """ST-MEM's encoder.

    Attributes:
        leads: Places of the leads that it reads among its twelve.
    """

    def __init__(self, shape: StackShape, patch: int, patches: int) -> None:
        super().__init__(shape)
        self.leads = tuple(range(len(LEADS)))
        width = shape.width
        self.to_patch_embedding = nn.Sequential(
            nn.Unflatten(-1, (-1, patch)),
            nn.LayerNorm(patch),
            nn.Linear(patch, width),
            nn.LayerNorm(width),
        )
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(1, patches + 2, width))
        self.sep_embedding = nn.Parameter(0.02 * torch.randn(width))
        self.lead_embeddings = nn.ParameterList(0.02 * torch.randn(width) for _ in LEADS)

    def embed(self, signals: Signals) -> Tokens:
        patches = self.to_patch_embedding(signals)
        patches = patches + self.pos_embedding[:, 1 : 1 + patches.shape[2]]
        separators = self.sep_embedding + self.pos_embedding[:, [0, -1]]
        left, right = separators.expand(*patches.shape[:2], -1, -1).split(1, dim=2)
        leads = torch.stack([self.lead_embeddings[lead] for lead in self.leads])
        return (torch.cat([left, patches, right], dim=2) + leads[:, None]).flatten(1, 2)

    def signal_tokens(self, tokens: Tokens) -> Float[Tensor, "batch kept width"]:
        return tokens.unflatten(1, (len(self.leads), -1))[:, :, 1:-1].flatten(1, 2)


def stated_input(samples: int) -> Preprocessing:
    """Return the input that its makers state, for windows of ``samples``."""
    steps = (
        Resample(250, "fourier"),
        Window(samples),
        Butterworth((0.67,), "highpass", 5),
        Butterworth((40.0,), "lowpass", 5),
        ZScore("record"),
    )
    return Preprocessing(250, samples, steps=steps)


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of ST-MEM, with or without its decoder, by its lead embeddings."""
    weights = _weights(content)
    return isinstance(weights, Mapping) and any(
        f"{prefix}lead_embeddings.0" in weights for prefix in ("encoder.", "")
    )


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of ST-MEM: its encoder, with its decoder, or with the head of a task."""
    tensors = _weights(content)
    if "encoder.lead_embeddings.0" in tensors:
        prefix, known = "encoder.", _BESIDE_ENCODER
    else:
        prefix, known = "", {"head.": "the head of a task"}
    left_out = present(tensors, known)
    weights = part(tensors, prefix, left_out, file)
    shape = stack_shape(weights, CARD, file)
    patch = shape_of(weights, "to_patch_embedding.2.weight", 2, CARD, file)[1]
    patches = shape_of(weights, "pos_embedding", 3, CARD, file)[1] - 2
    build = partial(STMEM, shape, patch, patches)
    network = filled(build, weights, CARD, file)
    head = linear_head(tensors, "head", CARD, file)
    return Opened(
        # Nothing tells which records a task was learnt from.
        card=CARD if head is None else replace(CARD, pretrained_on=None),
        network=network,
        layers=block_layers(shape.width, shape.depth),
        input=stated_input(patch * patches),
        build=build,
        norm="norm",
        head=head,
        left_out=left_out,
        of_leads=of_leads,
        order="lead by lead",
    )


def _weights(content: Mapping[str, Any]) -> Any:
    return content.get("model", content)


FAMILY = Family((CARD,), recognises, read)
