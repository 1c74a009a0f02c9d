"""One process at a time in a folder that is being written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from myocard.errors import InputError


@contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Keep other processes out of ``folder`` within a ``with`` block; it is made if need be.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        InputError: When another process is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"{folder}: another process is writing here; wait for it, or choose another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()
