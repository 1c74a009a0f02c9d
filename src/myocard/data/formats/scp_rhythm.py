"""The rhythm of an SCP-ECG file: section 6, and the coding that section 2 names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from struct import unpack_from

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

_TABLES, _RHYTHM = 2, 6
_DEFAULT_TABLE = 19999
# The last code of a lead ends inside a byte, and leads may end at even ones.
_MOST_PADDING = 15

# Default table (EN 1064, annex C): one bit for 0; for 1 to 8 as many ones, a zero and the sign;
# other values as they are, in 8 or 16 bits behind a mark of ten. What fits no code is the rest.
_CODES = "0|1{1,8}0[01]|1{9}0[01]{8}|1{10}[01]{16}"
_CODE, _CODE_OR_REST = re.compile(_CODES), re.compile(f"{_CODES}|[01]+")
_MARK = 10


@dataclass(frozen=True)
class Lead:
    """One lead as its bytes hold it.

    Attributes:
        values: Samples or differences; those at the end may be padding.
        ends: Bit at which each of them ends.
        bits: Bits that the lead takes.
    """

    values: NDArray[np.int64]
    ends: NDArray[np.int64]
    bits: int

    def holds(self, count: int) -> bool:
        """Tell whether there are ``count`` values and then no more than padding."""
        if not 0 < count <= len(self.values):
            return False
        return bool(self.bits - self.ends[count - 1] <= _MOST_PADDING)


@dataclass(frozen=True)
class Rhythm:
    """Section 6.

    Attributes:
        rate: Samples per second (Hz).
        nanovolts: Nanovolts per unit.
        order: 0 for samples, 1 or 2 for their first or second differences.
        leads: The leads, in the order of section 3.
    """

    rate: float
    nanovolts: int
    order: int
    leads: tuple[Lead, ...]

    def count(self, first: int, last: int) -> int:
        """Return the samples of a lead that section 3 means and the bytes hold.

        Samples should be counted from 1. Files that count from 0 mean the last number by it, or one
        more; the bytes tell which. A value of 0 that all leads end in is padding then.
        """
        if first:
            counts = [last - first + 1]
        elif all(lead.holds(last) and not lead.values[last:].any() for lead in self.leads):
            counts = [last]
        else:
            counts = [last + 1, last]
        for count in counts:
            if all(lead.holds(count) for lead in self.leads):
                return count
        raise InputError(
            f"its leads do not hold the samples {first} to {last} that section 3 says; "
            "export it again"
        )

    def millivolts(self, count: int) -> NDArray[np.float64]:
        """Undo the differences: ``(leads, count)`` mV."""
        samples = np.stack([lead.values[:count] for lead in self.leads])
        if self.order == 2:
            samples[:, 1:2] -= samples[:, :1]
            samples[:, 1:] = samples[:, 1:].cumsum(axis=1)
        if self.order:
            samples = samples.cumsum(axis=1)
        if samples.min() < -(1 << 15) or samples.max() >= 1 << 15:
            raise InputError("differences that lead out of 16 bits; export it again")
        return samples * self.nanovolts / 1e6


def read_rhythm(sections: Mapping[int, bytes], leads: int) -> Rhythm:
    """Read section 6 as samples or differences of each of so many leads.

    Raises:
        InputError: Where it is missing, too short, or compressed in a way that is not read.
    """
    body, compressed = sections.get(_RHYTHM, b""), _is_compressed(sections)
    start = 6 + 2 * leads
    if len(body) < start:
        raise InputError("no rhythm in it (section 6); export it with the whole ECG")
    nanovolts, microseconds, order, bimodal = unpack_from("<HHBB", body)
    if bimodal:
        raise InputError("bimodal compression, which is not read; export it without")
    if not nanovolts or not microseconds or order > 2:
        raise InputError("no step, no rate or an unknown coding in section 6; export it again")
    sizes = unpack_from(f"<{leads}H", body, 6)
    if start + sum(sizes) > len(body):
        raise InputError("leads longer than their section 6; export it again")
    rows = []
    for size in sizes:
        rows.append(_decoded(body[start : start + size], compressed))
        start += size
    return Rhythm(_rate(microseconds), nanovolts, order, tuple(rows))


def _is_compressed(sections: Mapping[int, bytes]) -> bool:
    body = sections.get(_TABLES, b"")
    if body and body[:2] != _DEFAULT_TABLE.to_bytes(2, "little"):
        raise InputError("Huffman tables of its own, which are not read; export it without them")
    return bool(body)


def _rate(microseconds: int) -> float:
    """Return the rate (Hz) of an interval in whole microseconds: 1667 are 600 Hz, not 599.88."""
    whole = round(1e6 / microseconds)
    return float(whole) if round(1e6 / max(whole, 1)) == microseconds else 1e6 / microseconds


def _decoded(data: bytes, compressed: bool) -> Lead:
    bits = 8 * len(data)
    if not compressed:
        values = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int64)
        return Lead(values, 16 * np.arange(1, len(values) + 1), bits)
    codes = _CODE_OR_REST.findall(f"{int.from_bytes(data):0{bits}b}" if bits else "")
    if codes and not _CODE.fullmatch(codes[-1]):
        codes.pop()
    values = np.fromiter(map(_value, codes), np.int64, len(codes))
    return Lead(values, np.fromiter(map(len, codes), np.int64, len(codes)).cumsum(), bits)


@lru_cache(maxsize=1 << 12)
def _value(code: str) -> int:
    size = len(code) - _MARK
    if size > 0:
        value = int(code[_MARK:], 2)
        return value - (value >> (size - 1) << size)
    return code.count("1") if code.endswith("0") else 1 - code.count("1")
