"""What holds for every readout, and what tells them apart."""

import pytest
import torch
from torch import nn

from myocard.nn.readouts.pooled import READOUTS, build_readout

DEPTH, WIDTH = 3, 12
EVERY = [*((name, None) for name in READOUTS), *(("layer", layer) for layer in range(DEPTH + 1))]
every_readout = pytest.mark.parametrize(("name", "layer"), EVERY)


@pytest.fixture
def norm() -> nn.LayerNorm:
    """As after pretraining: its weights are not ones."""
    torch.manual_seed(5)
    norm = nn.LayerNorm(WIDTH)
    nn.init.normal_(norm.weight, 1, 0.2)
    nn.init.normal_(norm.bias)
    return norm


@pytest.fixture
def states(generator) -> torch.Tensor:
    return torch.randn(6, DEPTH + 1, WIDTH, generator=generator)


def trained_long(readout: nn.Module) -> nn.Module:
    """With weights that are large enough to tell layers apart."""
    for name, value in readout.named_parameters():
        if not name.startswith("norm"):
            nn.init.normal_(value, std=0.2)
    return readout.eval()


@every_readout
def test_features_have_the_stated_shape(norm, states, name, layer):
    readout = build_readout(name, norm, DEPTH, layer).eval()
    assert readout(states).shape == (6, readout.features)


@every_readout
def test_weights_are_shares_of_layers(norm, states, name, layer):
    weights = trained_long(build_readout(name, norm, DEPTH, layer)).weights(states)
    assert weights.shape == (6, DEPTH + 1)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(6))


@every_readout
def test_identical_layers_come_back_normalised_and_else_unchanged(norm, states, name, layer):
    readout = build_readout(name, norm, DEPTH, layer).eval()
    same = states[:, :1].expand(-1, DEPTH + 1, -1)
    expected = norm(states[:, 0]).repeat(1, readout.features // WIDTH)
    assert torch.allclose(readout(same), expected, atol=1e-5)


@every_readout
def test_gradients_reach_every_trained_weight(norm, states, name, layer):
    readout = build_readout(name, norm, DEPTH, layer).eval()
    (readout(states) * torch.randn(6, readout.features)).sum().backward()
    for key, value in readout.named_parameters():
        if value.requires_grad:
            assert value.grad.abs().max() > 1e-7, key


@every_readout
def test_records_of_a_batch_do_not_affect_each_other(norm, states, name, layer):
    readout = trained_long(build_readout(name, norm, DEPTH, layer))
    alone = torch.cat([readout(record[None]) for record in states])
    assert torch.allclose(alone, readout(states), atol=1e-5)


@every_readout
def test_the_encoders_norm_is_used_and_stays_as_trainable_as_it_was(norm, name, layer):
    readout = build_readout(name, norm, DEPTH, layer)
    assert readout.norm is norm
    assert all(p.requires_grad for p in norm.parameters())


GATES = {
    "pma": lambda states: states[:, 0],
    "pma-frozen-gate": lambda states: states[:, 0],
    "pma-last": lambda states: states[:, -1],
    "pma-mean": lambda states: states[:, 1:].mean(dim=1),
}
every_gate = pytest.mark.parametrize("name", GATES)


@pytest.mark.parametrize("name", [name for name in READOUTS if name not in GATES])
def test_the_embedding_is_read_by_no_readout_but_its_own_layer_and_the_gate(norm, states, name):
    readout = trained_long(build_readout(name, norm, DEPTH))
    changed = states.clone()
    changed[:, 0] = 9 * torch.randn(6, WIDTH)
    assert torch.equal(readout(changed), readout(states))
    assert not readout.weights(states)[:, 0].any()


@every_gate
def test_a_gate_reads_its_input_only_and_mixes_the_blocks_only(norm, states, name):
    readout = trained_long(build_readout(name, norm, DEPTH))
    weights = readout.weights(states)
    assert torch.equal(weights[:, 1:], readout.gate(GATES[name](states)).softmax(dim=1))
    assert not weights[:, 0].any()
    expected = sum(weights[:, layer, None] * states[:, layer] for layer in range(DEPTH + 1))
    assert torch.allclose(readout(states), norm(expected), atol=1e-5)


@every_gate
def test_records_that_swap_their_gates_inputs_swap_their_weights(norm, states, name):
    readout = trained_long(build_readout(name, norm, DEPTH))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    weights = readout.weights(states)
    assert torch.allclose(readout.weights(states[order]), weights[order], atol=1e-6)
    assert not torch.allclose(weights[order], weights, atol=1e-6)


def test_normalised_layers_are_mixed_after_their_norm(norm, states):
    average = build_readout("ppa-normed", norm, DEPTH)
    assert torch.allclose(average(states), norm(states[:, 1:]).mean(dim=1), atol=1e-6)
    mixture = trained_long(build_readout("scalar-mix-normed", norm, DEPTH))
    shares = mixture.scores.softmax(dim=0)
    expected = sum(shares[k] * norm(states[:, k + 1]) for k in range(DEPTH))
    assert torch.allclose(mixture(states), expected, atol=1e-6)


def test_the_norm_of_a_layer_counts_unless_it_is_normalised_first(norm, states):
    louder = states.clone()
    louder[:, 2] *= 10
    for name, same in (("ppa", False), ("ppa-normed", True)):
        readout = build_readout(name, norm, DEPTH)
        assert torch.allclose(readout(louder), readout(states), atol=1e-3) == same, name


def test_the_attention_of_alf_is_that_of_queries_over_keys(norm, states):
    readout = trained_long(build_readout("alf", norm, DEPTH))
    heads, width = readout.queries.shape
    normed = norm(states[:, 1:])
    keys = readout.keys(normed).unflatten(-1, (heads, width)).movedim(2, 1)
    values = normed.unflatten(-1, (heads, width)).movedim(2, 1)
    queries = readout.queries[None, :, None].expand(len(states), -1, -1, -1)
    expected = nn.functional.scaled_dot_product_attention(queries, keys, values)
    assert torch.allclose(readout(states), expected[:, :, 0].flatten(1), atol=1e-5)


def test_ppa_is_the_mean_of_the_blocks(norm, states):
    expected = norm((states[:, 1] + states[:, 2] + states[:, 3]) / 3)
    assert torch.allclose(build_readout("ppa", norm, DEPTH)(states), expected, atol=1e-6)


def test_the_last_readout_is_the_last_layer(norm, states):
    assert torch.equal(build_readout("last", norm, DEPTH)(states), norm(states[:, -1]))


def test_concatenation_keeps_layers_side_by_side(norm, states):
    found = build_readout("concat", norm, DEPTH)(states).unflatten(1, (DEPTH, WIDTH))
    assert torch.equal(found, norm(states[:, 1:]))


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_scalar_mixture_with_one_extreme_score_is_a_single_layer(norm, states, layer):
    mixture = build_readout("scalar-mix", norm, DEPTH)
    with torch.no_grad():
        mixture.scores[layer - 1] = 100
    single = build_readout("layer", norm, DEPTH, layer)
    assert torch.allclose(mixture(states), single(states), atol=1e-5)
    assert torch.allclose(mixture.weights(states), single.weights(states))


def test_a_scalar_mixture_starts_as_ppa(norm, states):
    start = build_readout("scalar-mix", norm, DEPTH)
    assert torch.allclose(start(states), build_readout("ppa", norm, DEPTH)(states), atol=1e-5)


def test_a_gate_that_ignores_its_input_is_a_scalar_mixture(norm, states):
    gated, mixture = (build_readout(name, norm, DEPTH) for name in ("pma", "scalar-mix"))
    with torch.no_grad():
        gated.gate[-1].weight.zero_()
        mixture.scores.copy_(gated.gate[-1].bias)
    assert torch.allclose(gated.eval()(states), mixture(states), atol=1e-5)


def test_the_gate_has_the_papers_layers_and_widths(norm):
    gate = build_readout("pma", norm, DEPTH).gate
    linear = [(m.in_features, m.out_features) for m in gate if isinstance(m, nn.Linear)]
    assert linear == [(WIDTH, 256), (256, 128), (128, DEPTH)]
    assert [m.p for m in gate if isinstance(m, nn.Dropout)] == [0.1, 0.1]
