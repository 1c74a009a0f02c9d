"""Files in object storage and on web servers, received from where a stopped copy left off."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from socket import gaierror
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from myocard.errors import InputError
from myocard.files.progress import Progress, silent

Given = TypeVar("Given")
_LOG = logging.getLogger(__name__)
BLOCK = 2**20
"""Bytes that are read at once."""
_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before a storage that gave nothing is asked again."""
# HTTP: a part came; nothing lies beyond what is there; errors but those that may be gone soon.
_PART, _NOTHING_LEFT = 206, 416
_REFUSED = {*range(400, 500)} - {408, 425, 429}
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ValueError)


class _Interrupted(InputError):
    """Error that may be gone when the storage is asked again."""


def storage_of(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the storage that ``url`` names, as ``fsspec`` takes it, and the place there.

    Raises:
        InputError: When there is no such kind of storage.
    """
    options: dict[str, Any] = {}
    if url.startswith(("http://", "https://")):
        from aiohttp import ClientTimeout

        # A file may take hours, as long as something comes. Proxies are those of the environment.
        patience = ClientTimeout(total=None, sock_connect=30, sock_read=60)
        options = {"client_kwargs": {"timeout": patience, "trust_env": True}}
    with reading(url):
        storage, place = url_to_fs(url, **options)
    return storage, place


def fetch_checked(
    storage: AbstractFileSystem,
    place: str,
    file: Path,
    checksum: str,
    progress: Progress = silent,
) -> None:
    """Let ``file`` be the one at ``place``; what is there already of it is not copied again.

    Args:
        storage: Where it lies.
        place: Its place there.
        file: The file to write, a part of which may be there.
        checksum: ``sha256:`` or ``md5:`` and hexadecimal digits.
        progress: Called as bytes arrive.

    Raises:
        InputError: When it cannot be read, or twice has another checksum; ``file`` goes then.
    """
    algorithm, _, wanted = checksum.partition(":")

    def is_whole() -> bool:
        with file.open("rb") as content:
            return hashlib.file_digest(content, algorithm).hexdigest() == wanted

    if file.exists() and is_whole():
        return
    for _ in range(2):
        receive(storage, place, file, progress)
        if is_whole():
            return
        hint = page_hint(file)
        file.unlink()
    raise InputError(
        f"{place}: not the file that was written, as its {algorithm} tells, twice{hint}; it is "
        "altered there: try again later, or from another address"
    )


def receive(
    storage: AbstractFileSystem, place: str, file: Path, progress: Progress = silent
) -> None:
    """Append to ``file`` what it lacks of the one at ``place``, however often that stops.

    Raises:
        InputError: When the storage refuses it, or gives nothing for 31 s of trying.
    """
    what = f"fetch bytes of {'/'.join(place.split('/')[-2:])}"

    def append() -> None:
        for position, content, size in _blocks(storage, place, _size(file)):
            progress(what, position + len(content), size)
            with file.open("r+b" if position else "wb") as target:
                target.seek(position)
                target.write(content)
        file.touch()

    try:
        _until_given(append, lambda: _size(file))
    except InputError as error:
        if getattr(error.__cause__, "status", 0) != _NOTHING_LEFT:
            raise


def size_of(storage: AbstractFileSystem, place: str) -> int:
    """Return the bytes of the file at ``place``, which is to be read in parts.

    Raises:
        InputError: When it is not there, or the storage does not say or gives no parts, or gives
            nothing for 31 s of trying.
    """

    def ask() -> tuple[int | None, bool]:
        with reading(place):
            size: int | None = storage.size(place)
            if size and "http" in storage.protocol:
                with _opened(storage, place, size - 1) as stream:
                    return size, stream.r.status == _PART
            return size, True

    size, in_parts = _until_given(ask)
    if not size:
        raise InputError(f"{place}: its storage does not say how large it is; fetch it as a whole")
    if not in_parts:
        raise InputError(f"{place}: its web server gives no parts of files; fetch it as a whole")
    return size


def receive_ranges(
    storage: AbstractFileSystem, place: str, ranges: Sequence[tuple[int, int]]
) -> list[bytes]:
    """Return the bytes from each start to each end of the file at ``place``.

    Raises:
        InputError: When the storage refuses them, gives less, or nothing for 31 s of trying.
    """
    starts, ends = map(list, zip(*ranges, strict=True))

    def ask() -> list[bytes]:
        with reading(place):
            given: list[bytes] = storage.cat_ranges(
                [place] * len(ranges), starts, ends, on_error="raise"
            )
            return given

    found = _until_given(ask)
    if [len(part) for part in found] != [end - start for start, end in ranges]:
        raise InputError(f"{place}: not given in parts, or shorter; fetch it as a whole")
    return found


def _until_given(ask: Callable[[], Given], received: Callable[[], int] = lambda: 0) -> Given:
    """Return what ``ask`` gives; wait where it is interrupted, and call it again.

    Args:
        ask: Asks a storage, within ``reading``.
        received: Counts the bytes that are there. Where a call added some, all waits begin anew.

    Raises:
        InputError: What ``ask`` raises for good, or after the last wait.
    """
    waits = iter(_WAITS)
    while True:
        before = received()
        try:
            return ask()
        except _Interrupted as error:
            if received() > before:
                waits = iter(_WAITS)
            wait = next(waits, None)
            if wait is None:
                raise
            _LOG.warning("%s; trying again in %g s", error, wait)
            time.sleep(wait)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _blocks(
    storage: AbstractFileSystem, place: str, start: int
) -> Iterator[tuple[int, bytes, int]]:
    """Yield positions, what lies there, and the size of all as far as it is known.

    They begin at ``start``, or at 0 where a web server sends whole files alone. Where more comes
    than was announced, or nothing was, it is a byte more than has come until the end.
    """
    with reading(place), _opened(storage, place, start) as stream:
        position, size = start, stream.size or 0
        if "http" in storage.protocol:
            position = start if stream.r.status == _PART else 0
            size = position + (stream.r.content_length or 0)
        while content := stream.read(BLOCK):
            end = position + len(content)
            yield position, content, size if end <= size else end + 1
            position = end
        if position > size:
            yield position, b"", position


def _opened(storage: AbstractFileSystem, place: str, start: int) -> Any:
    if "http" in storage.protocol:
        # Parts are of the file, not of its compressed form. The size keeps fsspec from asking.
        headers = {"Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        return storage.open(place, block_size=0, size=1, headers=headers)
    stream = storage.open(place)
    stream.seek(start)
    return stream


@contextmanager
def reading(place: str) -> Iterator[None]:
    """Report any error of a storage, each of which has its own kinds, by its URL."""
    try:
        yield
    except Exception as error:
        final = isinstance(error, _FINAL) or getattr(error, "status", 0) in _REFUSED
        kind = InputError if final else _Interrupted
        if isinstance(error.__cause__, gaierror):
            told = "no network reaches this host; check the connection or HTTPS_PROXY"
            raise InputError(f"{place}: {told}") from error
        what = f"{type(error).__name__}: {error}"
        raise kind(f"{place}: cannot be read ({what}); see to its URL and rights") from error


def page_hint(file: Path) -> str:
    """Return words that tell of a web page where a file was expected; none where there is none."""
    with file.open("rb") as content:
        start = content.read(500).lstrip().lower()
    is_page = start.startswith((b"<!doctype html", b"<html"))
    return " (a web page came, as from a server where one must log in)" if is_page else ""
