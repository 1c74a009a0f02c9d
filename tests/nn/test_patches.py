"""Patches hold every sample once; positions tell them apart."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from myocard.nn.patches import PatchEmbedding, patchify, sincos_positions, unpatchify


@given(st.integers(1, 3), st.integers(1, 12), st.integers(1, 9), st.integers(1, 20))
def test_unpatchify_undoes_patchify(batch, leads, patches, patch):
    signals = torch.arange(batch * leads * patches * patch).float()
    signals = signals.reshape(batch, leads, patches * patch)
    cut = patchify(signals, patch)
    assert cut.shape == (batch, leads, patches, patch)
    assert torch.equal(unpatchify(cut), signals)


def test_a_patch_holds_consecutive_samples_of_one_lead():
    signals = torch.arange(24.0).reshape(1, 2, 12)
    assert patchify(signals, 4)[0, 1, 2].tolist() == [20, 21, 22, 23]


def test_a_patch_that_does_not_divide_the_window_is_refused():
    with pytest.raises(RuntimeError):
        patchify(torch.zeros(1, 12, 10), 3)


def test_positions_are_those_of_the_transformer_paper():
    found = sincos_positions(7, 6)
    for place in range(7):
        for pair in range(3):
            angle = torch.tensor(place / 10000 ** (2 * pair / 6), dtype=torch.float64)
            assert found[place, pair] == pytest.approx(float(angle.sin()), abs=1e-6)
            assert found[place, 3 + pair] == pytest.approx(float(angle.cos()), abs=1e-6)


def test_the_product_of_two_positions_depends_on_their_distance_only():
    positions = sincos_positions(20, 12)
    products = positions @ positions.T
    for distance in range(20):
        assert torch.allclose(products.diagonal(distance), products[0, distance], atol=1e-5)


def test_the_embedding_of_a_patch_ignores_its_level_and_gain(generator):
    torch.manual_seed(0)
    embedding = PatchEmbedding(10, 12)
    patches = torch.randn(2, 3, 4, 10, generator=generator)
    assert torch.allclose(embedding(5 * patches + 3), embedding(patches), atol=1e-4)
