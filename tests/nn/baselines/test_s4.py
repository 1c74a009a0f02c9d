"""S4D against SciPy's discrete systems, and against what looking both ways means."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import cont2discrete, dlsim

from myocard.nn.baselines.s4 import S4D, StateSpace, convolve

SAMPLES = 40


@pytest.fixture
def space() -> StateSpace:
    torch.manual_seed(3)
    made = StateSpace(width=3, pairs=4)
    with torch.no_grad():
        made.log_damping.add_(torch.randn(12) * 0.3)
    return made


def impulse_of(space: StateSpace, channel: int) -> np.ndarray:
    """SciPy's zero-order hold of the same system, in real numbers, run step by step."""
    poles = space.poles[channel].detach().numpy()
    output = torch.view_as_complex(space.output)[channel].detach().numpy()
    size = 2 * len(poles)
    dynamics = np.zeros((size, size))
    for n, pole in enumerate(poles):
        rows = slice(2 * n, 2 * n + 2)
        dynamics[rows, rows] = [[pole.real, -pole.imag], [pole.imag, pole.real]]
    inward = np.tile([[1.0], [0.0]], (len(poles), 1))
    # 2 Re(C x) of x = a + ib.
    outward = 2 * np.stack([output.real, -output.imag], axis=1).reshape(1, size)
    step = math.exp(space.log_step[channel].item())
    system = cont2discrete((dynamics, inward, outward, [[0.0]]), step, method="zoh")
    # The state after an input is what is read out, where SciPy reads the state before it.
    _, found, _ = dlsim(system, np.eye(SAMPLES + 1)[0])
    return found[1:, 0]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_kernel_is_the_impulse_response_of_scipys_discrete_system(space, channel):
    found = space(SAMPLES)[channel].detach().numpy()
    assert found == pytest.approx(impulse_of(space, channel), abs=1e-5)


def test_the_kernel_is_what_the_recurrence_says_step_by_step(space):
    poles, step = space.poles, space.log_step.exp()[:, None]
    drive = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(1))
    state, outputs = torch.zeros_like(poles), []
    for u in drive:
        state = (step * poles).exp() * state + ((step * poles).exp() - 1) / poles * u[:, None]
        outputs.append(2 * (torch.view_as_complex(space.output) * state).sum(dim=1).real)
    ahead = space(SAMPLES)
    found = convolve(drive[None], ahead, torch.zeros_like(ahead))[0]
    assert torch.allclose(found, torch.stack(outputs), atol=1e-5)


def test_poles_start_as_s4d_lin(space):
    poles = StateSpace(width=2, pairs=3).poles.detach()
    assert torch.allclose(poles.real, torch.tensor(-0.5))
    assert torch.allclose(poles.imag, math.pi * torch.tensor([[0.0, 1.0, 2.0]]).expand(2, 3))


def test_the_convolution_is_the_sum_over_past_and_future(generator):
    drive = torch.randn(1, 7, 2, generator=generator)
    ahead, behind = torch.randn(2, 2, 7, generator=generator)
    expected = torch.zeros(7, 2)
    for t in range(7):
        for s in range(7):
            kernel = ahead[:, t - s] if s <= t else behind[:, s - t - 1]
            expected[t] += kernel * drive[0, s]
    assert torch.allclose(convolve(drive, ahead, behind)[0], expected, atol=1e-5)


@pytest.mark.parametrize("deaf", ["behind", "ahead"])
def test_without_one_direction_the_other_side_of_time_is_not_heard(generator, deaf):
    torch.manual_seed(0)
    model = S4D(2, 6, depth=2).eval()
    with torch.no_grad():
        for layer in model.layers:
            getattr(layer, deaf).output.zero_()
    before = torch.randn(1, 30, 2, generator=generator)
    after = before.clone()
    after[:, 14] += 1
    moved = (model.layers(model.embed(before)) - model.layers(model.embed(after))).abs().amax(2)[0]
    there, not_there = (moved[14:], moved[:14]) if deaf == "behind" else (moved[:15], moved[15:])
    assert there.min() > 1e-5
    assert not_there.max() < 1e-5


def test_both_directions_reach_the_whole_signal(generator):
    torch.manual_seed(0)
    model = S4D(2, 6, depth=1).eval()
    before = torch.randn(1, 30, 2, generator=generator)
    after = before.clone()
    after[:, 14] += 1
    moved = model.layers(model.embed(before)) - model.layers(model.embed(after))
    assert moved.abs().amax(2).min() > 1e-5
