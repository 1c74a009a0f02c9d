"""MERL (Liu et al., ICML 2024): a ResNet and a ViT over all leads at once, trained with reports."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.steps import MinMax, Resample, Window
from myocard.encoders.protocol import Layer, block_layers
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened, Weights
from myocard.encoders.tensors import count, filled, part, present, shape_of
from myocard.encoders.vit import NumberedBlocks, StackShape, stack_shape
from myocard.leads import LEADS
from myocard.nn.shapes import Signals, Tokens

RESNET = Card(
    name="merl-resnet",
    title="MERL (ResNet)",
    paper="Liu et al., Zero-shot ECG classification with multimodal learning and test-time "
    "clinical knowledge enhancement, ICML 2024 (arXiv 2403.06659)",
    code_licence="MIT",
    weights_licence="not stated apart from the code's",
    commercial=None,
    where="Google Drive, linked from github.com/cheliu-computation/MERL-ICML2024 (folder "
    "13wb4DppUciMn-Y_qC2JRWTbZdz3xX0w2)",
    pretrained_on=("mimic-iv-ecg",),
    size="4 stages, 64–512",
    signals="500 Hz, 10 s, 12 leads",
    layers="The first state is the stem's; the last is the last stage's, which probes average over "
    "time. Each is rectified, and has its own width and length.",
)
VIT = replace(
    RESNET,
    name="merl-vit",
    title="MERL (ViT)",
    size="12 × 192",
    layers="The first state is the patch embedding with the position; the last is the output of "
    "the last block, whose mean over patches its makers norm.",
)
INPUT_LEADS = (*LEADS[:4], "aVF", "aVL", *LEADS[6:])
"""The order of MIMIC-IV-ECG."""
SAMPLES = 5000
STAGES = (1, 2, 3, 4)
_BESIDE_ENCODER = {
    "downconv.": "the projection to texts",
    "att_pool_head.": "the projection to texts",
    "proj_e.": "the projection to texts",
    "linear1.": "the projection to texts",
    "linear2.": "the projection to texts",
    "proj_t.": "the texts' projection",
    "lm_model.": "the texts' model",
}

Maps = Float[Tensor, "batch channels time"]


class ResidualBlock(nn.Module):
    """Two convolutions of three samples, added to the input before they are rectified.

    Where the width grows, time is halved.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv1d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm1d(outputs)
        self.conv2 = nn.Conv1d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm1d(outputs)
        self.shortcut = nn.Sequential()
        if inputs != outputs:
            self.shortcut.append(nn.Conv1d(inputs, outputs, 1, stride, bias=False))
            self.shortcut.append(nn.BatchNorm1d(outputs))

    def forward(self, maps: Maps) -> Float[Tensor, "batch outputs shorter"]:
        hidden = self.bn1(self.conv1(maps)).relu()
        return (self.bn2(self.conv2(hidden)) + self.shortcut(maps)).relu()


class ResNet(LayeredNetwork):
    """A ResNet over time.

    Args:
        width: Width of the stem.
        blocks: Number of blocks in each stage.
    """

    def __init__(self, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(len(INPUT_LEADS), width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        ends = pairwise([width, *stage_widths(width)])
        for stage, depth, (inputs, outputs) in zip(STAGES, blocks, ends, strict=True):
            further = (ResidualBlock(outputs, outputs) for _ in range(depth - 1))
            stacked = nn.Sequential(ResidualBlock(inputs, outputs), *further)
            self.add_module(f"layer{stage}", stacked)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        maps = self.bn1(self.conv1(signals)).relu()
        yield maps.transpose(1, 2)
        for stage in STAGES:
            maps = self.get_submodule(f"layer{stage}")(maps)
            yield maps.transpose(1, 2)


def stage_widths(width: int) -> list[int]:
    """Return the width of each stage behind a stem of ``width``."""
    return [width * 2 ** (stage - 1) for stage in STAGES]


class ViT(NumberedBlocks):
    """A ViT over time."""

    def __init__(self, shape: StackShape, patch: int, patches: int) -> None:
        super().__init__(shape)
        width = shape.width
        self.to_patch_embedding = nn.Conv1d(len(INPUT_LEADS), width, patch, patch, bias=False)
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(1, patches, width))

    def embed(self, signals: Signals) -> Tokens:
        return self.to_patch_embedding(signals).transpose(1, 2) + self.pos_embedding


def stated_input(samples: int) -> Preprocessing:
    """Return the input that its makers state, for windows of ``samples``.

    They read records of 500 Hz only; others are resampled here.
    """
    steps = (Resample(500, "fourier"), Window(samples, 0, padded=True), MinMax("record", 0.0, 1.0))
    return Preprocessing(500, samples, INPUT_LEADS, steps=steps)


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of MERL, with or without its texts' model, by its first layers."""
    weights = _weights(content)
    if not isinstance(weights, Mapping):
        return False
    prefix = _prefix(weights)
    resnet = {f"{prefix}conv1.weight", f"{prefix}layer2.0.shortcut.0.weight"}
    return _is_vit(weights) or resnet <= weights.keys()


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of MERL: its encoder, alone, with its texts' model, or in training."""
    tensors = _weights(content)
    prefix = _prefix(tensors)
    outer = prefix.removesuffix("ecg_encoder.")
    known = {f"{outer}{name}": reason for name, reason in _BESIDE_ENCODER.items()}
    known[f"{prefix}linear."] = "classes that nobody trained"
    left_out = present(tensors, known)
    weights = part(tensors, prefix, left_out, file)
    read_backbone = _read_vit if _is_vit(tensors) else _read_resnet
    return read_backbone(weights, left_out, file)


def _read_resnet(weights: Weights, left_out: Mapping[str, str], file: Path) -> Opened:
    width = shape_of(weights, "conv1.weight", 3, RESNET, file)[0]
    blocks = [count(weights, f"layer{stage}.") for stage in STAGES]
    build = partial(ResNet, width, blocks)
    network = filled(build, weights, RESNET, file)
    widths = enumerate(stage_widths(width), 1)
    return Opened(
        card=RESNET,
        network=network,
        layers=(Layer("stem", width), *(Layer(f"stage {stage}", wide) for stage, wide in widths)),
        input=stated_input(SAMPLES),
        build=build,
        left_out=left_out,
    )


def _read_vit(weights: Weights, left_out: Mapping[str, str], file: Path) -> Opened:
    shape = stack_shape(weights, VIT, file)
    patch = shape_of(weights, "to_patch_embedding.weight", 3, VIT, file)[2]
    patches = shape_of(weights, "pos_embedding", 3, VIT, file)[1]
    build = partial(ViT, shape, patch, patches)
    network = filled(build, weights, VIT, file)
    return Opened(
        card=VIT,
        network=network,
        layers=block_layers(shape.width, shape.depth),
        input=stated_input(patch * patches),
        build=build,
        norm="norm",
        left_out=left_out,
    )


def _weights(content: Mapping[str, Any]) -> Any:
    return content.get("model_state_dict", content)


def _prefix(weights: Mapping[str, Any]) -> str:
    prefixes = ("module.ecg_encoder.", "ecg_encoder.")
    return next((p for p in prefixes if any(name.startswith(p) for name in weights)), "")


def _is_vit(weights: Mapping[str, Any]) -> bool:
    return f"{_prefix(weights)}to_patch_embedding.weight" in weights


FAMILY = Family((RESNET, VIT), recognises, read)
