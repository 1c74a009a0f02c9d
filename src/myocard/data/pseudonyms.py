"""Pseudonyms of patients: keyed hashes, whose key (the salt) stays with the user."""

import hmac
import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from myocard.errors import InputError
from myocard.record import Facts

_LEAST = 16
"""Characters of a salt: shorter ones can be found by trying."""
_PATIENTS = re.compile("patient|name|birth|mrn|pid|secondary|address|phone|^id$", re.IGNORECASE)
"""Fields of the patient, by any format's word for them."""
_PSEUDONYM = re.compile("[0-9a-f]{16}")
_WORD = re.compile(r"[^\W\d_]+|[0-9]+")
_TELLING = re.compile(r"[^\W\d_]{3,}|[0-9]{5,}")
"""Words and numbers that can tell who someone is; a year cannot."""
_RUN = 6
"""Signs of an identifier that are found without their separators."""


def pseudonym(value: str, salt: str | Path | None = None) -> str:
    """Return 16 hexadecimal digits that stand for ``value``: its HMAC-SHA256 under a salt.

    The same value and salt give the same digits everywhere; without the salt nobody can tell them
    from others by trying all numbers of patients.

    Args:
        value: A patient's number or a file's name, as it is written.
        salt: Text of 16 characters or more, or the ``Path`` of its file; the user's own by default.

    Raises:
        InputError: When the salt is too short, or no file.
    """
    key = _long_enough(salt, "the salt") if isinstance(salt, str) else read_salt(salt)
    return hmac.new(key.encode(), value.encode(), "sha256").hexdigest()[:16]


def is_pseudonym(text: str) -> bool:
    """Tell whether a text has the form of a pseudonym."""
    return _PSEUDONYM.fullmatch(text) is not None


def read_salt(path: Path | None = None) -> str:
    """Read a salt from a file; by default from the user's own, which is made at its first use.

    Raises:
        InputError: When the file is missing, or its text shorter than 16 characters.
    """
    own = path is None
    path = _own_file() if path is None else path
    if own and not path.exists():
        _make(path)
    try:
        return _long_enough(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no salt can be read ({error}); name a file of text") from error


def identifiers_of(facts: Facts) -> list[str]:
    """Return the identifiers that are the patient's, not a clinic's or a physician's."""
    return [
        text
        for name, text in facts.identifiers.items()
        if _PATIENTS.search(name) and not is_blanked(text)
    ]


def is_blanked(text: str) -> bool:
    """Tell whether a text is zeros, or letters that stand for nobody."""
    return not text.strip("0xX-*#. ")


def names_someone(text: str, identifiers: Iterable[str]) -> bool:
    """Tell whether a text holds all words of an identifier, a telling one, or all run together."""
    words = _words(text)
    run = "".join(words)
    for parts in filter(None, map(_words, identifiers)):
        whole = "".join(parts)
        if set(parts) <= set(words) or any(p in words for p in parts if _TELLING.fullmatch(p)):
            return True
        if len(whole) >= _RUN and whole in run:
            return True
    return False


def _long_enough(text: str, where: str) -> str:
    salt = text.strip()
    if len(salt) < _LEAST or Path(salt).exists():
        raise InputError(
            f"{where}: {len(salt)} characters, or a path; give {_LEAST} secret characters or more, "
            "or the Path of their file"
        )
    return salt


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _own_file() -> Path:
    settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(settings) / "myocard" / "salt"


def _make(path: Path) -> None:
    """Write a new salt that its owner alone can read; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fresh.touch(0o600)
    fresh.write_text(f"{secrets.token_hex(32)}\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
