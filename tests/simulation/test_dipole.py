"""The dipole against the formulas it stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.simulation.dipole import DOWER, Waves, low_passed, rotation, vectorcardiogram

angles = st.floats(-180, 180)


def test_waves_are_gaussians_that_add_up() -> None:
    waves = Waves.of((300, 20, (1.0, 0.0, -0.5)), (420, 50, (0.2, 0.3, 0.0)))
    time = np.arange(500) / 500
    expected = np.zeros((3, 500))
    for at, width, vector in zip(*waves, strict=True):
        expected += np.outer(vector, np.exp(-((time - at) ** 2) / (2 * width**2)))
    np.testing.assert_allclose(vectorcardiogram(waves, 500, 500.0), expected, atol=1e-6)


def test_waves_outside_the_record_leave_it_empty() -> None:
    waves = Waves.of((-3000, 20, (1.0, 1.0, 1.0)), (9000, 20, (1.0, 1.0, 1.0)))
    assert not vectorcardiogram(waves, 100, 100.0).any()


@pytest.mark.parametrize("cut", [10.0, 40.0])
def test_the_low_pass_halves_the_power_at_its_frequency(cut: float) -> None:
    sharp = Waves.of((500, 4, (1.0, 0.0, 0.0)))
    spectra = [
        np.abs(np.fft.rfft(vectorcardiogram(waves, 1000, 1000.0)[0]))
        for waves in (sharp, low_passed(sharp, cut))
    ]
    assert (spectra[1][round(cut)] / spectra[0][round(cut)]) ** 2 == pytest.approx(0.5, rel=1e-3)
    assert spectra[1][0] == pytest.approx(spectra[0][0])


@given(frontal=angles, transverse=angles)
def test_turning_the_heart_keeps_its_size(frontal: float, transverse: float) -> None:
    turn = rotation(frontal, transverse)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_a_quarter_turn_moves_left_to_the_feet_or_to_the_back() -> None:
    left = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(rotation(90.0, 0.0) @ left, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(0.0, 90.0) @ left, [0, 0, 1], atol=1e-12)


def test_dowers_matrix_inverts_to_that_of_edenbrandt_and_pahlm() -> None:
    # Edenbrandt and Pahlm 1988, table of the inverse Dower matrix: columns I, II, V1 to V6.
    published = [
        [0.156, -0.010, -0.172, -0.074, 0.122, 0.231, 0.239, 0.194],
        [-0.227, 0.887, 0.057, -0.019, -0.106, -0.022, 0.041, 0.048],
        [0.022, 0.102, -0.229, -0.310, -0.246, -0.063, 0.055, 0.108],
    ]
    np.testing.assert_allclose(np.linalg.pinv(DOWER), published, atol=1.5e-3)
