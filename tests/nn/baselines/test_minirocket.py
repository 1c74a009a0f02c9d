"""MiniRocket against aeon's, and against what the paper says of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from myocard.nn.baselines.minirocket import MiniRocket, dilations, kernels


@pytest.fixture(scope="module")
def oracle() -> dict[str, np.ndarray]:
    """Features that ``tests/oracles/make_minirocket.py`` made with aeon 1.6.0."""
    with np.load(Path(__file__).parents[2] / "oracles" / "minirocket.npz") as file:
        return dict(file)


def signals(records: int = 5, leads: int = 2, samples: int = 100) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(records, leads, samples, generator=generator).cumsum(dim=2)


@pytest.mark.parametrize("name", ["one", "many"])
def test_features_equal_aeons_given_the_same_biases(oracle, name):
    part = {key.removeprefix(f"{name}_"): value for key, value in oracle.items()}
    spread = dict(zip(part["dilations"].tolist(), part["biases_each"].tolist(), strict=True))
    leads = part["signals"].shape[1]
    mixing = torch.tensor(part["mixing"], dtype=torch.float32).reshape(len(spread), 84, leads)
    flat = torch.tensor(part["biases"], dtype=torch.float32)
    parts = flat.split([84 * each for each in spread.values()])
    biases = torch.cat([each.reshape(84, -1) for each in parts], dim=1)
    found = MiniRocket(spread, mixing, biases)(torch.tensor(part["signals"]))
    assert found.numpy() == pytest.approx(part["features"], abs=1e-6)


@pytest.mark.parametrize("samples", [9, 100, 1000, 2250])
def test_dilations_and_their_shares_equal_aeons(oracle, samples):
    expected, shares = oracle[f"spread_{samples}"]
    found = dilations(samples, 119)
    assert list(found) == expected.tolist()
    assert list(found.values()) == shares.tolist()


def test_kernels_are_all_choices_of_three_and_sum_to_zero():
    rows = kernels()
    assert len({tuple(row.tolist()) for row in rows}) == len(rows) == 84
    assert (rows.sum(dim=1) == 0).all()


@pytest.mark.parametrize("samples", [9, 17, 100, 1000])
def test_the_widest_kernel_fits_the_signal(samples):
    assert max(dilations(samples, 119)) * 8 + 1 <= samples
    assert sum(dilations(samples, 119).values()) == 119


def test_there_are_9996_features_and_each_is_a_share():
    found = MiniRocket.fit(signals(leads=12))(signals(leads=12))
    assert found.shape == (5, 9996)
    assert found.min() >= 0
    assert found.max() <= 1
    assert 0.4 < found.mean() < 0.6  # biases are spread evenly over the outputs' quantiles


def test_a_level_added_to_every_lead_changes_no_unpadded_feature():
    rocket = MiniRocket.fit(signals(), features=840)
    before, after = rocket(signals()), rocket(signals() + 8)
    index, start = 0, 0
    for index, each in enumerate(rocket.spread.values()):
        block = slice(start, start + 84 * each)
        rows = torch.arange(84).repeat_interleave(each) % 2 != index % 2
        assert torch.allclose(before[:, block][:, rows], after[:, block][:, rows], atol=0.05)
        start += 84 * each
    assert not torch.allclose(before, after, atol=0.05)


def test_biases_are_quantiles_of_some_training_examples_output():
    one = signals(records=1, leads=1)
    rocket = MiniRocket.fit(one, features=84)
    outputs = functional.conv1d(one, kernels()[:, None], padding=4)[0].double().numpy()
    levels = (np.arange(1, 85) * (np.sqrt(5) + 1) / 2) % 1
    expected = [np.quantile(row, level) for row, level in zip(outputs, levels, strict=True)]
    assert rocket.biases[:, 0].numpy() == pytest.approx(expected, abs=1e-4)


def test_the_same_seed_gives_the_same_features_and_another_seed_others():
    first, again, other = (
        MiniRocket.fit(signals(), features=420, seed=seed)(signals()) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_records_of_a_batch_do_not_affect_each_other():
    rocket = MiniRocket.fit(signals(), features=420)
    alone = torch.cat([rocket(each[None]) for each in signals()])
    assert torch.allclose(alone, rocket(signals()), atol=0.011)


def test_a_signal_shorter_than_a_kernel_is_refused():
    with pytest.raises(ValueError, match="8 samples are fewer than a kernel's 9"):
        MiniRocket.fit(signals(samples=8))
