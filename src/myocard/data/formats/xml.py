"""XML as carts write it: any encoding, a document type at most named, entities forbidden."""

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from myocard.errors import InputError

_MARKS = {
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
}
_FIRST = re.compile(r"<(?![?!])\s*(?:[\w.-]+:)?([\w.-]+)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def begins_with(*names: str) -> Callable[[bytes], bool]:
    """Tell whether a file is XML whose root element has one of these names, without namespace."""
    return lambda head: _root(head) in names


def _root(head: bytes) -> str | None:
    encoding = next((code for mark, code in _MARKS.items() if head.startswith(mark)), "latin-1")
    text = head.decode(encoding, "ignore").removeprefix("ï»¿").lstrip()
    if not text.startswith("<"):
        return None
    found = _FIRST.search(_COMMENT.sub("", text))
    return found.group(1) if found else None


def root_of(path: Path) -> Element:
    """Parse a file. Names lose their namespaces; no document type is resolved.

    Raises:
        InputError: For XML that is broken or declares entities.
    """
    try:
        root = parse(path).getroot()
    except DefusedXmlException as error:
        raise InputError(
            f"{path}: its XML declares entities, which no ECG needs; export it again"
        ) from error
    # An encoding that Python does not know is a ValueError or a LookupError.
    except (ParseError, ValueError, LookupError, OSError) as error:
        raise InputError(f"{path}: broken XML ({error}); export it again") from error
    assert root is not None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root
