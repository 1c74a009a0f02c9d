"""Refusals of readers, with the name of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from myocard.errors import InputError

# Of an ECG, compression leaves a tenth at the least; of a constant, a thousandth.
_MOST_COMPRESSION, _ANYWAY = 50, 1 << 21


def most_unpacked(stored: int) -> int:
    """Return the bytes that compressed data of ``stored`` bytes may hold; more are an attack."""
    return _MOST_COMPRESSION * stored + _ANYWAY


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of every ``InputError`` raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
