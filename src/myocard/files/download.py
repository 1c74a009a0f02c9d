"""Stores, checkpoints and caches from object storage: copied, and checked against their hashes.

Windows are read at random from a memory map, record by record, which no object storage serves well.
So a folder comes to a disk first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fsspec import AbstractFileSystem, Callback
from fsspec.core import has_magic, url_to_fs

from myocard.errors import InputError
from myocard.files.atomic import replace_file, writing
from myocard.files.manifest import MANIFESTS, Manifest, file_hash
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, read_inputs, step


def fetch(url: str, out: Path, progress: Progress = silent) -> list[Path]:
    """Copy the folder at ``url`` to ``out``, or take up where a stopped copy left off.

    Files that have a hash are copied, which is all that it takes to use the folder. The model card
    has none and stays.

    Args:
        url: As ``fsspec`` takes it: ``s3://``, ``gs://``, ``hf://``, ``https://`` … . A pattern,
            such as ``s3://ecgs/ptbxl-*``, names several folders, which come into ``out`` under
            their own names.
        out: The folder to make, by the rule of ``files/step.py``; its inputs are the hashes.
        progress: Called as bytes arrive.

    Returns:
        The folders that are there now.

    Raises:
        InputError: When there is no such folder, it cannot be read, a file is not as it was
            written, or ``out`` holds other files.
    """
    with _reading(url):
        storage, path = url_to_fs(url)
        several = has_magic(path)
        found = sorted(storage.glob(path)) if several else [path.rstrip("/")]
    folders = (
        {out / PurePosixPath(each).name: each for each in found} if several else {out: found[0]}
    )
    if not folders:
        raise InputError(f"{url}: no folder has such a name")
    if len(folders) < len(found):
        raise InputError(f"{url}: names two folders alike; fetch each to a place of its own")
    for folder, source in folders.items():
        _fetch(storage, source, folder, progress)
    return list(folders)


def _fetch(storage: AbstractFileSystem, source: str, out: Path, progress: Progress) -> None:
    with TemporaryDirectory() as temporary, writing(Path(temporary)):
        manifest = _manifest(storage, source, Path(temporary))
        hashes = manifest.hashes(Path(temporary))
        content = (Path(temporary) / manifest.file).read_bytes()

    def make(fresh: Path, work: Path) -> None:
        copied = work / "fetched"
        copied.mkdir(exist_ok=True)
        for name, wanted in hashes.items():
            file = copied / name
            if not (file.exists() and file_hash(file) == wanted):
                _copy(storage, f"{source}/{name}", file, progress)
            if file_hash(file) != wanted:
                file.unlink()
                raise InputError(
                    f"{source}/{name}: not the file that was written; the same command fetches it "
                    "again, and if it says so twice, it is altered there"
                )
        for name in hashes:
            (copied / name).replace(fresh / name)
        (fresh / manifest.file).write_bytes(content)

    step(out, {"files": hashes}, make, inputs_of=_inputs_of)


def _inputs_of(folder: Path) -> Inputs:
    """Read the hashes in a folder, which may be of another kind, or come from elsewhere."""
    for manifest in MANIFESTS:
        if (folder / manifest.file).exists():
            return {"files": manifest.hashes(folder)}
    return read_inputs(folder)


def _manifest(storage: AbstractFileSystem, source: str, folder: Path) -> Manifest:
    """Copy the manifest of the remote folder; return the kind that it is."""
    for manifest in MANIFESTS:
        try:
            _copy(storage, f"{source}/{manifest.file}", folder / manifest.file, silent)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        else:
            return manifest
    kinds = ", ".join(f"{manifest.kind} ({manifest.file})" for manifest in MANIFESTS)
    raise InputError(f"{source}: no such folder, or no {kinds}; give the URL of one")


def _copy(storage: AbstractFileSystem, place: str, file: Path, progress: Progress) -> None:
    class Told(Callback):
        def call(self, *names: object, **values: object) -> None:
            # Some servers do not say how long a file is.
            progress(f"fetch {file.name}", self.value, self.size or self.value)

    def write(fresh: Path) -> None:
        with _reading(place):
            storage.get_file(place, str(fresh), callback=Told())

    replace_file(file, write)


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Report any error of a storage, each of which has its own kinds, by its URL."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (ENOSPC, EDQUOT, EFBIG):
            # This disk's, whichever file the storage says it is of.
            raise OSError(error.errno, error.strerror) from error
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{place}: cannot be read ({what}); see to its URL and rights") from error
