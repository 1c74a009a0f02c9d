"""Signals in object storage: a block comes to the store's folder when it is first read.

Beside them lie ``signals.json``, which says where they are, and ``signals.blocks``, a byte a block:
1 where it has come. Several processes may read at a time; a block that two fetch is the same. When
all have come, both files go, and the store is like any other.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_magic
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.files.manifest import SIGNALS, STORE, WHERE, file_hash
from myocard.files.remote import receive_ranges, size_of, storage_of

_CAME = "signals.blocks"
BLOCK = 2**20
"""Bytes that come at once."""
_HEADER = 1024
_FIX = "fetch the store again"


@dataclass(frozen=True, eq=False)
class RemoteSignals:
    """The array of a store's signals, as far as it has come.

    Attributes:
        folder: The store's folder.
        url: Place of the array, as ``fsspec`` takes it.
    """

    folder: Path
    url: str

    @classmethod
    def open(cls, folder: Path) -> "RemoteSignals":
        """Open the signals of a store that ``fetch`` left in object storage.

        Raises:
            InputError: When their place cannot be read, or they are no array of signals.
        """
        try:
            url = json.loads((folder / WHERE).read_text(encoding="utf-8"))["url"]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise InputError(f"{folder / WHERE}: says no place of signals; {_FIX}") from error
        found = cls(folder, str(url))
        found.bring(np.zeros(0, np.int64))
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[np.int16]:
        return self.array.dtype

    @cached_property
    def array(self) -> "np.memmap[Any, np.dtype[np.int16]]":
        """The local copy, zero where no block has come."""
        return np.lib.format.open_memmap(self.folder / SIGNALS, mode="r")

    def bring(self, rows: NDArray[np.integer]) -> None:
        """Fetch the blocks of ``rows`` that have not come.

        Raises:
            InputError: When the storage refuses them, or gives nothing for 31 s of trying.
        """
        if not (self.folder / WHERE).exists():
            return  # another process has read the last block
        if not (self.folder / _CAME).exists():
            self._begin()
        came = self._came
        wide = self.array[:1].nbytes
        start = self.array.offset + wide * np.unique(rows)
        spans = zip(start // BLOCK, (start + wide - 1) // BLOCK, strict=True)
        wanted = {block for first, last in spans for block in range(first, last + 1)}
        missing = [block for block in sorted(wanted) if not came[block]]
        if missing:
            self._fetch(missing)

    def _begin(self) -> None:
        """Make room for the array, of which the header comes."""
        storage, place = storage_of(self.url)
        size = size_of(storage, place)
        (header,) = receive_ranges(storage, place, [(0, min(_HEADER, size))])
        stream = BytesIO(header)
        try:
            read_magic(stream)
            read_array_header_1_0(stream)
        except ValueError as error:
            raise InputError(f"{self.url}: no array of signals ({error}); {_FIX}") from error

        def empty(fresh: Path) -> None:
            fresh.write_bytes(header)
            os.truncate(fresh, size)

        _once(self.folder / SIGNALS, empty)
        _once(self.folder / _CAME, lambda fresh: fresh.write_bytes(bytes(-(-size // BLOCK))))

    @cached_property
    def _came(self) -> NDArray[np.uint8]:
        return np.memmap(self.folder / _CAME, np.uint8, mode="r+")

    def _fetch(self, blocks: list[int]) -> None:
        storage, place = storage_of(self.url)
        size = (self.folder / SIGNALS).stat().st_size
        ranges = [(block * BLOCK, min((block + 1) * BLOCK, size)) for block in blocks]
        with (self.folder / SIGNALS).open("r+b") as file:
            for (start, _), content in zip(
                ranges, receive_ranges(storage, place, ranges), strict=True
            ):
                file.seek(start)
                file.write(content)
        # After the content, so that what is marked is there.
        self._came[blocks] = 1
        if self._came.all():
            self._finish()

    def _finish(self) -> None:
        """Make the folder an ordinary store, once its signals are as they were written."""
        if file_hash(self.folder / SIGNALS) != STORE.hashes(self.folder)[SIGNALS]:
            for name in (_CAME, SIGNALS):
                (self.folder / name).unlink(missing_ok=True)
            raise InputError(f"{self.url}: not the signals that were written; {_FIX}")
        for name in (WHERE, _CAME):
            (self.folder / name).unlink(missing_ok=True)


def _once(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file, unless another process has."""
    with TemporaryDirectory(dir=path.parent) as name:
        write(Path(name) / path.name)
        with suppress(FileExistsError):
            os.link(Path(name) / path.name, path)
