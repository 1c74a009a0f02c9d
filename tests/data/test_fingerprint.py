"""A fingerprint is kept by a record's copies, and by nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from myocard.data.fingerprint import TOLERANCE, fingerprint, nearest
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import simulate


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return [simulate(3, index, rate=500).record for index in range(40)]


def _resampled(record: Record) -> Record:
    signal = resample_poly(record.signal, 1, 2, axis=1, padtype="line")
    return replace(record, signal=signal, rate=250.0)


def _rounded(record: Record) -> Record:
    return replace(record, signal=(np.rint(record.signal / 0.005) * 0.005).astype(np.float32))


def _rescaled(record: Record) -> Record:
    gains = np.linspace(0.4, 2.5, 12, dtype=np.float32)[:, None]
    return replace(record, signal=gains * record.signal + 0.3)


def _filtered(record: Record) -> Record:
    sections = butter(3, (0.5, 40.0), "bandpass", fs=record.rate, output="sos")
    signal = sosfiltfilt(sections, record.signal, axis=1)
    return replace(record, signal=signal.astype(np.float32))


def _reordered(record: Record) -> Record:
    return record.select(LEADS[::-1])


COPIES = [_resampled, _rounded, _rescaled, _filtered, _reordered]


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_has_the_fingerprint_of_its_original(copy, records):
    originals = [fingerprint(record) for record in records]
    place, share = nearest([fingerprint(copy(record)) for record in records], originals)
    assert place.tolist() == list(range(len(records)))
    assert (share < TOLERANCE / 2).all()


def test_a_copy_of_a_copy_of_a_copy_is_still_recognised(records):
    prints = [fingerprint(record) for record in records]
    for index, record in enumerate(records):
        copied = _rounded(_rescaled(_filtered(_resampled(record))))
        place, share = nearest([fingerprint(copied)], prints)
        assert (place[0], share[0] < TOLERANCE) == (index, True)


def test_different_records_differ_in_more_bits_than_the_tolerance(records):
    prints = [fingerprint(record) for record in records]
    for index, mine in enumerate(prints):
        _, share = nearest([mine], prints[:index] + prints[index + 1 :])
        assert share[0] > 1.5 * TOLERANCE


def test_flat_and_missing_leads_are_left_out_of_the_comparison(records):
    record = records[0]
    flat = replace(record, signal=record.signal * (np.array(LEADS) != "V3")[:, None])
    few = record.select(["I", "II", "V2"])
    place, share = nearest([fingerprint(flat), fingerprint(few)], [fingerprint(record)])
    assert place.tolist() == [0, 0]
    assert share.tolist() == [0.0, 0.0]


def test_records_that_share_one_lead_are_not_compared(records):
    one = [fingerprint(record.select(["II"])) for record in records[:2]]
    assert nearest(one, one)[1].tolist() == [1.0, 1.0]


def test_nothing_is_nearest_among_none(records):
    place, share = nearest([fingerprint(records[0])], [])
    assert (place.tolist(), share.tolist()) == ([0], [1.0])
    assert len(nearest([], [fingerprint(records[0])])[0]) == 0


def test_a_record_of_half_a_second_says_nothing(records):
    short = replace(records[0], signal=records[0].signal[:, :250])
    assert set(fingerprint(short)) == {"-"}


def test_chunks_do_not_change_what_is_found(records, monkeypatch):
    prints = [fingerprint(record) for record in records]
    whole = nearest(prints[::-1], prints)
    monkeypatch.setattr("myocard.data.fingerprint._CHUNK", 7)
    for one, other in zip(whole, nearest(prints[::-1], prints), strict=True):
        np.testing.assert_array_equal(one, other)
