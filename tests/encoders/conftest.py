"""Arrays of published models' own code, and random weights of their true sizes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

Arrays = dict[str, Tensor]


@pytest.fixture
def arrays(real_data: Path) -> Callable[[str], Arrays]:
    """Read the arrays of a file below the folder of published models."""

    def read(file: str) -> Arrays:
        found = np.load(real_data / "encoders" / file)
        return {name: torch.from_numpy(values) for name, values in found.items()}

    return read


@pytest.fixture
def random_weights(real_data: Path) -> Callable[[str], Arrays]:
    """Draw tensors by a list of names and shapes below the folder of published models."""

    def draw(file: str) -> Arrays:
        lines = (real_data / "encoders" / file).read_text().splitlines()
        rows = [line.split("\t") for line in lines if line[0] != "#"]
        sizes = {name: [int(n) for n in size.split("x") if n != "scalar"] for name, size, _ in rows}
        weights = {name: 0.02 * torch.randn(size) for name, size in sizes.items()}
        weights |= {n: 1 + v.abs() for n, v in weights.items() if n.endswith("running_var")}
        return weights | {n: torch.tensor(0) for n in weights if n.endswith("num_batches_tracked")}

    return draw


@pytest.fixture(scope="session")
def assert_close() -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], None]:
    """Compare every expected array with the one of its name: 1e-5, or as much of a larger RMS."""

    def compare(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
        assert expected.keys() <= found.keys()
        for name, wanted in expected.items():
            bound = 1e-5 * max(1.0, wanted.square().mean().sqrt().item())
            assert found[name].shape == wanted.shape, name
            assert (found[name] - wanted).abs().max() <= bound, name

    return compare
