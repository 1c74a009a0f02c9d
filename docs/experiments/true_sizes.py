"""Published models at their true sizes with random weights, and openecg's trained one.

Sizes are from the lists of names and shapes in ``MYOCARD_DATA``.
"""

import os
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from myocard.encoders.published import PublishedEncoder, encoder_of
from myocard.encoders.registry import families, open_published
from myocard.leads import LEADS
from myocard.training.loop import seeded

Weights = dict[str, Tensor]
Form = Callable[[Weights], Mapping[str, Any]]


def weimann(heads: int) -> Form:
    """Return the form of a checkpoint of Weimann's, whose width and depth its tensors tell."""
    config = {
        "channel_size": 5000, "num_heads": heads, "norm_eps": 1e-6, "sampling_frequency": 500,
        "channels": list(LEADS),
    }  # fmt: skip
    return lambda weights: {"model": weights, "config": config}


def bare(weights: Weights) -> Weights:
    return weights


def below(key: str) -> Form:
    return lambda weights: {key: weights}


SIZES: dict[str, tuple[str, Form]] = {
    "merl-vit": ("merl/keys_published_vit_tiny.tsv", bare),
    "merl-resnet": ("merl/keys_published_resnet18.tsv", bare),
    "ecg-cpc": ("ecg-cpc/keys_published.tsv", below("state_dict")),
    "ecgfounder": ("ecgfounder/keys_published_12_lead.tsv", below("state_dict")),
    "ecg-jepa-weimann-xs": ("ecg-jepa-weimann/keys_published_ViTXS_mimic.tsv", weimann(3)),
    "ecg-jepa-weimann": ("ecg-jepa-weimann/keys_published_ViTS_mimic.tsv", weimann(6)),
    "ecg-jepa-weimann-b": ("ecg-jepa-weimann/keys_published_ViTB_all.tsv", weimann(12)),
    "hubert-ecg-small": ("hubert-ecg/keys_published_small.tsv", below("model")),
    "hubert-ecg": ("hubert-ecg/keys_published_base.tsv", below("model")),
    "hubert-ecg-large": ("hubert-ecg/keys_published_large.tsv", below("model")),
    "ecg-fm": ("ecg-fm/keys_published_pretrained.tsv", below("model")),
    "st-mem": ("st-mem/keys_published_encoder.tsv", below("model")),
    "ecg-jepa-kim": ("ecg-jepa-kim/keys_published.tsv", below("encoder")),
}


def of_true_size(name: str) -> PublishedEncoder:
    """Return a model of ``SIZES`` with random weights, the same in every run."""
    keys, form = SIZES[name]
    file = Path(os.environ["MYOCARD_DATA"]) / "encoders" / keys
    with seeded(0):  # A random control keeps what training does not change.
        content = form(drawn(file))
    (family,) = (family for family in families() if family.recognises(content))
    return encoder_of(family.open(content, file), name).randomised(0)


def has_openecg() -> bool:
    return find_spec("openecg") is not None


def openecg() -> PublishedEncoder:
    """Return the encoder that comes with the package openecg."""
    (folder,) = find_spec("openecg").submodule_search_locations
    return open_published(Path(folder) / "models" / "codec_v6.pt")


def drawn(keys: Path) -> Weights:
    """Tensors of a list's names and shapes, which only tell the sizes."""
    rows = [line.split("\t") for line in keys.read_text().splitlines() if line[0] != "#"]
    shapes = {name: [int(n) for n in size.split("x") if n != "scalar"] for name, size, _ in rows}
    weights = {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}
    weights |= {n: torch.tensor(0) for n in weights if n.endswith("num_batches_tracked")}
    # Most kernels of state spaces that grow overflow.
    weights |= {n: -v.abs() for n, v in weights.items() if n.endswith(("kernel.w", "log_dt"))}
    # A random control keeps this table, which its makers compute.
    return weights | ({"pos_embed": sines(768)} if "pos_embed" in weights else {})


def sines(width: int) -> Tensor:
    """ECG-JEPA's table of 8 leads × 50 times: half of the features for time, half for leads."""
    rates = 10000.0 ** -(torch.arange(width // 4) / (width // 4))
    time, lead = torch.arange(50.0).repeat(8), torch.arange(8.0).repeat_interleave(50)
    angles = [place[:, None] * rates for place in (time, lead)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)
