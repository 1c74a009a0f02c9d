"""How readers refuse: with the name of the file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from myocard.errors import InputError


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before the message of every ``InputError`` raised inside."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
