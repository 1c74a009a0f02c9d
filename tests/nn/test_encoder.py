"""The encoder gives every layer, and treats records, leads and time as it says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.leads import LEADS
from myocard.nn.analysis.attention import watched
from myocard.nn.encoder import Encoder, EncoderShape, align, patch_tokens

SHAPE = EncoderShape(samples=100, patch=10, width=12, depth=3, heads=3)
leads_drawn = st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def fresh() -> Encoder:
    torch.manual_seed(1)
    return Encoder(SHAPE).eval()


def some_signals(records: int, leads: int = 12) -> torch.Tensor:
    return torch.randn(records, leads, 100, generator=torch.Generator().manual_seed(2))


def pooled_by_lead(encoder, signals, leads=LEADS):
    """Average the patches of each lead in every layer, ``(batch, layers, leads, width)``."""
    means = [patch_tokens(tokens, len(leads)).mean(dim=2) for tokens in encoder(signals, leads)]
    return torch.stack(means, dim=1)


def pooled(encoder, signals, leads=LEADS):
    return pooled_by_lead(encoder, signals, leads).mean(dim=2)


def test_forward_returns_the_embedding_and_every_block(encoder, signals):
    layers = encoder(signals)
    assert layers.shape == (3 + 1, 4, 12 * (10 + 2), 12)
    assert torch.equal(layers[0], encoder.tokens(signals, LEADS))
    for index, block in enumerate(encoder.blocks):
        assert torch.equal(layers[index + 1], block(layers[index]))


def test_the_embedding_is_patch_position_and_lead_with_separators_without_position(
    encoder, signals
):
    tokens = encoder.tokens(signals, LEADS).unflatten(1, (12, 12))
    patches = signals.unflatten(-1, (10, 10))
    expected = encoder.patch_embedding(patches) + encoder.positions
    expected = expected + encoder.lead_embedding[:, None]
    assert torch.allclose(tokens[:, :, 1:-1], expected, atol=1e-6)
    separators = (encoder.separator + encoder.lead_embedding).expand(4, 12, 12)
    assert torch.allclose(tokens[:, :, 0], separators)
    assert torch.allclose(tokens[:, :, -1], separators)


def test_records_of_a_batch_do_not_affect_each_other(encoder, signals):
    before = encoder(signals)
    changed = signals.clone()
    changed[2] = 100 * torch.randn(12, 100)
    after = encoder(changed)
    others = [0, 1, 3]
    assert torch.allclose(after[:, others], before[:, others], atol=1e-6)
    assert not torch.allclose(after[:, 2], before[:, 2], atol=1e-2)


def test_records_that_are_permuted_come_out_permuted(encoder, signals):
    order = torch.tensor([3, 1, 0, 2])
    assert torch.allclose(encoder(signals[order]), encoder(signals)[:, order], atol=1e-6)


def test_states_are_the_same_one_by_one_and_in_a_batch_of_64(encoder):
    signals = some_signals(64)
    alone = torch.cat([pooled(encoder, record[None]) for record in signals])
    assert torch.allclose(alone, pooled(encoder, signals), atol=1e-5)


def test_pooled_is_the_mean_over_all_tokens_but_separators(encoder, signals):
    layers = encoder(signals).unflatten(2, (12, 12))
    by_lead = layers[:, :, :, 1:-1].mean(dim=3)
    assert torch.allclose(pooled_by_lead(encoder, signals), by_lead.transpose(0, 1), atol=1e-6)
    expected = layers[:, :, :, 1:-1].flatten(2, 3).mean(dim=2)
    assert torch.allclose(pooled(encoder, signals), expected.transpose(0, 1), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(leads_drawn, st.randoms(use_true_random=False))
def test_leads_are_known_by_name_not_by_place(leads, random):
    encoder, signals = fresh(), some_signals(2, len(leads))
    order = random.sample(range(len(leads)), len(leads))
    permuted = [leads[i] for i in order]
    before, after = pooled(encoder, signals, leads), pooled(encoder, signals[:, order], permuted)
    assert after.shape == (2, 4, 12)
    assert torch.allclose(after, before, atol=1e-5)
    by_lead = pooled_by_lead(encoder, signals, leads)
    assert torch.allclose(
        pooled_by_lead(encoder, signals[:, order], permuted), by_lead[:, :, order], atol=1e-5
    )


def test_the_same_signal_under_another_leads_name_reads_otherwise(encoder):
    signals = some_signals(1, 1)
    assert not torch.allclose(pooled(encoder, signals, ["I"]), pooled(encoder, signals, ["V6"]))


def test_a_patch_reads_otherwise_at_another_time(encoder):
    signals = some_signals(1)
    later = signals.roll(10, dims=-1)
    assert not torch.allclose(pooled(encoder, later), pooled(encoder, signals), atol=1e-4)


@pytest.mark.parametrize("leads", [1, 2, 12])
def test_patch_tokens_leaves_out_both_separators_of_each_lead(leads):
    tokens = torch.arange(leads * 5.0).reshape(1, -1, 1)
    expected = [[5.0 * k + 1, 5.0 * k + 2, 5.0 * k + 3] for k in range(leads)]
    assert patch_tokens(tokens, leads)[0, :, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch": 30}, "a patch of 30 samples does not divide 100"),
        ({"heads": 5}, "5 heads do not divide an even width"),
        ({"width": 15, "heads": 3}, "even width"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes, message):
    numbers = {"samples": 100, "patch": 10, "width": 12, "depth": 3, "heads": 3} | changes
    with pytest.raises(ValueError, match=message):
        EncoderShape(**numbers)


@pytest.mark.parametrize("patches", range(1, 11))
def test_any_whole_number_of_patches_up_to_the_window_is_read(encoder, signals, patches):
    short = encoder.embed(signals[..., : 10 * patches])
    assert torch.allclose(short, encoder.embed(signals)[:, :, :patches], atol=1e-6)
    assert pooled(encoder, signals[..., : 10 * patches]).shape == (4, 4, 12)


def test_aligned_tokens_attend_to_their_like():
    shape = EncoderShape(samples=200, patch=10, width=48, depth=1, heads=3)
    shares = []
    for prepare in (lambda module: None, align):
        torch.manual_seed(1)
        network = Encoder(shape).apply(prepare)
        noise = torch.randn(4, 12, 200, generator=torch.Generator().manual_seed(2))
        _, (tokens, (given,)) = watched(network.layers(network.tokens(noise, LEADS)))
        shares.append(given.diagonal(dim1=-2, dim2=-1).mean() * tokens.shape[1])
    published, aligned = shares
    assert published < 2
    assert aligned > 20
