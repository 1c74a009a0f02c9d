"""HuBERT-ECG (Coppola et al. 2024): a HuBERT that reads the leads one after another.

Time and lead are one axis: of its 93 frames about eight are of one lead, and those at a border see
two. Written from the paper and a description of names and shapes; no line is its makers' code.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from myocard.data.signal import Preprocessing
from myocard.data.steps import DecimateJoined, HammingBand, MinMax, Resample, Window
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, Opened, filled, part
from myocard.encoders.tensors import find, linear_head, present
from myocard.encoders.wav2vec import Wav2Vec, folded, read_shape
from myocard.errors import InputError

CARD = Card(
    name="hubert-ecg",
    title="HuBERT-ECG",
    paper="Coppola et al., HuBERT-ECG: a self-supervised foundation model for broad and scalable "
    "cardiac applications, medRxiv 2024.11.14.24317328",
    code_licence="CC BY-NC 4.0",
    weights_licence="CC BY-NC 4.0",
    commercial=False,
    where="huggingface.co/Edoardo-BS/hubert-ecg-small, -base and -large",
    pretrained_on=(
        "ptb",
        "ptbxl",
        "challenge",
        "cpsc2018",
        "georgia",
        "chapman",
        "ecg-arrhythmia",
        "sph",
        "code",
        "code15",
        "sami-trop",
        "hefei",
    ),
    size="8 × 512, 12 × 768, 16 × 960",
    signals="100 Hz, 5 s, 12 leads",
    layers="The first state is the normed sum of projected frames and their positions, which "
    "enters the first layer; the last is the output of the last layer, normed as every layer's is.",
)
_MENTIONED = replace(CARD, title=f"{CARD.title} (tensors are named as ECG-FM's)")
"""The card for messages on tensors, which have other names by then."""
_INPUT = Preprocessing(
    100,
    500,
    steps=(
        HammingBand(0.05, 47.0, 0.3),
        Resample(500, "fourier"),
        MinMax("lead", -1.0, 1.0),
        Window(2500, 0),
        DecimateJoined(5),
    ),
)
_STRIDES = (4, 2, 2, 2, 2)
_HEADS = {512: 8, 768: 12, 960: 12}
"""Attention heads of the published sizes, by width."""
_SIGN = "feature_extractor.conv_layers.0.conv.weight"
_FINETUNED = "hubert_ecg."
_PRETRAINING = {
    "masked_spec_embed": "what stands for masked frames in pretraining",
    "final_proj.": "the predictions of pretraining",
    "label_embedding.": "the targets of pretraining, or the labels of a fine-tuning",
}
_LAYER = r"^(encoder\.layers\.\d+)\."
_NAMES = (
    (r"^feature_extractor\.conv_layers\.0\.layer_norm\.", "feature_extractor.conv_layers.0.2."),
    (r"^(feature_extractor\.conv_layers\.\d+)\.conv\.", r"\1.0."),
    (r"^feature_projection\.layer_norm\.", "layer_norm."),
    (r"^feature_projection\.projection\.", "post_extract_proj."),
    (r"^encoder\.pos_conv_embed\.conv\.", "conv_pos.pos_conv.0."),
    (_LAYER + r"attention\.", r"\1.self_attn."),
    (_LAYER + r"layer_norm\.", r"\1.self_attn_layer_norm."),
    (_LAYER + r"feed_forward\.intermediate_dense\.", r"\1.fc1."),
    (_LAYER + r"feed_forward\.output_dense\.", r"\1.fc2."),
)
"""Names in the checkpoint, and those of the network."""


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of HuBERT-ECG by its first convolution."""
    return find(content, _SIGN, ("", _FINETUNED)) is not None


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of HuBERT-ECG, pretrained or fine-tuned, with or without configuration."""
    tensors, prefix = find(content, _SIGN, ("", _FINETUNED)) or ({}, "")
    reasons = {prefix + name: reason for name, reason in _PRETRAINING.items()} | _PRETRAINING
    left_out = present(tensors, reasons | {"classifier.": "the head of its labels"})
    named = {_renamed(name): value for name, value in part(tensors, prefix, left_out, file).items()}
    weights = folded(named)
    stated = content.get("config") or {}
    if stated.get("do_stable_layer_norm"):
        raise InputError(f"{file}: its layers norm first, and those of {CARD.title} do not")
    shape = read_shape(
        weights,
        _MENTIONED,
        file,
        channels=1,
        strides=stated.get("conv_stride", _STRIDES),
        heads=stated.get("num_attention_heads"),
        published_heads=_HEADS,
    )
    build = partial(Wav2Vec, shape)
    network = filled(build, weights, _MENTIONED, file)
    return Opened(
        # Nothing tells which records labels were learnt from.
        card=replace(CARD, pretrained_on=None) if prefix else CARD,
        network=network,
        layers=block_layers(shape.width, shape.depth),
        input=_INPUT,
        build=build,
        head=linear_head(tensors, "classifier", CARD, file),
        left_out=left_out,
        timewise=False,
    )


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name


FAMILY = Family((CARD,), recognises, read)
