"""Contents of files of ECG-FM, its kin and HuBERT-ECG, allowed and refused."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from myocard.encoders import ecg_fm, hubert_ecg
from myocard.encoders.published import Opened, encoder_of
from myocard.encoders.registry import families
from myocard.encoders.wav2vec import Shape, Wav2Vec
from myocard.errors import InputError

FILE = Path("file.pt")
POSITIONS = "conv_pos.pos_conv.0"
GAINS = {
    "older": ("weight_g", "weight_v"),
    "newer": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
}
Weights = dict[str, Tensor]


def weights_of(channels: int = 12, features: int = 8) -> Weights:
    shape = Shape(
        channels=channels,
        features=features,
        kernels=(3, 2),
        strides=(3, 2),
        width=16,
        inner=24,
        depth=2,
        heads=4,
        taps=6,
        groups=4,
        projected=features != 16,
    )
    return Wav2Vec(shape).state_dict()


def normed(weights: Weights, writer: str) -> Weights:
    """Part the positional convolution's weight into gain and direction."""
    weight = weights[f"{POSITIONS}.weight"]
    gain = torch.rand(1, 1, weight.shape[2])
    others = {name: value for name, value in weights.items() if name != f"{POSITIONS}.weight"}
    return others | {
        f"{POSITIONS}.{name}": value
        for name, value in zip(GAINS[writer], (gain, weight), strict=True)
    }


def below(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{name}": value for name, value in weights.items()}


def ecg_fm_content(weights: Weights, rate: int = 500) -> dict[str, Any]:
    model = {
        "encoder_attention_heads": 4,
        "conv_feature_layers": "[(8, 3, 3)] + [(8, 2, 2)] * 1",
        "layer_norm_first": False,
    }
    cfg = {"model": model, "task": {"sample_rate": rate}}
    return {"model": weights, "cfg": cfg, "optimizer_history": []}


HUBERTS = (
    (r"^layer_norm\.", "feature_projection.layer_norm."),
    (r"^post_extract_proj\.", "feature_projection.projection."),
    (r"(conv_layers\.0)\.2\.", r"\1.layer_norm."),
    (r"(conv_layers\.\d)\.0\.", r"\1.conv."),
    (r"^conv_pos\.pos_conv\.0\.", "encoder.pos_conv_embed.conv."),
    (r"\.self_attn\.", ".attention."),
    (r"\.self_attn_layer_norm\.", ".layer_norm."),
    (r"\.fc1\.", ".feed_forward.intermediate_dense."),
    (r"\.fc2\.", ".feed_forward.output_dense."),
)


def huberts(weights: Weights) -> Weights:
    renamed = {}
    for name, value in weights.items():
        for pattern, replacement in HUBERTS:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def hubert_content(weights: Weights, **stated: Any) -> dict[str, Any]:
    return {"model": weights, "config": {"num_attention_heads": 4, "conv_stride": [3, 2], **stated}}


CONTENTS = {
    "ecg-fm": (ecg_fm.FAMILY, ecg_fm_content(weights_of())),
    "hubert-ecg": (hubert_ecg.FAMILY, hubert_content(huberts(weights_of(channels=1)))),
}
models = pytest.mark.parametrize("name", CONTENTS)


def states(model: Opened) -> list[Tensor]:
    signals = torch.linspace(-3, 3, 2 * 12 * 120).sin().reshape(2, 12, 120)
    with torch.inference_mode():
        return list(encoder_of(model, "encoder").hidden_states(signals))


def assert_same(first: list[Tensor], second: list[Tensor]) -> None:
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)


@models
def test_one_family_knows_the_file(name: str) -> None:
    family, content = CONTENTS[name]
    assert [known for known in families() if known.recognises(content)] == [family]


@models
def test_states_have_the_widths_that_layers_state(name: str) -> None:
    family, content = CONTENTS[name]
    model = family.open(content, FILE)
    assert [state.shape[2] for state in states(model)] == [layer.width for layer in model.layers]


@models
def test_every_missing_tensor_is_refused(name: str) -> None:
    family, content = CONTENTS[name]
    for missing in content["model"]:
        fewer = {tensor: value for tensor, value in content["model"].items() if tensor != missing}
        if family.recognises({"model": fewer}):
            with pytest.raises(InputError, match=r"^file\.pt: .*tensor"):
                family.open(content | {"model": fewer}, FILE)


@models
def test_a_tensor_too_many_is_named(name: str) -> None:
    family, content = CONTENTS[name]
    more = content["model"] | {"adapter.weight": torch.zeros(3)}
    with pytest.raises(InputError, match=r"file\.pt: .*left over adapter\.weight"):
        family.open(content | {"model": more}, FILE)


@models
def test_random_weights_come_from_a_seed(name: str) -> None:
    family, content = CONTENTS[name]
    encoder = encoder_of(family.open(content, FILE), name)
    first, again, other = (encoder.randomised(seed).info.hash for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("writer", GAINS)
def test_both_names_of_gain_and_direction_are_folded(writer: str) -> None:
    weights = weights_of()
    parted = normed(weights, writer)
    gain, direction = (parted[f"{POSITIONS}.{name}"] for name in GAINS[writer])
    whole = gain * direction / direction.square().sum(dim=(0, 1)).sqrt()
    expected = ecg_fm_content(weights | {f"{POSITIONS}.weight": whole})
    found = ecg_fm.FAMILY.open(ecg_fm_content(parted), FILE)
    assert_same(states(found), states(ecg_fm.FAMILY.open(expected, FILE)))


def test_features_as_wide_as_tokens_may_lack_a_projection() -> None:
    model = ecg_fm.FAMILY.open(ecg_fm_content(weights_of(features=16)), FILE)
    assert len(states(model)) == 3


def test_melp_is_ecg_fms_encoder_below_its_prefix() -> None:
    weights = weights_of()
    content = ecg_fm_content(below("ecg_encoder.", weights) | {"pooler.query": torch.zeros(2)})
    model = ecg_fm.FAMILY.open(content, FILE)
    assert (model.card.name, list(model.left_out)) == ("melp", ["pooler.query"])
    assert_same(states(model), states(ecg_fm.FAMILY.open(ecg_fm_content(weights), FILE)))
    assert model.input.leads[3:6] == ("aVR", "aVF", "aVL")


def test_d_betas_class_token_is_attended_and_left_out() -> None:
    token = {"cls_token": torch.randn(1, 1, 16)}
    weights = weights_of()
    content = ecg_fm_content(below("ecg_encoder.", weights | token))
    model = ecg_fm.FAMILY.open(content, FILE)
    plain = states(ecg_fm.FAMILY.open(ecg_fm_content(weights), FILE))
    assert model.card.name == "d-beta"
    torch.testing.assert_close(states(model)[0], plain[0])
    assert not torch.allclose(states(model)[1], plain[1])
    first = next(model.network.states(torch.randn(2, 12, 120)))
    normed_token = model.network.encoder.layer_norm(token["cls_token"][0])
    torch.testing.assert_close(first[:, 0], normed_token.expand(2, -1))


@pytest.mark.parametrize("name", ["register", "class_head.weight"])
def test_what_is_no_class_token_is_refused_by_name_or_shape(name: str) -> None:
    weights = weights_of() | {name: torch.zeros(5, 16)}
    with pytest.raises(
        InputError, match=rf"left over {name}|another shape class_token \(1, 1, 80\)"
    ):
        ecg_fm.FAMILY.open(ecg_fm_content(below("ecg_encoder.", weights)), FILE)


def test_deepecg_is_told_by_the_rate_of_its_training() -> None:
    model = ecg_fm.FAMILY.open(ecg_fm_content(weights_of(), rate=250), FILE)
    assert (model.card.name, model.input.rate, model.input.needs_voltage) == (
        "deepecg-ssl",
        250,
        True,
    )


@models
def test_layers_that_norm_first_are_refused(name: str) -> None:
    family, content = CONTENTS[name]
    stated = {"ecg-fm": {"cfg": {"model": {"layer_norm_first": True}}}}
    flag = stated.get(name, {"config": {"do_stable_layer_norm": True}})
    with pytest.raises(InputError, match="norm first"):
        family.open(content | flag, FILE)


@models
def test_heads_that_nothing_tells_are_refused(name: str) -> None:
    family, content = CONTENTS[name]
    stated = {"cfg": {"model": {"conv_feature_layers": "[(8, 2, 2)] * 2"}}, "config": {}}
    with pytest.raises(InputError, match=r"width of 16 .* an unknown number of heads"):
        family.open({"model": content["model"]} | stated, FILE)


def fine_tuned(extra: Mapping[str, Tensor]) -> Opened:
    pretrained = huberts(weights_of(channels=1)) | {"masked_spec_embed": torch.zeros(16)}
    return hubert_ecg.FAMILY.open(hubert_content(below("hubert_ecg.", pretrained) | extra), FILE)


def test_fine_tuned_hubert_ecg_reads_its_linear_head() -> None:
    head = {"classifier.weight": torch.randn(5, 16), "classifier.bias": torch.randn(5)}
    model = fine_tuned(head)
    pooled = torch.randn(2, 16)
    wanted = pooled @ head["classifier.weight"].T + head["classifier.bias"]
    torch.testing.assert_close(model.head(pooled), wanted)
    assert model.card.pretrained_on is None
    assert list(model.left_out) == ["hubert_ecg.masked_spec_embed", "classifier."]


def test_a_head_of_unknown_structure_is_left_out() -> None:
    model = fine_tuned(
        {"classifier.0.weight": torch.zeros(5, 16), "label_embedding.weight": torch.zeros(5, 3)}
    )
    assert model.head is None
    assert list(model.left_out)[1:] == ["label_embedding.", "classifier."]


def test_hubert_ecg_reads_leads_one_after_another() -> None:
    model = hubert_ecg.FAMILY.open(CONTENTS["hubert-ecg"][1], FILE)
    signals = torch.randn(1, 12, 120)
    joined = model.network.feature_extractor(signals.reshape(1, 1, -1))
    assert joined.shape[2] == 240
    assert next(model.network.states(signals)).shape == (1, 240, 16)
