"""Words of tables: the form that they are kept in, and the form that they are compared in."""

import unicodedata
from collections.abc import Iterable

from myocard.errors import InputError


def plain(text: str) -> str:
    """Return a text with single blanks, and letters in one piece (Unicode's NFC)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """Return what is the same for words that differ in capitals, blanks or encoding alone.

    Compatible characters (NFKC), such as a wide digit or a ligature, count as their plain ones,
    invisible ones (category Cf) as none.
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    seen = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join("".join(sign for sign in seen if unicodedata.category(sign) != "Cf").split())


def require_apart(words: Iterable[str], where: str) -> None:
    """Refuse words that look alike.

    Raises:
        InputError: When two differ in capitals, blanks or encoding alone.
    """
    first: dict[str, str] = {}
    for word in words:
        if first.setdefault(folded(word), word) != word:
            raise InputError(
                f"{where}: {first[folded(word)]!r} and {word!r} differ in capitals, blanks or "
                "encoding alone; write them alike"
            )
