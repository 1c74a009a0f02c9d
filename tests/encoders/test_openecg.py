"""Files of openecg's codec, and the laws of its input."""

from pathlib import Path

import numpy as np
import pytest
import torch
from package_states import records
from torch import Tensor

from myocard.encoders.openecg import FAMILY, Codec, Shape
from myocard.encoders.published import encoder_of
from myocard.encoders.registry import families
from myocard.errors import InputError
from myocard.evaluation.layers.attention import with_attention

FILE = Path("codec.pt")
Weights = dict[str, Tensor]


@pytest.fixture
def content() -> dict[str, object]:
    shape = Shape(width=8, patch=4, kernel=3, convs=2, blocks=2, heads=2, hidden=12)
    heads = {"refine.0.bias": torch.zeros(8), "head.weight": torch.zeros(4, 8)}
    weights = Codec(shape, torch.randn(1, 30, 8)).state_dict() | heads
    return {"model_state": weights, "model_config": {"n_heads": 2}, "epoch": 6}


def test_voltage_cannot_be_known_from_what_it_is_fed(content) -> None:
    """A probe that finds millivolts in its states reads something else."""
    stated = FAMILY.open(content, FILE).input
    for record in records():
        np.testing.assert_array_equal(stated(4 * record, 500), stated(record, 500))


def test_one_family_knows_the_file(content) -> None:
    assert [known for known in families() if known.recognises(content)] == [FAMILY]


def test_layers_are_the_embedding_convolutions_and_blocks(content) -> None:
    model = FAMILY.open(content, FILE)
    states = list(model.network.states(torch.randn(3, 1, 40)))
    names = ["embedding", "convolution 1", "convolution 2", "block 1", "block 2"]
    assert [layer.name for layer in model.layers] == names
    assert [state.shape for state in states] == [(3, 20, 8)] * 5
    assert list(model.left_out) == ["refine.", "head."]
    assert encoder_of(model, "openecg").info.layer_names == tuple(names)


def test_attention_is_told_of_its_blocks_and_not_of_its_convolutions(content, generator) -> None:
    encoder = encoder_of(FAMILY.open(content, FILE), "openecg")
    with torch.inference_mode():
        states = encoder.hidden_states(torch.randn(3, 1, 40, generator=generator))
        _, measures = with_attention(encoder, states)
    assert measures.keys() == {"attention_entropy", "attention_seconds"}
    for values in measures.values():
        assert values.isnan().tolist() == [[True, True, True, False, False]] * 3


def test_every_missing_tensor_is_refused(content) -> None:
    weights = content["model_state"]
    for missing in set(weights) - {"refine.0.bias", "head.weight"}:
        fewer = content | {"model_state": {n: v for n, v in weights.items() if n != missing}}
        if FAMILY.recognises(fewer):
            with pytest.raises(InputError, match=r"^codec\.pt: .*tensor"):
                FAMILY.open(fewer, FILE)


def test_a_tensor_too_many_is_named(content) -> None:
    more = content["model_state"] | {"aux.weight": torch.zeros(3)}
    with pytest.raises(InputError, match=r"left over aux\.weight"):
        FAMILY.open(content | {"model_state": more}, FILE)


def test_random_weights_keep_the_positions_and_differ_between_blocks(content) -> None:
    encoder = encoder_of(FAMILY.open(content, FILE), "openecg")
    first, again, other = (encoder.randomised(seed) for seed in (1, 1, 2))
    assert first.info.hash == again.info.hash != other.info.hash
    assert torch.equal(first.network.pos_enc, encoder.network.pos_enc)
    one, two = first.network.upper_transformer["layers"]
    assert not torch.equal(one.linear1.weight, two.linear1.weight)
