"""ECG-CPC (Al-Masud et al., ICLR 2026): convolutions, and causal state spaces (S4) over time.

Written from the papers (also S4: Gu et al., arXiv 2111.00396) and a description of names and
shapes; no line is its makers' code, which has no licence.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from myocard.data.signal import Preprocessing
from myocard.data.steps import Clip, Resample, Window
from myocard.encoders.protocol import block_layers
from myocard.encoders.published import Card, Family, LayeredNetwork, Opened, Weights
from myocard.encoders.tensors import count, filled, find, part, present, shape_of
from myocard.leads import LEADS
from myocard.nn.shapes import Signals, Tokens

Maps = Float[Tensor, "batch features time"]
Matrices = Complex[Tensor, "features states states"]
Columns = Complex[Tensor, "features states 1"]

CARD = Card(
    name="ecg-cpc",
    title="ECG-CPC",
    paper="Al-Masud et al., benchmark of ECG foundation models, ICLR 2026 (arXiv 2509.25095)",
    code_licence="none stated",
    weights_licence="that of the figshare page, which was not seen",
    commercial=None,
    where="figshare.com, article 30192604",
    pretrained_on=("heedb",),
    size="4 × 512",
    signals="240 Hz, 10 s, 12 leads",
    layers="The first state is the output of the convolutions; the last is the output of the last "
    "block, normed as every block's is. A step knows only what was before it.",
)
_INPUT = Preprocessing(240, 2400, steps=(Clip(3.0), Resample(240, "kaiser"), Window(2400)))
_PREFIX = "ts_encoder."
_STEM, _BLOCKS = "encoder.", "predictor.predictor."
_KERNEL = "s4_layers.{}.kernel.kernel."
_FIXED = {"log_dt": 1, "w": 3, "P": 4, "Q": 4, "B": 4}
"""Tensors of a kernel that training does not change, and their axes."""
_SIGN, _OMEGA = (_PREFIX + _BLOCKS + _KERNEL.format(0) + name for name in ("C", "omega"))
_PRETRAINING = {
    "ts_encoder.head_ssl.": "the predictions of pretraining",
    "ts_encoder.loss.": "the loss of pretraining",
}
_NODES = "nodes for the kernel of the trained length, of which only their number is needed"


@dataclass(frozen=True)
class Shape:
    """Sizes of the network.

    Attributes:
        leads: Leads of the input.
        features: Width of all layers.
        kernels: Samples that each convolution sees; the first one's stride is two.
        depth: Number of blocks.
        trained: Steps of the kernel for which ``C`` was trained.
    """

    leads: int
    features: int
    kernels: tuple[int, ...]
    depth: int
    trained: int


class StateSpaces(LayeredNetwork):
    """Convolutions, and blocks of state spaces, each normed with the input added to it.

    Args:
        shape: Sizes of the network.
        fixed: Tensors of each block's kernel that training does not change, by name.
    """

    def __init__(self, shape: Shape, fixed: Sequence[Weights]) -> None:
        super().__init__()
        inputs = (shape.leads, *[shape.features] * (len(shape.kernels) - 1))
        self.layers = nn.Sequential()
        for number, (leads, kernel) in enumerate(zip(inputs, shape.kernels, strict=True)):
            stride = 1 if number else 2
            conv = nn.Conv1d(leads, shape.features, kernel, stride, kernel // 2, bias=False)
            norm = nn.BatchNorm1d(shape.features)
            self.layers.append(nn.Sequential(conv, norm, nn.ReLU()))
        self.s4_layers = nn.ModuleList(StateSpace(shape, tensors) for tensors in fixed)
        self.norms = nn.ModuleList(nn.LayerNorm(shape.features) for _ in fixed)

    def states(self, signals: Signals) -> Iterator[Tokens]:
        tokens = self.layers(signals).transpose(1, 2)
        yield tokens
        for layer, norm in zip(self.s4_layers, self.norms, strict=True):
            tokens = norm(tokens + layer(tokens.transpose(1, 2)).transpose(1, 2))
            yield tokens


class StateSpace(nn.Module):
    """A causal convolution of each feature with its own kernel, and a gated map over features."""

    def __init__(self, shape: Shape, fixed: Weights) -> None:
        super().__init__()
        self.D = nn.Parameter(torch.randn(1, shape.features))
        self.kernel = nn.ModuleDict({"kernel": Kernel(shape.trained, fixed)})
        self.output_linear = nn.Sequential(FeatureMap(shape.features), nn.GLU(dim=1))

    def forward(self, maps: Maps) -> Maps:
        steps = maps.shape[2]
        kernel = self.kernel["kernel"](steps).to(maps.dtype)
        spectrum = torch.fft.rfft(maps, 2 * steps) * torch.fft.rfft(kernel, 2 * steps)
        convolved = torch.fft.irfft(spectrum, 2 * steps)[..., :steps]
        return self.output_linear(gelu(convolved + self.D[..., None] * maps))


class FeatureMap(nn.Module):
    """A linear map over features, to twice as many."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2 * features, features) / features**0.5)
        self.bias = nn.Parameter(torch.zeros(2 * features, 1))

    def forward(self, maps: Maps) -> Float[Tensor, "batch twice_features time"]:
        return self.weight @ maps + self.bias


class Kernel(nn.Module):
    """Kernels of state spaces of diagonal plus low rank, one for each feature, in float64.

    Complex numbers are pairs on the last axis; of each conjugate pair of states one is stored.

    Args:
        trained: The length L that is part of ``C``: it stands for C (I - A^L).
        fixed: ``log_dt``, ``w``, ``P``, ``Q`` and ``B``, which training does not change.
    """

    def __init__(self, trained: int, fixed: Weights) -> None:
        super().__init__()
        self.trained = trained
        self.log_dt = nn.Buffer(fixed["log_dt"].clone())
        self.w = nn.Buffer(fixed["w"].clone())
        self.P = nn.Buffer(fixed["P"].clone())
        self.Q = nn.Buffer(fixed["Q"].clone())
        self.B = nn.Buffer(fixed["B"].clone())
        self.C = nn.Parameter(torch.randn(self.B.shape) / 2**0.5)

    def forward(self, steps: int) -> Float[Tensor, "features {steps}"]:
        """Return the first values of C (I - A^L)^-1 A^l B, A and B discretised bilinearly."""
        step = self.log_dt.double().exp()[:, None, None]
        low_rank = _states(self.P[0]) @ _states(self.Q[0]).mT
        half = step / 2 * (torch.diag_embed(_states(self.w)[..., 0]) - low_rank)
        one = torch.eye(half.shape[1], dtype=half.dtype, device=half.device)
        transition = torch.linalg.solve(one - half, one + half)
        entry = torch.linalg.solve(one - half, step * _states(self.B[0]))
        truncation = one - torch.linalg.matrix_power(transition, self.trained)
        output = torch.linalg.solve(truncation.mT, _states(self.C[0]))
        # Each power is one of the first few after one of their last's: few products of matrices.
        few = isqrt(steps) + 1
        first = _powers(transition, entry, few)
        further = _powers(torch.linalg.matrix_power(transition, few).mT, output, few)
        return (further.mT @ first).real.flatten(1)[:, :steps]


def _states(pairs: Float[Tensor, "features half 2"]) -> Columns:
    """Put the conjugates behind the states that are stored, as columns."""
    stored = torch.view_as_complex(pairs.double())
    return torch.cat([stored, stored.conj()], dim=1)[..., None]


def _powers(
    matrices: Matrices, column: Columns, number: int
) -> Complex[Tensor, "features states {number}"]:
    """Return the products of the first powers of the matrices with a column."""
    found = column
    while found.shape[2] < number:
        found = torch.cat([found, matrices @ found], dim=2)
        matrices = matrices @ matrices
    return found[..., :number]


def recognises(content: Mapping[str, Any]) -> bool:
    """Tell a checkpoint of ECG-CPC by its first kernel."""
    return find(content, _SIGN) is not None


def read(content: Mapping[str, Any], file: Path) -> Opened:
    """Read a checkpoint of ECG-CPC."""
    tensors, _ = find(content, _SIGN) or ({}, "")
    nodes = (name for name in tensors if name.endswith((".kernel.omega", ".kernel.z")))
    left_out = present(tensors, _PRETRAINING) | dict.fromkeys(nodes, _NODES)
    named = part(tensors, _PREFIX, left_out, file)
    weights = {
        name.removeprefix(_STEM).removeprefix(_BLOCKS): value for name, value in named.items()
    }
    shape = _read_shape(weights, tensors, file)
    fixed = [_read_fixed(weights, _KERNEL.format(block), file) for block in range(shape.depth)]
    build = partial(StateSpaces, shape, fixed)
    network = filled(build, weights, CARD, file)
    return Opened(
        card=CARD,
        network=network,
        layers=block_layers(shape.features, shape.depth),
        input=_INPUT,
        build=build,
        left_out=left_out,
        of_leads=of_leads,
    )


def _read_shape(weights: Weights, tensors: Weights, file: Path) -> Shape:
    convs = [
        shape_of(weights, f"layers.{conv}.0.weight", 3, CARD, file)
        for conv in range(count(weights, "layers."))
    ]
    return Shape(
        leads=len(LEADS),
        features=convs[0][0],
        kernels=tuple(kernel for *_, kernel in convs),
        depth=count(weights, "s4_layers."),
        trained=2 * (shape_of(tensors, _OMEGA, 2, CARD, file)[0] - 1),
    )


def _read_fixed(weights: Weights, prefix: str, file: Path) -> Weights:
    for name, axes in _FIXED.items():
        shape_of(weights, prefix + name, axes, CARD, file)
    return {name: weights[prefix + name] for name in _FIXED}


def of_leads(network: LayeredNetwork, places: Sequence[int]) -> LayeredNetwork:
    """Return a network that reads some leads as the whole one does where the others are zero."""
    fewer = deepcopy(network)
    conv = fewer.get_submodule("layers.0.0")
    conv.weight = nn.Parameter(conv.get_parameter("weight")[:, list(places)].detach())
    return fewer


FAMILY = Family((CARD,), recognises, read)
