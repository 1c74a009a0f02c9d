"""CPC sees no future, and JEPA predicts what its target makes of hidden patches."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from myocard.leads import LEADS
from myocard.nn.objectives.decoders import Decoder, DecoderShape
from myocard.nn.objectives.masks import same_times
from myocard.nn.objectives.predictive import CPC, JEPA, found_among_records, latents


@pytest.fixture
def jepa(encoder) -> JEPA:
    torch.manual_seed(2)
    predictor = Decoder(encoder, DecoderShape(width=8, depth=1, heads=2), outputs=12)
    return JEPA(encoder, predictor, mask_ratio=0.75, momentum=0.5)


def test_a_stretch_and_its_context_do_not_depend_on_later_samples(encoder, signals):
    model = CPC(encoder, stretches=5)
    before = model.encode(signals, LEADS)
    changed = signals.clone()
    changed[..., 60:] = torch.randn(4, 12, 40)
    after = model.encode(changed, LEADS)
    assert before.shape == (4, 5, 12)
    assert torch.allclose(after[:, :3], before[:, :3], atol=1e-6)
    assert not torch.allclose(after[:, 3:], before[:, 3:], atol=1e-2)
    one, other = model.context(before)[0], model.context(after)[0]
    assert torch.allclose(one[:, :3], other[:, :3], atol=1e-6)


def test_patches_that_fill_no_stretch_are_not_read(encoder, signals):
    model = CPC(encoder, stretches=3)
    changed = signals.clone()
    changed[..., 90:] = torch.randn(4, 12, 10)
    assert torch.equal(model.encode(changed, LEADS), model.encode(signals, LEADS))


def test_stretches_are_found_among_those_of_other_records_at_the_same_time(generator):
    guesses, encoded = torch.randn(2, 6, 3, 16, generator=generator)
    losses = [
        cross_entropy(guesses[:, time] @ encoded[:, time].T / 4, torch.arange(6))
        for time in range(3)
    ]
    expected = torch.stack(losses).mean()
    assert torch.allclose(found_among_records(guesses, encoded), expected, atol=1e-6)
    sure = 100 * torch.eye(6)[:, None].expand(6, 3, 6)
    assert found_among_records(sure, sure) < 1e-3


def test_what_is_to_be_predicted_is_standardised_and_of_all_patches(encoder, signals):
    wanted = latents(encoder, signals, LEADS)
    assert wanted.shape == (4, 12, 10, 12)
    assert torch.allclose(wanted.mean(dim=0), torch.zeros(()), atol=1e-4)
    assert torch.allclose(wanted.var(dim=0, unbiased=False), torch.ones(()), atol=1e-2)
    assert not wanted.requires_grad


def test_what_all_records_share_is_no_part_of_the_target(encoder, signals):
    """A constant at every place, as position and lead are, would be predicted from nothing."""
    before = latents(encoder, signals, LEADS)
    with torch.no_grad():
        encoder.norm.bias.add_(torch.randn(12))
    assert torch.allclose(latents(encoder, signals, LEADS), before, atol=1e-3)
    same = signals[:1].expand(4, -1, -1)
    assert latents(encoder, same, LEADS).abs().max() < 0.1


def test_the_context_does_not_see_hidden_patches_but_the_target_does(jepa, signals):
    seen = {"context": [], "target": []}
    for name, encoder in (("context", jepa.encoder), ("target", jepa.target_encoder)):
        encoder.blocks[0].register_forward_pre_hook(lambda _, x, n=name: seen[n].append(x[0]))

    def loss(batch):
        torch.manual_seed(3)
        return jepa(batch).loss

    def hidden_times():
        torch.manual_seed(3)
        return same_times(jepa.encoder.embed(signals), 0.75).hidden

    hidden = hidden_times()
    noise = torch.where(hidden[..., None], torch.randn(4, 12, 10, 10), 0.0)
    before, after = loss(signals), loss(signals + noise.flatten(2))
    assert torch.equal(*seen["context"])
    assert not torch.equal(*seen["target"])
    assert before != after


def test_the_target_takes_no_gradient_and_follows(jepa, signals):
    jepa(signals).loss.backward()
    assert all(p.grad is None for p in jepa.target_encoder.parameters())
    with torch.no_grad():
        jepa.encoder.separator.add_(1)
    before = jepa.target_encoder.separator.clone()
    jepa(signals)
    assert torch.allclose(jepa.target_encoder.separator, before + 0.5)
