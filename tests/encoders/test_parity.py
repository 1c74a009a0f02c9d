"""Published models against their makers' own outputs, on random weights, and openecg on its own."""

from pathlib import Path

import numpy as np
import pytest
from fixture_inputs import prepared
from fixture_states import FIXTURES, INPUTS, arrays_of, bound
from package_states import has_package, package_arrays, package_inputs
from torch import Tensor

MODELS = sorted({file.split("/")[0] for file in FIXTURES})
SIGNALS = 5e-6
needs_package = pytest.mark.skipif(not has_package(), reason="the package openecg is not installed")


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name in expected.keys() & found.keys():
        assert found[name].shape == expected[name].shape, name
        difference = (found[name] - expected[name]).abs().max()
        assert difference <= bound(name, expected[name]), name


@pytest.mark.parametrize("file", FIXTURES)
def test_every_state_is_upstreams(real_data: Path, file: str) -> None:
    assert_close(*arrays_of(real_data / "encoders", file))


@pytest.mark.parametrize("model", MODELS)
def test_no_array_of_a_fixture_is_left_unread(real_data: Path, model: str) -> None:
    root, read, given = real_data / "encoders", set(), {}
    for file in (file for file in FIXTURES if file.startswith(f"{model}/")):
        found, given = arrays_of(root, file)
        read |= found.keys()
    assert {name for name in given if not name.endswith(INPUTS)} <= read


@pytest.mark.parametrize("model", MODELS)
def test_preprocessing_is_upstreams(real_data: Path, model: str) -> None:
    rates = set()
    for rate, ours, theirs in prepared(real_data / "encoders", model):
        assert (ours - theirs).abs().max() <= SIGNALS
        rates.add(rate)
    held = np.load(real_data / "encoders" / model / "preprocess.npz")
    assert rates == {f"{rate} Hz" for rate in (100, 500) if f"raw_{rate}" in held}


@needs_package
@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_every_state_and_every_answer_is_openecgs() -> None:
    found, expected = package_arrays()
    assert found.keys() == expected.keys()
    assert_close(found, expected)


@needs_package
def test_preprocessing_is_openecgs() -> None:
    for ours, theirs in package_inputs():
        assert (ours - theirs).abs().max() <= 1e-6
