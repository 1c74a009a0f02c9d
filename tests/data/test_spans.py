"""Windows of long records: all that fit, filtered as in the whole, in memory that does not grow."""

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing.ishne import ishne
from writing.signals import counts

from myocard import InputError, read, windows
from myocard.data.formats.recording import Recording
from myocard.data.signal import Band, Preprocessing, conform, resampled_length, standardise
from myocard.data.spans import Window, cut, cut_with_margins, places_in, recording_of
from myocard.data.steps import Resample, ZScore
from myocard.data.steps import Window as Cut
from myocard.data.window import window_at, window_of
from myocard.record import Record
from myocard.simulation import entries

LEADS = ("II", "V2")


def recording(samples: int, rate: float = 100.0) -> Recording:
    return Recording.of(Record.from_array(np.zeros((1, samples)), rate, ("II",), "mV"))


@pytest.fixture(scope="module")
def night() -> Record:
    """Two minutes at 360 Hz: simulated records end to end, under a wandering baseline."""
    records = [entry.read().select(LEADS) for entry in entries(12, 0, rate=360.0)]
    signal = np.hstack([record.signal for record in records])
    time = np.arange(signal.shape[1]) / 360
    return Record.from_array(signal + 0.5 * np.sin(0.3 * time), 360.0, LEADS, "mV")


def written(folder: Path, seconds: int) -> Path:
    path = folder / f"{seconds}.ecg"
    path.write_bytes(ishne(counts(("I", "II", "V1"), 200 * seconds), rate=200))
    return path


@given(
    st.integers(1, 5000),
    st.sampled_from([100.0, 128.0, 250.0, 257.0, 999.7]),
    st.floats(0.1, 12),
    st.floats(0.02, 12),
    st.sampled_from([100, 250, 500]),
)
def test_windows_are_all_that_fit(
    samples: int, rate: float, seconds: float, step: float, to: int
) -> None:
    record = recording(samples, rate)
    places = places_in(record, seconds, step, to)
    assert all(b.start - a.start == pytest.approx(step) for a, b in pairwise(places))
    for place in places:
        window = cut(record, place)
        assert seconds - 1e-5 <= window.seconds < seconds + 1.01 / rate
        around = cut_with_margins(record, place, ("II",), to, Band())
        length = resampled_length(around.signal.shape[1], rate, to)
        assert 0 <= around.first <= length - round(seconds * to)
    beyond = len(places) * step
    assert beyond + seconds > record.seconds - 1 / rate - 2 / to


@pytest.mark.parametrize("to", [100, 250, 360, 500])
@pytest.mark.parametrize("band", [Band(), Band(0.67, 40.0), Band(0.5), Band(None, 40.0, 3)])
def test_a_window_is_filtered_as_in_the_whole_record(night: Record, to: int, band: Band) -> None:
    whole, long = conform(night.signal, night.rate, to, band), Recording.of(night)
    places = places_in(long, 9.0, 7.5, to)
    for place in places:
        around = cut_with_margins(long, place, LEADS, to, band)
        found = conform(around.signal, night.rate, to, band)[:, around.first :][:, : 9 * to]
        expected = whole[:, round(place.start * to) :][:, : 9 * to]
        if place in (places[0], places[-1]):
            off = 1e-2
        else:
            off = 5e-3 if band.lowpass is None else 1e-4
        np.testing.assert_allclose(found, expected, rtol=0, atol=off)


def test_values_that_are_not_finite_do_not_reach_a_window_beside_them(night: Record) -> None:
    broken = night.signal.copy()
    broken[0, 39 * 360], broken[1, 51 * 360 :] = np.nan, np.inf
    long = Recording.of(Record.from_array(broken, night.rate, LEADS, "mV"))
    around = cut_with_margins(long, Window(40.0, 10.0), LEADS, 250, Band(0.67, 40.0))
    assert np.isfinite(around.signal).all()
    clean = cut_with_margins(Recording.of(night), Window(40.0, 10.0), LEADS, 250, Band(0.67, 40.0))
    found, expected = (
        conform(each.signal, 360, 250, Band(0.67, 40.0))[:, each.first :][:, :2500]
        for each in (around, clean)
    )
    np.testing.assert_allclose(found[:, 500:-500], expected[:, 500:-500], rtol=0, atol=0.1)


def test_a_model_reads_a_window_as_in_the_whole_record(night: Record) -> None:
    expected = Preprocessing(100, 300, LEADS, Band(0.67, 40.0))
    found = window_at(Recording.of(night), 60.0, expected)
    whole = conform(night.signal, night.rate, 100, expected.band)
    np.testing.assert_allclose(found, standardise(whole[:, 6000:6300], "lead"), atol=1e-3)


def test_steps_of_an_encoder_are_done_to_a_window_alone(night: Record) -> None:
    steps = (Resample(250, "fourier"), Cut(500), ZScore("lead"))
    expected, long = Preprocessing(250, 500, LEADS, steps=steps), Recording.of(night)
    found = window_at(long, 60.0, expected)
    alone = window_of(cut(long, Window(60.0, 2.0)), expected)
    np.testing.assert_array_equal(found, alone)


def test_windows_of_a_file_are_its_record_cut(tmp_path: Path) -> None:
    path = written(tmp_path, 60)
    whole, found = read(path), [*windows(path, seconds=8, step=5)]
    assert [window.start for window in found] == [*range(0, 55, 5)]
    for window in found:
        first = round(window.start * 200)
        np.testing.assert_array_equal(window.signal, whole.signal[:, first : first + 1600])
    assert [*windows(path, seconds=61)] == []


@pytest.mark.parametrize("how", [{"seconds": 0}, {"step": 0.001}, {"step": -1}])
def test_a_length_or_step_below_a_sample_is_refused(tmp_path: Path, how: dict[str, float]) -> None:
    with pytest.raises(InputError, match="give a sample at"):
        windows(written(tmp_path, 20), **how)


def test_a_window_takes_the_memory_of_a_window_and_the_whole_that_of_the_whole(
    tmp_path: Path,
) -> None:
    most = {}
    for seconds in (600, 6000):
        path = written(tmp_path, seconds)
        tracemalloc.start()
        for window in windows(path):
            assert window.signal.nbytes == 7 * 2000 * 4
        most[seconds] = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        size = read(path).signal.nbytes
        assert tracemalloc.get_traced_memory()[1] < size + 40e6
        tracemalloc.stop()
    assert most[600] < 2e6
    assert most[6000] < most[600] + 0.2e6


def test_a_reader_of_anything_else_is_read_whole(night: Record) -> None:
    long = recording_of(lambda: night)
    assert (long.samples, long.leads) == (night.signal.shape[1], LEADS)
    assert long.whole().sha256 == night.sha256
