"""Masked autoencoding: what is hidden stays hidden, and only that is scored."""

import math
from itertools import product

import pytest
import torch
from torch import nn

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.decoders import AcrossLeads, Decoder, DecoderShape, HiddenOnly
from myocard.nn.objectives.masked import (
    MIXTURES,
    MaskedAutoencoder,
    last_layer,
    masked_loss,
    mean_of_last,
    mean_of_layers,
    standardise_patches,
)
from myocard.nn.objectives.masks import Mask, each_lead, whole_leads
from myocard.nn.patches import patchify
from myocard.recipe import PRESETS


@pytest.fixture(params=product(MIXTURES, (Decoder, HiddenOnly)), ids=str)
def autoencoder(request, encoder) -> MaskedAutoencoder:
    torch.manual_seed(2)
    mixture, kind = request.param
    decoder = kind(encoder, DecoderShape(width=8, depth=2, heads=2))
    return MaskedAutoencoder(encoder, decoder, mixture=MIXTURES[mixture]).eval()


def seeded(model: MaskedAutoencoder, signals: torch.Tensor, seed: int = 3):
    torch.manual_seed(seed)
    return model(signals)


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
    hidden = each_lead(patches, 0.5).hidden
    visible = torch.where(hidden[..., None], 0.0, 7 * torch.randn(2, 3, 8, 5))
    expected = masked_loss(predicted, patches, hidden)
    assert masked_loss(predicted, patches + visible, hidden) == expected
    assert masked_loss(predicted + visible, patches, hidden) == expected


def test_the_loss_equals_a_naive_loop(generator):
    patches = torch.randn(2, 3, 8, 5, generator=generator).double()
    predicted = torch.randn(2, 3, 8, 5, generator=generator)
    hidden = each_lead(patches.float(), 0.75).hidden
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


def test_a_mean_of_the_last_layers_lies_between_both_mixtures(generator):
    norm = nn.LayerNorm(6)
    nn.init.normal_(norm.weight)
    layers = torch.randn(4, 2, 5, 6, generator=generator)
    assert torch.allclose(mean_of_last(iter(layers), norm, count=1), last_layer(iter(layers), norm))
    every = mean_of_last(iter(layers), norm, count=3)
    assert torch.allclose(every, mean_of_layers(iter(layers), norm), atol=1e-6)
    naive = (norm(layers[2]) + norm(layers[3])) / 2
    assert torch.allclose(mean_of_last(iter(layers), norm, count=2), naive, atol=1e-6)


def test_with_one_block_both_mixtures_are_the_same(generator):
    layers = torch.randn(2, 2, 5, 6, generator=generator)
    norm = nn.LayerNorm(6)
    assert torch.equal(last_layer(iter(layers), norm), mean_of_layers(iter(layers), norm))


@pytest.mark.parametrize("kind", [Decoder, HiddenOnly])
def test_each_lead_is_decoded_on_its_own_and_by_the_same_weights(kind, encoder, generator):
    torch.manual_seed(2)
    decoder = kind(encoder, DecoderShape(width=8, depth=2, heads=2)).eval()
    visible = torch.randn(2, 12, 3, 12, generator=generator)
    mask = each_lead(torch.zeros(2, 12, 10, 12), 0.7)
    before = decoder(visible, mask, LEADS)
    changed = visible.clone()
    changed[:, 4] += torch.randn(2, 3, 12)
    after = decoder(changed, mask, LEADS)
    others = [lead for lead in range(12) if lead != 4]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-6)
    assert not torch.allclose(after[:, 4], before[:, 4], atol=1e-3)
    order = torch.randperm(12, generator=generator)
    moved = mask._replace(patches=mask.patches[:, order], hidden=mask.hidden[:, order])
    assert torch.allclose(decoder(visible[:, order], moved, LEADS), before[:, order], atol=1e-5)


def test_the_decoder_puts_visible_tokens_where_they_were(encoder):
    torch.manual_seed(2)
    decoder = Decoder(encoder, DecoderShape(width=8, depth=0, heads=2)).eval()
    visible = torch.randn(1, 1, 3, 12)
    kept = torch.tensor([[[1, 4, 9]]])
    hidden = torch.ones(1, 1, 10, dtype=torch.bool).scatter(2, kept, value=False)
    mask = Mask(torch.tensor([[0]]), kept, hidden)
    found = decoder(visible, mask, ("I",))[0, 0]
    canvas = decoder.mask_token.repeat(10, 1)
    canvas[[1, 4, 9]] = decoder.enter(visible[0, 0])
    assert torch.allclose(found, decoder.leave(decoder.norm(canvas + decoder.positions)))


def test_hidden_patches_see_what_is_shown_and_not_each_other(encoder):
    torch.manual_seed(2)
    decoder = HiddenOnly(encoder, DecoderShape(width=8, depth=2, heads=2)).eval()
    visible, kept = torch.randn(1, 1, 3, 12), torch.tensor([[[1, 4, 9]]])
    hidden = torch.ones(1, 1, 10, dtype=torch.bool).scatter(2, kept, value=False)
    together = decoder(visible, Mask(torch.tensor([[0]]), kept, hidden), ("I",))
    assert not together[~hidden].any()
    for place in hidden[0, 0].nonzero()[:, 0].tolist():
        one = torch.zeros_like(hidden)
        one[..., place] = True
        alone = decoder(visible, Mask(torch.tensor([[0]]), kept, one), ("I",))
        assert torch.allclose(alone[one], together[one], atol=1e-6)
    changed = decoder(visible.flip(2), Mask(torch.tensor([[0]]), kept, hidden), ("I",))
    assert not torch.allclose(changed[hidden], together[hidden], atol=1e-3)


@pytest.mark.parametrize(
    ("preset", "total", "visible"), [("stmem", 384, 108), ("ecgsoup", 264, 84)]
)
def test_token_counts_are_those_of_the_papers(preset, total, visible):
    preprocessing, patch = PRESETS[preset]
    encoder = Encoder(
        EncoderShape(samples=preprocessing.samples, patch=patch, width=4, depth=1, heads=1)
    )
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


def test_a_lead_that_is_hidden_is_completed_from_others_and_by_its_name(encoder, generator):
    torch.manual_seed(2)
    decoder = AcrossLeads(encoder, DecoderShape(width=8, depth=1, heads=2)).eval()
    embedded = torch.randn(2, 12, 10, 12, generator=generator)
    mask = whole_leads(embedded, 0.75)
    visible = mask.visible(embedded)
    made = decoder(visible, mask, LEADS)
    hidden = made[mask.hidden.all(dim=2)].unflatten(0, (2, -1))
    assert not torch.allclose(hidden[:, 0], hidden[:, 1], atol=1e-3)
    changed = visible.clone()
    changed[0, 0] += 1
    other = decoder(changed, mask, LEADS)
    assert not torch.allclose(other[0][mask.hidden[0]], made[0][mask.hidden[0]], atol=1e-3)
    assert torch.equal(other[1], made[1])


def test_leads_shown_to_the_encoder_keep_their_names(encoder, signals):
    seen = []
    encoder.blocks[0].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    torch.manual_seed(2)
    decoder = AcrossLeads(encoder, DecoderShape(width=8, depth=1, heads=2))
    model = MaskedAutoencoder(encoder, decoder, mixture=last_layer, masking=whole_leads)
    made = model(signals)
    whole = encoder.tokens(signals, LEADS).unflatten(1, (12, 12))
    shown = seen[0].unflatten(1, (3, 12))
    for record in range(4):
        rows = (~made.hidden[record].any(dim=1)).nonzero()[:, 0]
        assert torch.allclose(shown[record], whole[record, rows], atol=1e-6)
