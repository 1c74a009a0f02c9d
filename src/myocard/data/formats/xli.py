"""XLI, the compression of Philips Sierra: LZW over the bytes of twice differenced samples.

Format: sierra-ecg-tools, "XLI compression" (Watford), https://github.com/sixlettervariables.
"""

from struct import unpack_from

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.refusals import most_unpacked
from myocard.errors import InputError

_BITS, _END = 10, 1023
_HEAD = 8
_BIAS = 64
# Bytes of a sample that is decoded.
_UNPACKED = 8


def decoded(content: bytes, leads: int, samples: int) -> list[NDArray[np.int64]]:
    """Decode the first ``leads`` of a record, ``(samples,)`` each.

    Raises:
        InputError: When one is missing, cut off, broken, or of another length, or far more is
            promised than there is.
    """
    if _UNPACKED * leads * samples > most_unpacked(len(content)):
        raise InputError(f"{samples:g} samples of {leads} leads promised by {len(content)} bytes")
    rows: list[NDArray[np.int64]] = []
    place = 0
    while len(rows) < leads:
        if place + _HEAD > len(content):
            raise InputError(
                f"{len(rows)} of {leads} leads before the samples end; export the file again"
            )
        size, _, first = unpack_from("<ihh", content, place)
        place += _HEAD
        if not 0 <= size <= len(content) - place:
            raise InputError(f"a lead of {size} bytes, {len(content) - place} are left")
        words = _unpacked(content[place : place + size], 2 * samples)
        rows.append(_summed(words, first))
        place += size
    return rows


def _unpacked(content: bytes, size: int) -> NDArray[np.int64]:
    """Undo LZW with codes of 10 bits, whose table stays once it is full, to ``size`` bytes.

    The high bytes of all words come before the low ones.
    """
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    codes = bits[: bits.size // _BITS * _BITS].reshape(-1, _BITS) @ (1 << np.arange(_BITS)[::-1])
    table = [bytes([value]) for value in range(256)]
    parts: list[bytes] = []
    left, last = size, b""
    for code in codes.tolist():
        if code == _END:
            break
        # The encoder may use the entry that it is about to make.
        if code > len(table) or (code == len(table) and not last):
            raise InputError("compressed samples that are broken; export the file again")
        part = table[code] if code < len(table) else last + last[:1]
        if last and len(table) < _END:
            table.append(last + part[:1])
        parts.append(part)
        last = part
        left -= len(part)
        if left < 0:
            break
    if left:
        raise InputError(f"a lead is not of {size // 2} samples, as the file says; export it again")
    high, low = np.frombuffer(b"".join(parts), np.uint8).reshape(2, -1).astype(np.int64)
    return ((high << 8 | low) ^ 0x8000) - 0x8000


def _summed(words: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    """Undo the differences of differences: z = 2y - x - last, where last = word - 64."""
    differences = np.concatenate([[first], words[2:-1] - _BIAS])[: max(words.size - 2, 0)]
    slopes = words[1] - words[0] - np.cumsum(differences)
    samples = np.concatenate([words[:2], words[1] + np.cumsum(slopes)])
    if samples.max() >= 1 << 15 or samples.min() < -(1 << 15):
        raise InputError("samples beyond 16 bits; export the file again")
    return samples
