"""Attention weights against PyTorch's own, and statistics against attention made by hand."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from myocard.nn.analysis.attention import attention_statistics, watched
from myocard.nn.transformer import Attention

LEADS, PATCHES = 3, 5
TOKENS = LEADS * (PATCHES + 2)
PLACES = torch.arange(TOKENS).view(LEADS, -1)[:, 1:-1]


def looking(at: dict[tuple[int, int], tuple[int, int]]) -> torch.Tensor:
    """Attention in which each patch ``(lead, patch)`` looks at one other, or else at itself."""
    weights = torch.eye(TOKENS)
    for query, key in at.items():
        row, column = (lead * (PATCHES + 2) + patch + 1 for lead, patch in (query, key))
        weights[row] = torch.eye(TOKENS)[column]
    return weights.expand(1, 2, -1, -1)


@pytest.mark.parametrize(("width", "heads"), [(12, 3), (16, 1), (32, 4)])
def test_weights_are_those_of_pytorchs_attention_and_give_what_the_module_gives(width, heads):
    torch.manual_seed(0)
    attention, twin = Attention(width, heads), nn.MultiheadAttention(width, heads, batch_first=True)
    nn.init.normal_(attention.qkv.bias)
    parts = {"in_proj_": attention.qkv, "out_proj.": attention.out}
    twin.load_state_dict(
        {f"{k}{name}": v for k, part in parts.items() for name, v in part.state_dict().items()}
    )
    tokens = torch.randn(2, 7, width)
    mixed, expected = twin(tokens, tokens, tokens, average_attn_weights=False)
    for module in (attention, lambda tokens: twin(tokens, tokens, tokens, need_weights=False)[0]):
        ((found, (weights,)),) = watched(map(module, [tokens]))
        assert torch.allclose(weights, expected, atol=1e-6)
        assert torch.allclose(found, mixed, atol=1e-6)


def test_masked_and_scaled_attention_is_read_as_it_is_computed(generator):
    query, key = torch.randn(2, 2, 3, 7, 4, generator=generator)
    mask = torch.rand(7, 7, generator=generator) < 0.5
    mask.fill_diagonal_(True)

    def mix(values: torch.Tensor) -> torch.Tensor:
        return scaled_dot_product_attention(query, key, values, mask, scale=0.3)

    ((_, (weights,)),) = watched(map(mix, [key]))
    expected = (0.3 * query @ key.mT).masked_fill(~mask, -torch.inf).softmax(dim=-1)
    assert torch.allclose(weights, expected, atol=1e-6)


def test_weights_belong_to_the_state_that_they_lead_to_and_nothing_changes(generator):
    torch.manual_seed(0)
    layers = [nn.TransformerEncoderLayer(12, 3, 24, batch_first=True).eval() for _ in range(2)]
    tokens = torch.randn(2, 7, 12, generator=generator)

    def states():
        state = tokens
        yield state
        for layer in layers:
            state = layer(state).relu()
            yield state
        yield state + 1

    with torch.no_grad():
        found = list(watched(states()))
        assert [len(weights) for _, weights in found] == [0, 1, 1, 0]
        for (state, _), expected in zip(found, states(), strict=True):
            assert torch.allclose(state, expected, atol=1e-6)


def test_uniform_attention_has_the_entropy_of_the_tokens_and_looks_everywhere_alike():
    found = attention_statistics(torch.full((2, 4, TOKENS, TOKENS), 1 / TOKENS), PLACES)
    assert found.entropy.tolist() == pytest.approx([math.log(TOKENS)] * 2)
    assert found.across.tolist() == pytest.approx([(LEADS - 1) / LEADS] * 2)
    assert found.separators.tolist() == pytest.approx([2 / (PATCHES + 2)] * 2)
    # The mean of |i - j| over 0 … n-1 is (n² - 1) / 3n.
    assert found.distance.tolist() == pytest.approx([(PATCHES**2 - 1) / (3 * PATCHES)] * 2)


def test_a_patch_that_looks_at_itself_looks_nowhere_else():
    found = attention_statistics(looking({}), PLACES)
    assert [value.item() for value in found] == pytest.approx([0, 0, 0, 0], abs=1e-6)


def test_distance_is_in_time_and_share_across_is_of_leads():
    same_lead = attention_statistics(looking({(0, 0): (0, 4)}), PLACES)
    assert same_lead.distance.item() == pytest.approx(4 / (LEADS * PATCHES))
    assert same_lead.across.item() == pytest.approx(0, abs=1e-6)
    same_time = attention_statistics(looking({(0, 1): (2, 1), (1, 1): (0, 1)}), PLACES)
    assert same_time.distance.item() == pytest.approx(0, abs=1e-6)
    assert same_time.across.item() == pytest.approx(2 / (LEADS * PATCHES))


def test_what_separators_look_at_does_not_count_and_what_goes_to_them_has_no_distance():
    weights = looking({(0, 0): (1, 4)}).clone()
    weights[:, :, 0] = 1 / TOKENS  # the first separator looks everywhere
    weights[:, :, 2] = torch.eye(TOKENS)[0]  # patch 1 of the first lead looks at a separator
    found = attention_statistics(weights, PLACES)
    patches = LEADS * PATCHES
    assert found.separators.item() == pytest.approx(1 / patches)
    assert found.distance.item() == pytest.approx(4 / (patches - 1))
    assert found.across.item() == pytest.approx(1 / (patches - 1))
    assert found.entropy.item() == pytest.approx(0, abs=1e-6)
