"""ECGFounder (Li et al., NEJM AI 2025) and CLEF: a grouped ResNet over time, of growing widths."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import max_pool1d, pad, sigmoid, silu

from myocard.data.signal import Preprocessing
from myocard.data.steps import Butterworth, LessMedian, Notch, Resample, Window, ZScore
from myocard.encoders.protocol import Layer
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened, Weights
from myocard.encoders.tensors import count, filled, find, linear_head, part, shape_of
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.nn.shapes import Signals, Tokens

Maps = Float[Tensor, "batch channels time"]
Mapped = Float[Tensor, "batch outputs steps"]

_LAYERS = (
    "The first state is the activated output of the first convolution; the others are the outputs "
    "of the stages, without an activation. Each has its own width and length."
)
ECGFOUNDER = Card(
    name="ecgfounder",
    title="ECGFounder",
    paper="Li et al., An electrocardiogram foundation model built on over 10 million recordings, "
    "NEJM AI 2025 (arXiv 2410.04133)",
    code_licence="MIT",
    weights_licence="not stated apart from the code's",
    commercial=None,
    where="huggingface.co/PKUDigitalHealth/ECGFounder",
    pretrained_on=("heedb",),
    size="7 stages, 64–1024",
    signals="500 Hz, 10 s, 12 leads or lead I",
    layers=_LAYERS + " It was trained on 150 diagnoses, which its last stage's mean is read for.",
)
CLEF = Card(
    name="clef",
    title="CLEF",
    paper="Shu et al., CLEF: clinically-guided contrastive learning for electrocardiogram "
    "foundation models, 2025 (arXiv 2512.02180)",
    code_licence="Clear BSD",
    weights_licence="as on zenodo.org, record 17572734",
    commercial=None,
    where="zenodo.org, record 17572734",
    pretrained_on=("mimic-iv-ecg",),
    size="7 stages, three sizes",
    signals="500 Hz, 10 s, lead I",
    layers=_LAYERS,
)
_SIGN = "stage_list.0.block_list.0.conv1.conv.weight"
_NORM = re.compile(r"(.*\.)?(first_bn|bn[123])\.")
_STRIDE = 2
"""Stride of the first convolution and of each stage's first block, which no tensor tells."""


def stated_input(leads: tuple[str, ...]) -> Preprocessing:
    """Return the input that ECGFounder's makers state.

    CLEF's is not known in detail; its network and tasks are those of ECGFounder with one lead.
    """
    steps = (
        Resample(500, "linear"),
        Notch(50.0, 30.0),
        Butterworth((0.67, 40.0), "bandpass", 4, sections=False),
        LessMedian(201),
        Window(5000),
        ZScore("record", 1e-8),
    )
    return Preprocessing(500, 5000, leads, steps=steps)


@dataclass(frozen=True)
class BlockShape:
    """Sizes of a block.

    Attributes:
        inputs: Channels that enter.
        middle: Channels within.
        outputs: Channels that leave.
        kernel: Samples that the grouped convolution sees.
        groups: Groups of the grouped convolution.
        squeezed: Hidden width of the gate over channels.
        stride: Samples between outputs.
        activated: False in the network's first block, whose input the stem activates.
    """

    inputs: int
    middle: int
    outputs: int
    kernel: int
    groups: int
    squeezed: int
    stride: int
    activated: bool


class GroupedResNet(LayeredNetwork):
    """A convolution, and stages of blocks, each of which halves the time.

    Args:
        stem: Channels of the first convolution, leads of the input, and samples that it sees.
        stages: Blocks of each stage.
    """

    def __init__(self, stem: tuple[int, ...], stages: Sequence[Sequence[BlockShape]]) -> None:
        super().__init__()
        base, leads, kernel = stem
        self.first_conv = SameConvolution(leads, base, kernel, stride=_STRIDE)
        self.stage_list = nn.ModuleList(Stage(blocks) for blocks in stages)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        maps = silu(self.first_conv(signals))
        yield maps.transpose(1, 2)
        for stage in self.stage_list:
            maps = stage(maps)
            yield maps.transpose(1, 2)


class Stage(nn.Module):
    """Blocks of one width."""

    def __init__(self, blocks: Sequence[BlockShape]) -> None:
        super().__init__()
        self.block_list = nn.Sequential(*map(Block, blocks))

    def forward(self, maps: Maps) -> Mapped:
        return self.block_list(maps)


class Block(nn.Module):
    """Three convolutions and a gate on each channel, added to the input cut to their shape."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.shape = shape
        middle, outputs = shape.middle, shape.outputs
        self.conv1 = SameConvolution(shape.inputs, middle, 1)
        self.conv2 = SameConvolution(middle, middle, shape.kernel, shape.stride, shape.groups)
        self.conv3 = SameConvolution(middle, outputs, 1)
        self.se_fc1 = nn.Linear(outputs, shape.squeezed)
        self.se_fc2 = nn.Linear(shape.squeezed, outputs)

    def forward(self, maps: Maps) -> Mapped:
        hidden = silu(maps) if self.shape.activated else maps
        hidden = self.conv3(silu(self.conv2(silu(self.conv1(hidden)))))
        gate = sigmoid(self.se_fc2(silu(self.se_fc1(hidden.mean(dim=2)))))
        return hidden * gate[:, :, None] + self.shortcut(maps)

    def shortcut(self, maps: Maps) -> Mapped:
        """Pool to the block's stride, and add or drop channels at both ends alike."""
        if self.shape.stride > 1:
            # A zero stands in for the sample that an odd length lacks, and may be the maximum.
            maps = max_pool1d(pad(maps, (0, maps.shape[2] % 2)), self.shape.stride)
        grown = self.shape.outputs - self.shape.inputs
        return pad(maps, (0, 0, grown // 2, grown - grown // 2)) if grown else maps


class SameConvolution(nn.Module):
    """A convolution whose output is as long as its input over the stride, rounded up."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, groups=groups)

    def forward(self, maps: Maps) -> Mapped:
        (kernel,), (stride,) = self.conv.kernel_size, self.conv.stride
        samples = maps.shape[2]
        missing = max(0, (ceil(samples / stride) - 1) * stride + kernel - samples)
        return self.conv(pad(maps, (missing // 2, missing - missing // 2)) if missing else maps)


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of ECGFounder or CLEF by its first block."""
    return find(content, _SIGN) is not None


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of ECGFounder, for 12 leads or one, or of CLEF, which has no diagnoses."""
    tensors, _ = find(content, _SIGN) or ({}, "")
    norms = (found[0] for name in tensors if (found := _NORM.match(name)))
    left_out = dict.fromkeys(norms, "a batch norm that the published network does not apply")
    if "dense.weight" in tensors:
        left_out["dense."] = "the head of its diagnoses"
    weights = part(tensors, "", left_out, file)
    stem = shape_of(weights, "first_conv.conv.weight", 3, ECGFOUNDER, file)
    leads = LEADS[: stem[1]]
    card = CLEF if len(leads) == 1 and "dense." not in left_out else ECGFOUNDER
    if stem[1] not in (1, len(LEADS)):
        raise InputError(f"{file}: no checkpoint of {card.title}: it reads {stem[1]} leads")
    stages = [
        [
            _read_block(weights, stage, block, card, file)
            for block in range(count(weights, f"stage_list.{stage}.block_list."))
        ]
        for stage in range(count(weights, "stage_list."))
    ]
    build = partial(GroupedResNet, stem, stages)
    network = filled(build, weights, card, file)
    widths = {f"stage {stage}": blocks[-1].outputs for stage, blocks in enumerate(stages, 1)}
    return Opened(
        card=card,
        network=network,
        layers=tuple(Layer(name, width) for name, width in {"stem": stem[0], **widths}.items()),
        input=stated_input(leads),
        build=build,
        head=linear_head(tensors, "dense", card, file),
        left_out=left_out,
    )


def _read_block(weights: Weights, stage: int, block: int, card: Card, file: Path) -> BlockShape:
    prefix = f"stage_list.{stage}.block_list.{block}."
    middle, inputs, _ = shape_of(weights, f"{prefix}conv1.conv.weight", 3, card, file)
    _, grouped, kernel = shape_of(weights, f"{prefix}conv2.conv.weight", 3, card, file)
    return BlockShape(
        inputs=inputs,
        middle=middle,
        outputs=shape_of(weights, f"{prefix}conv3.conv.weight", 3, card, file)[0],
        kernel=kernel,
        groups=middle // grouped,
        squeezed=shape_of(weights, f"{prefix}se_fc1.weight", 2, card, file)[0],
        stride=1 if block else _STRIDE,
        activated=bool(stage or block),
    )


FAMILY = Family((ECGFOUNDER, CLEF), recognises, read)
