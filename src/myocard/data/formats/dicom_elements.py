"""Elements of a DICOM file (PS3.5, chapter 7; PS3.10): little endian, implicit or explicit."""

from collections.abc import Sequence
from struct import unpack_from
from typing import TypeAlias

from myocard.data.formats.fields import number
from myocard.errors import InputError

Item: TypeAlias = "dict[int, bytes | list[Item]]"
"""Values by tag: bytes, or the items of a sequence."""

_BEGINNING, _SYNTAX, _META_END = 132, 0x00020010, 0x00030000
_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
# Kinds of values whose length takes four bytes behind two empty ones.
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_DEEPEST = 8


def read_elements(content: bytes, sequences: Sequence[int]) -> Item:
    """Read the elements of a file.

    Args:
        content: The file.
        sequences: Tags of the sequences to look into. Others are left as bytes.

    Raises:
        InputError: For a file that is cut off, nested deeper than ECGs are, or compressed.
    """
    reader = _Reader(content, frozenset(sequences))
    meta, place = reader.elements(_BEGINNING, len(content), explicit=True, meta=True)
    syntax = text_of(meta, _SYNTAX)
    if syntax not in (_IMPLICIT, _EXPLICIT):
        raise InputError(
            f"transfer syntax {syntax or 'unknown'}; export it as explicit little endian"
        )
    return reader.elements(place, len(content), explicit=syntax == _EXPLICIT)[0]


def items_of(item: Item, tag: int) -> "list[Item]":
    """Return the items of a sequence, none where there is no such sequence."""
    value = item.get(tag)
    return value if isinstance(value, list) else []


def bytes_of(item: Item, tag: int) -> bytes:
    value = item.get(tag)
    return value if isinstance(value, bytes) else b""


def text_of(item: Item, tag: int, encoding: str = "latin-1") -> str:
    """Return a value as text, empty where there is none."""
    return bytes_of(item, tag).decode(encoding, "replace").strip(" \0")


def integer_of(item: Item, tag: int) -> int:
    """Return an unsigned binary integer, 0 where there is none."""
    return int.from_bytes(bytes_of(item, tag), "little")


def number_of(item: Item, tag: int, missing: float = 0.0) -> float:
    """Return a number that is written as text.

    Raises:
        InputError: For a text that is no number.
    """
    text = text_of(item, tag)
    return number(text, f"element {tag:08x}") if text else missing


class _Reader:
    """Reader of one file's bytes."""

    def __init__(self, content: bytes, sequences: frozenset[int]) -> None:
        self.content = content
        self.sequences = sequences

    def elements(
        self, place: int, end: int, *, explicit: bool, meta: bool = False, depth: int = 0
    ) -> tuple[Item, int]:
        """Read elements up to ``end``, or to the mark of an item's end: they, and what follows."""
        found: Item = {}
        while place + 8 <= end:
            group, element = unpack_from("<HH", self.content, place)
            tag = group << 16 | element
            if tag == _ITEM_END or (meta and tag >= _META_END):
                return found, place if meta else place + 8
            kind, size, start = self._header(place, explicit)
            if tag in found:
                raise InputError(f"element {tag:08x} twice; export it again")
            if size == _UNDEFINED or tag in self.sequences:
                # Elements of unknown kind are implicit inside (PS3.5, 6.2.2).
                inner = explicit and kind != b"UN"
                found[tag], place = self._items(start, size, end, inner, depth + 1)
            else:
                place = start + size
                found[tag] = self.content[start:place]
            if place > end:
                raise InputError(f"ends inside element {tag:08x}; fetch it again")
        return found, place

    def _header(self, place: int, explicit: bool) -> tuple[bytes, int, int]:
        """Read kind and size of an element's value, and where it starts."""
        kind = self.content[place + 4 : place + 6]
        if not explicit:
            return b"", unpack_from("<I", self.content, place + 4)[0], place + 8
        if kind not in _LONG:
            return kind, unpack_from("<H", self.content, place + 6)[0], place + 8
        if place + 12 > len(self.content):
            raise InputError("ends inside an element; fetch it again")
        return kind, unpack_from("<I", self.content, place + 8)[0], place + 12

    def _items(
        self, place: int, size: int, end: int, explicit: bool, depth: int
    ) -> "tuple[list[Item], int]":
        """Read the items of a sequence, and where it ends."""
        if depth > _DEEPEST:
            raise InputError("sequences nested deeper than those of an ECG; export it again")
        items = []
        end = end if size == _UNDEFINED else min(end, place + size)
        while place + 8 <= end:
            group, element, length = unpack_from("<HHI", self.content, place)
            tag, place = group << 16 | element, place + 8
            if tag == _SEQUENCE_END:
                break
            stop = end if length == _UNDEFINED else place + length
            if tag != _ITEM or stop > end:
                raise InputError("a broken sequence; fetch it again")
            item, after = self.elements(place, stop, explicit=explicit, depth=depth)
            items.append(item)
            place = after if length == _UNDEFINED else stop
        return items, place
