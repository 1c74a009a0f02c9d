"""Files and folders that are being written: by one process at a time, and whole or not at all."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, EFBIG, ENOSPC, ENOTDIR, EPERM, EROFS
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from myocard.errors import InputError

LOCK = ".lock"
DONE = "done"
"""A file in a workplace that says: all that comes of it was written."""
_WORKPLACES = (".run", ".partial")

_FIXES = dict.fromkeys((ENOSPC, EDQUOT, EFBIG), "make room there")
_FIXES |= dict.fromkeys((EACCES, EPERM, EROFS, ENOTDIR), "make it writable or choose another place")


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
    """Whether ``path`` is ``place``, above or in it, or in a workplace beside it."""
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
        named: What a message calls it; as it is called if not given.

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
    """Let ``path`` be the file that ``write`` writes, all of it or nothing.

    Raises:
        InputError: When its folder cannot be written.
    """
    fresh = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    with writing(path.parent):
        try:
            write(fresh)
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


def drop_unfinished(folder: Path) -> None:
    """Remove the files right in ``folder`` that killed processes were about to put there."""
    for left in folder.glob(".*.partial.*"):
        left.unlink()


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Let ``folder`` be what ``write`` puts into an empty one, all of it or nothing.

    Raises:
        InputError: When another process is writing it, or it cannot be written.
    """
    work = _beside(folder)
    with occupied(work, named=folder):
        _put_back(folder)
        try:
            (work / "new").mkdir()
            write(work / "new")
            if folder.exists():
                folder.rename(work / "old")
            (work / "new").rename(folder)
        finally:
            _put_back(folder)


def restore(folder: Path) -> None:
    """Let ``folder`` be as it was before a process was killed that was replacing it.

    Raises:
        InputError: When a process is replacing it now.
    """
    if _beside(folder).exists():
        with occupied(_beside(folder), named=folder):
            _put_back(folder)


def _beside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.partial")


def _put_back(folder: Path) -> None:
    work = _beside(folder)
    if (work / "old").exists() and not folder.exists():
        (work / "old").rename(folder)
    for left in ("old", "new"):
        shutil.rmtree(work / left, ignore_errors=True)


@contextmanager
def workplace(work: Path) -> Iterator[None]:
    """Occupy ``work``, in which a run that was stopped is taken up; it goes when all is done.

    Raises:
        InputError: When another process is at work there, or it cannot be written.
    """
    with occupied(work):
        for left in list(work.rglob(".*")):
            if left.is_file() and left.name != LOCK:
                left.unlink()
        yield
        _remove(work)


def require_new(out: Path, work: Path) -> None:
    """Refuse to make an ``out`` that is there; ``work`` goes if ``out`` was made in it.

    Raises:
        InputError: When it is there.
    """
    if out.exists():
        clear(work)
        raise InputError(f"{out}: exists already; remove it or choose another folder")


def clear(work: Path) -> None:
    """Remove a workplace with all that comes of it written and in its place."""
    known = work.suffix in _WORKPLACES and (work / DONE).is_file()
    if known and work.with_suffix("").exists():
        _remove(work)


def _remove(work: Path) -> None:
    """Of what a kill half-way leaves, ``DONE`` is the last."""
    for each in work.iterdir():
        if each.is_dir():
            shutil.rmtree(each)
        elif each.name != DONE:
            each.unlink()
    shutil.rmtree(work)


def sweep(folder: Path) -> None:
    """Clear away what killed processes left below ``folder``, which the caller occupies."""
    for work in list(folder.rglob(".*.partial")):
        restore(work.with_name(work.name.removeprefix(".").removesuffix(".partial")))
    for done in list(folder.rglob(DONE)):
        clear(done.parent)
