"""The contract of every encoder, and what else holds for ours at every size and preset."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace

import pytest
import torch

from myocard.data.corpora import PretrainedOn
from myocard.data.signal import Band, Preprocessing
from myocard.encoders.ours import MyocardEncoder, Origin
from myocard.encoders.protocol import (
    ECGEncoder,
    LeadwiseEncoder,
    pooled_states,
)
from myocard.errors import InputError
from myocard.evaluation.supervised import SignalClassifier
from myocard.files.manifest import parsed
from myocard.leads import LEADS
from myocard.models.checkpoint import Checkpoint
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.decoders import Decoder, DecoderShape
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.norms import NormShape
from myocard.nn.readouts.registry import build_readout
from myocard.nn.sizes import SIZES
from myocard.recipe import PRESETS

ENCODERS: dict[str, Callable[[MyocardEncoder], ECGEncoder]] = {
    "ours": lambda tiny: tiny,
    "ours on two leads": lambda tiny: tiny.with_leads(("V2", "I")),
    "ours, random": lambda tiny: tiny.randomised(4),
}


@pytest.fixture(params=ENCODERS)
def every(request, encoder) -> ECGEncoder:
    return ENCODERS[request.param](encoder)


@pytest.fixture
def shown(every, store) -> torch.Tensor:
    """Five records of the store, as the encoder states its input."""
    return torch.from_numpy(store.windows(range(5), every.input))


@pytest.fixture
def found(every, shown) -> torch.Tensor:
    with torch.no_grad():
        return pooled_states(every, shown)


def test_it_is_an_encoder_whose_tokens_belong_to_leads(every):
    assert isinstance(every, ECGEncoder)
    assert isinstance(every, LeadwiseEncoder)
    assert not every.network.training


def test_its_input_is_stated_in_full_and_comes_back_from_json(every, shown):
    stated = json.loads(json.dumps(asdict(every.input)))
    assert stated.keys() == {field.name for field in fields(Preprocessing)}
    assert parsed(Preprocessing, stated) == every.input
    assert shown.shape == (5, len(every.input.leads), every.input.samples)
    assert set(every.input.leads) <= set(LEADS)
    assert len(set(every.input.leads)) == len(every.input.leads)


def test_hidden_states_are_all_layers_from_the_embedding_to_the_output(every, shown):
    states = list(every.hidden_states(shown))
    assert len(states) == len(every.layers) == every.info.layers
    assert [tokens.shape[2] for tokens in states] == [layer.width for layer in every.layers]
    assert len({layer.name for layer in every.layers}) == len(states)
    assert len({tokens.shape[:2] for tokens in states}) == 1
    assert {layer.width for layer in every.layers} == {every.info.width}
    # A layer depends on those before it alone: without the last block, the others are the same.
    with torch.no_grad():
        for value in every.network.blocks[-1].parameters():
            value.add_(1)
        changed = list(every.hidden_states(shown))
    assert all(torch.equal(*pair) for pair in zip(states[:-1], changed[:-1], strict=True))
    assert not torch.allclose(states[-1], changed[-1])


def test_hidden_states_come_one_layer_at_a_time(every, shown):
    began = []
    for number, block in enumerate(every.network.blocks, start=1):
        block.register_forward_pre_hook(lambda *call, number=number: began.append(number))
    states = every.hidden_states(shown)
    for layer in range(len(every.layers)):
        next(states)
        assert began == [*range(1, layer + 1)]


def test_a_record_alone_has_the_states_that_it_has_among_others(every, shown, found):
    with torch.no_grad():
        alone = torch.cat([pooled_states(every, record[None]) for record in shown])
    assert torch.allclose(alone, found, atol=1e-5)


def test_records_that_are_permuted_have_permuted_states(every, shown, found):
    order = torch.tensor([3, 0, 4, 2, 1])
    with torch.no_grad():
        permuted = pooled_states(every, shown[order])
        tokens = zip(every.hidden_states(shown[order]), every.hidden_states(shown), strict=True)
        for mine, theirs in tokens:
            assert torch.allclose(mine, theirs[order], atol=1e-5)
    assert torch.allclose(permuted, found[order], atol=1e-5)
    assert not torch.allclose(permuted, found, atol=1e-3)


def test_pooled_states_are_the_pooled_hidden_states_and_say_the_same_lead_by_lead(
    every, shown, found
):
    with torch.no_grad():
        for layer, tokens in enumerate(every.hidden_states(shown)):
            assert torch.equal(every.pool(tokens), found[:, layer])
            assert torch.allclose(every.pool(tokens), tokens.mean(dim=1), atol=1e-5)
            by_lead = every.by_lead(tokens)
            assert by_lead.shape[1] == len(every.input.leads)
            assert torch.equal(by_lead.flatten(1, 2), tokens)
            assert torch.allclose(by_lead.mean(dim=2).mean(dim=1), found[:, layer], atol=1e-5)


def test_what_is_frozen_takes_no_gradient_and_all_else_does(every, shown):
    every.network.requires_grad_(requires_grad=False)
    assert not pooled_states(every, shown).requires_grad
    every.network.requires_grad_(requires_grad=True)
    every.network.blocks[0].requires_grad_(requires_grad=False)
    states = pooled_states(every, shown)
    (every.norm(states) * torch.randn(states.shape)).sum().backward()
    for name, value in every.network.named_parameters():
        if name.startswith("blocks.0."):
            assert value.grad is None, name
        else:
            assert value.grad.any(), name


def test_its_norm_is_one_of_its_networks_and_can_be_rebuilt(every):
    assert every.norm in [*every.network.modules()]
    assert NormShape.of(every.norm, every.layers[-1].width).build()


def test_the_encoder_of_fewer_leads_is_the_same_but_for_its_input(every):
    chosen = ("I", "V9", "V2")
    few = every.with_leads(chosen)
    assert few.input == replace(every.input, leads=few.input.leads)
    assert few.input.leads == tuple(lead for lead in every.input.leads if lead in chosen)
    assert few.network is every.network
    assert few.norm is every.norm
    assert (few.layers, few.pretrained_on) == (every.layers, every.pretrained_on)
    assert few.info.model_copy(update={"hash": every.info.hash}) == every.info
    assert every.with_leads(LEADS).info == every.info


def test_the_encoder_of_fewer_leads_reads_them_as_before(every, shown):
    few = every.with_leads(("V2",))
    rows = [every.input.leads.index("V2")]
    with torch.no_grad():
        one = pooled_states(few, shown[:, rows])
        # The embedding is a lead's own: attention has not yet run.
        embedding = every.by_lead(next(iter(every.hidden_states(shown))))[:, rows[0]].mean(dim=1)
    assert torch.allclose(one[:, 0], embedding, atol=1e-6)


def test_an_encoder_that_would_be_fed_no_lead_is_refused(every):
    stated = ", ".join(every.input.leads)
    with pytest.raises(InputError, match=rf"reads {stated}: none of these is among V9; choose"):
        every.with_leads(("V9",))


def test_a_random_encoder_has_the_same_network_and_input_and_knows_no_record(every, store):
    one, again, other = (every.randomised(seed) for seed in (7, 7, 8))
    assert one.info.hash == again.info.hash
    assert len({every.info.hash, one.info.hash, other.info.hash}) == 3
    assert (one.input, one.layers) == (every.input, every.layers)
    assert [(k, v.shape) for k, v in one.network.state_dict().items()] == [
        (k, v.shape) for k, v in every.network.state_dict().items()
    ]
    assert one.info.random
    assert one.info.leak_check == "records"
    assert not one.pretrained_on.known(store.records).any()
    assert one.pretrained_on.datasets == ()


def test_making_a_random_encoder_leaves_it_and_the_callers_random_numbers_alone(every):
    before = {name: value.clone() for name, value in every.network.state_dict().items()}
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    every.randomised(5)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(before[k], v) for k, v in every.network.state_dict().items())


def test_the_hash_tells_weights_input_and_shape_apart_and_nothing_else(encoder):
    def hash_of(**changes) -> str:
        return replace(encoder, **changes).info.hash

    stated, shape = encoder.input, encoder.network.shape
    same = [hash_of(), hash_of(name="other", origin=Origin(seed=3), pretrained_on=PretrainedOn())]
    assert set(same) == {encoder.info.hash}
    other_inputs = [
        replace(stated, rate=50),
        replace(stated, samples=50),
        replace(stated, leads=LEADS[::-1]),
        replace(stated, band=Band(lowpass=40.0)),
        replace(stated, band=Band(highpass=0.5)),
        replace(stated, standardise="record"),
    ]
    hashes = [hash_of(input=given) for given in other_inputs]
    # These shapes have weights of the same names and sizes.
    for other_shape in (replace(shape, heads=2), replace(shape, samples=200)):
        network = Encoder(other_shape)
        network.load_state_dict(encoder.network.state_dict())
        hashes.append(hash_of(network=network))
    for name, value in encoder.network.state_dict().items():
        network = Encoder(shape)
        nudged = value.clone()
        nudged.view(-1)[3 % value.numel()] += 1e-6
        network.load_state_dict(encoder.network.state_dict() | {name: nudged})
        hashes.append(hash_of(network=network))
    assert len({encoder.info.hash, *hashes}) == 1 + len(hashes)


def test_signals_and_their_pooled_states_are_classified_alike(every, shown, found):
    torch.manual_seed(0)
    readout = build_readout("pma", every.norm, every.info.width, len(every.layers) - 1)
    classifier = Classifier(readout, HEADS["mlp"](readout.features, 5)).eval()
    live = SignalClassifier(every, classifier).eval()
    with torch.no_grad():
        assert torch.equal(live(shown), classifier(found))


every_size = pytest.mark.parametrize("size", SIZES)
every_preset = pytest.mark.parametrize("preset", PRESETS)


def shape_of(size: str, preset: str) -> EncoderShape:
    expected, patch = PRESETS[preset]
    return EncoderShape.of_size(size, samples=expected.samples, patch=patch)


@every_size
@every_preset
def test_the_stated_input_gives_every_layer(size, preset):
    shape, expected = shape_of(size, preset), PRESETS[preset][0]
    with torch.device("meta"):
        encoder = MyocardEncoder(size, Encoder(shape), expected, PretrainedOn())
        signals = torch.empty(2, len(expected.leads), expected.samples)
        whole = encoder.network(signals, expected.leads)
        patches = list(encoder.hidden_states(signals))
        pooled = [encoder.pool(tokens) for tokens in patches]
    count = shape.samples // shape.patch
    assert whole.shape == (shape.depth + 1, 2, 12 * (count + 2), shape.width)
    assert [x.shape for x in patches] == (shape.depth + 1) * [(2, 12 * count, shape.width)]
    assert [x.shape for x in pooled] == (shape.depth + 1) * [(2, shape.width)]


@every_size
@every_preset
@pytest.mark.parametrize("mixture", MIXTURES)
def test_it_can_be_pretrained(size, preset, mixture):
    shape, expected = shape_of(size, preset), PRESETS[preset][0]
    with torch.device("meta"):
        encoder = Encoder(shape)
        decoder = Decoder(encoder, DecoderShape(*SIZES[size].decoder))
        model = MaskedAutoencoder(encoder, decoder, mixture=MIXTURES[mixture])
        signals = torch.empty(1, 12, expected.samples)
        predicted = model(signals, expected.leads).patches
    assert predicted.shape == (1, 12, shape.samples // shape.patch, shape.patch)


@every_size
@every_preset
def test_parameters_number_as_the_formula_says(size, preset):
    shape = shape_of(size, preset)
    with torch.device("meta"):
        encoder = Encoder(shape)
    width, patch = shape.width, shape.patch
    block = 12 * width**2 + 13 * width
    embedding = 2 * patch + (patch + 1) * width + 2 * width
    expected = shape.depth * block + embedding + (1 + 12) * width + 2 * width
    assert sum(p.numel() for p in encoder.parameters()) == expected


@pytest.mark.parametrize(
    ("size", "numbers"), [("tiny", (192, 12, 3)), ("small", (384, 12, 6)), ("base", (768, 12, 12))]
)
def test_sizes_are_those_of_the_vision_transformer(size, numbers):
    shape = shape_of(size, "stmem")
    assert (shape.width, shape.depth, shape.heads, shape.mlp_ratio) == (*numbers, 4)


@pytest.mark.parametrize("size", ["nano", "tiny"])
@every_preset
def test_saving_and_loading_is_exact(size, preset, encoder, tmp_path):
    expected = PRESETS[preset][0]
    network = Encoder(shape_of(size, preset)).eval()
    made = replace(encoder, name=size, network=network, input=expected)
    Checkpoint(made, {}).save(tmp_path / "saved")
    loaded = Checkpoint.load(tmp_path / "saved").encoder
    signals = torch.randn(1, 12, expected.samples)
    with torch.inference_mode():
        assert torch.equal(pooled_states(loaded, signals), pooled_states(made, signals))
    assert loaded.input == expected
    assert loaded.info == made.info
