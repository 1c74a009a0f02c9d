"""The truth of a simulated delineation, against the numbers and the signal of the same record."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.simulation import SITES, Simulated, simulate
from myocard.waves import QRS, P, T

sites = st.sampled_from(sorted(SITES))


def waves(simulated: Simulated, kind: int) -> np.ndarray:
    """Onsets and offsets of a kind, ``(waves, 2)``."""
    found = simulated.delineation
    return np.stack([found.onset, found.offset], axis=1)[found.kind == kind]


@settings(max_examples=25)
@given(index=st.integers(0, 10**5), site=sites)
def test_waves_follow_one_another_and_every_beat_has_its_complex(index, site):
    found = simulate(3, index, rate=50, site=site)
    kind, onset, offset = found.delineation
    assert (onset < offset).all()
    assert (offset[:-1] <= onset[1:]).all()
    assert onset[0] < 10
    assert offset[-1] > 0
    assert set(kind.tolist()) <= {P, QRS, T}
    begin, end = waves(found, QRS).T
    for beat in found.beats:
        assert ((begin < beat) & (beat < end)).sum() == 1
    if {"AFIB", "AFLT"} & set(found.findings):
        assert P not in kind


@pytest.mark.parametrize("site", SITES)
def test_intervals_are_those_that_the_record_states(site):
    for index in range(60):
        found = simulate(3, index, rate=50, site=site)
        if "PVC" in found.findings or "PAC" in found.findings:
            continue
        complexes = waves(found, QRS)[1:-1]
        np.testing.assert_allclose(complexes[:, 1] - complexes[:, 0], found.qrs, atol=1e-9)
        if found.heart_rate < 90 and found.pr is not None:  # no P falls on a T, which would end
            away = np.subtract.outer(waves(found, T)[:, 1], complexes[:, 0] + found.qt)
            np.testing.assert_allclose(np.abs(away).min(axis=0), 0, atol=1e-9)
        if found.pr is not None:
            starts = waves(found, P)[:, 0]
            ahead = starts[np.searchsorted(starts, complexes[:, 0]) - 1]
            np.testing.assert_allclose(complexes[:, 0] - ahead, found.pr, atol=0.004)


def test_the_signal_is_steepest_within_its_complexes():
    ratios = []
    for index in range(30):
        found = simulate(5, index, rate=100)
        speed = np.abs(np.diff(found.record.signal, axis=1)).max(axis=0)
        label = found.delineation.labels(1000, 100)[:-1]
        ratios.append(np.median(speed[label == QRS]) / np.median(speed[label != QRS]))
    assert min(ratios) > 1.5
    assert np.median(ratios) > 5


def test_the_truth_does_not_depend_on_the_rate():
    one, other = (simulate(5, 7, rate=rate).delineation for rate in (100, 500))
    for here, there in zip(one, other, strict=True):
        np.testing.assert_array_equal(here, there)
