"""Random weights of published models' true sizes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

Arrays = dict[str, Tensor]


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
