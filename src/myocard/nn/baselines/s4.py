"""S4D: diagonal state spaces (Gu et al. 2022, arXiv 2206.11893) in both directions of time.

The state-space baseline of ECG benchmarks (Mehari and Strodthoff 2022, arXiv 2211.07579), with the
simpler S4D in place of S4.
"""

import math

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn.functional import gelu, glu

from myocard.nn.shapes import Representation, Signals

_SLOWEST, _FASTEST = 1e-3, 1e-1

Sequence = Float[Tensor, "batch samples width"]
Kernels = Float[Tensor, "width samples"]


class StateSpace(nn.Module):
    """Diagonal systems x' = Ax + u, y = 2 Re(Cx), one a channel, with zero-order hold.

    Poles start as S4D-Lin: A_n = −1/2 + iπn. Each channel has a time step of its own.

    Args:
        width: Channels.
        pairs: Conjugate pairs of poles: half the state's size N.
    """

    def __init__(self, width: int, pairs: int) -> None:
        super().__init__()
        drawn = torch.empty(width).uniform_(math.log(_SLOWEST), math.log(_FASTEST))
        self.log_step = nn.Parameter(drawn)
        # Vectors, not matrices: weight decay is for matrices, and would move the poles.
        self.log_damping = nn.Parameter(torch.full((width * pairs,), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(pairs).float().repeat(width))
        self.output = nn.Parameter(torch.randn(width, pairs, 2) * math.sqrt(0.5))

    @property
    def poles(self) -> Complex[Tensor, "width pairs"]:
        poles = torch.complex(-self.log_damping.exp(), self.frequency)
        return poles.unflatten(0, (len(self.log_step), -1))

    def forward(self, samples: int) -> Kernels:
        """Return the impulse response: K_k = 2 Re Σ_n C_n (exp(ΔA_n) − 1)/A_n exp(ΔA_n)^k."""
        poles = self.poles
        steps = poles * self.log_step.exp()[:, None]
        gains = torch.view_as_complex(self.output) * steps.expm1() / poles
        powers = (steps[..., None] * torch.arange(samples, device=steps.device)).exp()
        return 2 * torch.einsum("wn,wns->ws", gains, powers).real


class Layer(nn.Module):
    """State spaces over time, then a gate over channels, added to the input."""

    def __init__(self, width: int, pairs: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.ahead = StateSpace(width, pairs)
        self.behind = StateSpace(width, pairs)
        self.through = nn.Parameter(torch.randn(width))
        self.mix = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, sequence: Sequence) -> Sequence:
        normed = self.norm(sequence)
        kernels = self.ahead(sequence.shape[1]), self.behind(sequence.shape[1])
        mixed = convolve(normed, *kernels) + self.through * normed
        return sequence + glu(self.mix(self.dropout(gelu(mixed))))


class S4D(nn.Module):
    """Leads in, layers of state spaces, and the mean over time.

    Args:
        leads: Rows of a signal.
        width: Channels.
        depth: Layers.
        pairs: Conjugate pairs of poles of each channel and direction.
        dropout: Dropout after the state spaces of each layer.

    Attributes:
        features: Width of what ``forward`` returns.
    """

    def __init__(
        self, leads: int, width: int, *, depth: int = 4, pairs: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(leads, width)
        self.layers = nn.Sequential(*(Layer(width, pairs, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.features = width

    def forward(self, signals: Signals) -> Representation:
        return self.norm(self.layers(self.embed(signals.mT))).mean(dim=1)


def convolve(sequence: Sequence, ahead: Kernels, behind: Kernels) -> Sequence:
    """Compute y_t = Σ_{s≤t} ahead_{t−s} u_s + Σ_{s>t} behind_{s−t−1} u_s by FFTs of length 2S."""
    samples = sequence.shape[1]
    # Negative lags stand at the end of a circle, behind the one lag that is not used.
    circle = torch.cat([ahead, torch.zeros_like(ahead[:, :1]), behind[:, :-1].flip(1)], dim=1)
    # There is no FFT of bfloat16.
    spectrum = torch.fft.rfft(sequence.float(), n=2 * samples, dim=1)
    product = spectrum * torch.fft.rfft(circle, dim=1).T
    return torch.fft.irfft(product, n=2 * samples, dim=1)[:, :samples]
