"""ECGFounder and CLEF: what files hold, and the laws of a block."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from myocard.encoders.ecgfounder import FAMILY, Block, BlockShape, GroupedResNet, SameConvolution
from myocard.encoders.published import encoder_of
from myocard.encoders.registry import families
from myocard.errors import InputError

FILE = Path("file.pth")
Weights = dict[str, Tensor]


def block_shape(inputs: int, outputs: int, stride: int = 1, activated: bool = True) -> BlockShape:
    return BlockShape(inputs, 8, outputs, 4, 2, 3, stride, activated)


def weights_of(leads: int) -> Weights:
    stages = [[block_shape(6, 8, 2, False), block_shape(8, 8)], [block_shape(8, 5, 2)]]
    network = GroupedResNet((6, leads, 4), stages)
    norms = {f"{name}.running_mean": torch.rand(6) for name in ("first_bn", NORM)}
    return network.state_dict() | norms


NORM = "stage_list.0.block_list.1.bn2"
DENSE = {"dense.weight": torch.ones(3, 5), "dense.bias": torch.zeros(3)}


@pytest.mark.parametrize(
    ("leads", "diagnoses", "card"),
    [(12, True, "ecgfounder"), (1, True, "ecgfounder"), (1, False, "clef")],
)
def test_published_sizes_load_and_give_their_states(
    random_weights, leads: int, diagnoses: bool, card: str
) -> None:
    weights = random_weights("ecgfounder/keys_published_12_lead.tsv")
    weights["first_conv.conv.weight"] = weights["first_conv.conv.weight"][:, :leads]
    if not diagnoses:
        weights = {name: value for name, value in weights.items() if "dense" not in name}
    model = FAMILY.open({"state_dict": weights, "epoch": 1}, FILE)
    assert (model.card.name, model.head is not None) == (card, diagnoses)
    with torch.inference_mode():
        states = list(model.network.states(torch.randn(2, leads, 5000)))
    lengths = (2500, 1250, 625, 313, 157, 79, 40, 20)
    widths = (64, 64, 160, 160, 400, 400, 1024, 1024)
    assert [s.shape for s in states] == [(2, *s) for s in zip(lengths, widths, strict=True)]
    assert [layer.width for layer in model.layers] == [*widths]


def test_one_family_knows_the_file() -> None:
    content = {"state_dict": weights_of(12)}
    assert [known for known in families() if known.recognises(content)] == [FAMILY]


def test_batch_norms_are_left_out_with_a_reason_and_change_nothing() -> None:
    weights = weights_of(12)
    without = {name: value for name, value in weights.items() if "bn" not in name}
    model, other = (FAMILY.open({"state_dict": held}, FILE) for held in (weights, without))
    assert list(model.left_out) == ["first_bn.", f"{NORM}."]
    signals = torch.randn(2, 12, 50)
    for one, two in zip(model.network.states(signals), other.network.states(signals), strict=True):
        assert torch.equal(one, two)


def test_every_missing_tensor_is_refused() -> None:
    weights = weights_of(12)
    for missing in (name for name in weights if "bn" not in name):
        fewer = {name: value for name, value in weights.items() if name != missing}
        if FAMILY.recognises({"state_dict": fewer}):
            with pytest.raises(InputError, match=r"^file\.pth: .*tensor"):
                FAMILY.open({"state_dict": fewer}, FILE)


def test_a_tensor_too_many_and_a_strange_number_of_leads_are_named() -> None:
    more = weights_of(12) | {"stage_list.1.block_list.0.conv4.weight": torch.zeros(3)}
    with pytest.raises(InputError, match=r"left over stage_list\.1\.block_list\.0\.conv4\.weight"):
        FAMILY.open({"state_dict": more}, FILE)
    with pytest.raises(InputError, match="it reads 3 leads"):
        FAMILY.open({"state_dict": weights_of(3)}, FILE)


def test_random_weights_come_from_a_seed_and_have_no_head() -> None:
    model = FAMILY.open({"state_dict": weights_of(12) | DENSE}, FILE)
    encoder = encoder_of(model, "ecgfounder")
    first, again, other = (encoder.randomised(seed).info.hash for seed in (1, 1, 2))
    assert first == again != other
    assert encoder.randomised(1).opened.head is None


def test_an_odd_length_is_pooled_with_a_zero() -> None:
    block = Block(block_shape(6, 6, stride=2))
    below_zero = torch.tensor([-3.0, -1, -2, -5, -4]).expand(1, 6, 5)
    assert block.shortcut(below_zero)[0, 0].tolist() == [-1, -2, 0]
    assert block.shortcut(below_zero[..., :4])[0, 0].tolist() == [-1, -2]


@pytest.mark.parametrize(
    ("outputs", "wanted"),
    [(6, [0, 1, 2, 3, 0, 0]), (4, [1, 2, 3, 0]), (3, [1, 2, 3]), (2, [2, 3]), (1, [2])],
)
def test_channels_are_added_and_dropped_at_both_ends(outputs: int, wanted: list[int]) -> None:
    maps = torch.tensor([1.0, 2, 3])[None, :, None]
    assert Block(block_shape(3, outputs)).shortcut(maps)[0, :, 0].tolist() == wanted


@pytest.mark.parametrize(("samples", "stride"), [(7, 1), (7, 2), (8, 2), (1, 2)])
def test_a_same_convolution_pads_less_before_than_behind(samples: int, stride: int) -> None:
    convolution = SameConvolution(1, 1, 4, stride)
    torch.nn.init.ones_(convolution.conv.weight)
    torch.nn.init.zeros_(convolution.conv.bias)
    steps = -(-samples // stride)
    before = max(0, (steps - 1) * stride + 4 - samples) // 2
    starts = [step * stride - before for step in range(steps)]
    ones = [len(range(max(start, 0), min(start + 4, samples))) for start in starts]
    assert convolution(torch.ones(1, 1, samples))[0, 0].tolist() == ones
