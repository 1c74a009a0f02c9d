"""ECG-JEPA of Weimann and Conrad (2024): a plain ViT over patches of all leads, with registers."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import (
    AfterValidator,
    BeforeValidator,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.steps import Clip, Constants, Resample, Window
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened, Weights
from myocard.encoders.tensors import count, filled, part, present, shape_of
from myocard.encoders.vit import Block, BlockShape
from myocard.errors import InputError
from myocard.leads import LEADS, parse_leads
from myocard.nn.shapes import Signals, Tokens
from myocard.recipe.settings import Settings, check

CARD = Card(
    name="ecg-jepa-weimann",
    title="ECG-JEPA (Weimann)",
    paper="Weimann and Conrad, Self-supervised pre-training with joint-embedding predictive "
    "architecture boosts ECG classification performance, 2024 (arXiv 2410.13867)",
    code_licence="MIT",
    weights_licence="none are linked",
    commercial=None,
    where="none linked; github.com/kweimann/ECG-JEPA trains them",
    pretrained_on=None,
    size="8 × 192, 8 × 384, 12 × 768",
    signals="500 Hz, 10 s, 12 leads",
    layers="The first state is the patch embedding with the position; the last is the output of "
    "the last block, which its makers norm before they average it over patches.",
)
_MEAN = (0.023, 0.015, -0.007, -0.019, 0.004, 0.014, -0.018, -0.004, 0.002, 0.017, 0.022, 0.022)
_DEVIATION = (0.155, 0.158, 0.166, 0.133, 0.143, 0.141, 0.207, 0.282, 0.284, 0.253, 0.222, 0.197)
MIMIC = {lead: values for lead, *values in zip(LEADS, _MEAN, _DEVIATION, strict=True)}
"""Mean and deviation (mV) of each lead in MIMIC-IV-ECG."""
_BESIDE_ENCODER = {
    "target_encoder.": {
        "encoder.": "the copy that is trained; the target encoder is its moving average",
        "predictor.": "the predictor of pretraining",
    },
    "encoder.": {
        "attn_pool.": "the head of a task, which reads the register too",
        "fc.": "the head of a task, which reads the register too",
    },
}
_SOURCES = {"ptb-xl": "ptbxl", "code-15": "code15"}
"""Names of data sets here, where its makers write them otherwise."""


PerLead = Annotated[tuple[float, ...], BeforeValidator(lambda values: np.ravel(values).tolist())]


class Network(Settings, extra="ignore"):
    """Settings of network and input that a checkpoint states and no tensor tells."""

    sampling_frequency: PositiveInt
    channels: Annotated[tuple[str, ...], AfterValidator(parse_leads)]
    channel_size: PositiveInt
    num_heads: PositiveInt
    norm_eps: PositiveFloat
    layer_scale_eps: NonNegativeFloat = 0.0
    datasets: dict[str, float] = {}

    @property
    def sources(self) -> tuple[str, ...] | None:
        """Names of the data sets of pretraining; None where they are not stated."""
        return tuple(_SOURCES.get(name, name) for name in self.datasets) or None


class Statistics(Settings, extra="ignore"):
    """Mean and deviation (mV) of each lead that a fine-tuned encoder's input is standardised by."""

    mean: PerLead
    std: PerLead


class Statement(Settings):
    """Content of a checkpoint beside tensors, as far as it is needed."""

    config: Network
    preprocess: Statistics | None = None

    @model_validator(mode="after")
    def _one_for_each_lead(self) -> "Statement":
        leads = len(self.config.channels)
        if self.preprocess and {len(self.preprocess.mean), len(self.preprocess.std)} != {leads}:
            raise ValueError(f"preprocess: mean and std are not for {leads} leads")
        return self


class Scale(nn.Module):
    """A factor for each feature of a branch (layer scale, Touvron et al. 2021)."""

    def __init__(self, width: int, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((width,), start))

    def forward(self, tokens: Tokens) -> Tokens:
        return self.weight * tokens


class RegisterViT(LayeredNetwork):
    """A ViT over time with registers in front, which stand for no part of the signal.

    Args:
        block: Sizes of its blocks.
        depth: Number of blocks.
        leads: Number of leads.
        patch: Samples of a token.
        patch_bias: True if the patch embedding has biases.
        registers: Number of registers.
        scale: First value of its layer scales; 0 where it has none.
    """

    def __init__(
        self,
        block: BlockShape,
        depth: int,
        leads: int,
        patch: int,
        patch_bias: bool,
        registers: int,
        scale: float,
    ) -> None:
        super().__init__()
        width = block.width
        self.registers = nn.Parameter(0.02 * torch.randn(1, registers, width))
        proj = nn.Conv1d(leads, width, patch, patch, bias=patch_bias)
        self.patch_embed = nn.ModuleDict({"proj": proj})
        self.blocks = nn.ModuleList(Block(block) for _ in range(depth))
        if scale:
            for own in self.blocks:
                own.attn_ls, own.mlp_ls = Scale(width, scale), Scale(width, scale)
        self.norm = nn.LayerNorm(width, block.epsilon, bias=block.bias)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        patches = self.patch_embed["proj"](signals).transpose(1, 2)
        patches = patches + position(*patches.shape[1:]).to(patches)
        registers = self.registers.expand(patches.shape[0], -1, -1)
        tokens = torch.cat([registers, patches], dim=1)
        yield tokens
        for block in self.blocks:
            tokens = block(tokens)
            yield tokens

    def signal_tokens(self, tokens: Tokens) -> Float[Tensor, "batch kept width"]:
        return tokens[:, self.registers.shape[1] :]


def position(patches: int, width: int) -> Float[Tensor, "patches width"]:
    """Make the table of positions, which is in no checkpoint: sines and cosines in turn."""
    place = torch.arange(patches, dtype=torch.float64)[:, None]
    angle = place * 10_000 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()


def stated_input(statement: Statement) -> Preprocessing:
    """Return the input that a checkpoint states."""
    config, own = statement.config, statement.preprocess
    rate, samples, leads = config.sampling_frequency, config.channel_size, config.channels
    mean = own.mean if own else tuple(MIMIC[lead][0] for lead in leads)
    deviation = own.std if own else tuple(MIMIC[lead][1] for lead in leads)
    steps = (Resample(rate, "fourier"), Window(samples), Constants(mean, deviation), Clip(5.0))
    return Preprocessing(rate, samples, leads, steps=steps)


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of Weimann's by its registers and its patch embedding."""
    weights = content.get("model")
    if not isinstance(weights, Mapping):
        return False
    prefix = _prefix(weights)
    return {f"{prefix}registers", f"{prefix}patch_embed.proj.weight"} <= weights.keys()


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of Weimann's: of training, its target encoder alone, or fine-tuned."""
    stated = {name: content[name] for name in Statement.model_fields if name in content}
    statement = check(Statement, stated, str(file))
    tensors = content["model"]
    prefix = _prefix(tensors)
    fine_tuned = prefix == "encoder."
    left_out = present(tensors, _BESIDE_ENCODER[prefix])
    weights = part(tensors, prefix, left_out, file)
    build = _builder(weights, statement.config, file)
    network = filled(build, weights, CARD, file)
    return Opened(
        card=replace(CARD, pretrained_on=None if fine_tuned else statement.config.sources),
        network=network,
        layers=block_layers(network.registers.shape[2], len(network.blocks)),
        input=stated_input(statement),
        build=build,
        norm="norm",
        left_out=left_out,
    )


def _builder(weights: Weights, config: Network, file: Path) -> "partial[RegisterViT]":
    width, _, patch = shape_of(weights, "patch_embed.proj.weight", 3, CARD, file)
    if width % config.num_heads or config.channel_size % patch:
        raise InputError(
            f"{file}: {config.num_heads} heads for a width of {width}, or {config.channel_size} "
            f"samples for patches of {patch}: its config is another checkpoint's"
        )
    block = BlockShape(
        width=width,
        heads=config.num_heads,
        hidden=shape_of(weights, "blocks.0.mlp.fc1.weight", 2, CARD, file)[0],
        bias="norm.bias" in weights,
        qkv_bias="blocks.0.attn.qkv.bias" in weights,
        epsilon=config.norm_eps,
    )
    return partial(
        RegisterViT,
        block,
        depth=count(weights, "blocks."),
        leads=len(config.channels),
        patch=patch,
        patch_bias="patch_embed.proj.bias" in weights,
        registers=shape_of(weights, "registers", 3, CARD, file)[1],
        scale=config.layer_scale_eps,
    )


def _prefix(weights: Mapping[str, Any]) -> str:
    trained = any(name.startswith("target_encoder.") for name in weights)
    return "target_encoder." if trained else "encoder."


FAMILY = Family((CARD,), recognises, read)
