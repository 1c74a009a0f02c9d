"""SCP-ECG files, as EN 1064 draws them."""

from collections.abc import Mapping
from struct import pack

import numpy as np
from numpy.typing import NDArray
from writing.checksum import checksum
from writing.signals import Counts

_CODES = {"I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8}
_CODES |= {"III": 61, "aVR": 62, "aVL": 63, "aVF": 64}
# Annex C, table of the default Huffman codes.
_BITS = {
    0: "0",
    1: "100",
    -1: "101",
    2: "1100",
    -2: "1101",
    3: "11100",
    -3: "11101",
    4: "111100",
    -4: "111101",
    5: "1111100",
    -5: "1111101",
    6: "11111100",
    -6: "11111101",
    7: "111111100",
    -7: "111111101",
    8: "1111111100",
    -8: "1111111101",
}
MEASURES = pack("<BB7H3hH", 1, 0, 800, 29999, 100, 192, 257, 345, 617, 29, 53, 999, 0)


def scp_sections(
    leads: Counts,
    *,
    microseconds: int = 2000,
    nanovolts: int = 2500,
    order: int = 2,
    huffman: bool = True,
    numbers: tuple[int, int] | None = None,
    flags: int | None = None,
    tags: Mapping[int, bytes] | None = None,
) -> dict[int, bytes]:
    """Bodies of the sections by number."""
    samples = len(next(iter(leads.values())))
    first, last = numbers or (1, samples)
    encode = _coded if huffman else _plain
    rows = [encode(_differences(values, order)) for values in leads.values()]
    header = pack("<HHBB", nanovolts, microseconds, order, 0)
    together = len(leads) << 3 | 4 if flags is None else flags
    codes = b"".join(pack("<IIB", first, last, _CODES.get(lead, 0)) for lead in leads)
    fields = b"".join(pack("<BH", tag, len(text)) + text for tag, text in (tags or {}).items())
    sections = {1: fields + b"\xff\0\0", 3: pack("<BB", len(leads), together) + codes, 7: MEASURES}
    sections[6] = header + pack(f"<{len(rows)}H", *map(len, rows)) + b"".join(rows)
    return sections | ({2: pack("<H", 19999)} if huffman else {})


def scp(sections: Mapping[int, bytes]) -> bytes:
    """A file of these sections, each of an even length, and of some that are empty."""
    pointers, rest, place = pack("<HII", 0, 136, 7), b"", 142
    for number in range(1, 12):
        body = sections.get(number, b"")
        body += bytes(len(body) % 2)
        length = 16 + len(body) if body else 0
        pointers += pack("<HII", number, length, place + 1 if body else 0)
        if body:
            rest += _section(number, body)
        place += length
    return sealed(bytes(6) + _section(0, pointers, b"SCPECG") + rest)


def sealed(content: bytes) -> bytes:
    """The same with its length and checksum put right."""
    behind = pack("<I", len(content)) + content[6:]
    return pack("<H", checksum(behind)) + behind


def statements(*texts: str) -> bytes:
    """The body of section 8."""
    body = pack("<BHBBBBBB", 1, 2000, 1, 1, 12, 0, 0, len(texts))
    for number, text in enumerate(texts, start=1):
        content = text.encode("latin-1") + b"\0"
        body += pack("<BH", number, len(content)) + content
    return body


def _section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    behind = pack("<HIBB6s", number, 16 + len(body), 20, 20, reserved) + body
    return pack("<H", checksum(behind)) + behind


def _differences(values: NDArray[np.int64], order: int) -> list[int]:
    """The first values as they are, then the differences of so many neighbours."""
    return [*values[:order].tolist(), *np.diff(values, n=order).tolist()]


def _plain(values: list[int]) -> bytes:
    return b"".join(pack("<h", value) for value in values)


def _coded(values: list[int]) -> bytes:
    bits = "".join(_bits(value) for value in values)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))


def _bits(value: int) -> str:
    if value in _BITS:
        return _BITS[value]
    if -128 <= value < 128:
        return "1111111110" + format(value % 256, "08b")
    return "1111111111" + format(value % 65536, "016b")
