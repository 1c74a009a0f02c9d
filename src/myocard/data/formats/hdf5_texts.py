"""Texts of an HDF5 file, looked through before HDF5 reads them.

HDF5 2.0 takes their lengths on trust: it makes room for 4 GB where one says so, and loops for ever
at a heap with an object of no size. Format: HDF5 File Format Specification 3.0, III.E (global
heaps), IV.A.2.m (attributes) and IV.B.
"""

import re
from mmap import ACCESS_READ, mmap
from pathlib import Path
from struct import unpack_from

# Signature, version 1 and three bytes of 0.
_HEAP = b"GCOL\1\0\0\0"
_HEADER, _OBJECT, _TEXT = 16, 16, 16
# Bytes before an attribute's name, and those that its parts are filled up to, by version.
_VERSIONS = {1: (8, 8), 2: (8, 1), 3: (9, 1)}


def check(path: Path, attribute: str, count: int) -> None:
    """Refuse a file with a broken heap, or that cannot hold the texts of an attribute.

    Args:
        path: The file.
        attribute: Its name.
        count: Texts that it has.

    Raises:
        ValueError: Saying what is wrong.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        for heap in re.finditer(re.escape(_HEAP), content):
            _check_heap(content, heap.start())
        name = attribute.encode() + b"\0"
        places = [_values(content, at.start(), len(name)) for at in re.finditer(name, content)]
        texts = [
            place + _TEXT * number for place in filter(None, places) for number in range(count)
        ]
        if not texts or max(unpack_from("<I", content, text)[0] for text in texts) > len(content):
            raise ValueError(f"texts of its attribute {attribute!r}, which are not there")


def _check_heap(content: mmap, heap: int) -> None:
    """Follow the objects of a heap to its end. Those of number 0 are free space, header and all."""
    place = heap + _HEADER
    end = heap + unpack_from("<Q", content, heap + 8)[0] if place <= len(content) else place
    if not place < end <= len(content):
        raise ValueError("a heap that is cut off")
    while place + _OBJECT <= end:
        number, size = unpack_from("<H6xQ", content, place)
        taken = _OBJECT + size + -size % 8 if number else size
        if not 0 < taken <= end - place:
            raise ValueError(f"an object of {size} bytes in a heap, which cannot be")
        place += taken


def _values(content: mmap, name: int, size: int) -> int | None:
    """Return the place of an attribute's values, once what lies before its name is one's header."""
    for version, (header, unit) in _VERSIONS.items():
        if name < header or content[name - header] != version:
            continue
        named, *behind = unpack_from("<3H", content, name - header + 2)
        if named == size:
            return name + sum(part + -part % unit for part in (named, *behind))
    return None
