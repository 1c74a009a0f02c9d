"""Stores, checkpoints and caches from object storage: copied, and checked against their hashes.

Windows are read at random from a memory map, record by record, which no object storage serves well.
So a folder comes to a disk first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path, PurePosixPath

from fsspec import AbstractFileSystem, Callback
from fsspec.core import has_magic, url_to_fs

from myocard.errors import InputError
from myocard.files.atomic import DONE, clear, replace_file, require_new, workplace
from myocard.files.manifest import MANIFESTS, Manifest, file_hash

Report = Callable[[str, int, int], None]
"""Told of each file its name, how many bytes are here, and how many there are."""


def fetch(url: str, out: Path, report: Report = lambda file, done, size: None) -> list[Path]:
    """Copy the folder at ``url`` to ``out``, or take up where a stopped copy left off.

    What has a hash is copied, which is all that it takes to use the folder. The model card and the
    log beside a checkpoint have none and stay.

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
        several = has_magic(path)
        found = sorted(storage.glob(path)) if several else [path.rstrip("/")]
    if not several:
        _fetch(storage, found[0], out, report)
        return [out]
    folders = {out / PurePosixPath(each).name: each for each in found}
    if not folders:
        raise InputError(f"{url}: no folder has such a name")
    if len(folders) < len(found):
        raise InputError(f"{url}: names two folders alike; fetch each to a place of its own")
    for folder, each in folders.items():
        if folder.exists():
            clear(_work(folder))
        else:
            _fetch(storage, each, folder, report)
    return list(folders)


def _work(out: Path) -> Path:
    return out.with_name(f"{out.name}.partial")


def _fetch(storage: AbstractFileSystem, source: str, out: Path, report: Report) -> None:
    work = _work(out)
    with workplace(work):
        require_new(out, work)
        fresh = work / "fetched"
        fresh.mkdir(exist_ok=True)
        manifest = _statement(storage, source, fresh)
        hashes = manifest.hashes(fresh)
        for left in fresh.iterdir():
            if left.name not in (manifest.file, *hashes):
                left.unlink()
        for name, wanted in hashes.items():
            file = fresh / name
            if file.exists() and file_hash(file) == wanted:
                continue
            _copy(storage, f"{source}/{name}", file, report)
            if file_hash(file) != wanted:
                file.unlink()
                raise InputError(
                    f"{source}/{name}: not the file that was written; the same command fetches it "
                    "again, and if it says so twice, it is altered there"
                )
        (work / DONE).touch()
        fresh.replace(out)


def _statement(storage: AbstractFileSystem, source: str, fresh: Path) -> Manifest:
    """Copy what the folder says of itself; the kind that it is."""
    for manifest in MANIFESTS:
        try:
            _copy(storage, f"{source}/{manifest.file}", fresh / manifest.file, lambda *bytes_: None)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        else:
            return manifest
    kinds = ", ".join(f"{manifest.kind} ({manifest.file})" for manifest in MANIFESTS)
    raise InputError(f"{source}: is no {kinds}; give the URL of such a folder")


def _copy(storage: AbstractFileSystem, place: str, file: Path, report: Report) -> None:
    class Told(Callback):
        def call(self, *names: object, **values: object) -> None:
            # Some servers do not say how long a file is.
            report(file.name, self.value, self.size or self.value)

    def write(fresh: Path) -> None:
        with _reading(place):
            storage.get_file(place, str(fresh), callback=Told())

    replace_file(file, write)


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Every storage raises errors of its own kinds; a missing package or right is one too."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EFBIG):
            # This disk's, whichever file the storage says it is of.
            raise OSError(error.errno, error.strerror) from error
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{place}: cannot be read ({what}); see to its URL and rights") from error
