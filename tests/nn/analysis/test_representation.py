"""Measures of states against spectra that are known, and laws that hold for any states."""

import math

import pytest
import torch

from myocard.nn.analysis.representation import (
    effective_rank,
    lidar,
    linear_cka,
    matrix_entropy,
    token_similarity,
)


def rotation(width: int, generator: torch.Generator) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(width, width, generator=generator))[0]


def states_of_rank(rank: int, generator: torch.Generator) -> torch.Tensor:
    """Fifty states of width 20 with ``rank`` equal singular values."""
    left = torch.linalg.qr(torch.randn(50, rank, generator=generator))[0]
    return left @ rotation(20, generator)[:rank]


@pytest.mark.parametrize("rank", [1, 2, 7, 20])
def test_equal_singular_values_have_the_rank_that_there_are_of_them(rank, generator):
    states = states_of_rank(rank, generator)
    assert effective_rank(states) == pytest.approx(rank, rel=1e-4)
    assert matrix_entropy(states).exp().item() == pytest.approx(rank, rel=1e-4)


def test_the_effective_rank_of_two_unequal_values_is_the_exponential_of_their_entropy():
    states = torch.diag(torch.tensor([3.0, 1.0]))
    by_hand = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert effective_rank(states) == pytest.approx(by_hand)
    by_hand = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))  # of squares: 9 and 1
    assert matrix_entropy(states).item() == pytest.approx(by_hand)


def test_collapsed_states_have_rank_one():
    assert effective_rank(torch.ones(10, 4)) == pytest.approx(1)
    assert effective_rank(torch.zeros(10, 4)) == 1


@pytest.mark.parametrize("rows", [5, 30])
def test_the_entropy_of_each_record_is_that_of_its_own_gram_matrix(rows, generator):
    tokens = torch.randn(3, rows, 8, generator=generator)
    for record, found in zip(tokens, matrix_entropy(tokens), strict=True):
        gram = (record @ record.T).double()
        values = torch.linalg.eigvalsh(gram / gram.trace()).clamp(min=1e-15)
        assert found.item() == pytest.approx(-(values * values.log()).sum().item(), abs=1e-6)


def test_ranks_do_not_change_with_rotation_and_scale(generator):
    states = torch.randn(40, 12, generator=generator) * torch.arange(1, 13)
    moved = 7 * states @ rotation(12, generator)
    assert effective_rank(moved) == pytest.approx(effective_rank(states), rel=1e-4)
    views = torch.stack([states, states + torch.randn(40, 12, generator=generator)], dim=1)
    moved = 7 * views @ rotation(12, generator)
    assert lidar(moved) == pytest.approx(lidar(views), rel=1e-4)


def test_records_whose_views_agree_differ_in_as_many_directions_as_their_centres_have():
    corners = torch.cat([torch.eye(6), -torch.eye(6)])
    assert lidar(corners[:, None].expand(-1, 3, -1)) == pytest.approx(6)


def test_directions_in_which_views_differ_as_much_as_records_hardly_count(generator):
    """Two directions of ten tell records apart; RankMe counts the noise too, LiDAR does not."""
    centres = torch.zeros(2000, 1, 10)
    centres[..., :2] = torch.randn(2000, 1, 2, generator=generator)
    noise = torch.randn(2000, 2, 10, generator=generator)
    noise[..., :2] *= 0.01
    views = centres + noise
    assert effective_rank(views.flatten(0, 1)) > 9.9
    assert lidar(views) == pytest.approx(2, abs=0.1)


def test_lidar_is_the_spread_of_the_generalised_eigenvalues_of_scikit_learns_scatters(generator):
    from scipy.linalg import eigh
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    views = torch.randn(60, 1, 5, generator=generator) * torch.tensor([5.0, 3, 2, 1, 0.5])
    views = (views + torch.randn(60, 4, 5, generator=generator)).double()
    flat, records = views.flatten(0, 1).numpy(), torch.arange(60).repeat_interleave(4).numpy()
    fitted = LinearDiscriminantAnalysis(solver="eigen", store_covariance=True).fit(flat, records)
    within = fitted.covariance_
    between = torch.cov(torch.from_numpy(flat).T, correction=0).numpy() - within
    values = eigh(between, within, eigvals_only=True)
    shares = torch.from_numpy(values / values.sum())
    expected = (-(shares * shares.log()).sum()).exp().item()
    assert lidar(views) == pytest.approx(expected, rel=1e-3)


def test_alignment_of_a_layer_with_itself_rotated_and_scaled_is_one(generator):
    states = torch.randn(30, 8, generator=generator)
    same = torch.stack([states, 3 * states @ rotation(8, generator) + 5])
    assert torch.allclose(linear_cka(same), torch.ones(2, 2).double())


def test_alignment_changes_when_directions_are_scaled_apart(generator):
    states = torch.randn(200, 8, generator=generator)
    stretched = states * torch.tensor([10.0, 1, 1, 1, 1, 1, 1, 1])
    assert linear_cka(torch.stack([states, stretched]))[0, 1] < 0.6


def test_alignment_is_the_unbiased_estimate_of_song_and_others(generator):
    layers = torch.randn(2, 12, 5, generator=generator, dtype=torch.float64)
    layers[1, :, :3] = layers[0, :, :3]

    def hsic(one: torch.Tensor, other: torch.Tensor) -> float:
        n = len(one)
        k, l = ((x @ x.T) * (1 - torch.eye(n)) for x in (one, other))  # noqa: E741
        ends = k.sum() * l.sum() / ((n - 1) * (n - 2))
        total = (k @ l).trace() + ends - 2 / (n - 2) * (k @ l).sum()
        return (total / (n * (n - 3))).item()

    a, b = layers
    expected = hsic(a, b) / math.sqrt(hsic(a, a) * hsic(b, b))
    assert linear_cka(layers)[0, 1].item() == pytest.approx(expected)


def test_independent_layers_do_not_align_even_where_records_are_few(generator):
    pairs = torch.randn(50, 2, 10, 100, generator=generator)
    found = [linear_cka(pair)[0, 1].item() for pair in pairs]
    assert abs(sum(found) / len(found)) < 0.05


def test_the_similarity_of_tokens_is_the_mean_over_pairs(generator):
    tokens = torch.randn(2, 6, 4, generator=generator)
    cosines = torch.nn.functional.cosine_similarity(tokens[:, :, None], tokens[:, None], dim=-1)
    pairs = cosines[:, ~torch.eye(6, dtype=torch.bool)].mean(dim=1)
    assert torch.allclose(token_similarity(tokens), pairs.double(), atol=1e-6)


def test_tokens_that_point_the_same_way_are_similar_and_a_cross_is_not():
    same = torch.tensor([[1.0, 2], [2, 4], [0.5, 1]])
    cross = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert token_similarity(same[None]).item() == pytest.approx(1)
    assert token_similarity(cross[None]).item() == pytest.approx(-1 / 3)
