"""XML as carts write it: any encoding, a document type at most named, entities forbidden.

Expat is asked itself: ``defusedxml`` forbids the same and takes twice as long, since it builds the
tree in Python.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Never
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from myocard.data.formats.fields import numbers_among
from myocard.data.formats.found import Found
from myocard.errors import InputError

_MARKS = {
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
}
_FIRST = re.compile(r"<(?![?!])\s*(?:[\w.-]+:)?([\w.-]+)")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
# Samples come in texts of tens of thousands of characters.
_TEXT_BUFFER = 1 << 17
_DEEPEST, _MOST_ATTRIBUTES = 100, 100


def begins_with(*names: str) -> Callable[[bytes], bool]:
    """Tell whether a file is XML whose root element has one of these names, without namespace."""
    return lambda head: root_named(head) in names


def root_named(head: bytes) -> str | None:
    """Return the name of XML's root element, from a file's first bytes; None of what is no XML."""
    encoding = next((code for mark, code in _MARKS.items() if head.startswith(mark)), "latin-1")
    text = head.decode(encoding, "ignore").removeprefix("ï»¿").lstrip()
    if not text.startswith("<"):
        return None
    found = _FIRST.search(_COMMENT.sub("", text))
    return found.group(1) if found else None


def reader(found_in: Callable[[Element], Found]) -> Callable[[Path], Found]:
    """Make a reader of files from one of root elements. Its errors name the file."""

    def read(path: Path) -> Found:
        try:
            return found_in(root_of(path.read_bytes()))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error

    return read


def root_of(content: bytes) -> Element:
    """Parse XML. Names of elements lose their prefixes, and no document type is resolved.

    Raises:
        InputError: For XML that is broken, declares entities, or nests without end.
    """
    tree = _Tree()
    parser = expat.ParserCreate()
    parser.buffer_size = _TEXT_BUFFER
    parser.buffer_text = True
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.builder.data
    parser.EntityDeclHandler = parser.SkippedEntityHandler = _forbid
    try:
        parser.Parse(content, True)
    except InputError:
        raise
    # An encoding that Python does not know is a ValueError or a LookupError.
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"broken XML ({error}); export it again") from error
    return tree.builder.close()


class _Tree:
    """Elements of a document, of levels and attributes that ECGs have."""

    def __init__(self) -> None:
        self.builder = TreeBuilder()
        self.depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST or len(attributes) > _MOST_ATTRIBUTES:
            raise InputError("its XML has more levels or attributes than any ECG; export it again")
        self.builder.start(_local(name), attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.builder.end(_local(name))


def _forbid(*_: object) -> Never:
    raise InputError("its XML declares entities, which no ECG needs; export it again")


@lru_cache(maxsize=1024)
def _local(name: str) -> str:
    return name.rpartition(":")[2]


def text_at(element: Element, path: str) -> str:
    """Return the text of the first element at ``path``, stripped; empty where there is none."""
    return element.findtext(path, "").strip()


def attribute_at(element: Element, path: str, name: str) -> str:
    """Return an attribute of the first element at ``path``, as ``text_at`` returns a text."""
    child = element.find(path)
    return "" if child is None else child.get(name, "").strip()


def only(elements: Sequence[Element], what: str) -> Element:
    """Return the one element.

    Raises:
        InputError: Where there are none, or several: stretches of an ECG are never joined.
    """
    if len(elements) != 1:
        raise InputError(
            f"{len(elements)} {what} in it; one is expected, and several are not joined: export one"
        )
    return elements[0]


def measured_at(element: Element, path: str, names: Mapping[str, str]) -> dict[str, float]:
    """Return those of the numbers below ``path`` that have ``names``, by their new names."""
    found = texts_at(element, *(f"{path}/{theirs}" for theirs in names))
    return numbers_among({names[theirs]: text for theirs, text in found.items()})


def texts_at(element: Element, *paths: str) -> dict[str, str]:
    """Return the texts at ``paths`` that are not empty, by the path's last name."""
    texts = {path.rpartition("/")[2]: text_at(element, path) for path in paths}
    return {name: text for name, text in texts.items() if text}
