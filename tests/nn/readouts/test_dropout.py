"""Draws of dropout, counted: alone, and for the models of a stack."""

import pytest
import torch
from torch.func import vmap

from myocard.nn.readouts.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_a_share_of_the_values_is_zero_and_the_others_keep_the_mean(share):
    torch.manual_seed(0)
    found = Dropout(share)(torch.ones(999, 1001))
    zeros = (found == 0).float()
    assert zeros.mean().item() == pytest.approx(share, abs=0.002)
    columns = zeros.mean(dim=0)
    assert columns.std().item() == pytest.approx((share * (1 - share) / 999) ** 0.5, rel=0.1)
    for place in range(4):  # of a value's 16 bits among the 64 of a draw
        own = zeros.flatten()[place::4].mean().item()
        assert own == pytest.approx(share, abs=0.004), place
    assert torch.unique(found[found > 0]).tolist() == pytest.approx([1 / (1 - share)])


def test_neighbours_are_drawn_apart():
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(400_000)) > 0).float()
    for distance in (1, 2, 3, 4):
        both = kept[:-distance] * kept[distance:]
        assert both.mean().item() == pytest.approx(0.25, abs=0.005), distance


def test_what_is_dropped_gets_no_gradient():
    torch.manual_seed(0)
    values = torch.randn(50, 7, requires_grad=True)
    found = Dropout(0.3)(values)
    found.sum().backward()
    assert torch.equal(values.grad == 0, found == 0)


def test_nothing_is_dropped_in_evaluation():
    values = torch.randn(5, 3)
    assert Dropout(0.5).eval()(values) is values


@pytest.mark.parametrize("share", [0.0, 1e-9, 1 - 1e-9, 1.0])
def test_nothing_or_all_may_be_dropped(share):
    values = torch.ones(5, 3)
    assert torch.equal(Dropout(share)(values), values * round(1 - share))


def test_models_of_a_stack_draw_their_own():
    torch.manual_seed(0)
    found = vmap(Dropout(0.5), randomness="different")(torch.ones(3, 4000))
    same = (found[0] == found[1]).float().mean().item()
    assert same == pytest.approx(0.5, abs=0.05)
    assert found.mean().item() == pytest.approx(1, abs=0.03)
