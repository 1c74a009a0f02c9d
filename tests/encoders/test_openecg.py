"""openecg's trained codec against the package's own run, and what its files hold."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, gelu, linear

from myocard.encoders.files import read_content
from myocard.encoders.openecg import FAMILY, Codec, Shape
from myocard.encoders.published import encoder_of
from myocard.encoders.registry import families
from myocard.errors import InputError
from myocard.evaluation.layers.attention import with_attention
from myocard.simulation import entries

FILE = Path("codec.pt")
Weights = dict[str, Tensor]
needs_package = pytest.mark.skipif(
    find_spec("openecg") is None, reason="the package openecg is not installed"
)


@pytest.fixture
def content() -> dict[str, object]:
    shape = Shape(width=8, patch=4, kernel=3, convs=2, blocks=2, heads=2, hidden=12)
    heads = {"refine.0.bias": torch.zeros(8), "head.weight": torch.zeros(4, 8)}
    weights = Codec(shape, torch.randn(1, 30, 8)).state_dict() | heads
    return {"model_state": weights, "model_config": {"n_heads": 2}, "epoch": 6}


@pytest.fixture
def records() -> list[np.ndarray]:
    """Lead II of simulated records of 10 s at 500 Hz, in mV."""
    read = [entry.read() for entry in entries(3, 0, rate=500.0)]
    return [record.signal[[record.leads.index("II")]] for record in read]


def heads_of(weights: Weights, tokens: Tensor) -> list[Tensor]:
    """Answers for each sample, from the last tokens and the tensors that are left out."""
    samples = tokens.repeat_interleave(10, dim=1).transpose(1, 2)
    inner = gelu(conv1d(samples, weights["refine.0.weight"], weights["refine.0.bias"], padding=2))
    outer = conv1d(inner, weights["refine.2.weight"], weights["refine.2.bias"], padding=2)
    refined = (samples + outer).transpose(1, 2)
    names = ("head_sample", "beat_sample", "rhythm_sample")
    return [linear(refined, weights[f"{n}.weight"], weights[f"{n}.bias"]) for n in names]


@needs_package
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_every_state_and_every_answer_is_the_packages(records, assert_close) -> None:
    import openecg

    path = Path(openecg.__file__).parent / "models" / "codec_v6.pt"
    content = read_content(path)
    model = FAMILY.open(content, path)
    signals = torch.from_numpy(np.stack([model.input(record, 500) for record in records]))
    theirs = openecg.load_codec()
    expected = []
    theirs.lower_convs[0].register_forward_pre_hook(
        lambda _, given: expected.append(given[0].transpose(1, 2))
    )
    for module in (*theirs.lower_norms, *theirs.upper_transformer.layers):
        module.register_forward_hook(lambda *given: expected.append(given[-1]))
    with torch.inference_mode():
        answers = theirs(signals, torch.zeros(len(signals), dtype=torch.long))
        states = list(model.network.states(signals))
        found = [*states, *heads_of(content["model_state"], states[-1])]
    names = [layer.name for layer in model.layers] + ["waves", "beats", "rhythms"]
    expected += answers
    assert_close(dict(zip(names, found, strict=True)), dict(zip(names, expected, strict=True)))


@needs_package
def test_preprocessing_is_the_packages(content, records) -> None:
    import openecg

    stated = FAMILY.open(content, FILE).input
    assert (stated.leads, stated.needs_voltage) == (("II",), False)
    for record in records:
        wanted = openecg.rank_normalize(record[0])
        assert np.abs(stated(record, 500)[0] - wanted).max() <= 1e-6


def test_voltage_cannot_be_known_from_what_it_is_fed(content, records) -> None:
    """A probe that finds millivolts in its states reads something else."""
    stated = FAMILY.open(content, FILE).input
    for record in records:
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
