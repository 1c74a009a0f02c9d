"""Contrastive losses and views, and the slow copy of MoCo."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from myocard.leads import LEADS
from myocard.nn.encoder import patch_tokens
from myocard.nn.objectives.contrastive import MoCo, both_ways, info_nce, nt_xent, summary
from myocard.nn.objectives.momentum import follow, slow_copy
from myocard.nn.objectives.views import (
    View,
    add_noise,
    augment,
    drop_leads,
    random_crop,
    two_lead_sets,
    two_times,
)


def test_nt_xent_equals_a_naive_loop(generator):
    one, other = torch.randn(2, 5, 8, generator=generator)
    views = [*one, *other]
    total = 0.0
    for i in range(10):
        weights = [
            math.exp(float(cosine_similarity(views[i], views[j], dim=0)) / 0.3)
            for j in range(10)
            if j != i
        ]
        partner = (i + 5) % 10
        own = math.exp(float(cosine_similarity(views[i], views[partner], dim=0)) / 0.3)
        total -= math.log(own / sum(weights))
    assert float(nt_xent(one, other, 0.3)) == pytest.approx(total / 10, rel=1e-5)


def test_info_nce_equals_a_naive_loop_and_goes_both_ways(generator):
    queries, keys = torch.randn(2, 5, 8, generator=generator)

    def naive(one, other, temperature):
        total = 0.0
        for i in range(5):
            cosines = [float(cosine_similarity(one[i], key, dim=0)) for key in other]
            weights = [math.exp(cosine / temperature) for cosine in cosines]
            total -= math.log(weights[i] / sum(weights))
        return total / 5

    assert float(info_nce(queries, keys)) == pytest.approx(naive(queries, keys, 0.2), rel=1e-5)
    both = naive(queries, keys, 0.1) + naive(keys, queries, 0.1)
    assert float(both_ways(queries, keys)) == pytest.approx(both / 2, rel=1e-5)
    assert float(both_ways(keys, queries)) == pytest.approx(both / 2, rel=1e-5)


def test_views_that_all_look_alike_cost_the_logarithm_of_their_number():
    same = torch.ones(6, 4)
    assert float(info_nce(same, same)) == pytest.approx(math.log(6))
    assert float(nt_xent(same, same)) == pytest.approx(math.log(11))


def test_a_summary_is_the_last_layer_as_its_readout_reads_it(encoder, signals):
    whole = summary(encoder, View(encoder.embed(signals)), LEADS)
    assert torch.allclose(
        whole, encoder.norm(patch_tokens(encoder(signals)[-1], 12).mean(dim=(1, 2))), atol=1e-6
    )


def test_two_times_are_the_halves_at_the_records_own_positions(encoder, signals):
    first, second = two_times(encoder, signals)
    embedded = encoder.embed(signals)
    assert torch.equal(torch.cat([first.patches, second.patches], dim=2), embedded)
    assert first.patches.shape == second.patches.shape
    changed = signals.clone()
    changed[..., 50:] += 1 + torch.arange(50)
    assert torch.equal(two_times(encoder, changed)[0].patches, first.patches)


def test_two_lead_sets_share_the_leads_out_and_keep_their_names(encoder, signals):
    one, other = two_lead_sets(encoder, signals)
    assert torch.equal(
        torch.cat([one.leads, other.leads], dim=1).sort(dim=1).values,
        torch.arange(12).expand(4, 12),
    )
    assert len({tuple(sorted(row.tolist())) for row in one.leads}) > 1
    embedded = encoder.embed(signals)
    names = [LEADS[row] for row in one.leads[2]]
    alone = summary(encoder, View(embedded[2:3, one.leads[2]]), names)
    assert torch.allclose(summary(encoder, one, LEADS)[2:3], alone, atol=1e-6)


def test_a_crop_is_a_piece_of_each_record_at_its_own_time():
    torch.manual_seed(0)
    times = torch.arange(100.0).expand(64, 12, 100)
    cropped = random_crop(times, 75)
    assert cropped.shape == (64, 12, 75)
    assert (cropped.diff(dim=2) == 1).all()
    assert torch.equal(cropped, cropped[:, :1].expand_as(cropped))
    starts = cropped[:, 0, 0]
    assert (starts.min(), starts.max()) >= (0, 20)
    assert len(starts.unique()) > 10
    assert torch.equal(random_crop(times, 100), times)


def test_noise_is_a_tenth_of_each_lead_and_a_quarter_of_leads_are_flat():
    torch.manual_seed(0)
    signals = torch.randn(8, 12, 5000) * torch.arange(1, 13)[:, None]
    noise = add_noise(signals) - signals
    assert torch.allclose(noise.std(dim=-1) / signals.std(dim=-1), torch.tensor(0.1), rtol=0.05)
    dropped = drop_leads(torch.ones(500, 12, 4))
    assert torch.equal(dropped.amin(dim=2), dropped.amax(dim=2))
    # 6000 draws of .25: a standard deviation of .0056.
    assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=5 * 0.0056)


def test_two_augmentations_differ_and_last_three_quarters(signals):
    torch.manual_seed(0)
    one, other = augment(signals, 10), augment(signals, 10)
    assert one.shape == other.shape == (4, 12, 70)
    assert not torch.equal(one, other)


def test_the_change_of_amplitude_that_is_left_out_would_change_nothing(encoder, signals):
    assert torch.allclose(encoder.embed(3 * signals), encoder.embed(signals), atol=1e-3)


def test_a_slow_copy_follows_by_its_law_and_takes_no_gradient(encoder):
    target = slow_copy(encoder)
    assert not any(p.requires_grad for p in target.parameters())
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with torch.no_grad():
        for value in encoder.parameters():
            value.add_(1)
    for step in range(1, 4):
        follow(target, encoder, 0.9)
        for name, value in target.state_dict().items():
            moved = before[name] + 1 - 0.9**step
            assert torch.allclose(value, moved, atol=1e-5), name


def test_keys_of_moco_give_no_gradient_and_follow_only_in_training(encoder, signals):
    model = MoCo(encoder, momentum=0.5)
    model(signals).loss.backward()
    assert all(p.grad is None for p in model.target_encoder.parameters())
    assert all(p.grad is None for p in model.target_head.parameters())
    with torch.no_grad():
        encoder.separator.add_(1)
    still = model.target_encoder.separator.clone()
    model.eval()(signals)
    assert torch.equal(model.target_encoder.separator, still)
    model.train()(signals)
    assert torch.allclose(model.target_encoder.separator, still + 0.5)
