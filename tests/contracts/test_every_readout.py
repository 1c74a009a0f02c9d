"""The contract of every readout, and what tells readouts apart."""

import inspect

import pytest
import torch
from torch import nn

import myocard
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation.probing.stream import look
from myocard.leads import LEADS
from myocard.nn.readouts.pooled import Readout
from myocard.nn.readouts.registry import POOLED, READOUTS, TOKENS, build_readout
from myocard.nn.readouts.tokens import TokenReadout, View

DEPTH, WIDTH, RECORDS, PATCHES = 3, 12, 6, 8
LAYERS = [("layer", layer) for layer in range(DEPTH + 1)]
every_readout = pytest.mark.parametrize(
    ("name", "layer"), [*((name, None) for name in READOUTS), *LAYERS]
)
every_pooled = pytest.mark.parametrize(
    ("name", "layer"), [*((name, None) for name in POOLED), *LAYERS]
)


@pytest.fixture
def norm() -> nn.LayerNorm:
    """A norm as pretraining leaves it: its weights are not ones."""
    torch.manual_seed(5)
    norm = nn.LayerNorm(WIDTH)
    nn.init.normal_(norm.weight, 1, 0.2)
    nn.init.normal_(norm.bias)
    return norm


@pytest.fixture
def states(generator) -> torch.Tensor:
    return torch.randn(RECORDS, DEPTH + 1, WIDTH, generator=generator)


def shown_to(readout: Readout | TokenReadout) -> torch.Tensor:
    """Records for a readout: pooled states, or the tokens that it looks at."""
    generator = torch.Generator().manual_seed(7)
    shape = (DEPTH + 1,)
    if isinstance(readout, TokenReadout):
        shape = (len(readout.view.layers), PATCHES)
    return torch.randn(RECORDS, *shape, WIDTH, generator=generator)


def trained_long(readout: nn.Module) -> nn.Module:
    """Give a readout weights that are large enough to tell layers apart."""
    for name, value in readout.named_parameters():
        if not name.startswith("norm"):
            nn.init.normal_(value, std=0.2)
    return readout.eval()


@pytest.mark.parametrize("name", READOUTS)
def test_a_registered_builder_takes_what_its_kind_of_readout_is_built_from(norm, name):
    takes = ["width", "depth"] if name in TOKENS else ["norm", "width", "depth"]
    builder = (TOKENS | POOLED)[name]
    stated = inspect.signature(builder).parameters.values()
    assert [p.name for p in stated if p.default is p.empty] == takes
    given = {"norm": norm, "width": WIDTH, "depth": DEPTH}
    built = builder(*[given[each] for each in takes])
    assert isinstance(built, TokenReadout if name in TOKENS else Readout)
    assert type(build_readout(name, norm, WIDTH, DEPTH)) is type(built)


def test_every_name_is_registered_once():
    assert [*POOLED, *TOKENS] == [*READOUTS]
    assert not {*POOLED} & {*TOKENS}


@every_readout
def test_features_have_the_stated_shape(norm, name, layer):
    readout = build_readout(name, norm, WIDTH, DEPTH, layer).eval()
    assert readout(shown_to(readout)).shape == (RECORDS, readout.features)


@every_readout
def test_layer_weights_are_shares_of_layers(norm, name, layer):
    readout = trained_long(build_readout(name, norm, WIDTH, DEPTH, layer))
    weights = readout.layer_weights(shown_to(readout))
    assert weights.shape == (RECORDS, DEPTH + 1)
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(RECORDS))


@every_readout
def test_gradients_reach_every_trained_weight(norm, name, layer):
    readout = build_readout(name, norm, WIDTH, DEPTH, layer).eval()
    (readout(shown_to(readout)) * torch.randn(RECORDS, readout.features)).sum().backward()
    for key, value in readout.named_parameters():
        if value.requires_grad:
            assert value.grad.abs().max() > 1e-7, key


@every_readout
def test_records_of_a_batch_do_not_affect_each_other(norm, name, layer):
    readout = trained_long(build_readout(name, norm, WIDTH, DEPTH, layer))
    shown = shown_to(readout)
    for say in (readout, readout.layer_weights):
        alone = torch.cat([say(record[None]) for record in shown])
        assert torch.allclose(alone, say(shown), atol=1e-5)


@every_pooled
def test_identical_layers_come_back_normalised_and_else_unchanged(norm, states, name, layer):
    readout = build_readout(name, norm, WIDTH, DEPTH, layer).eval()
    same = states[:, :1].expand(-1, DEPTH + 1, -1)
    normed = norm(states[:, 0])
    expected = normed.repeat(1, readout.features // WIDTH)
    if name == "loes":
        expected = torch.einsum("nd,ldr->nlr", normed, readout.directions).flatten(1)
    assert torch.allclose(readout(same), expected, atol=1e-5)


@every_pooled
def test_the_encoders_norm_is_used_and_stays_as_trainable_as_it_was(norm, name, layer):
    readout = build_readout(name, norm, WIDTH, DEPTH, layer)
    assert readout.norm is norm
    assert all(p.requires_grad for p in norm.parameters())


@pytest.mark.parametrize("name", TOKENS)
def test_a_readout_of_tokens_reads_consecutive_layers_up_to_the_last(norm, name):
    layers = build_readout(name, norm, WIDTH, DEPTH).view.layers
    assert [*layers] == [*range(layers.start, DEPTH + 1)]
    assert layers.start > 0  # not the embedding


@pytest.mark.parametrize("name", TOKENS)
def test_a_readout_of_tokens_leaves_the_norm_to_the_view(norm, name):
    own = [*build_readout(name, norm, WIDTH, DEPTH).modules()]
    assert norm not in own


@pytest.fixture
def lively(encoder) -> MyocardEncoder:
    """The tiny encoder, its norm as pretraining leaves it."""
    nn.init.normal_(encoder.norm.weight, 1, 0.2)
    return encoder


def test_a_view_shows_normalised_patches_of_its_layers_and_no_separator(lively, signals):
    views = [View(range(3, 4), "tokens"), View(range(1, 4), "leads")]
    with torch.no_grad():
        last, means = look(lively, signals, views).values()
        assert last.shape == (4, 1, 120, 12)
        whole = lively.network(signals, LEADS)[3].unflatten(1, (12, 12))
        expected = lively.norm(whole[:, :, 1:-1].flatten(1, 2))
        assert torch.allclose(last[:, 0], expected, atol=1e-6)
        by_lead = [lively.by_lead(tokens).mean(dim=2) for tokens in lively.hidden_states(signals)]
        assert torch.allclose(means, lively.norm(torch.stack(by_lead[1:], dim=1)), atol=1e-6)


@pytest.mark.parametrize("name", TOKENS)
def test_what_a_view_shows_is_what_its_readout_reads(lively, signals, name):
    readout = build_readout(name, lively.norm, WIDTH, DEPTH)
    with torch.no_grad():
        shown = look(lively, signals, [readout.view])[readout.view]
        assert readout(shown).shape == (4, WIDTH)
        assert readout.layer_weights(shown).shape == (4, DEPTH + 1)


class MixedLeads:
    """An encoder whose tokens belong to no single lead."""

    def __init__(self, own: MyocardEncoder) -> None:
        self.info, self.input, self.layers = own.info, own.input, own.layers
        self.norm, self.network, self.pretrained_on = own.norm, own.network, own.pretrained_on
        self.hidden_states = own.hidden_states

    def pool(self, tokens):
        return tokens.mean(dim=1)

    def with_leads(self, leads):
        return self

    def randomised(self, seed):
        return self


def test_leads_of_an_encoder_that_mixes_them_cannot_be_viewed(encoder, signals):
    mixed = MixedLeads(encoder)
    assert isinstance(mixed, ECGEncoder)
    assert look(mixed, signals, [View(range(1, 4), "tokens")])
    with pytest.raises(InputError, match="a readout of leads: needs tokens of single leads, and t"):
        look(mixed, signals, [View(range(1, 4), "leads")])


GATES = {
    "pma": lambda states: states[:, 0],
    "gated-mix": lambda states: states[:, 0],
    "pma-frozen-gate": lambda states: states[:, 0],
    "pma-last": lambda states: states[:, -1],
    "pma-mean": lambda states: states[:, 1:].mean(dim=1),
}
every_gate = pytest.mark.parametrize("name", GATES)


@pytest.mark.parametrize("name", [name for name in POOLED if name not in GATES])
def test_the_embedding_is_read_by_no_readout_but_its_own_layer_and_the_gate(norm, states, name):
    readout = trained_long(build_readout(name, norm, WIDTH, DEPTH))
    changed = states.clone()
    changed[:, 0] = 9 * torch.randn(6, WIDTH)
    assert torch.equal(readout(changed), readout(states))
    assert not readout.layer_weights(states)[:, 0].any()


@every_gate
def test_a_gate_reads_its_input_only_and_mixes_the_blocks_only(norm, states, name):
    readout = trained_long(build_readout(name, norm, WIDTH, DEPTH))
    weights = readout.layer_weights(states)
    assert torch.equal(weights[:, 1:], readout.gate(GATES[name](states)).softmax(dim=1))
    assert not weights[:, 0].any()
    expected = sum(weights[:, layer, None] * states[:, layer] for layer in range(DEPTH + 1))
    assert torch.allclose(readout(states), norm(expected), atol=1e-5)


@every_gate
def test_records_that_swap_their_gates_inputs_swap_their_weights(norm, states, name):
    readout = trained_long(build_readout(name, norm, WIDTH, DEPTH))
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    weights = readout.layer_weights(states)
    assert torch.allclose(readout.layer_weights(states[order]), weights[order], atol=1e-6)
    assert not torch.allclose(weights[order], weights, atol=1e-6)


def test_normalised_layers_are_mixed_after_their_norm(norm, states):
    average = build_readout("ppa-normed", norm, WIDTH, DEPTH)
    assert torch.allclose(average(states), norm(states[:, 1:]).mean(dim=1), atol=1e-6)
    mixture = trained_long(build_readout("scalar-mix-normed", norm, WIDTH, DEPTH))
    shares = mixture.scores.softmax(dim=0)
    expected = sum(shares[k] * norm(states[:, k + 1]) for k in range(DEPTH))
    assert torch.allclose(mixture(states), expected, atol=1e-6)


def test_the_norm_of_a_layer_counts_unless_it_is_normalised_first(norm, states):
    louder = states.clone()
    louder[:, 2] *= 10
    for name, same in (("ppa", False), ("ppa-normed", True)):
        readout = build_readout(name, norm, WIDTH, DEPTH)
        assert torch.allclose(readout(louder), readout(states), atol=1e-3) == same, name


def test_the_attention_of_alf_is_that_of_queries_over_keys(norm, states):
    readout = trained_long(build_readout("alf", norm, WIDTH, DEPTH))
    heads, width = readout.queries.shape
    normed = norm(states[:, 1:])
    keys = readout.keys(normed).unflatten(-1, (heads, width)).movedim(2, 1)
    values = normed.unflatten(-1, (heads, width)).movedim(2, 1)
    queries = readout.queries[None, :, None].expand(len(states), -1, -1, -1)
    expected = nn.functional.scaled_dot_product_attention(queries, keys, values)
    assert torch.allclose(readout(states), expected[:, :, 0].flatten(1), atol=1e-5)


def test_ppa_of_the_package_is_the_mean_of_the_blocks(norm, states):
    """Z = LN((1/L) Σ_{l=1..L} h_l)."""
    expected = norm((states[:, 1] + states[:, 2] + states[:, 3]) / 3)
    assert torch.allclose(myocard.PPA(norm, WIDTH, DEPTH)(states), expected, atol=1e-6)
    assert POOLED["ppa"] is myocard.PPA


def test_pma_of_the_package_is_a_mixture_by_a_gate_on_the_embedding(norm, states):
    """Z = LN(Σ_{l=1..L} g_l h_l), g = softmax(gate(h_0))."""
    readout = trained_long(myocard.PMA(norm, WIDTH, DEPTH))
    x = nn.functional.layer_norm(states[:, 0], (WIDTH,), *readout.gate[0].parameters())
    for index in (1, 4):
        x = nn.functional.gelu(nn.functional.linear(x, *readout.gate[index].parameters()))
    scores = nn.functional.linear(x, *readout.gate[7].parameters())
    g = scores.exp() / scores.exp().sum(dim=1, keepdim=True)
    expected = norm(sum(g[:, k, None] * states[:, k + 1] for k in range(DEPTH)))
    assert torch.allclose(readout(states), expected, atol=1e-5)
    assert torch.allclose(readout.layer_weights(states)[:, 1:], g, atol=1e-6)
    assert POOLED["pma"] is myocard.PMA


def test_the_last_readout_is_the_last_layer(norm, states):
    assert torch.equal(build_readout("last", norm, WIDTH, DEPTH)(states), norm(states[:, -1]))


def test_concatenation_keeps_layers_side_by_side(norm, states):
    found = build_readout("concat", norm, WIDTH, DEPTH)(states).unflatten(1, (DEPTH, WIDTH))
    assert torch.equal(found, norm(states[:, 1:]))


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_scalar_mixture_with_one_extreme_score_is_a_single_layer(norm, states, layer):
    mixture = build_readout("scalar-mix", norm, WIDTH, DEPTH)
    with torch.no_grad():
        mixture.scores[layer - 1] = 100
    single = build_readout("layer", norm, WIDTH, DEPTH, layer)
    assert torch.allclose(mixture(states), single(states), atol=1e-5)
    assert torch.allclose(mixture.layer_weights(states), single.layer_weights(states))


def test_a_scalar_mixture_starts_as_ppa(norm, states):
    start = build_readout("scalar-mix", norm, WIDTH, DEPTH)
    assert torch.allclose(
        start(states), build_readout("ppa", norm, WIDTH, DEPTH)(states), atol=1e-5
    )


def test_a_gate_that_ignores_its_input_is_a_scalar_mixture(norm, states):
    gated, mixture = (build_readout(name, norm, WIDTH, DEPTH) for name in ("pma", "scalar-mix"))
    with torch.no_grad():
        gated.gate[-1].weight.zero_()
        mixture.scores.copy_(gated.gate[-1].bias)
    assert torch.allclose(gated.eval()(states), mixture(states), atol=1e-5)


def test_the_gate_has_the_papers_layers_and_widths(norm):
    gate = build_readout("pma", norm, WIDTH, DEPTH).gate
    linear = [(m.in_features, m.out_features) for m in gate if isinstance(m, nn.Linear)]
    assert linear == [(WIDTH, 256), (256, 128), (128, DEPTH)]
    assert [m.p for m in gate if isinstance(m, nn.Dropout)] == [0.1, 0.1]
