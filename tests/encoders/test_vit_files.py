"""Contents of files of Vision Transformers (and MERL's ResNet), allowed and refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from myocard.encoders import ecg_jepa_kim, ecg_jepa_weimann, merl, st_mem
from myocard.encoders.published import Family, encoder_of
from myocard.errors import InputError
from myocard.leads import LEADS

FILE = Path("file.pth")
Weights = dict[str, Tensor]
CONFIG = {
    "sampling_frequency": 500,
    "channels": [lead.upper() for lead in LEADS],
    "channel_size": 100,
    "num_heads": 2,
    "norm_eps": 1e-6,
    "layer_scale_eps": 0.0,
    "datasets": {"mimic-iv-ecg": 1.0, "ptb-xl": 1.0},
    "optimiser": "another key",
}


def st_mem_weights() -> Weights:
    shape = st_mem.StackShape(width=64, depth=2, heads=2, hidden=8)
    return st_mem.STMEM(shape, patch=5, patches=4).state_dict()


def vit_weights() -> Weights:
    shape = merl.StackShape(width=64, depth=2, heads=2, hidden=8)
    return merl.ViT(shape, patch=5, patches=4).state_dict()


def resnet_weights() -> Weights:
    extra = {"linear.weight": torch.zeros(10, 32), "linear.bias": torch.zeros(10)}
    return merl.ResNet(4, (2, 1, 1, 1)).state_dict() | extra


def kim_weights() -> Weights:
    return ecg_jepa_kim.CrossPatternViT(torch.randn(32, 16), 5, 2, 8).state_dict()


def weimann_weights() -> Weights:
    block = ecg_jepa_weimann.BlockShape(width=8, heads=2, hidden=8, bias=False)
    network = ecg_jepa_weimann.RegisterViT(
        block, depth=2, leads=12, patch=5, patch_bias=False, registers=1, scale=0.0
    )
    return network.state_dict()


def below(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}{name}": value for name, value in weights.items()}


def bare(weights: Weights) -> dict[str, Any]:
    return {**weights}


def model_of(weights: Weights) -> dict[str, Any]:
    return {"model": weights, "epoch": 9, "optimizer": None, "config": {"model_name": "st_mem"}}


def encoder_key(weights: Weights) -> dict[str, Any]:
    return {"encoder": weights, "epoch": 99}


def target(weights: Weights) -> dict[str, Any]:
    return {"model": below("target_encoder.", weights), "config": CONFIG}


Wrap = Callable[[Weights], dict[str, Any]]
MODELS: dict[str, tuple[Family, Callable[[], Weights], Wrap]] = {
    "st-mem": (st_mem.FAMILY, st_mem_weights, model_of),
    "merl-vit": (merl.FAMILY, vit_weights, bare),
    "merl-resnet": (merl.FAMILY, resnet_weights, bare),
    "kim": (ecg_jepa_kim.FAMILY, kim_weights, encoder_key),
    "weimann": (ecg_jepa_weimann.FAMILY, weimann_weights, target),
}
models = pytest.mark.parametrize("name", MODELS)


def states(family: Family, content: Mapping[str, Any]) -> list[Tensor]:
    model = family.open(content, FILE)
    signals = torch.linspace(-1, 1, len(model.input.leads) * model.input.samples)
    with torch.inference_mode():
        return list(model.network.states(signals.reshape(1, len(model.input.leads), -1)))


def assert_same(first: list[Tensor], second: list[Tensor]) -> None:
    for one, other in zip(first, second, strict=True):
        torch.testing.assert_close(one, other)


@models
def test_a_family_knows_its_files_and_no_others(name: str) -> None:
    family, weights, wrap = MODELS[name]
    content = wrap(weights())
    families = {id(known): known for known, *_ in MODELS.values()}.values()
    assert [known for known in families if known.recognises(content)] == [family]


@models
def test_states_have_the_widths_that_layers_state(name: str) -> None:
    family, weights, wrap = MODELS[name]
    layers = family.open(wrap(weights()), FILE).layers
    assert [s.shape[-1] for s in states(family, wrap(weights()))] == [la.width for la in layers]


@models
def test_one_missing_tensor_is_named(name: str) -> None:
    family, weights, wrap = MODELS[name]
    for missing in weights():
        if missing.startswith("linear."):
            continue
        fewer = {tensor: value for tensor, value in weights().items() if tensor != missing}
        if family.recognises(wrap(fewer)):
            with pytest.raises(InputError) as refused:
                family.open(wrap(fewer), FILE)
            assert "file.pth" in str(refused.value)
            assert "tensor" in str(refused.value)


@models
def test_a_tensor_too_many_is_named(name: str) -> None:
    family, weights, wrap = MODELS[name]
    with pytest.raises(InputError, match=r"file\.pth.*left over class_token"):
        family.open(wrap(weights() | {"class_token": torch.zeros(3)}), FILE)


@models
def test_a_tensor_of_another_shape_is_named(name: str) -> None:
    family, weights, wrap = MODELS[name]
    changed = weights()
    vector = next(tensor for tensor, value in changed.items() if value.ndim == 1)
    with pytest.raises(InputError, match=rf"another shape \S*{vector} \(3,\)"):
        family.open(wrap(changed | {vector: torch.zeros(3)}), FILE)


@models
def test_a_value_that_is_not_finite_is_refused(name: str) -> None:
    family, weights, wrap = MODELS[name]
    changed = weights()
    first = next(iter(changed))
    with pytest.raises(InputError, match=f"{first} holds values that are not finite"):
        family.open(wrap(changed | {first: torch.full_like(changed[first], torch.nan)}), FILE)


@pytest.mark.parametrize("kept", [torch.float16, torch.bfloat16, torch.float64])
@models
def test_weights_in_another_precision_are_read_in_single(name: str, kept: torch.dtype) -> None:
    family, weights, wrap = MODELS[name]
    other = {name: value.to(kept) for name, value in weights().items()}
    opened = family.open(wrap(other), FILE)
    assert {value.dtype for value in opened.network.state_dict().values()} <= {
        torch.float32,
        torch.int64,
    }
    signals = torch.randn(2, len(opened.input.leads), opened.input.samples)
    assert {state.dtype for state in opened.network.states(signals)} == {torch.float32}


@models
def test_random_weights_come_from_a_seed(name: str) -> None:
    family, weights, wrap = MODELS[name]
    encoder = encoder_of(family.open(wrap(weights()), FILE), name)
    first, again, other = (encoder.randomised(seed).info.hash for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_st_mem_reads_its_full_file() -> None:
    weights = st_mem_weights()
    patch = {name: value for name, value in weights.items() if name.startswith("to_patch_")}
    decoder = ["to_decoder_embedding.bias", "mask_embedding", "decoder_blocks.0.attn.norm.weight"]
    beside = patch | {name: torch.zeros(2) for name in decoder}
    content = {"model": below("encoder.", weights) | beside}
    assert_same(states(st_mem.FAMILY, content), states(st_mem.FAMILY, model_of(weights)))


def test_st_mem_reads_the_head_of_a_task() -> None:
    head = {"head.weight": torch.randn(5, 64), "head.bias": torch.randn(5)}
    model = st_mem.FAMILY.open(model_of(st_mem_weights() | head), FILE)
    pooled = torch.randn(2, 64)
    assert torch.equal(model.head(pooled), pooled @ head["head.weight"].T + head["head.bias"])
    assert model.card.pretrained_on is None
    assert list(model.left_out) == ["head."]


def test_st_mem_with_one_head_as_wide_as_a_token_has_no_projection() -> None:
    weights = st_mem.STMEM(st_mem.StackShape(64, 1, 1, 8), 5, 4).state_dict()
    assert not any("to_out" in name for name in weights)
    assert len(states(st_mem.FAMILY, model_of(weights))) == 2


def test_st_mem_of_fewer_leads_keeps_their_embeddings() -> None:
    weights = st_mem_weights()
    encoder = encoder_of(st_mem.FAMILY.open(model_of(weights), FILE), "st-mem")
    fewer = encoder.with_leads(["V1", "II"]).with_leads(["V1"])
    moved = weights | {"lead_embeddings.0": weights["lead_embeddings.6"]}
    other = encoder_of(st_mem.FAMILY.open(model_of(moved), FILE), "st-mem").with_leads(["I"])
    signals = torch.randn(2, 1, 20)
    with torch.inference_mode():
        assert_same([*fewer.hidden_states(signals)], [*other.hidden_states(signals)])
        assert fewer.by_lead(last(fewer, signals)).shape == (2, 1, 4, 64)
        # The encoder itself still reads all twelve.
        assert last(encoder, torch.randn(2, 12, 20)).shape == (2, 48, 64)


def last(encoder: Any, signals: Tensor) -> Tensor:
    return [*encoder.hidden_states(signals)][-1]


def test_a_small_file_that_states_a_huge_network_is_refused_before_it_is_built() -> None:
    weights = st_mem_weights()
    weights["block0.ff.fn.net.0.weight"] = torch.zeros(10**12, 0)
    with pytest.raises(InputError, match=r"of another shape block0\.ff\.fn\.net\.0\.weight"):
        st_mem.FAMILY.open(model_of(weights), FILE)


def test_separators_and_registers_are_no_signal_tokens() -> None:
    for name, tokens, kept in (("st-mem", 12 * 6, 12 * 4), ("weimann", 21, 20)):
        family, weights, wrap = MODELS[name]
        network = family.open(wrap(weights()), FILE).network
        found = states(family, wrap(weights()))[-1]
        assert found.shape[1] == tokens
        assert network.signal_tokens(found).shape[1] == kept


def test_a_token_of_kims_sees_its_lead_and_its_time_alone() -> None:
    # Four patches a lead: token 5 is lead 1, patch 1.
    seen = ecg_jepa_kim.cross_pattern(8, 4)[5].nonzero().flatten().tolist()
    assert seen == [1, 4, 5, 6, 7, 9, 13, 17, 21, 25, 29]


def test_kims_positions_are_those_of_the_file_in_random_weights_too() -> None:
    weights = kim_weights()
    model = ecg_jepa_kim.FAMILY.open(encoder_key(weights), FILE)
    assert torch.equal(model.build().pos_embed, weights["pos_embed"])


@pytest.mark.parametrize("shape", [(31, 16), (32, 8)])
def test_kims_table_for_other_leads_or_heads_is_refused(shape: tuple[int, int]) -> None:
    content = encoder_key(kim_weights() | {"pos_embed": torch.zeros(shape)})
    with pytest.raises(InputError, match="pos_embed"):
        ecg_jepa_kim.FAMILY.open(content, FILE)


@pytest.mark.parametrize("weights", [vit_weights(), resnet_weights()], ids=["vit", "resnet"])
def test_merl_reads_its_whole_model_in_both_forms(weights: Weights) -> None:
    others = {"lm_model.layer.0": torch.zeros(2), "linear1.bias": torch.zeros(2)}
    whole = below("ecg_encoder.", weights) | others
    trained = {"epoch": 3, "model_state_dict": below("module.", whole), "optimizer_state_dict": {}}
    for content in (whole, trained):
        assert merl.FAMILY.recognises(content)
        assert_same(states(merl.FAMILY, content), states(merl.FAMILY, weights))
    names = list(merl.FAMILY.open(trained, FILE).left_out)
    assert names[:2] == ["module.linear1.", "module.lm_model."]


def test_merl_takes_the_augmented_leads_in_the_order_of_mimic() -> None:
    assert merl.stated_input(5000).leads[3:6] == ("aVR", "aVF", "aVL")


def test_weimanns_target_encoder_is_read_where_there_are_two() -> None:
    weights, other = weimann_weights(), weimann_weights()
    predictor = {"predictor.mask_token": torch.zeros(2)}
    both = below("encoder.", other) | predictor | below("target_encoder.", weights)
    content = {"model": both, "config": CONFIG, "step": 100, "optimizer": {}}
    model = ecg_jepa_weimann.FAMILY.open(content, FILE)
    assert_same(
        states(ecg_jepa_weimann.FAMILY, content), states(ecg_jepa_weimann.FAMILY, target(weights))
    )
    assert list(model.left_out) == ["encoder.", "predictor."]
    assert model.card.pretrained_on == ("mimic-iv-ecg", "ptbxl")


def test_weimanns_fine_tuned_file_brings_its_own_constants() -> None:
    weights = weimann_weights()
    content = {
        "model": below("encoder.", weights) | {"fc.weight": torch.zeros(3, 8)},
        "config": CONFIG,
        "preprocess": {"mean": torch.zeros(12, 1), "std": [0.5] * 12},
    }
    model = ecg_jepa_weimann.FAMILY.open(content, FILE)
    constants = next(step for step in model.input.steps if step.step == "constants")
    assert constants.deviation == (0.5,) * 12
    assert (list(model.left_out), model.card.pretrained_on) == (["fc."], None)
    assert_same(
        states(ecg_jepa_weimann.FAMILY, content), states(ecg_jepa_weimann.FAMILY, target(weights))
    )


def test_weimanns_biases_and_layer_scales_are_read_where_there_are_some() -> None:
    weights = weimann_weights()
    linear = [name for name in weights if name.endswith(".weight") and "qkv" not in name]
    biases = {name.replace(".weight", ".bias"): torch.zeros(len(weights[name])) for name in linear}
    scales = {f"blocks.{i}.{ls}_ls.weight": torch.ones(8) for i in (0, 1) for ls in ("attn", "mlp")}
    content = target(weights | biases | scales)
    content["config"] = CONFIG | {"layer_scale_eps": 0.1}
    assert_same(
        states(ecg_jepa_weimann.FAMILY, content), states(ecg_jepa_weimann.FAMILY, target(weights))
    )
    halved = content["model"]["target_encoder.blocks.1.mlp_ls.weight"].mul_(0.5)
    assert halved.unique().item() == 0.5
    changed = states(ecg_jepa_weimann.FAMILY, content)
    assert not torch.equal(changed[-1], states(ecg_jepa_weimann.FAMILY, target(weights))[-1])


@pytest.mark.parametrize("changes", [{"num_heads": 4}, {"norm_eps": 1e-3}])
def test_the_hash_tells_apart_equal_weights_of_another_function(changes: dict[str, Any]) -> None:
    """Otherwise cached states of one configuration would be taken for another's."""
    weights = weimann_weights()
    one, other = (
        encoder_of(ecg_jepa_weimann.FAMILY.open(target(weights) | {"config": config}, FILE), "it")
        for config in (CONFIG, CONFIG | changes)
    )
    assert one.info.hash != other.info.hash


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"num_heads": 3}, "3 heads"),
        ({"channel_size": 99}, "99 samples"),
        ({"norm_eps": "small"}, "config.norm_eps"),
        ({"channels": ["I", "X"]}, "unknown lead 'X'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(changes: dict[str, Any], named: str) -> None:
    content = target(weimann_weights()) | {"config": CONFIG | changes}
    with pytest.raises(InputError, match=rf"file\.pth.*{named}"):
        ecg_jepa_weimann.FAMILY.open(content, FILE)


def test_weimanns_weights_without_a_config_are_refused() -> None:
    content = {"model": target(weimann_weights())["model"]}
    with pytest.raises(InputError, match=r"file\.pth: config: field required"):
        ecg_jepa_weimann.FAMILY.open(content, FILE)


def target_of(heads: int) -> Wrap:
    def wrap(weights: Weights) -> dict[str, Any]:
        return {"model": weights, "config": CONFIG | {"num_heads": heads, "channel_size": 5000}}

    return wrap


PUBLISHED: dict[str, tuple[Family, Wrap, int, int]] = {
    "st-mem/keys_published_encoder.tsv": (st_mem.FAMILY, model_of, 13, 12 * 32),
    "st-mem/keys_published_full.tsv": (st_mem.FAMILY, model_of, 13, 12 * 32),
    "merl/keys_published_vit_tiny.tsv": (merl.FAMILY, bare, 13, 100),
    "merl/keys_published_resnet18.tsv": (merl.FAMILY, bare, 5, 313),
    "ecg-jepa-kim/keys_published.tsv": (ecg_jepa_kim.FAMILY, encoder_key, 13, 400),
    "ecg-jepa-weimann/keys_published_ViTXS_mimic.tsv": (
        ecg_jepa_weimann.FAMILY,
        target_of(4),
        9,
        201,
    ),
    "ecg-jepa-weimann/keys_published_ViTB_all.tsv": (
        ecg_jepa_weimann.FAMILY,
        target_of(12),
        13,
        201,
    ),
}


def random_weights(keys: Path) -> Weights:
    rows = [line.split("\t") for line in keys.read_text().splitlines() if line[0] != "#"]
    shapes = {name: [int(n) for n in shape.split("x") if n != "scalar"] for name, shape, _ in rows}
    weights = {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}
    weights |= {n: torch.ones_like(v) for n, v in weights.items() if n.endswith("running_var")}
    return weights | {n: torch.tensor(0) for n in weights if n.endswith("num_batches_tracked")}


@pytest.mark.parametrize("keys", PUBLISHED)
def test_published_sizes_load_and_give_their_states(real_data: Path, keys: str) -> None:
    family, wrap, count, tokens = PUBLISHED[keys]
    content = wrap(random_weights(real_data / "encoders" / keys))
    assert family.recognises(content)
    model = family.open(content, FILE)
    del content
    signals = torch.randn(2, len(model.input.leads), model.input.samples)
    with torch.inference_mode():
        shapes = [state.shape for state in model.network.states(signals)]
    assert [shape[2] for shape in shapes] == [layer.width for layer in model.layers]
    assert len(shapes) == count
    assert shapes[-1][:2] == (2, tokens)
