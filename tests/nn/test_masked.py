"""Masked autoencoding: what is hidden stays hidden, and only that is scored."""

import math
from fractions import Fraction
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.masked import (
    MIXTURES,
    Decoder,
    DecoderShape,
    MaskedAutoencoder,
    last_layer,
    masked_loss,
    mean_of_layers,
    random_mask,
    standardise_patches,
    visible_count,
)
from myocard.nn.patches import patchify
from myocard.recipe import PRESETS


@pytest.fixture(params=list(MIXTURES))
def autoencoder(request, encoder) -> MaskedAutoencoder:
    torch.manual_seed(2)
    decoder = Decoder(encoder, DecoderShape(width=8, depth=2, heads=2))
    return MaskedAutoencoder(encoder, decoder, mixture=MIXTURES[request.param]).eval()


def seeded(model: MaskedAutoencoder, signals: torch.Tensor, seed: int = 3):
    torch.manual_seed(seed)
    return model(signals)


def test_a_lead_keeps_the_exact_floor_of_its_visible_share():
    for patches, percent in product(range(1, 61), range(101)):
        exact = math.floor(patches * (1 - Fraction(percent, 100)))
        assert visible_count(patches, percent / 100) == exact, (patches, percent)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 40), st.integers(0, 99))
def test_every_lead_of_every_record_hides_the_same_number(batch, leads, patches, percent):
    kept, hidden = random_mask(torch.zeros(batch, leads, patches, 2), percent / 100)
    visible = visible_count(patches, percent / 100)
    assert kept.shape == (batch, leads, visible)
    assert (hidden.sum(dim=2) == patches - visible).all()
    assert not hidden.gather(2, kept).any()
    assert (kept.diff(dim=2) > 0).all()


def test_leads_and_records_are_masked_on_their_own_and_uniformly():
    torch.manual_seed(0)
    _, hidden = random_mask(torch.zeros(500, 12, 20, 1), 0.75)
    share = hidden.float().mean(dim=0)
    # 500 draws of .75: a standard deviation of .019 for each of 240 shares.
    assert (share - 0.75).abs().max() < 5 * 0.0194
    together = torch.corrcoef(hidden.float().permute(1, 0, 2).flatten(1))
    assert (together - torch.eye(12)).abs().max() < 0.06


def test_what_the_encoder_sees_does_not_depend_on_hidden_samples(autoencoder, signals):
    seen = []
    autoencoder.encoder.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    before = seeded(autoencoder, signals)
    noise = torch.where(before.hidden[..., None], torch.randn(4, 12, 10, 10), 0.0)
    after = seeded(autoencoder, signals + noise.flatten(2))
    assert torch.equal(before.hidden, after.hidden)
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(before.patches, after.patches)
    assert before.loss != after.loss


def test_visible_patches_reach_the_encoder_with_their_time_and_lead(autoencoder, signals):
    seen = []
    autoencoder.encoder.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    made = seeded(autoencoder, signals)
    whole = autoencoder.encoder.tokens(signals, LEADS).unflatten(1, (12, 12))
    short = seen[0].unflatten(1, (12, -1))
    for record in range(4):
        for lead in range(12):
            visible = ~made.hidden[record, lead]
            expected = whole[record, lead, 1:-1][visible]
            assert torch.allclose(short[record, lead, 1:-1], expected, atol=1e-6)


def test_visible_patches_do_not_enter_the_loss(generator):
    patches = torch.randn(2, 3, 8, 5, generator=generator)
    predicted = torch.randn(2, 3, 8, 5, generator=generator)
    _, hidden = random_mask(patches, 0.5)
    visible = torch.where(hidden[..., None], 0.0, 7 * torch.randn(2, 3, 8, 5))
    expected = masked_loss(predicted, patches, hidden)
    assert masked_loss(predicted, patches + visible, hidden) == expected
    assert masked_loss(predicted + visible, patches, hidden) == expected


def test_the_loss_equals_a_naive_loop(generator):
    patches = torch.randn(2, 3, 8, 5, generator=generator).double()
    predicted = torch.randn(2, 3, 8, 5, generator=generator)
    _, hidden = random_mask(patches.float(), 0.75)
    total, count = 0.0, 0
    for place in hidden.nonzero().tolist():
        patch = patches[tuple(place)].tolist()
        mean = sum(patch) / 5
        variance = sum((x - mean) ** 2 for x in patch) / 4
        for x, guess in zip(patch, predicted[tuple(place)].tolist(), strict=True):
            total += (guess - (x - mean) / math.sqrt(variance + 1e-6)) ** 2
            count += 1
    assert float(masked_loss(predicted, patches.float(), hidden)) == pytest.approx(total / count)


def test_a_flat_patch_is_scaled_to_zero():
    assert not standardise_patches(torch.full((1, 1, 2, 10), 4.0)).any()


def test_the_last_layers_mixture_is_its_norm_and_the_mean_is_that_of_all_blocks(generator):
    norm = nn.LayerNorm(6)
    nn.init.normal_(norm.weight)
    layers = torch.randn(4, 2, 5, 6, generator=generator)
    assert torch.equal(last_layer(iter(layers), norm), norm(layers[3]))
    naive = (norm(layers[1]) + norm(layers[2]) + norm(layers[3])) / 3
    assert torch.allclose(mean_of_layers(iter(layers), norm), naive, atol=1e-6)


def test_with_one_block_both_mixtures_are_the_same(generator):
    layers = torch.randn(2, 2, 5, 6, generator=generator)
    norm = nn.LayerNorm(6)
    assert torch.equal(last_layer(iter(layers), norm), mean_of_layers(iter(layers), norm))


def test_each_lead_is_decoded_on_its_own_and_by_the_same_weights(encoder, generator):
    torch.manual_seed(2)
    decoder = Decoder(encoder, DecoderShape(width=8, depth=2, heads=2)).eval()
    visible = torch.randn(2, 12, 3, 12, generator=generator)
    kept, _ = random_mask(torch.zeros(2, 12, 10, 12), 0.7)
    before = decoder(visible, kept)
    changed = visible.clone()
    changed[:, 4] += torch.randn(2, 3, 12)
    after = decoder(changed, kept)
    others = [lead for lead in range(12) if lead != 4]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-6)
    assert not torch.allclose(after[:, 4], before[:, 4], atol=1e-3)
    order = torch.randperm(12, generator=generator)
    assert torch.allclose(decoder(visible[:, order], kept[:, order]), before[:, order], atol=1e-5)


def test_the_decoder_puts_visible_tokens_where_they_were(encoder):
    torch.manual_seed(2)
    decoder = Decoder(encoder, DecoderShape(width=8, depth=0, heads=2)).eval()
    visible = torch.randn(1, 1, 3, 12)
    kept = torch.tensor([[[1, 4, 9]]])
    found = decoder(visible, kept)[0, 0]
    canvas = decoder.mask_token.repeat(10, 1)
    canvas[[1, 4, 9]] = decoder.enter(visible[0, 0])
    assert torch.allclose(found, decoder.leave(decoder.norm(canvas + decoder.positions)))


@pytest.mark.parametrize(
    ("preset", "total", "visible"), [("stmem", 384, 108), ("ecgsoup", 264, 84)]
)
def test_token_counts_are_those_of_the_papers(preset, total, visible):
    preprocessing, patch = PRESETS[preset]
    encoder = Encoder(EncoderShape(preprocessing.samples, patch, width=4, depth=1, heads=1))
    decoder = Decoder(encoder, DecoderShape(width=4, depth=1, heads=1))
    seen = []
    encoder.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0].shape[1]))
    signals = torch.randn(1, 12, preprocessing.samples)
    encoder(signals, preprocessing.leads)
    MaskedAutoencoder(encoder, decoder, mixture=last_layer)(signals, preprocessing.leads)
    assert seen == [total, visible]


def test_a_subset_of_leads_can_be_completed(autoencoder, signals):
    made = autoencoder(signals[:, :2], ("II", "V5"))
    assert made.patches.shape == (4, 2, 10, 10)
    assert patchify(signals[:, :2], 10).shape == made.patches.shape
    assert made.loss.isfinite()
