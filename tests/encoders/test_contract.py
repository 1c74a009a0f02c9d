"""The contract of the encoder protocol, over every published model for which there is a file."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from myocard.data.signal import Preprocessing
from myocard.encoders.files import read_content
from myocard.encoders.protocol import (
    ECGEncoder,
    LeadwiseEncoder,
    TimewiseEncoder,
    joined_states,
)
from myocard.encoders.published import PublishedEncoder
from myocard.encoders.registry import cards, families, open_published
from myocard.evaluation.delineation.tokens import in_rows
from myocard.evaluation.layers.attention import with_attention
from myocard.files.manifest import parsed
from myocard.leads import LEADS

FILES = {
    "st-mem": "st-mem/st_mem_encoder.pth",
    "ecgfounder": "ecgfounder/12_lead_ECGFounder.pth",
    "ecg-fm": "ecg-fm/pretrained.pt",
    "hubert-ecg": "hubert-ecg/hf",
    "ecg-jepa-kim": "ecg-jepa-kim/multiblock_epoch100.pth",
    "merl-vit": "merl/vit_tiny_best_encoder.pth",
    "merl-resnet": "merl/res18_best_encoder.pth",
    "ecg-jepa-weimann": "ecg-jepa-weimann/chkpt.min.pt",
    "ecg-cpc": "ecg-cpc/last.ckpt",
}

ATTENTION = {
    "st-mem": {"entropy", "seconds", "across", "separators"},
    "ecg-fm": {"entropy", "seconds"},
    # Its tokens are over leads that are joined end to end.
    "hubert-ecg": {"entropy"},
    "ecg-jepa-kim": {"entropy", "seconds", "across"},
    "merl-vit": {"entropy", "seconds"},
    "ecg-jepa-weimann": {"entropy", "seconds", "separators"},
}
"""Measures of attention by model; others have no attention."""


@pytest.fixture(params=FILES)
def encoder(request, real_data) -> PublishedEncoder:
    return open_published(real_data / "encoders" / FILES[request.param])


@pytest.fixture
def signals(encoder, generator) -> torch.Tensor:
    stated = encoder.input
    return torch.randn(5, len(stated.leads), stated.samples, generator=generator)


def states(encoder: PublishedEncoder, signals: torch.Tensor) -> list[torch.Tensor]:
    with torch.inference_mode():
        joined = joined_states(encoder, signals)
    if joined.ndim == 3:
        return list(joined.unbind(dim=1))
    return list(joined.split([layer.width for layer in encoder.layers], dim=1))


def test_every_family_has_a_card_of_its_own_name():
    names = [card.name for family in families() for card in family.cards]
    assert len(set(names)) == len(names) == len(cards())


def test_it_meets_the_protocol_and_its_layers_are_as_stated(encoder, signals):
    assert isinstance(encoder, ECGEncoder)
    with torch.inference_mode():
        found = list(encoder.hidden_states(signals))
    assert [tokens.shape[-1] for tokens in found] == [layer.width for layer in encoder.layers]
    assert len({layer.name for layer in encoder.layers}) == len(encoder.layers)
    assert encoder.info.ends == cards()[encoder.info.name].layers
    staged = encoder.layers[0].name == "stem"
    assert (encoder.info.layer_names is not None) == staged


def test_tokens_of_a_row_follow_the_time_of_the_signal(encoder, signals):
    """Another tenth of the signal changes the first state where that tenth is, on average."""
    if encoder.opened.card.name == "hubert-ecg":
        assert not isinstance(encoder, LeadwiseEncoder | TimewiseEncoder)
        return
    samples = signals.shape[-1]
    for tenth in (0, 4, 9):
        changed = signals.clone()
        part = slice(tenth * samples // 10, (tenth + 1) * samples // 10)
        changed[..., part] = signals[..., part].flip(0)
        with torch.inference_mode():
            one, other = (
                in_rows(encoder, next(iter(encoder.hidden_states(each))))
                for each in (signals, changed)
            )
        change = (one - other).square().sum(dim=(0, 1, 3))
        place = (change * torch.arange(len(change)).add(0.5)).sum() / change.sum() / len(change)
        assert abs(place - (tenth + 0.5) / 10) < 0.08


def test_one_record_alone_is_the_record_in_a_batch_in_any_order(encoder, signals):
    order = torch.tensor([3, 1, 4, 0, 2])
    together, turned = states(encoder, signals), states(encoder, signals[order])
    one_by_one = [states(encoder, record[None]) for record in signals]
    alone = [torch.cat(layer) for layer in zip(*one_by_one, strict=True)]
    for whole, single, other in zip(together, alone, turned, strict=True):
        scale = 1e-5 * max(1.0, whole.square().mean().sqrt().item())
        torch.testing.assert_close(single, whole, atol=scale, rtol=1e-5)
        torch.testing.assert_close(other, whole[order], atol=scale, rtol=1e-5)


def test_the_grid_tells_which_tokens_are_kept_and_of_which_lead(encoder, signals):
    with torch.inference_mode():
        every = list(encoder.network.states(signals))
        kept = list(encoder.hidden_states(signals))
    for before, after in zip(every, kept, strict=True):
        places, _ = encoder.grid(before.shape[1])
        assert torch.equal(before[:, places.flatten()], after)
        if isinstance(encoder, LeadwiseEncoder):
            assert torch.equal(before[:, places], encoder.by_lead(after))


def test_attention_is_told_of_every_block_that_has_one_and_changes_no_state(encoder, signals):
    with torch.inference_mode():
        found, measures = with_attention(encoder, encoder.hidden_states(signals))
        _, alone = with_attention(encoder, encoder.hidden_states(signals[:1]))
        plain = list(encoder.hidden_states(signals))
    assert all(map(torch.equal, found, plain))
    told = ATTENTION.get(encoder.info.name, set())
    assert measures.keys() == {f"attention_{name}" for name in told}
    for name, values in measures.items():
        assert values.shape == (len(signals), len(encoder.layers))
        assert values[:, 0].isnan().all()
        torch.testing.assert_close(values[:1], alone[name], equal_nan=True)
    blocks = {name: values[:, 1:] for name, values in measures.items()}
    stated, tokens = encoder.input, max(each.shape[1] for each in plain)
    most = {
        "attention_entropy": np.log(tokens + 2 * len(stated.leads)),
        "attention_seconds": stated.samples / stated.rate,
        "attention_across": 1,
        "attention_separators": 1,
    }
    assert all(((each > 0) & (each < most[name])).all() for name, each in blocks.items())


def test_a_pass_leaves_weights_and_buffers_alone_and_takes_no_gradient(encoder, signals):
    before = {name: value.clone() for name, value in encoder.network.state_dict().items()}
    found = states(encoder, signals)
    assert not any(each.requires_grad for each in found)
    for name, value in encoder.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_states_tell_by_gradients_what_of_the_signals_they_depend_on(encoder, signals):
    for each in (encoder, encoder.randomised(0)):
        shown = signals[:1].clone().requires_grad_()
        (found,) = torch.autograd.grad(joined_states(each, shown).square().sum(), shown)
        assert found.isfinite().all()
        assert (found != 0).any(dim=2).all()


def test_weights_go_out_and_in_again(encoder, signals):
    other = encoder.randomised(0)
    assert other.info.hash != encoder.info.hash
    before = states(encoder, signals)
    other.network.load_state_dict(encoder.network.state_dict())
    for one, two in zip(before, states(other, signals), strict=True):
        torch.testing.assert_close(two, one)


def test_random_weights_are_the_same_for_the_same_seed_and_no_state_is_flat(encoder, signals):
    one, again, other = (encoder.randomised(seed) for seed in (1, 1, 2))
    assert one.info.hash == again.info.hash != other.info.hash
    assert one.info.random
    assert one.info.leak_check == "records"
    for state in states(one, signals):
        assert state.isfinite().all()
        assert state.std(dim=0).max() > 1e-6


def test_its_input_is_stated_whole_and_survives_a_file(encoder):
    stated = encoder.input
    # The same to the letter: hashes are of what is written.
    assert repr(parsed(Preprocessing, asdict(stated))) == repr(stated)
    seconds = stated.samples / stated.rate + 1
    records = np.random.default_rng(0).normal(size=(len(stated.leads), round(500 * seconds)))
    found = stated(records.astype(np.float32), 500.0)
    assert found.shape == (len(stated.leads), stated.samples)
    assert found.dtype == np.float32


def test_what_the_unit_changes_is_told(encoder):
    """An encoder whose input depends on the unit says so, and no other does."""
    stated = encoder.input
    record = np.random.default_rng(0).normal(size=(len(stated.leads), 7000)).astype(np.float32)
    same = np.allclose(stated(record, 500.0), stated(1000 * record, 500.0), atol=1e-3)
    assert stated.needs_voltage == (not same)


def test_fewer_leads_are_read_or_refused_by_name(encoder, signals):
    few = [lead for lead in LEADS if lead in encoder.input.leads][:3]
    if encoder.opened.of_leads is None:
        with pytest.raises(ValueError, match="needs all of its leads"):
            encoder.with_leads(few)
        return
    fewer = encoder.with_leads(few)
    rows = [encoder.input.leads.index(lead) for lead in fewer.input.leads]
    for each in (fewer, fewer.randomised(0)):
        assert all(state.isfinite().all() for state in states(each, signals[:, rows]))
    assert fewer.info.hash != encoder.info.hash


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_one_model_is_no_other(name, real_data):
    content = read_content(real_data / "encoders" / FILES[name])
    found = [c.name for f in families() if f.recognises(content) for c in f.cards]
    assert name in found or any(each.startswith(name.split("-")[0]) for each in found)
    assert sum(family.recognises(content) for family in families()) == 1
