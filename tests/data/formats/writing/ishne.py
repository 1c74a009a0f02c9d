"""ISHNE Holter files, as Badilini 1998 draws them."""

from collections.abc import Mapping
from struct import pack
from typing import Any

import numpy as np
from writing.checksum import checksum
from writing.signals import Counts

CODES = {"X": 2, "Y": 3, "Z": 4, "I": 5, "II": 6, "III": 7, "aVR": 8, "aVL": 9, "aVF": 10}
CODES |= {"V1": 11, "V2": 12, "V3": 13, "V4": 14, "V5": 15, "V6": 16}


def ishne(
    leads: Counts,
    rate: int = 200,
    nanovolts: int = 5000,
    extra: bytes = b"",
    header: Mapping[str, Any] | None = None,
) -> bytes:
    """A file; ``header`` overrides numbers of its header before the checksum is made."""
    count, samples = len(leads), len(next(iter(leads.values())))
    codes = [CODES.get(lead, 0) for lead in leads]
    said = {"extra": len(extra), "samples": samples, "signal": 522 + len(extra), "sex": 2}
    said |= {"leads": count, "codes": codes, "steps": [nanovolts] * count, "rate": rate}
    said |= header or {}
    blocks = b"".join(
        [
            pack("<iiiih", said["extra"], said["samples"], 522, said["signal"], 1),
            pack("<40s40s20s", b"Jo", b"Doe", b"4711"),
            pack("<hh3h3h3h3h", said["sex"], 0, 2, 3, 1940, 1, 2, 2000, 1, 2, 2000, 12, 5, 0),
            pack("<h", said["leads"]),
            *(_twelve(numbers) for numbers in (said["codes"], [], said["steps"])),
            pack("<h40sh80s80s88s", 0, b"digital", said["rate"], b"", b"", b""),
            extra,
        ]
    )
    data = np.stack([*leads.values()], axis=1).astype("<i2").tobytes()
    return b"ISHNE1.0" + pack("<H", checksum(blocks)) + blocks + data


def sealed(content: bytes) -> bytes:
    """The same with the checksum put right."""
    end = 522 + int.from_bytes(content[10:14], "little", signed=True)
    return content[:8] + pack("<H", checksum(content[10 : max(end, 10)])) + content[10:]


def _twelve(numbers: list[int]) -> bytes:
    return pack("<12h", *[*numbers, *[-9] * 12][:12])
