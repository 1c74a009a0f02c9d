"""Readouts of tokens attend as torch's own layers do, and side by side as alone."""

from itertools import product

import pytest
import torch
from torch import nn

from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import TOKENS
from myocard.nn.readouts.tokens import TokenProbes, View, attend

DEPTH, WIDTH, RECORDS, PATCHES = 3, 12, 6, 8
every_readout = pytest.mark.parametrize("name", TOKENS)


def made(name: str, seed: int = 0) -> nn.Module:
    """A readout with weights that are large enough to tell tokens apart."""
    torch.manual_seed(seed)
    readout = TOKENS[name](WIDTH, DEPTH)
    for value in readout.parameters():
        nn.init.normal_(value, std=0.7)
    return readout.eval()


def tokens_for(readout: nn.Module, generator: torch.Generator) -> torch.Tensor:
    shape = (RECORDS, len(readout.view.layers), PATCHES, WIDTH)
    return torch.randn(*shape, generator=generator)


@every_readout
def test_features_have_the_stated_shape_and_weights_are_shares_of_layers(name, generator):
    readout = made(name)
    tokens = tokens_for(readout, generator)
    assert readout(tokens).shape == (RECORDS, readout.features)
    weights = readout.layer_weights(tokens)
    assert weights.shape == (RECORDS, DEPTH + 1)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(RECORDS))
    assert not weights[:, [k for k in range(DEPTH + 1) if k not in readout.view.layers]].any()


@pytest.mark.parametrize("name", ["attentive-tokens", "efficient-tokens"])
def test_probes_of_the_last_layer_put_all_weight_on_it(name, generator):
    readout = made(name)
    weights = readout.layer_weights(tokens_for(readout, generator))
    assert torch.equal(weights, torch.eye(DEPTH + 1)[-1].expand(RECORDS, -1))


@pytest.mark.parametrize(("width", "queries"), [(192, 12), (512, 8), (160, 10), (1024, 8)])
def test_the_queries_of_an_efficient_probe_divide_any_width(width, queries):
    readout = TOKENS["efficient-tokens"](width, DEPTH)
    assert readout.count == queries
    assert readout(torch.ones(2, 1, PATCHES, width)).shape == (2, width)


@every_readout
def test_the_order_of_tokens_within_a_layer_does_not_matter(name, generator):
    readout = made(name)
    tokens = tokens_for(readout, generator)
    mixed = tokens[:, :, torch.randperm(PATCHES, generator=generator)]
    assert torch.allclose(readout(mixed), readout(tokens), atol=1e-5)
    assert torch.allclose(readout.layer_weights(mixed), readout.layer_weights(tokens), atol=1e-6)


@every_readout
def test_queries_that_ask_nothing_take_the_mean(name, generator):
    readout = made(name)
    nn.init.zeros_(readout.query)
    nn.init.eye_(readout.values.weight)
    tokens = tokens_for(readout, generator)
    assert torch.allclose(readout(tokens), tokens.mean(dim=(1, 2)), atol=1e-6)
    shown = readout.layer_weights(tokens)[:, list(readout.view.layers)]
    assert torch.allclose(shown, torch.full_like(shown, 1 / len(readout.view.layers)))


@pytest.mark.parametrize("name", ["attentive-tokens", "alf-leads", "alf-tokens"])
def test_attentive_probes_are_torchs_multi_head_attention(name, generator):
    readout = made(name)
    tokens = tokens_for(readout, generator)
    whole = nn.MultiheadAttention(WIDTH, readout.count, bias=False, batch_first=True)
    with torch.no_grad():
        # The query of all heads is given, and what they find is not mixed again.
        projections = torch.eye(WIDTH), readout.keys.weight, readout.values.weight
        whole.in_proj_weight.copy_(torch.cat(projections))
        nn.init.eye_(whole.out_proj.weight)
    flat = tokens.flatten(1, 2)
    query = readout.query.flatten().expand(RECORDS, 1, -1)
    expected, attention = whole(query, flat, flat)
    assert torch.allclose(readout(tokens), expected[:, 0], atol=1e-5)
    by_layer = attention.unflatten(2, tokens.shape[1:3]).sum(dim=3)[:, 0]
    assert torch.allclose(readout.layer_weights(tokens)[:, readout.view.layers.start :], by_layer)


def test_the_efficient_probe_is_scaled_attention_to_raw_tokens_then_a_map_each(generator):
    readout = made("efficient-tokens")
    tokens = tokens_for(readout, generator)
    flat = tokens.flatten(1, 2)
    queries = readout.query.expand(RECORDS, -1, -1)
    found = nn.functional.scaled_dot_product_attention(queries, flat, flat)
    slices = readout.values(found).unflatten(-1, (readout.count, -1))
    own = torch.stack([slices[:, m, m] for m in range(readout.count)], dim=1)
    assert torch.allclose(readout(tokens), own.flatten(1), atol=1e-5)


@every_readout
def test_gradients_reach_every_weight(name, generator):
    torch.manual_seed(0)
    readout = TOKENS[name](WIDTH, DEPTH)
    found = readout(tokens_for(readout, generator))
    (found * torch.randn(found.shape, generator=generator)).sum().backward()
    for key, value in readout.named_parameters():
        assert value.grad.abs().max() > 1e-7, key


def side_by_side() -> TokenProbes:
    """Two classifiers of every readout, the first of each and then the second."""
    readouts = [made(name, seed) for seed in (0, 1) for name in TOKENS]
    torch.manual_seed(3)
    members = [Classifier(readout, HEADS["linear"](WIDTH, 4)) for readout in readouts]
    return TokenProbes(members, (2, len(TOKENS)))


def shown_to(probes: TokenProbes, generator: torch.Generator) -> dict[View, torch.Tensor]:
    return {m.readout.view: tokens_for(m.readout, generator) for m in probes.members}


def places(probes: TokenProbes):
    """Each member with its place in the shape of what comes out."""
    return zip(product(*map(range, probes.shape)), probes.members, strict=True)


def test_probes_side_by_side_say_what_each_says_alone(generator):
    probes = side_by_side().eval()
    tokens = shown_to(probes, generator)
    assert len(tokens) == 3
    logits, weights = probes(tokens), probes.layer_weights(tokens)
    assert logits.shape == (2, len(TOKENS), RECORDS, 4)
    assert weights.shape == (2, len(TOKENS), RECORDS, DEPTH + 1)
    for place, member in places(probes):
        mine = tokens[member.readout.view]
        assert torch.allclose(logits[place], member(mine), atol=1e-5)
        assert torch.allclose(weights[place], member.readout.layer_weights(mine), atol=1e-6)


def test_gradients_of_one_probe_reach_no_other(generator):
    probes = side_by_side().train()
    logits, squares = probes(shown_to(probes, generator)), probes.half_squares()
    one = (1, 2)
    (logits[one].square().sum() + sum(each[one] for each in squares.values())).backward()
    for place, member in places(probes):
        moved = [p.grad is not None and bool(p.grad.any()) for p in member.parameters()]
        assert all(moved) if place == one else not any(moved)


def test_half_squares_are_those_of_the_matrices_of_each_readout_and_head():
    probes = side_by_side()
    found = probes.half_squares()
    assert [*found] == ["readout.", "head."]
    for place, member in places(probes):
        matrices = {"readout.": member.readout.parameters(), "head.": [member.head[1].weight]}
        for name, values in matrices.items():
            assert torch.allclose(found[name][place], sum(p.square().sum() for p in values) / 2)


def test_attention_is_a_mean_within_each_record(generator):
    queries = torch.randn(5, WIDTH, generator=generator)
    tokens = torch.randn(RECORDS, 2, PATCHES, WIDTH, generator=generator)
    answers, attention = attend(queries, tokens)
    assert torch.allclose(attention.sum(dim=(2, 3)), torch.ones(RECORDS, 5))
    alone, _ = attend(queries, tokens[2:3])
    assert torch.allclose(answers[2:3], alone, atol=1e-6)
