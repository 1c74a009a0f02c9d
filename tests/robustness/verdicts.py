"""Reading of hostile files: what may come of it."""

import random
import time
import tracemalloc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutations import mutated, with_burst
from seeds import Seed

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.record import Record

# Bytes of memory that a reader may take for each byte of a record's files, and for none; and
# seconds of processor time.
_PER_BYTE, _ANYWAY, _SECONDS = 100, 10_000_000, 10


class Original:
    """A seed's files in a folder of their own, and the record that they hold."""

    def __init__(self, seed: Seed, folder: Path) -> None:
        self.seed = seed
        self.folder = folder
        folder.mkdir(exist_ok=True)
        for name, content in seed.files.items():
            (folder / name).write_bytes(content)
        self.record = self._read()

    def _read(self) -> Record:
        return read(self.folder / next(iter(self.seed.files)), **self.seed.known)

    def read_with(self, name: str, content: bytes) -> Record | None:
        """Read once ``content`` is in place of a file; None where that is refused.

        Raises:
            AssertionError: When a refusal does not name the file, or reading takes more memory
                than fits the size.
        """
        (self.folder / name).write_bytes(content)
        record, told = None, str(self.folder)
        try:
            with _memory_that_fits(self.folder):
                record = self._read()
        except InputError as error:
            told = str(error)
        finally:
            (self.folder / name).write_bytes(self.seed.files[name])
        assert str(self.folder) in told, f"no file in: {told}"
        return record


def outcome(originals: Sequence[Original], rng: random.Random) -> str:
    """Spoil one of a format's files and read it: ``"read"`` or ``"refused"``.

    Raises:
        AssertionError: When what is read is wrong in silence: of another length though the length
            is told twice, or of other values though a checksum tells of the change.
    """
    original, other = rng.choice(originals), rng.choice(originals)
    seed = original.seed
    name, places = seed.guarded
    if places and rng.randrange(4) == 0:
        record = original.read_with(name, with_burst(seed.files[name], places, rng))
        same = record is None or _same(record, original.record)
        assert same, "other values than those of the checksum"
        return _told(record)
    name = rng.choice([*seed.files])
    content = mutated(seed.files[name], rng, other.seed.files[name])
    content = seed.sealed(content) if rng.randrange(2) else content
    record = original.read_with(name, content)
    if record is not None and seed.counted:
        found = record.signal.shape[1]
        assert found in (seed.samples, other.seed.samples), f"{found} for {seed.samples} samples"
    return _told(record)


def check_refused(
    files: Mapping[str, bytes], folder: Path, told: str, known: Mapping[str, Any] | None = None
) -> None:
    """Check that the first of the files is refused by a message, quickly and in little memory."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    began = time.process_time()
    with _memory_that_fits(folder), pytest.raises(InputError, match=told):
        read(folder / next(iter(files)), **known or {})
    assert time.process_time() - began < _SECONDS


@contextmanager
def _memory_that_fits(folder: Path) -> Iterator[None]:
    """Check that no more memory is taken than fits the files in a folder."""
    size = sum(each.stat().st_size for each in folder.iterdir())
    tracemalloc.start()
    try:
        yield
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most <= _PER_BYTE * size + _ANYWAY, f"{most:,} bytes of memory for {size:,}"


def _same(record: Record, original: Record) -> bool:
    return (
        record.leads == original.leads
        and record.rate == original.rate
        and np.array_equal(record.signal, original.signal, equal_nan=True)
    )


def _told(record: Record | None) -> str:
    return "refused" if record is None else "read"
