"""Masks hide exactly what they say, and show the rest where it was."""

import math
from fractions import Fraction
from functools import partial
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.nn.objectives.masks import (
    Masking,
    each_lead,
    half_the_leads,
    same_times,
    visible_count,
    whole_leads,
)

MASKINGS: dict[str, Masking] = {
    "each lead": each_lead,
    "same times": same_times,
    "whole leads": whole_leads,
    "half the leads, each": partial(half_the_leads, masking=each_lead),
    "half the leads, same": partial(half_the_leads, masking=same_times),
}
every_masking = pytest.mark.parametrize("masking", MASKINGS.values(), ids=MASKINGS)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 20), st.integers(0, 99))


def test_a_lead_keeps_the_exact_floor_of_its_visible_share():
    for patches, percent in product(range(1, 61), range(101)):
        exact = math.floor(patches * (1 - Fraction(percent, 100)))
        assert visible_count(patches, percent / 100) == exact, (patches, percent)


@every_masking
@settings(max_examples=40, deadline=None)
@given(shapes)
def test_a_mask_shows_what_it_does_not_hide_in_rising_order(masking, drawn):
    batch, leads, patches, percent = drawn
    numbers = torch.arange(batch * leads * patches).view(batch, leads, patches, 1)
    mask = masking(numbers.float(), percent / 100)
    assert (mask.leads.diff(dim=1) > 0).all()
    assert (mask.patches.diff(dim=2) > 0).all()
    shown = mask.visible(numbers.float())[..., 0]
    assert shown.shape == mask.patches.shape
    assert torch.equal(shown.flatten().long(), numbers[..., 0][~mask.hidden])


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_every_lead_of_every_record_hides_the_same_number(drawn):
    batch, leads, patches, percent = drawn
    hidden = each_lead(torch.zeros(batch, leads, patches, 2), percent / 100).hidden
    assert (hidden.sum(dim=2) == patches - visible_count(patches, percent / 100)).all()


def test_leads_and_records_are_masked_on_their_own_and_uniformly():
    torch.manual_seed(0)
    hidden = each_lead(torch.zeros(500, 12, 20, 1), 0.75).hidden
    share = hidden.float().mean(dim=0)
    # 500 draws of .75: a standard deviation of .019 for each of 240 shares.
    assert (share - 0.75).abs().max() < 5 * 0.0194
    together = torch.corrcoef(hidden.float().permute(1, 0, 2).flatten(1))
    assert (together - torch.eye(12)).abs().max() < 0.06


def test_the_same_times_are_hidden_in_all_leads_and_others_in_another_record():
    torch.manual_seed(0)
    hidden = same_times(torch.zeros(50, 12, 20, 1), 0.75).hidden
    assert torch.equal(hidden, hidden[:, :1].expand_as(hidden))
    assert (hidden[:, 0].sum(dim=1) == 15).all()
    assert len({tuple(row.tolist()) for row in hidden[:, 0]}) > 40


@pytest.mark.parametrize(("ratio", "shown"), [(0.75, 3), (0.5, 6), (0.99, 1)])
def test_whole_leads_are_hidden_each_records_own_and_one_is_always_shown(ratio, shown):
    torch.manual_seed(0)
    hidden = whole_leads(torch.zeros(400, 12, 20, 1), ratio).hidden
    assert torch.equal(hidden.all(dim=2), hidden.any(dim=2))
    assert (~hidden[:, :, 0]).sum(dim=1).eq(shown).all()
    share = (~hidden[:, :, 0]).float().mean(dim=0)
    assert (share - shown / 12).abs().max() < 5 * 0.025


def test_random_lead_masking_hides_half_of_the_leads_and_of_the_others_what_the_mask_hides():
    torch.manual_seed(0)
    hidden = MASKINGS["half the leads, each"](torch.zeros(100, 12, 20, 1), 0.75).hidden
    assert hidden.all(dim=2).sum(dim=1).eq(6).all()
    assert hidden.sum(dim=2)[~hidden.all(dim=2)].eq(15).all()
    same = MASKINGS["half the leads, same"](torch.zeros(100, 12, 20, 1), 0.75).hidden
    shown = same[~same.all(dim=2)].unflatten(0, (100, 6))
    assert torch.equal(shown, shown[:, :1].expand_as(shown))
