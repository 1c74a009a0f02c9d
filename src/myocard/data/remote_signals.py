"""Signals in object storage: a block comes to the store's folder when it is first read.

``fetch`` leaves ``signals.npy`` empty there, and beside it ``signals.json``, which says where the
signals are, and ``signals.blocks``, a byte a block: 1 where it has come. Several processes may read
at a time; a block that two fetch is the same. When all have come, both files go, and the store is
like any other.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.files.arrays import read_mapped
from myocard.files.atomic import writing
from myocard.files.manifest import CAME, SIGNALS, STORE, WHERE, file_hash
from myocard.files.remote import receive_ranges, storage_of

_FIX = "fetch the store without --as-read"


@dataclass(frozen=True, eq=False)
class RemoteSignals:
    """The array of a store's signals, as far as it has come.

    Attributes:
        folder: The store's folder.
        url: Place of the array, as ``fsspec`` takes it.
        block: Bytes that come at once.
        came: 1 for each block that is there, in memory that processes share.
        local: Size and identity of the local copy.
    """

    folder: Path
    url: str
    block: int
    came: NDArray[np.uint8]
    local: os.stat_result

    @classmethod
    def open(cls, folder: Path) -> "RemoteSignals | None":
        """Open the signals of a store that ``fetch`` left in object storage; None if all came.

        Raises:
            InputError: When their place cannot be read, their storage does not give them, or the
                folder, which they come to, cannot be written.
        """
        with writing(folder):
            try:
                where = json.loads((folder / WHERE).read_text(encoding="utf-8"))
                came = np.memmap(folder / CAME, np.uint8, "r+")
                local = (folder / SIGNALS).stat()
                url, block = str(where["url"]), int(where["block"])
                if not 0 <= len(came) * block - local.st_size < block:
                    raise ValueError(f"{len(came)} blocks of {block} bytes")
            except (FileNotFoundError, ValueError, LookupError, TypeError) as error:
                # Another process may have read the last block just now.
                if not (folder / WHERE).exists():
                    return None
                raise InputError(
                    f"{folder / WHERE}: does not fit what came of the signals ({error}); {_FIX}"
                ) from error
        found = cls(folder, url, block, came, local)
        if came.all():  # Another process is checking them, or was killed while it did.
            with writing(folder):
                found._finish()
            return None
        found._bring([0])  # with the array's header
        return found

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[np.int16]:
        return self.array.dtype

    @cached_property
    def array(self) -> "np.memmap[Any, np.dtype[np.int16]]":
        """The local copy ``(records, leads, samples)``, zero where no block has come."""
        return read_mapped(self.folder / SIGNALS, _FIX)

    def bring(self, rows: NDArray[np.integer]) -> None:
        """Fetch the blocks of ``rows`` that have not come.

        Raises:
            InputError: When the storage refuses them, or gives nothing for 31 s of trying; when the
                folder was replaced or cannot be written; when all have come, and are not what was
                written.
        """
        row_bytes = self.array[:1].nbytes
        starts = self.array.offset + row_bytes * np.unique(rows)
        first, last = starts // self.block, (starts + row_bytes - 1) // self.block
        self._bring({block for span in zip(first, last + 1, strict=True) for block in range(*span)})

    def _bring(self, blocks: Iterable[int]) -> None:
        missing = [block for block in sorted(blocks) if not self.came[block]]
        if not missing:
            return
        storage, place = storage_of(self.url)
        starts = [block * self.block for block in missing]
        ranges = [(start, min(start + self.block, self.local.st_size)) for start in starts]
        contents = receive_ranges(storage, place, ranges)
        with writing(self.folder):
            with (self.folder / SIGNALS).open("r+b") as file:
                # What is written to another file would be missing in the array.
                if not os.path.samestat(os.fstat(file.fileno()), self.local):
                    raise InputError(f"{self.folder}: replaced while it was read; open it again")
                for start, content in zip(starts, contents, strict=True):
                    file.seek(start)
                    file.write(content)
            # After the content, so that what is marked is there.
            self.came[missing] = 1
            if self.came.all():
                self._finish()

    def _finish(self) -> None:
        """Make the folder an ordinary store, once its signals are as they were written."""
        if file_hash(self.folder / SIGNALS) != STORE.hashes(self.folder)[SIGNALS]:
            # Other processes, too, ask for them again.
            self.came[:] = 0
            raise InputError(f"{self.url}: not the signals that were written; {_FIX}")
        # Their place first: without it, the folder is an ordinary store to whoever opens it.
        for name in (WHERE, CAME):
            (self.folder / name).unlink(missing_ok=True)
