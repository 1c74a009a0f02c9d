"""Stores, checkpoints and caches from object storage: copied, and checked against their hashes.

Windows are read at random from a memory map, record by record, which no object storage serves well.
So a folder comes to a disk first, and whole.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from fsspec import AbstractFileSystem
from fsspec.core import has_magic, url_to_fs

from myocard.errors import InputError
from myocard.folders import DONE, require_new, workplace
from myocard.seals import SEALS, Seal

BLOCK = 2**24
"""Bytes that are read at once."""

Report = Callable[[str, int, int], None]
"""Told of each file its name, how many bytes are here, and how many there are."""


def fetch(url: str, out: Path, report: Report = lambda file, done, size: None) -> list[Path]:
    """Copy the folder at ``url`` to ``out``, or take up where a stopped copy left off.

    Args:
        url: As ``fsspec`` takes it: ``s3://``, ``gs://``, ``hf://``, ``https://`` … . A pattern,
            such as ``s3://ecgs/ptbxl-*``, names several folders, which come into ``out`` under
            their own names; those that are there already are left alone.
        out: The folder to make.
        report: Called as bytes arrive.

    Returns:
        The folders that are there now.

    Raises:
        InputError: When there is no such folder, it cannot be read, a file is not as it was
            written, or ``out`` exists.
    """
    with _reading(url):
        storage, path = url_to_fs(url)
        found = sorted(storage.glob(path)) if has_magic(path) else [path]
    if not found:
        raise InputError(f"{url}: no folder has such a name")
    if not has_magic(path):
        _fetch(storage, path, out, report)
        return [out]
    folders = {out / PurePosixPath(each).name: each for each in found}
    for folder, each in folders.items():
        if not folder.exists():
            _fetch(storage, each, folder, report)
    return list(folders)


def _fetch(storage: AbstractFileSystem, source: str, out: Path, report: Report) -> None:
    work = out.with_name(f"{out.name}.partial")
    with workplace(work):
        require_new(out, work)
        fresh = work / "fetched"
        fresh.mkdir(exist_ok=True)
        seal = _seal(storage, source)
        # Anew: a later statement would tell that what is here already is not of it.
        (fresh / seal.file).unlink(missing_ok=True)
        _copy(storage, source, fresh / seal.file, report)
        for name in seal.files(fresh):
            _copy(storage, source, fresh / name, report)
        for finding in seal.altered(fresh):
            shutil.rmtree(fresh)
            raise InputError(f"{finding}; fetched from {source}")
        (work / DONE).touch()
        fresh.replace(out)


def _seal(storage: AbstractFileSystem, source: str) -> Seal:
    for seal in SEALS:
        with _reading(source):
            if storage.exists(f"{source}/{seal.file}"):
                return seal
    kinds = ", ".join(f"{seal.kind} ({seal.file})" for seal in SEALS)
    raise InputError(f"{source}: is no {kinds}; give the URL of such a folder")


def _copy(storage: AbstractFileSystem, source: str, file: Path, report: Report) -> None:
    """Append to ``file`` what it lacks of the file of its name in ``source``."""
    place = f"{source}/{file.name}"
    with _reading(place):
        size = storage.size(place)
    with file.open("ab") as here:
        for block in _blocks(storage, place, here.tell()):
            here.write(block)
            report(file.name, here.tell(), size)


def _blocks(storage: AbstractFileSystem, place: str, start: int) -> Iterator[bytes]:
    with _reading(place), storage.open(place, "rb") as there:
        there.seek(start)
        while block := there.read(BLOCK):
            yield block


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Every storage raises errors of its own kinds; a missing package or right is one too."""
    try:
        yield
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{place}: cannot be read ({what}); see to its URL and rights") from error
