"""Arrays that published models give for fixtures, by the names of their makers' own arrays.

A fixture is a checkpoint with random weights in the form that is published, signals, and what its
makers' code gave for them: the first state, the state after every layer, and more. All is float32.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from myocard.encoders import ecg_jepa_weimann
from myocard.encoders.published import PublishedEncoder
from myocard.encoders.registry import open_published

Arrays = dict[str, Tensor]
INPUTS = ("input", "input_leads", "subset_leads")
"""Endings of the names of arrays that a model is fed."""


def read(path: Path) -> Arrays:
    return {name: torch.from_numpy(values) for name, values in np.load(path).items()}


def bound(name: str, expected: Tensor) -> float:
    """Return the largest difference that is allowed: 1e-5, or as much of a larger RMS."""
    # Upstream lengthens ECG-CPC's kernel in float32.
    least = 2e-4 if name.startswith("long_") else 1e-5
    return least * max(1.0, expected.square().mean().sqrt().item())


def states(encoder: PublishedEncoder, signals: Tensor, prefix: str = "") -> Arrays:
    """Return all states with all tokens, by the fixtures' names."""
    found = list(encoder.network.states(signals))
    names = ["embedding", *(f"block_{block}" for block in range(len(found) - 1))]
    return {f"{prefix}{name}": state for name, state in zip(names, found, strict=True)}


def last(found: Arrays) -> Tensor:
    return list(found.values())[-1]


def of_st_mem(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    found = {}
    for prefix in ("", "faint_"):
        own = states(encoder, given[f"{prefix}input"], prefix)
        pooled = encoder.pool(encoder.network.signal_tokens(last(own)))
        found |= own | {f"{prefix}pooled": encoder.norm(pooled)}
    return found


def of_vit(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    own = states(encoder, given["input"], "vit_")
    return own | {"vit_pooled": encoder.norm(encoder.pool(last(own)))}


def of_resnet(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    own = list(encoder.network.states(given["input"]))
    names = ["resnet_stem", *(f"resnet_layer_{stage}" for stage in (1, 2, 3, 4))]
    maps = {name: state.transpose(1, 2) for name, state in zip(names, own, strict=True)}
    return maps | {"resnet_pooled": encoder.pool(own[-1])}


def of_kim(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    own = states(encoder, given["input"])
    normed, leads = encoder.norm(last(own)), given["subset_leads"].tolist()
    fewer = encoder.with_leads([encoder.input.leads[place] for place in leads])
    tokens = last(states(fewer, given["input"][:, leads]))
    pooled = {"pooled": encoder.pool(normed), "subset_pooled": fewer.pool(fewer.norm(tokens))}
    return own | {"normed": normed} | pooled


def of_weimann(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    network = encoder.network
    found = {"patches": network.patch_embed["proj"](given["input"]).transpose(1, 2)}
    found["position"] = ecg_jepa_weimann.position(*found["patches"].shape[1:])[None]
    for prefix in ("", "crop_"):
        own = states(encoder, given[f"{prefix}input"], prefix)
        normed = encoder.norm(last(own))
        pooled = encoder.pool(network.signal_tokens(normed))
        found |= own | {f"{prefix}normed": normed, f"{prefix}pooled": pooled}
        found[f"{prefix}register"] = normed[:, 0]
    return found


def of_ecg_fm(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    network, features = encoder.network, "conv_features"
    found = {features: network.feature_extractor(given["input"]).transpose(1, 2)}
    found[f"{features}_normed"] = network.layer_norm(found[features])
    found["projected"] = network.frames(given["input"])
    for prefix in ("", "faint_"):
        own = states(encoder, given[f"{prefix}input"], prefix)
        found |= own | {f"{prefix}pooled": encoder.pool(last(own))}
    return found


def of_fine_tuned_ecg_fm(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    own = states(encoder, given["input"], "finetuned_")
    pooled, head = encoder.pool(last(own)), encoder.opened.head
    assert head is not None
    return own | {"finetuned_pooled": pooled, "finetuned_logits": head(pooled)}


def of_hubert(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    network = encoder.network
    found = {"conv_features": network.feature_extractor(given["input"][:, None]).transpose(1, 2)}
    found["projected"] = network.frames(given["input_leads"])
    faint = given["faint_input"].unflatten(1, (12, -1))
    for prefix, signals in {"": given["input_leads"], "faint_": faint}.items():
        own = states(encoder, signals, prefix)
        found |= own | {f"{prefix}pooled": encoder.pool(last(own))}
    return found


def of_ecgfounder(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    own, head = list(encoder.network.states(given["input"])), encoder.opened.head
    names = ["stem", *(f"stage_{stage}" for stage in range(len(own) - 1))]
    found = {name: state.transpose(1, 2) for name, state in zip(names, own, strict=True)}
    maps, pooled = found["stem"], encoder.pool(own[-1])
    for stage, blocks in enumerate(encoder.network.stage_list):
        for number, block in enumerate(blocks.block_list):
            maps = block(maps)
            found[f"stage_{stage}_block_{number}"] = maps
    assert head is not None
    return found | {"pooled": pooled, "logits": head(pooled)}


def of_ecg_cpc(encoder: PublishedEncoder, given: Arrays) -> Arrays:
    found, maps = states(encoder, given["input"]), given["input"]
    for number, convolution in enumerate(encoder.network.layers):
        maps = convolution(maps)
        found[f"conv_{number}"] = maps.transpose(1, 2)
    found["pooled"] = encoder.pool(found["block_2"])
    found["short_pooled"] = encoder.pool(last(states(encoder, given["short_input"])))
    found["long_block_2"] = last(states(encoder, given["long_input"]))
    return found | {"long_pooled": encoder.pool(found["long_block_2"])}


FIXTURES: Mapping[str, Callable[[PublishedEncoder, Arrays], Arrays]] = {
    "st-mem/st_mem_encoder.pth": of_st_mem,
    "st-mem/st_mem_full.pth": of_st_mem,
    "ecgfounder/12_lead_ECGFounder.pth": of_ecgfounder,
    "ecg-fm/pretrained.pt": of_ecg_fm,
    "ecg-fm/pretrained_parametrized_keys.pt": of_ecg_fm,
    "ecg-fm/finetuned.pt": of_fine_tuned_ecg_fm,
    "hubert-ecg/hf": of_hubert,
    "ecg-jepa-kim/multiblock_epoch100.pth": of_kim,
    "merl/vit_tiny_best_encoder.pth": of_vit,
    "merl/res18_best_encoder.pth": of_resnet,
    "ecg-jepa-weimann/chkpt.min.pt": of_weimann,
    "ecg-jepa-weimann/chkpt_100.pt": of_weimann,
    "ecg-cpc/last.ckpt": of_ecg_cpc,
}
"""Files below the folder of published models, and what gives their arrays."""


def arrays_of(root: Path, file: str) -> tuple[Arrays, Arrays]:
    """Return all that a fixture's model gives, and what its makers' code gave, by name."""
    given = read(root / file.split("/")[0] / "expected.npz")
    with torch.inference_mode():
        return FIXTURES[file](open_published(root / file), given), given
