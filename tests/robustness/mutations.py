"""Accidents and attacks that change the bytes of a file."""

import random
import re
from collections.abc import Callable

_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?")
_ODD = (
    *(b"0", b"-1", b"1", b"2", b"1e308", b"1e-300", b"nan", b"inf", b"9" * 20, b"2147483648"),
    *(b"-0.0", b"1000000000", b" ", b"", b"../../../../etc/passwd", b"/etc/passwd", b"~"),
    *(b"\0", b"\xff\xfe", b"[" * 2000, b"<", b"</", b"&#0;", b"]]>", b"=", b'"', b"\n"),
)
_EXTREMES = (0, 1, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_EXTREMES += (0xFFFE, 0xFFFFFFFE, 200_000_000, 1_000_000_000)


def mutated(content: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """Change ``content`` one to four times; a splice takes its end from ``other``."""
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        content = rng.choice(_CHANGES)(content, rng, other or content)
    return content


def with_burst(content: bytes, places: range, rng: random.Random) -> bytes:
    """Change one byte, or two in a row, among ``places``. Every checksum of 16 bits tells that."""
    place = rng.choice(places)
    changed = bytearray(content)
    for at in range(place, min(place + rng.choice((1, 2)), places.stop)):
        changed[at] ^= rng.randrange(1, 256)
    return bytes(changed)


def _flip(content: bytes, rng: random.Random, _: bytes) -> bytes:
    changed = bytearray(content)
    for _flipped in range(rng.randint(1, 8)):
        if changed:
            changed[_place(changed, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random, _: bytes) -> bytes:
    return content[: rng.randint(0, len(content))]


def _delete(content: bytes, rng: random.Random, _: bytes) -> bytes:
    start, end = _span(content, rng)
    return content[:start] + content[end:]


def _duplicate(content: bytes, rng: random.Random, _: bytes) -> bytes:
    start, end = _span(content, rng)
    place = rng.choice((end, rng.randint(0, len(content))))
    return content[:place] + content[start:end] + content[place:]


def _insert(content: bytes, rng: random.Random, _: bytes) -> bytes:
    place = rng.randint(0, len(content))
    return content[:place] + rng.choice(_ODD) + content[place:]


def _splice(content: bytes, rng: random.Random, other: bytes) -> bytes:
    place = rng.randint(0, len(content))
    behind = rng.choice((place, rng.randint(0, len(other))))
    return content[:place] + other[behind:]


def _number(content: bytes, rng: random.Random, _: bytes) -> bytes:
    found = list(_NUMBER.finditer(content[:20_000]))
    if not found:
        return content
    start, end = rng.choice(found).span()
    return content[:start] + rng.choice(_ODD) + content[end:]


def _integer(content: bytes, rng: random.Random, _: bytes) -> bytes:
    size = rng.choice((2, 4))
    if len(content) < size:
        return content
    place = min(_place(content, rng), len(content) - size)
    value = rng.choice(_EXTREMES) % (1 << 8 * size)
    return (
        content[:place]
        + value.to_bytes(size, rng.choice(("little", "big")))
        + content[place + size :]
    )


def _place(content: bytes | bytearray, rng: random.Random) -> int:
    """Choose a place, often near the front, where headers are."""
    return rng.randrange(rng.choice((len(content), min(len(content), 600))))


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randint(0, len(content))
    longest = rng.choice((16, len(content)))
    return start, min(start + rng.randint(1, max(longest, 1)), len(content))


_CHANGES: tuple[Callable[[bytes, random.Random, bytes], bytes], ...] = (
    _flip,
    _cut,
    _delete,
    _duplicate,
    _insert,
    _splice,
    _number,
    _number,
    _integer,
    _integer,
)
