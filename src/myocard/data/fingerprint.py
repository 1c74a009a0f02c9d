"""A hash of a waveform that its copies keep: resampled, rescaled, filtered, rounded to 5 µV.

Eight leads, of which the other four are sums, are brought to one rate and to the band that every
vendor's filter leaves alone. The signs of 64 fixed projections of each make 512 bits (random
hyperplanes: Charikar, STOC 2002): the bits that two signals differ in tell the angle between them.

On PTB-XL's 500 Hz files, its own 100 Hz files, and filtered and z-scored ones, the copies of 324
records differ in at most 4.9 % of the bits and 12.5 % of a lead's; no two of 1,736 different
records in less than 23 %, and of 21,799 simulated ones, whose rhythms are more regular, in less
than 9.7 % and 15.6 % of a lead's. Copies that start later, or were cut, are not recognised.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from myocard.data.signal import ends
from myocard.record import Record

TOLERANCE, TOLERANCE_OF_LEAD = 0.075, 10 / 64
"""Shares of differing bits, of all and of any lead's, up to which two waveforms count as one."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
"""Positions in two lists of prints, and the share of bits that differ, pair by pair."""

_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
_BITS = 64
_RATE, _SECONDS = 50, 10  # Hz; what lies behind ten seconds is left out
_EDGE = _RATE // 2  # where a filter, ours or the vendor's, bends the signal
_BAND = (3.0, 15.0)  # Hz
_ENOUGH = 200  # Hz
_NOTHING = "-" * (_BITS // 4)  # a lead that is missing or flat
_FEWEST = 2 * _BITS  # one lead alone is too little to tell two people apart
_CHUNK = 2_048
_PAIRS = 500_000  # that are compared at once
# One group of bits more than bits that may differ: two copies have a group in common. It has at
# most 17 bits, which three bytes hold wherever it begins.
_GROUPS = int(TOLERANCE * len(_LEADS) * _BITS) + 1
_GROUP = len(_LEADS) * _BITS // _GROUPS

# Signs from a hash function, which are the same in every version of NumPy.
_SIGNS: NDArray[np.float32] = (
    np.unpackbits(
        np.frombuffer(hashlib.shake_128(b"myocard").digest(_SECONDS * _RATE * _BITS // 8), np.uint8)
    ).reshape(-1, _BITS)
    * np.float32(2)
    - 1
)


def fingerprint(record: Record) -> str:
    """Return 16 hexadecimal digits for each of I, II, V1–V6; hyphens for a missing or flat lead."""
    rows = [record.leads.index(lead) for lead in _LEADS if lead in record.leads]
    found = dict.fromkeys(_LEADS, _NOTHING)
    if rows and record.seconds * _RATE > 2 * _EDGE + 1:
        narrow = _conform(record, rows)
        projected = narrow @ _SIGNS[_EDGE : _EDGE + narrow.shape[1]]
        digits = np.packbits(projected >= 0).tobytes().hex(",", _BITS // 8).split(",")
        for row, text, values in zip(rows, digits, projected, strict=True):
            if values.any():
                found[record.leads[row]] = text
    return "".join(found.values())


def copies(
    prints: Sequence[str], others: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the ``prints`` that count as one with any of ``others``, and the most similar of these.

    Returns:
        Positions in ``prints``, in order, and for each the position in ``others``.
    """
    # A waveform that many records share, as a calibrator's, is compared once.
    distinct, firsts = list(dict.fromkeys(prints)), dict[str, int]()
    for place, each in enumerate(others):
        firsts.setdefault(each, place)
    rows, places = _copies_of_distinct(distinct, list(firsts))
    positions = np.array(list(firsts.values()), np.int64)[places].tolist()
    found = dict(zip([distinct[row] for row in rows.tolist()], positions, strict=True))
    copied = [row for row, each in enumerate(prints) if each in found]
    return np.array(copied, np.int64), np.array([found[prints[i]] for i in copied], np.int64)


def _copies_of_distinct(
    prints: Sequence[str], others: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    complete, complete_others = (
        np.array([_NOTHING not in each for each in some], dtype=bool) for some in (prints, others)
    )
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for rows, places, find in (
        (complete, complete_others, _complete_copies),
        (complete, ~complete_others, _copies),
        (~complete, np.ones_like(complete_others), _copies),
    ):
        if rows.any() and places.any():
            i, j = np.flatnonzero(rows), np.flatnonzero(places)
            row, place, share = find(
                [prints[k] for k in i.tolist()], [others[k] for k in j.tolist()]
            )
            pairs.append((i[row], j[place], share))
    row, place, _ = _closest(pairs)
    return row, place


def _closest(pairs: Sequence[Pairs]) -> Pairs:
    """Return the most similar other of each print, the first of several."""
    row, place, share = (np.concatenate(each) for each in zip(*pairs, strict=True))
    order = np.lexsort((place, share, row))
    _, first = np.unique(row[order], return_index=True)
    return row[order][first], place[order][first], share[order][first]


def _copies(prints: Sequence[str], others: Sequence[str]) -> Pairs:
    """Find each print's most similar other that counts as one with it."""
    places, shares = _nearest(prints, others, _differing_of_copies)
    rows = np.flatnonzero(shares <= TOLERANCE)
    return rows, places[rows], shares[rows]


def _complete_copies(prints: Sequence[str], others: Sequence[str]) -> Pairs:
    """Find each print's most similar other that counts as one with it, of those with all leads.

    They have one of ``_GROUPS`` groups of bits in common, and pairs that have are a small part of
    all.
    """
    here, there = (
        np.frombuffer(bytes.fromhex("".join(some)), np.uint8).reshape(-1, _BITS)
        for some in (prints, others)
    )
    found = []
    for group in range(_GROUPS):
        wanted, keys = _group(here, group), _group(there, group)
        order = np.argsort(keys, kind="stable")
        first = np.searchsorted(keys[order], wanted, "left")
        count = np.searchsorted(keys[order], wanted, "right") - first
        parts = int(count.sum()) // _PAIRS + 1
        for part in np.array_split(np.arange(len(here)), parts):
            # The others of a row follow each other in the order of keys, from its first.
            own = count[part]
            rows, before = np.repeat(part, own), own.cumsum() - own
            places = order[np.arange(len(rows)) + np.repeat(first[part] - before, own)]
            words = here[rows].view(np.uint64) ^ there[places].view(np.uint64)
            of_leads = np.bitwise_count(words) / _BITS
            shares = of_leads.mean(axis=1)
            close = (shares <= TOLERANCE) & (of_leads <= TOLERANCE_OF_LEAD).all(axis=1)
            found.append(_closest([(rows[close], places[close], shares[close])]))
    return _closest(found)


def _group(packed: NDArray[np.uint8], number: int) -> NDArray[np.uint32]:
    """Return one group of bits of each print ``(prints, 64)`` of bytes."""
    byte, bit = divmod(number * _GROUP, 8)
    three = np.pad(packed[:, byte : byte + 3], ((0, 0), (0, 3)))[:, :3].astype(np.uint32)
    wide = three[:, 0] << 16 | three[:, 1] << 8 | three[:, 2]
    return wide >> (24 - _GROUP - bit) & (2**_GROUP - 1)


def nearest(
    prints: Sequence[str], others: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the most similar of ``others`` for each of ``prints``.

    Returns:
        Its position, and the share of bits that differ, of the leads that both have: from 0, and 1
        where they share less than two leads.
    """
    return _nearest(prints, others, _differing)


def _nearest(
    prints: Sequence[str],
    others: Sequence[str],
    compare: Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    there = _signs(others)
    places, shares = [np.zeros(0, np.int64)], [np.zeros(0)]
    for first in range(0, len(prints), _CHUNK):
        here = _signs(prints[first : first + _CHUNK])
        best, share = np.zeros(len(here), np.int64), np.ones(len(here))
        for start in range(0, len(there), _CHUNK):
            differing = compare(here, there[start : start + _CHUNK])
            place = differing.argmin(axis=1)
            found = np.take_along_axis(differing, place[:, None], axis=1)[:, 0]
            best = np.where(found < share, start + place, best)
            share = np.minimum(found, share)
        places.append(best)
        shares.append(share)
    return np.concatenate(places), np.concatenate(shares)


def _differing(here: NDArray[np.float32], there: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share of bits that differ between each of two lists of signs, as ``nearest``."""
    common = np.abs(here) @ np.abs(there).T
    shares = (1 - here @ there.T / np.maximum(common, 1)) / 2
    return np.where(common < _FEWEST, np.float32(1), shares)


def _differing_of_copies(
    here: NDArray[np.float32], there: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return ``_differing``, and 1 where a lead of two that are similar differs too much."""
    shares = _differing(here, there)
    rows = np.flatnonzero((shares <= TOLERANCE).any(axis=1))
    for first in range(0, len(_LEADS) * _BITS, _BITS):
        one, other = here[rows, first : first + _BITS], there[:, first : first + _BITS]
        # Twice the bits that differ, of a lead that both have.
        twice = np.abs(one) @ np.abs(other).T - one @ other.T
        shares[rows] = np.where(twice > 2 * _BITS * TOLERANCE_OF_LEAD, 1, shares[rows])
    return shares


def _conform(record: Record, rows: list[int]) -> NDArray[np.float32]:
    """Return ``(rows, 450)``: at 50 Hz, 3–15 Hz, without edges and tall spikes; zero where flat."""
    # Aliases land on these frequencies from 185 Hz on alone, and a heart sends nothing there.
    step = max(1, int(record.rate / _ENOUGH))
    rate = record.rate / step
    signal = record.signal[rows, ::step]
    samples = signal.shape[1]
    length = round(samples / rate * _RATE)
    # Without a step from its end to its start, which a Fourier transform takes as neighbours.
    level, slope = ends(signal)
    signal -= level + slope * np.arange(samples, dtype=np.float32)
    gain = _gain(samples, rate)
    narrow = irfft(rfft(signal, overwrite_x=True)[:, : len(gain)] * gain, n=length)
    narrow = narrow[:, _EDGE : min(length, _SECONDS * _RATE) - _EDGE]
    # A spike, or what a calibration pulse leaves, would be all that is compared.
    middle = narrow.shape[1] // 2
    limit = 8 * np.partition(np.abs(narrow), middle, axis=1)[:, middle : middle + 1]
    return np.clip(narrow, -limit, limit)


@lru_cache(maxsize=256)
def _gain(samples: int, rate: float) -> NDArray[np.float32]:
    frequencies = np.arange(min(round(samples / rate * _RATE), samples) // 2 + 1) * rate / samples
    low, high = _BAND
    pass_low = 1 / (1 + (frequencies / high) ** 4)
    return (pass_low / (1 + (low / np.maximum(frequencies, 1e-9)) ** 4)).astype(np.float32)


def _signs(prints: Sequence[str]) -> NDArray[np.float32]:
    """Return ``(prints, 512)``: 1 and −1 for a bit, 0 for one that is not there."""
    signs = np.zeros((len(prints), len(_LEADS) * _BITS), np.float32)
    for row, text in zip(signs, prints, strict=True):
        known = np.repeat([digit != "-" for digit in text[:: len(_NOTHING)]], _BITS)
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(text.replace("-", "0")), np.uint8))
        row[known] = bits[known] * 2.0 - 1
    return signs
