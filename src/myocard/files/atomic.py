"""Files and folders that are being written: by one process at a time, and whole or not at all."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EEXIST, EFBIG, ENOSPC, ENOTDIR, EPERM, EROFS
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from myocard.errors import InputError

LOCK = ".lock"

_FIXES = dict.fromkeys((ENOSPC, EDQUOT, EFBIG), "make room there")
_FIXES |= dict.fromkeys((EACCES, EPERM, EROFS), "make it writable or choose another place")
_FIXES |= dict.fromkeys((EEXIST, ENOTDIR), "a file is in the way: choose another place")


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Tell of a full disk or of missing rights within a ``with`` block that writes ``place``.

    Raises:
        InputError: Naming the place and what would fix it.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        number = _number(error)
        if number not in _FIXES:
            raise
        told, named = os.strerror(number), getattr(error, "filename", None)
        if isinstance(named, str) and not _is_near(Path(named), place):
            raise InputError(f"{named}: cannot be used ({told}); see to its rights") from error
        raise InputError(
            f"{place}: cannot be written ({told}); {_FIXES[number]}, then the same command goes on"
        ) from error


def _number(error: OSError | SafetensorError) -> int:
    if isinstance(error, OSError):
        return error.errno or 0
    stated = re.search(r"os error (\d+)", str(error))
    return int(stated[1]) if stated else 0


def _is_near(path: Path, place: Path) -> bool:
    """Tell if ``path`` is ``place``, above or in it, or in a workplace beside it."""
    path, place = path.absolute(), place.absolute()
    if place.is_relative_to(path):
        return True
    if not path.is_relative_to(place.parent):
        return False
    beside = path.relative_to(place.parent).parts[0]
    return place.name in (beside, Path(beside).stem, Path(beside).stem.removeprefix("."))


@contextmanager
def occupied(folder: Path, *, named: Path | None = None) -> Iterator[None]:
    """Keep other processes out of ``folder`` within a ``with`` block.

    It is made if need be, and goes again if nothing is in it then. The system lets go of the lock
    when the process ends, however it ends.

    Args:
        folder: The folder.
        named: Name of the folder in messages; its own if not given.

    Raises:
        InputError: When another process is at work there, or the folder cannot be written.
    """
    named = named or folder
    made = [folder, *(each for each in folder.parents if not each.exists())]
    lock = FileLock(folder / LOCK)
    with writing(named):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"{named}: another process is writing here; wait for it, or choose another folder"
            ) from error
    try:
        with writing(named):
            yield
    finally:
        # While it is held: who has opened it meanwhile finds it gone, and makes a new one.
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):
            for each in made:
                each.rmdir()


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``path`` be the file that ``write`` writes, all of it or nothing."""
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        write(fresh)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Let ``folder`` be what ``write`` puts into an empty one, all of it or nothing.

    Raises:
        InputError: When another process is writing it, or it cannot be written.
    """
    work = work_folder(folder)
    with occupied(work, named=folder):
        put_back(folder)
        try:
            (work / "new").mkdir()
            write(work / "new")
            put_in_place(folder)
        finally:
            put_back(folder)


def restore(folder: Path) -> None:
    """Let ``folder`` be as it was before a process was killed that was replacing it.

    Raises:
        InputError: When a process is replacing it now.
    """
    if work_folder(folder).exists():
        with occupied(work_folder(folder), named=folder):
            put_back(folder)


def work_folder(folder: Path) -> Path:
    """Return the hidden folder beside ``folder`` in which it is made."""
    return folder.with_name(f".{folder.name}.partial")


def put_in_place(folder: Path) -> None:
    """Let ``folder`` be the ``new`` one in its work folder, which the caller occupies."""
    work = work_folder(folder)
    if folder.exists():
        folder.rename(work / "old")
    (work / "new").rename(folder)
    shutil.rmtree(work / "old", ignore_errors=True)


def put_back(folder: Path) -> None:
    """Undo what a kill interrupted in its work folder, which the caller occupies."""
    work = work_folder(folder)
    if (work / "old").exists() and not folder.exists():
        (work / "old").rename(folder)
    for left in ("old", "new"):
        shutil.rmtree(work / left, ignore_errors=True)
