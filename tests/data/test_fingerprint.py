"""A fingerprint is kept by a record's copies, and by nothing else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfiltfilt

from myocard.data import fingerprint as fingerprints
from myocard.data.fingerprint import TOLERANCE, TOLERANCE_OF_LEAD, copies, fingerprint, nearest
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


def _altered(text: str, bits: int, rng: np.random.Generator) -> str:
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    signs = np.unpackbits(packed)
    signs[rng.choice(512, bits, replace=False)] ^= 1
    return np.packbits(signs).tobytes().hex()


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_those_that_a_comparison_of_all_with_all_finds(records, seed):
    rng = np.random.default_rng(seed)
    others = [fingerprint(record) for record in records]
    prints = [_altered(rng.choice(others), bits, rng) for bits in range(20, 60) for _ in range(20)]
    others[3] = others[3][:16] + "-" * 16 + others[3][32:]
    prints[7] = "-" * 16 + prints[7][16:]
    places, shares = nearest(prints, others)
    close = np.flatnonzero(shares <= TOLERANCE)
    rows, found = copies(prints, others)
    # Bits fall evenly on the leads, of which one seldom has more than its share.
    assert len(rows) > 0.9 * len(close)
    assert set(rows) <= set(close)
    assert np.array_equal(found, places[rows])


def _spoiled(text: str, rng: np.random.Generator) -> str:
    """Alter about as many bits of a print, and of one of its leads, as copies may differ in."""
    rows = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8)).reshape(8, 64)
    rows ^= rng.random((8, 64)) < rng.choice([0.01, 0.04, 0.075])
    rows[rng.integers(8)] ^= rng.random(64) < rng.choice([0, 0.1, 0.2])
    leads = [row.tobytes().hex() for row in np.packbits(rows, axis=1)]
    missing = rng.random(8) < rng.choice([0, 0.3, 0.7])
    return "".join("-" * 16 if gone else lead for gone, lead in zip(missing, leads, strict=True))


def _are_one(one: str, other: str) -> tuple[bool, float]:
    """Compare two prints lead by lead; return whether they count as one, and what differs."""
    leads = [(one[k : k + 16], other[k : k + 16]) for k in range(0, 128, 16)]
    bits = [(int(a, 16) ^ int(b, 16)).bit_count() for a, b in leads if "-" not in a + b]
    if len(bits) < 2:
        return False, 1.0
    share = sum(bits) / (64 * len(bits))
    return share <= TOLERANCE and max(bits) <= 64 * TOLERANCE_OF_LEAD, share


@pytest.mark.parametrize("seed", range(8))
def test_leads_that_are_missing_change_nothing_in_which_pairs_are_copies(seed):
    rng = np.random.default_rng(seed)
    first = [rng.bytes(64).hex() for _ in range(2)]
    prints, others = ([_spoiled(rng.choice(first), rng) for _ in range(40)] for _ in range(2))
    for here, there in ((prints, others), (others, prints)):
        all_with_all = [[_are_one(one, other) for other in there] for one in here]
        pairs = [
            (row, min((share, place) for place, (is_one, share) in enumerate(found) if is_one)[1])
            for row, found in enumerate(all_with_all)
            if any(is_one for is_one, _ in found)
        ]
        assert 0 < len(pairs) < 40
        assert list(zip(*map(np.ndarray.tolist, copies(here, there)), strict=True)) == pairs


def test_a_copy_is_found_beside_a_more_similar_print_that_is_none(records):
    one = fingerprint(records[0])[:-16] + "-" * 16
    a_lead = format(int(one[:16], 16) ^ (2**11 - 1), "016x") + one[16:]
    all_leads = "".join(format(int(one[k : k + 16], 16) ^ 3, "016x") for k in range(0, 112, 16))
    all_leads += "-" * 16
    assert [each.tolist() for each in copies([one], [a_lead, all_leads])] == [[0], [1]]
    assert [each.tolist() for each in copies([a_lead, all_leads], [one])] == [[1], [0]]


def test_a_waveform_of_many_records_is_compared_once(records, monkeypatch):
    compared: list[int] = []
    compare = fingerprints._complete_copies

    def counted(prints: Sequence[str], others: Sequence[str]) -> fingerprints.Pairs:
        compared.append(len(prints) * len(others))
        return compare(prints, others)

    monkeypatch.setattr(fingerprints, "_complete_copies", counted)
    one, other = (fingerprint(record) for record in records[:2])
    rows, places = copies([one, other] * 50, [other, *[one] * 100])
    assert rows.tolist() == list(range(100))
    assert places.tolist() == [1, 0] * 50
    assert compared == [4]


def test_there_are_no_copies_among_none(records):
    prints = [fingerprint(record) for record in records]
    for one, other in ([], prints), (prints, []), ([], []):
        assert [len(each) for each in copies(one, other)] == [0, 0]


def test_two_hearts_in_step_are_no_copies():
    """The two nearest of 21,799 simulated records, of two people."""
    one, other = (fingerprint(simulate(0, index, rate=500).record) for index in (16717, 19807))
    _, (share,) = nearest([one], [other])
    assert TOLERANCE < share < 0.1
    assert len(copies([one], [other])[0]) == 0


def test_a_lead_that_differs_tells_two_records_apart(records):
    one = fingerprint(records[0])
    digits = format(int(one[:16], 16) ^ (2**11 - 1), "016x")
    other = digits + one[16:]
    assert nearest([one], [other])[1][0] < TOLERANCE
    assert len(copies([one], [other])[0]) == 0
