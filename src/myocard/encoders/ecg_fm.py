"""ECG-FM (McKeen et al. 2024) and the models that share its encoder: a wav2vec 2.0 over 12 leads.

Names of tensors tell them apart: MELP and D-BETA have the encoder below ``ecg_encoder.``, D-BETA
with a class token. DeepECG-SSL has ECG-FM's names, and states another rate of its training.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.steps import MinMax, Resample, Window, ZScore
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, Opened, Weights
from myocard.encoders.tensors import filled, find, linear_head, part, present
from myocard.encoders.wav2vec import Shape, Wav2Vec, folded, read_shape
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.nn.shapes import Tokens

_LAYERS = (
    "The first state is the normed sum of projected frames and their positions, which enters the "
    "first layer; the last is the output of the last layer, normed as every layer's is."
)
ECG_FM = Card(
    name="ecg-fm",
    title="ECG-FM",
    paper="McKeen et al., ECG-FM: an open electrocardiogram foundation model, 2024 "
    "(arXiv 2408.05178)",
    code_licence="MIT",
    weights_licence="MIT",
    commercial=True,
    where="huggingface.co/wanglab/ecg-fm",
    pretrained_on=(
        "mimic-iv-ecg",
        "challenge",
        "ptbxl",
        "chapman",
        "ecg-arrhythmia",
        "cpsc2018",
        "ptb",
        "georgia",
        "incart",
    ),
    size="12 × 768",
    signals="500 Hz, 5 s, 12 leads",
    layers=_LAYERS,
)
DEEPECG = Card(
    name="deepecg-ssl",
    title="DeepECG-SSL (WCR)",
    paper="HeartWise, DeepECG-SSL, European Heart Journal 2026",
    code_licence="none stated",
    weights_licence="none stated; a derived model's is CC BY-NC 4.0",
    commercial=None,
    where="huggingface.co/heartwise, on request",
    pretrained_on=None,
    size="not stated",
    signals="250 Hz, 10 s, 12 leads",
    layers=_LAYERS,
)
MELP = Card(
    name="melp",
    title="MELP",
    paper="Wang et al., From token to rhythm: a multi-scale approach for ECG-language pretraining, "
    "ICML 2025 (arXiv 2506.21803)",
    code_licence="MIT",
    weights_licence="Apache-2.0",
    commercial=True,
    where="huggingface.co/fuyingw/MELP_Encoder",
    pretrained_on=("mimic-iv-ecg",),
    size="8 × 768",
    signals="500 Hz, 10 s, 12 leads",
    layers=_LAYERS,
)
D_BETA = Card(
    name="d-beta",
    title="D-BETA",
    paper="Pham et al., Boosting masked ECG-text auto-encoders as discriminative learners, "
    "ICML 2025 (arXiv 2410.02131)",
    code_licence="CC BY-NC 4.0",
    weights_licence="CC BY-NC 4.0",
    commercial=False,
    where="huggingface.co/Manhph2211/D-BETA",
    pretrained_on=("mimic-iv-ecg",),
    size="8 × 768",
    signals="500 Hz, 10 s, 12 leads",
    layers=_LAYERS + " Its class token is left out.",
)
_LINEAR = Resample(500, "linear")
_INPUTS = {
    ECG_FM: Preprocessing(500, 2500, steps=(_LINEAR, ZScore("lead", 1e-8), Window(2500))),
    DEEPECG: Preprocessing(250, 2500, steps=(Resample(250, "linear"), Window(2500))),
    # Lead order and scaling are those of the model card of a reproduction in the same packaging,
    # huggingface.co/xjc1022/MELP-Encoder-repro.
    MELP: Preprocessing(
        500,
        5000,
        (*LEADS[:4], "aVF", "aVL", *LEADS[6:]),
        steps=(_LINEAR, Window(5000), MinMax("record", 0.0, 1.0)),
    ),
    # Rate and window are stated; the rest is taken from ECG-FM, whose training code it uses.
    D_BETA: Preprocessing(500, 5000, steps=(_LINEAR, ZScore("lead", 1e-8), Window(5000))),
}
_CONVS = "[(256, 2, 2)] * 4"
"""Width, kernel and stride of the published convolutions, as configurations state them."""
_HEADS = {768: 12}
"""Attention heads of the published encoders, by width."""
_SIGN = "feature_extractor.conv_layers.0.0.weight"
_FINETUNED, _WITH_TEXTS = "encoder.", "ecg_encoder."
_PREFIXES = ("", _FINETUNED, _WITH_TEXTS)
_PRETRAINING = {
    "mask_emb": "what stands for masked frames in pretraining",
    "quantizer.": "the targets of pretraining",
    "project_q.": "the targets of pretraining",
    "final_proj.": "the predictions of pretraining",
}


class WithClassToken(Wav2Vec):
    """D-BETA's encoder: a class token goes before the frames, once these have their positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, shape.width))

    def positioned(self, frames: Tokens) -> Float[Tensor, "batch positioned width"]:
        class_token = self.class_token.expand(frames.shape[0], 1, -1)
        return torch.cat([class_token, super().positioned(frames)], dim=1)

    def signal_tokens(self, tokens: Tokens) -> Float[Tensor, "batch kept width"]:
        return tokens[:, 1:]


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of ECG-FM or its kin by its first convolution."""
    return find(content, _SIGN, _PREFIXES) is not None


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of ECG-FM, pretrained or fine-tuned, or one with the same encoder."""
    tensors, prefix = find(content, _SIGN, _PREFIXES) or ({}, "")
    left_out = _left_out(tensors, prefix)
    weights = folded(part(tensors, prefix, left_out, file))
    class_token = _class_token(weights) if prefix == _WITH_TEXTS else None
    card = _card(content, prefix, class_token)
    stated = _stated(content, "model")
    if stated.get("layer_norm_first"):
        raise InputError(f"{file}: its layers norm first, and those of {card.title} do not")
    shape = read_shape(
        weights,
        card,
        file,
        channels=len(LEADS),
        strides=_strides(stated.get("conv_feature_layers", _CONVS)),
        heads=stated.get("encoder_attention_heads"),
        published_heads=_HEADS,
    )
    if class_token is not None:
        weights["class_token"] = weights.pop(class_token).reshape(1, 1, -1)
    build = partial(Wav2Vec if class_token is None else WithClassToken, shape)
    network = filled(build, weights, card, file)
    head = linear_head(tensors, "proj", card, file) if prefix == _FINETUNED else None
    return Opened(
        # Nothing tells which records labels were learnt from.
        card=card if head is None else replace(card, pretrained_on=None),
        network=network,
        layers=block_layers(shape.width, shape.depth),
        input=_INPUTS[card],
        build=build,
        head=head,
        left_out=left_out,
    )


def _left_out(tensors: Weights, prefix: str) -> dict[str, str]:
    known = {f"{prefix}{name}": reason for name, reason in _PRETRAINING.items()}
    if prefix == _FINETUNED:
        known["proj."] = "the head of its labels"
    if prefix == _WITH_TEXTS:
        others = (name for name in tensors if not name.startswith(prefix))
        known |= dict.fromkeys(others, "no part of the encoder of ECGs")
    return present(tensors, known)


def _class_token(weights: Weights) -> str | None:
    """Find the tensor that is called a class token in some way: D-BETA's name for it is not known.

    Another tensor that so ends here is refused for its shape.
    """
    return next((name for name in weights if "cls" in name or "class" in name), None)


def _card(content: Mapping[str, Any], prefix: str, class_token: str | None) -> Card:
    if prefix == _WITH_TEXTS:
        return MELP if class_token is None else D_BETA
    return DEEPECG if _stated(content, "task").get("sample_rate") == 250 else ECG_FM


def _stated(content: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Return what the configuration in the checkpoint states; nothing where there is none."""
    configuration = content.get("cfg") or {}
    return configuration.get(what) or {}


def _strides(stated: str) -> tuple[int, ...]:
    """Return the stride of each convolution of a list as ``_CONVS`` is one."""
    found = re.findall(r"\(\d+, *\d+, *(\d+)\)(?:\] *\* *(\d{1,2}))?", stated)
    return tuple(int(stride) for stride, times in found for _ in range(int(times or 1)))


FAMILY = Family((ECG_FM, MELP, DEEPECG, D_BETA), recognises, read)
