"""Solved mixtures are optima, say how far from one they may be, and find what was planted."""

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from torch import Tensor, nn

from myocard.evaluation.probing.mixtures import GAP, Mixing, Solution
from myocard.evaluation.probing.scales import FullScales
from myocard.evaluation.probing.solving import solve
from myocard.nn.outcomes import LIKELIHOODS

RECORDS, BLOCKS, WIDTH = 300, 4, 12
PENALTY = 1e-2


def drawn(seed: int, classes: int = 2) -> tuple[Tensor, Tensor]:
    """Blocks of a residual stream, and labels that blocks 2 and 3 know."""
    generator = torch.Generator().manual_seed(seed)
    written = torch.randn(BLOCKS, RECORDS, WIDTH, generator=generator)
    directions = torch.randn(WIDTH, classes, generator=generator)
    known = (written[1] + 0.7 * written[2]) @ directions
    noise = torch.randn(RECORDS, classes, generator=generator)
    return written.cumsum(dim=0), (known + noise > 0).float()


@pytest.fixture(params=["any", "one"])
def mixing(request) -> Mixing:
    states, targets = drawn(0)
    if request.param == "one":
        targets = nn.functional.one_hot(targets[:, 0].long()).float()
    return Mixing(states, nn.LayerNorm(WIDTH).requires_grad_(False), targets, request.param)


def test_slopes_are_those_of_the_loss_with_its_head_solved(mixing):
    shares, step = np.array([0.4, 0.3, 0.2, 0.1]), 1e-2
    found = mixing.at(shares, PENALTY)
    for block in range(1, BLOCKS):
        move = step * (np.eye(BLOCKS)[block] - np.eye(BLOCKS)[0])
        ahead, behind = (mixing.at(shares + sign * move, PENALTY, 0, found) for sign in (1, -1))
        measured = (ahead.objective - behind.objective) / (2 * step)
        assert found.slopes[block] - found.slopes[0] == pytest.approx(measured, abs=2e-4)


def test_a_single_block_and_equal_shares_have_the_heads_of_their_own_probes(mixing):
    for shares in (np.eye(BLOCKS)[1], mixing.equal):
        found = mixing.at(shares, PENALTY)
        features = mixing.norm(
            torch.einsum("l,lnd->nd", torch.tensor(shares).float(), mixing.states)
        )
        (head,) = solve(features, mixing.targets, [PENALTY], outcome=mixing.outcome)
        assert torch.allclose(mixing.head(found)(features), head(features), atol=5e-3)


@pytest.mark.parametrize("shrinkage", [0.0, 0.01, 0.1])
def test_no_shares_of_a_grid_are_better_than_the_best_optimum(mixing, shrinkage):
    start = mixing.at(mixing.equal, PENALTY, shrinkage)
    best = mixing.optima(PENALTY, start)[0]
    assert best.gap < GAP
    parts = np.stack(np.meshgrid(*[np.linspace(0, 1, 6)] * (BLOCKS - 1)), axis=-1).reshape(-1, 3)
    for some in parts[parts.sum(axis=1) <= 1]:
        shares = np.append(some, 1 - some.sum())
        assert mixing.at(shares, PENALTY, shrinkage, best).objective > best.objective - GAP


def test_the_gap_bounds_what_a_mixture_still_loses(mixing):
    found = mixing.at(mixing.equal, PENALTY, 0.1)
    end = mixing.descend(PENALTY, found, gap=1e-6)
    assert 0.005 < found.objective - end.objective <= found.gap
    assert end.gap < 1e-5


@pytest.mark.parametrize("shrinkage", [0.0, 0.1])
def test_the_gap_of_a_loss_that_is_linear_in_the_shares_is_what_is_lost(shrinkage):
    shares, slopes = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.2, 0.5, 0.1, 0.3])

    def objective(some: np.ndarray) -> float:
        return some @ slopes + shrinkage * rel_entr(some, 1 / BLOCKS).sum()

    least = softmax(-slopes / shrinkage) if shrinkage else np.eye(BLOCKS)[slopes.argmin()]
    scales = FullScales(torch.ones(1, 1, 1), 1.0)
    given = Solution(shares, torch.zeros(1), scales, 1e-5, 0.0, slopes, shrinkage, np.eye(BLOCKS))
    assert given.gap == pytest.approx(objective(shares) - objective(least))


def test_less_pull_lowers_the_loss_and_leaves_equal_shares(mixing):
    path = [*mixing.path(PENALTY, (0.1, 0.01, 0.0))]
    losses = [each.under(0.0).objective for each in path]
    assert losses == sorted(losses, reverse=True)
    away = [np.abs(each.shares - mixing.equal).sum() for each in path]
    assert away == sorted(away)
    assert np.array_equal(path[0].shares, mixing.equal)


def test_an_optimum_that_is_certified_is_as_good_with_a_head_solved_further(mixing):
    for best in mixing.optima(PENALTY, mixing.at(mixing.equal, PENALTY)):
        assert best.gap <= GAP / 10
        further = mixing.at(best.shares, PENALTY, near=best, tolerance=1e-7)
        assert further.objective == pytest.approx(best.objective, abs=1e-6)
        assert further.gap < GAP / 5


def test_at_a_single_block_the_prices_say_that_no_other_pays():
    states, _ = drawn(1)
    targets = (states[2] @ torch.ones(WIDTH, 1) > 0).float()
    mixing = Mixing(states, nn.Identity(), targets, outcome="any")
    best = mixing.optima(PENALTY, mixing.at(mixing.equal, PENALTY))[0]
    assert best.shares.argmax() == 2
    assert best.shares[2] > 0.9
    assert (best.prices[best.shares < 1e-6] > -GAP).all()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("louder", [1.0, 4.0])
def test_a_label_known_to_two_blocks_is_found_in_both_under_louder_ones(seed, louder):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(BLOCKS, RECORDS, WIDTH, generator=generator)
    direction = torch.randn(WIDTH, generator=generator)
    targets = ((states[0] + states[2]) @ direction > 0).float()[:, None]
    states[1] *= louder
    states[3] *= louder
    mixing = Mixing(states, nn.Identity(), targets, outcome="any")
    best = mixing.optima(PENALTY, mixing.at(mixing.equal, PENALTY))[0]
    assert best.shares[[0, 2]] == pytest.approx([0.5, 0.5], abs=0.1)
    loss = LIKELIHOODS["any"].loss(mixing.logits(best, states), targets).mean()
    assert loss < 0.4


def test_each_class_finds_the_block_that_knows_it():
    states, _ = drawn(2)
    written = states.diff(dim=0, prepend=torch.zeros(1, RECORDS, WIDTH))
    targets = (torch.stack([written[1, :, 0], written[3, :, 0]], dim=1) > 0).float()
    mixing = Mixing(states, nn.Identity(), targets, outcome="any")
    for column, block in ((0, 1), (1, 3)):
        one = mixing.of_classes(slice(column, column + 1))
        best = one.optima(PENALTY, one.at(one.equal, PENALTY))[0]
        assert best.shares.argmax() == block
