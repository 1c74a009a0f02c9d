"""The elements of a MATLAB 5 file, looked through before SciPy reads it.

SciPy 1.17 takes an element's type on trust, and one that it does not know ends the process. Format:
MathWorks, "MAT-File Format", chapter 1.
"""

import math
import zlib
from collections.abc import Iterator
from struct import unpack_from

from myocard.data.formats.refusals import most_unpacked

_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = frozenset({1, 2, 3, 4, 5, 6, 7, 9, 12, 13})
_TEXT = _NUMBERS | {16, 17, 18}
_CELL, _STRUCTURE, _CHARACTERS = 1, 2, 4
_NUMERIC = range(6, 16)
_HEADER, _ORDER = 128, {b"IM": "<", b"MI": ">"}
_DEEPEST = 10


def check(content: bytes) -> None:
    """Refuse a MATLAB 5 file that does not hold what its elements promise.

    Raises:
        ValueError: Saying what is wrong.
    """
    order = _ORDER.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise ValueError("no mark of the byte order")
    left = most_unpacked(len(content))
    for kind, data in _elements(memoryview(content)[_HEADER:], order):
        if kind == _COMPRESSED:
            data = memoryview(_inflated(data, left))
            left -= len(data)
            for inner, matrix in _elements(data, order):
                _check_matrix(inner, matrix, order, 0)
        else:
            _check_matrix(kind, data, order, 0)


def _inflated(data: memoryview, most: int) -> bytes:
    try:
        content = zlib.decompressobj().decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"not compressed as it says ({error})") from error
    if len(content) > most:
        raise ValueError("compressed far more than any ECG")
    return content


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Yield type and data of one element after the other."""
    place = 0
    while place < len(content):
        if place + 8 > len(content):
            raise ValueError("an element that is cut off")
        kind, size = unpack_from(f"{order}II", content, place)
        start, step = place + 8, 8 + size
        if kind >> 16:  # A small element: type, size and data in eight bytes.
            kind, size, start, step = kind & 0xFFFF, kind >> 16, place + 4, 8
        elif kind != _COMPRESSED:
            step += -size % 8
        if size > step or start + size > len(content):
            raise ValueError(f"an element of {size} bytes, which are not there")
        yield kind, content[start : start + size]
        place += step


def _check_matrix(kind: int, data: memoryview, order: str, depth: int) -> None:
    if kind != _MATRIX or depth > _DEEPEST:
        raise ValueError(f"an element of type {kind} where a matrix should be")
    parts = list(_elements(data, order))
    if not parts:
        return
    if len(parts) < 3 or [part[0] for part in parts[:3]] != [_UINT32, _INT32, _INT8]:
        raise ValueError("a matrix without flags, dimensions and name")
    if len(parts[0][1]) != 8:
        raise ValueError("flags of another length than 8")
    of = unpack_from(f"{order}I", parts[0][1])[0] & 0xFF
    if of in (_CELL, _STRUCTURE):
        _check_members(parts[1][1], parts[3:], order, depth)
    elif of in _NUMERIC or of == _CHARACTERS:
        known = _TEXT if of == _CHARACTERS else _NUMBERS
        if any(kind not in known for kind, _ in parts[3:]):
            raise ValueError("values of an unknown type")
    else:
        raise ValueError(f"a matrix of class {of}; save the matrix of numbers alone")


def _check_members(
    dimensions: memoryview, parts: list[tuple[int, memoryview]], order: str, depth: int
) -> None:
    """Check the members of a cell array, or of a structure, which has names before them."""
    sizes = unpack_from(f"{order}{len(dimensions) // 4}i", dimensions)
    if min(sizes, default=0) < 0 or math.prod(sizes) > len(parts):
        raise ValueError(f"{sizes} members, which are not there")
    for kind, data in parts:
        if kind not in _TEXT:
            _check_matrix(kind, data, order, depth + 1)
