"""Laws of every simulated record."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.simulation import SITES, simulate

sites = st.sampled_from(sorted(SITES))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    index=st.integers(0, 10**6),
    rate=st.floats(50, 1000),
    seconds=st.floats(2.5, 12),
    site=sites,
)
def test_any_record_is_twelve_leads_that_obey_einthoven_and_goldberger(
    seed: int, index: int, rate: float, seconds: float, site: str
) -> None:
    record = simulate(seed, index, rate=rate, seconds=seconds, site=site).record
    assert record.leads == LEADS
    assert record.signal.dtype == np.float32
    assert record.signal.shape == (12, round(seconds * rate))
    assert np.isfinite(record.signal).all()
    one, two, three, right, left, foot = record.signal[:6]
    np.testing.assert_allclose(one + three, two, atol=2e-6)
    np.testing.assert_allclose(right, -(one + two) / 2, atol=2e-6)
    np.testing.assert_allclose(left, (one - three) / 2, atol=2e-6)
    np.testing.assert_allclose(foot, (two + three) / 2, atol=2e-6)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), indices=st.permutations(range(10)), site=sites)
def test_a_record_does_not_depend_on_what_was_made_before_it(
    seed: int, indices: list[int], site: str
) -> None:
    alone = simulate(seed, indices[-1], rate=100.0, site=site)
    made = [simulate(seed, index, rate=100.0, site=site) for index in indices]
    assert made[-1].record.sha256 == alone.record.sha256
    assert made[-1].findings == alone.findings


def test_seeds_records_and_sites_differ() -> None:
    makings = [(seed, index, site) for seed in (0, 1) for index in (0, 1) for site in "AB"]
    hashes = {simulate(seed, index, site=site).record.sha256 for seed, index, site in makings}
    assert len(hashes) == len(makings)


@settings(max_examples=10, deadline=None)
@given(index=st.integers(0, 1000), site=sites)
def test_doubling_the_rate_samples_the_same_waveform(index: int, site: str) -> None:
    # Both rates hold all that the devices let through, so the samples they share are equal.
    once = simulate(3, index, rate=500.0, site=site)
    twice = simulate(3, index, rate=1000.0, site=site)
    np.testing.assert_allclose(twice.record.signal[:, ::2], once.record.signal, atol=1e-5)
    assert twice.findings == once.findings
    assert twice.beats == once.beats


@settings(max_examples=10, deadline=None)
@given(index=st.integers(0, 1000))
def test_a_low_rate_is_the_same_waveform_below_30_hz(index: int) -> None:
    coarse, fine = (simulate(3, index, rate=rate).record.signal for rate in (100.0, 500.0))
    low, whole = (np.fft.rfft(signal)[:, :300] / signal.shape[1] for signal in (coarse, fine))
    assert np.linalg.norm(low - whole) < 0.15 * np.linalg.norm(whole)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"rate": 20.0}, "20 Hz"),
        ({"seconds": 1.0}, "at least 2.5 s"),
        ({"site": "C"}, "unknown site 'C'; the simulator has A, B"),
        ({"seed": -1}, "count from 0"),
    ],
)
def test_what_cannot_be_simulated_is_refused(wrong: dict, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        simulate(**({"seed": 0, "index": 0} | wrong))


def test_sites_differ_in_what_their_devices_let_through() -> None:
    def power(site: str, low: float, high: float) -> float:
        records = [simulate(0, index, site=site).record for index in range(12)]
        spectra = [np.abs(np.fft.rfft(record.signal)) ** 2 for record in records]
        frequency = np.fft.rfftfreq(records[0].signal.shape[1], 1 / 500)
        band = (frequency >= low) & (frequency < high)
        return float(np.median([spectrum[:, band].mean() for spectrum in spectra]))

    # A hums at 50 Hz, B at 60; A passes 100 Hz, which B cuts off.
    assert power("A", 49.5, 50.5) > 5 * power("A", 59.5, 60.5)
    assert power("B", 59.5, 60.5) > 2 * power("B", 49.5, 50.5)
    assert power("A", 90, 130) > 3 * power("B", 90, 130)
