"""Resampling, filtering, cropping and standardising, against tones, SciPy and their laws."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import butter, resample_poly, sosfiltfilt

from myocard.data.signal import Band, Preprocessing, conform, crop, resampled_length, standardise
from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.leads import LEADS

RATES = (100, 128, 250, 257, 360, 400, 500, 1000)
STMEM = Band(0.67, 40.0)


def tone(frequency: float, rate: float, seconds: float = 10.0) -> np.ndarray:
    """A sine of 1 mV in two leads, a quarter of a period apart: ``(2, samples)``."""
    turns = frequency * np.arange(round(seconds * rate)) / rate
    return np.sin(2 * np.pi * (turns + [[0], [0.25]])).astype(np.float32)


def scipys(signal: np.ndarray, rate: float, to: int, band: Band) -> np.ndarray:
    """Resampled and filtered by SciPy, one step after the other."""
    ratio = Fraction(to) / Fraction(rate)
    if rate != to:
        signal = resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")
    for kind, cutoff in band.cutoffs.items():
        signal = sosfiltfilt(butter(band.order, cutoff, kind, fs=to, output="sos"), signal)
    return signal


def noise(rate: float, below: float, seconds: float = 60.0) -> np.ndarray:
    """Noise of 1 mV with nothing at ``below`` Hz or above: ``(3, samples)``."""
    white = np.random.default_rng(0).normal(size=(3, round(seconds * rate)))
    spectrum = np.fft.rfft(white)
    spectrum[:, round(below * seconds) :] = 0
    narrow = np.fft.irfft(spectrum, white.shape[1])
    return (narrow / narrow.std()).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("to", [100, 250])
@pytest.mark.parametrize("frequency", [1.0, 5.0, 15.0])
def test_a_pure_tone_keeps_frequency_phase_and_amplitude(rate, to, frequency) -> None:
    resampled = conform(tone(frequency, rate), rate, to, Band())
    expected = tone(frequency, to)
    assert resampled.shape == expected.shape
    # Where the filter reaches beyond the ends, the signal is made up.
    inside = slice(to // 2, -to // 2)
    np.testing.assert_allclose(resampled[:, inside], expected[:, inside], atol=0.005)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("to", [100, 250])
@pytest.mark.parametrize("band", [Band(), STMEM, Band(0.5), Band(None, 40.0, order=3)])
def test_away_from_the_ends_the_result_is_scipys(rate, to, band) -> None:
    # Nothing that SciPy's resampling mirrors about half of the lower rate, and lets through.
    signal = noise(rate, below=0.8 * min(rate, to) / 2)
    expected, found = scipys(signal, rate, to, band), conform(signal, rate, to, band)
    assert (found.shape, found.dtype) == (expected.shape, np.float32)
    inside = slice(8 * to, -8 * to)
    np.testing.assert_allclose(found[:, inside], expected[:, inside], atol=0.004)


@pytest.mark.parametrize("band", [STMEM, Band(0.5, None), Band(None, 40.0, order=3)])
def test_without_resampling_the_filter_is_scipys_to_a_hundredth_of_a_microvolt(band: Band) -> None:
    signal = noise(100, below=50)
    expected, found = scipys(signal, 100, 100, band), conform(signal, 100, 100, band)
    np.testing.assert_allclose(found[:, 1200:-1200], expected[:, 1200:-1200], atol=1e-5)


def test_real_ecgs_are_filtered_as_by_scipy_away_from_their_ends(real_data) -> None:
    difference = np.concatenate(
        [
            conform(record.signal, 500, 250, STMEM) - scipys(record.signal, 500, 250, STMEM)
            for record in (entry.read() for entry in entries("ptbxl-500", real_data / "ptbxl")[:30])
        ]
    )
    from_two, from_four = (np.abs(difference[:, s * 250 : -s * 250]) for s in (2, 4))
    assert (np.median(from_two), np.median(from_four)) < (0.001, 0.0001)  # mV
    assert (from_two.max(), from_four.max()) < (0.05, 0.005)


def test_what_a_longer_recording_shows_is_met_better_than_by_scipy(real_data) -> None:
    """Errors from a quarter of a second on from where a record was cut; before, both are far."""
    errors: dict[str, list[float]] = {"ours": [], "scipys": []}
    for entry in entries("ptbxl-500", real_data / "ptbxl")[::10]:
        signal = entry.read().signal
        whole = scipys(signal, 500, 250, STMEM)[:, 500:2000]
        for name, way in (("ours", conform), ("scipys", scipys)):
            off = np.abs(way(signal[:, 1000:4000], 500, 250, STMEM) - whole)
            errors[name] += [off[:, 62:500].mean(), off[:, -500:-62].mean()]
    assert np.mean(errors["ours"]) < 0.8 * np.mean(errors["scipys"])


def test_what_the_new_rate_cannot_hold_is_removed() -> None:
    kept = conform(tone(90.0, 500), 500, 100, Band())[:, 50:-50]
    assert np.abs(kept).max() < 0.01  # Without a filter, a tone of 10 Hz would be left.


@given(st.integers(1, 4000), st.sampled_from(RATES), st.sampled_from([100, 250]))
def test_a_length_is_the_rounded_duration(samples, rate, to) -> None:
    length = conform(np.zeros((1, samples), np.float32), rate, to, Band(0.5)).shape[1]
    assert length == resampled_length(samples, rate, to)
    assert abs(length - samples * to / rate) <= 0.5


@pytest.mark.parametrize("rate", [257.3, 359.99, 1000 / 3, 125.0001])
def test_a_rate_may_be_any_number(rate: float) -> None:
    resampled = conform(tone(3.0, rate), rate, 100, Band())
    assert abs(resampled.shape[1] - 1000) <= 1
    expected = tone(3.0, 100)[:, 50:900]
    np.testing.assert_allclose(resampled[:, 50:900], expected, atol=0.01)


@given(st.integers(2, 60), st.sampled_from(RATES), st.sampled_from([100, 250]))
def test_a_straight_line_is_resampled_and_smoothed_to_itself(samples, rate, to) -> None:
    line = np.linspace(5, -3, samples, dtype=np.float32)[None]
    found = conform(line, rate, to, Band(None, 40.0))[0]
    times = np.arange(resampled_length(samples, rate, to)) / to
    np.testing.assert_allclose(found, 5 - 8 * times * rate / (samples - 1), atol=1e-4)


def test_a_constant_lead_stays_exactly_constant() -> None:
    constant = np.full((1, 3000), 0.7, np.float32)
    assert set(conform(constant, 500, 250, Band(None, 40.0))[0]) == {np.float32(0.7)}
    assert not conform(constant, 500, 250, STMEM).any()


def test_the_same_rate_changes_nothing() -> None:
    signal = tone(3.0, 100)
    assert np.array_equal(conform(signal, 100.0, 100, Band()), signal)


def test_a_signal_is_not_changed_in_place() -> None:
    signal = tone(3.0, 500)
    conform(signal, 500, 250, STMEM)
    assert np.array_equal(signal, tone(3.0, 500))


def test_drift_goes_and_the_beat_stays_where_it_is() -> None:
    beat, drift = tone(5.0, 250, 60), tone(0.05, 250, 60)
    filtered = conform(beat + drift + 3, 250, 250, STMEM)[:, 2500:-2500]
    np.testing.assert_allclose(filtered, beat[:, 2500:-2500], atol=0.002)


def test_the_cut_off_halves_the_amplitude() -> None:
    # -3 dB in each direction.
    filtered = conform(tone(40.0, 500, 20), 500, 500, STMEM)[:, 2000:-2000]
    assert np.abs(filtered).max() == pytest.approx(0.5, abs=0.005)


def test_a_symmetric_pulse_stays_symmetric() -> None:
    pulse = np.exp(-(np.linspace(-50, 50, 2001) ** 2))[None].astype(np.float32)
    filtered = conform(pulse, 200, 200, STMEM)
    np.testing.assert_allclose(filtered, filtered[:, ::-1], atol=1e-3)
    assert filtered[0].argmax() == 1000


@pytest.mark.parametrize(
    ("band", "message"),
    [
        (Band(None, 50.0), "a low-pass at 50 Hz needs more than 100 Hz; set it below 50 Hz"),
        (Band(0.5, 60.0), "a low-pass at 60 Hz needs more than 100 Hz; set it below 50 Hz"),
        (Band(60.0, None), "cut-offs at 60 Hz; the high-pass must be above 0 Hz and below"),
        (Band(40.0, 0.67), "cut-offs at 40, 0.67 Hz"),
        (Band(0.0, 40.0), "cut-offs at 0, 40 Hz"),
        (Band(None, -1.0), "cut-offs at -1 Hz"),
        (Band(0.67, 40.0, order=0), "a filter of order 0; give 1 or more"),
        (Band(0.67, 40.0, order=-3), "a filter of order -3; give 1 or more"),
    ],
)
def test_bands_that_cannot_be_are_refused(band: Band, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(100, 1000, band=band)


def test_a_preprocessing_states_twelve_leads_each_standardised() -> None:
    stated = Preprocessing(250, 2250, band=STMEM)
    assert (stated.leads, stated.standardise) == (LEADS, "lead")


@given(st.integers(1, 60), st.data())
def test_a_crop_is_consecutive_and_whole(length, data) -> None:
    signal = np.arange(length, dtype=np.float32)[None]
    samples = data.draw(st.integers(1, length))
    middle = crop(signal, samples)[0]
    assert middle.tolist() == list(range(int(middle[0]), int(middle[0]) + samples))
    assert abs((length - 1 - middle[-1]) - middle[0]) <= 1


windows = arrays(np.float32, (3, 2, 20), elements=st.floats(-8, 8, width=32))


@given(windows, st.sampled_from(["record", "lead"]))
def test_standardised_windows_have_mean_0_and_deviation_1(window, over) -> None:
    axes = (-2, -1) if over == "record" else (-1,)
    done = standardise(window, over)
    assert done.dtype == np.float32
    varies = window.std(axis=axes, dtype=np.float64) > 1e-3
    np.testing.assert_allclose(done.mean(axis=axes, dtype=np.float64), 0, atol=1e-4)
    np.testing.assert_allclose(done.std(axis=axes)[varies], 1, atol=1e-4)


@pytest.mark.parametrize("over", ["record", "lead"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 32767.0])
def test_what_is_constant_becomes_zero(over, value) -> None:
    constant = np.full((2, 12, 2250), value, dtype=np.float32)
    assert not standardise(constant, over).any()


def test_a_flat_lead_among_others_becomes_zero_by_lead() -> None:
    window = np.random.default_rng(0).normal(size=(12, 100)).astype(np.float32)
    window[3] = 0.7
    done = standardise(window, "lead")
    assert not done[3].any()
    assert done[4].std() == pytest.approx(1, abs=1e-5)


def test_by_lead_each_leads_gain_and_offset_are_lost() -> None:
    rng = np.random.default_rng(0)
    window = rng.normal(size=(12, 500)).astype(np.float32)
    changed = (window * rng.uniform(0.1, 9, (12, 1)) + rng.normal(size=(12, 1))).astype(np.float32)
    np.testing.assert_allclose(standardise(changed, "lead"), standardise(window, "lead"), atol=1e-4)


def test_by_record_only_the_records_scale_is_lost() -> None:
    window = np.random.default_rng(0).normal(size=(12, 500)).astype(np.float32)
    window[0] *= 5
    done = standardise(window, "record")
    np.testing.assert_allclose(standardise(7 * window + 2, "record"), done, atol=1e-4)
    assert done[0].std() / done[1].std() == pytest.approx(window[0].std() / window[1].std())
