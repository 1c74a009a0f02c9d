"""Stores, checkpoints and caches from object storage: copied, and checked against their hashes.

Signals of a store may stay there; what is read of them then comes to the disk, block by block.
"""

import json
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from fsspec import AbstractFileSystem
from fsspec.core import has_magic

from myocard.errors import InputError
from myocard.files.atomic import replace_file, writing
from myocard.files.manifest import CAME, MANIFESTS, SIGNALS, WHERE, Manifest
from myocard.files.progress import Progress, silent
from myocard.files.remote import BLOCK, fetch_checked, reading, receive, size_of, storage_of
from myocard.files.step import Inputs, read_inputs, step


def fetch(url: str, out: Path, progress: Progress = silent, *, as_read: bool = False) -> list[Path]:
    """Copy the folder at ``url`` to ``out``, or take up where a stopped copy left off.

    Files that have a hash are copied, which is all that it takes to use the folder. The model card
    has none and stays.

    Args:
        url: As ``fsspec`` takes it: ``s3://``, ``gs://``, ``hf://``, ``https://`` … . A pattern,
            such as ``s3://ecgs/ptbxl-*``, names several folders, which come into ``out`` under
            their own names.
        out: The folder to make, by the rule of ``files/step.py``; its inputs are the hashes.
        progress: Called as bytes arrive.
        as_read: Leave the signals of stores where they are: a block comes to ``out``, which has to
            be writable, when it is first read, and their hash is checked when all have come. A
            folder that lacks some goes on from ``url``. Without it, that folder is made whole.

    Returns:
        The folders that are there now.

    Raises:
        InputError: When there is no such folder, it cannot be read, a file is not as it was
            written, or ``out`` holds other files.
    """
    storage, path = storage_of(url)
    with reading(url):
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
        _fetch(storage, source, folder, progress, as_read=as_read)
    return list(folders)


def _fetch(
    storage: AbstractFileSystem, source: str, out: Path, progress: Progress, *, as_read: bool
) -> None:
    with TemporaryDirectory() as temporary, writing(Path(temporary)):
        manifest = _manifest(storage, source, Path(temporary))
        hashes = manifest.hashes(Path(temporary))
        left = {SIGNALS} & hashes.keys() if as_read else set()
        content = (Path(temporary) / manifest.file).read_bytes()
    if SIGNALS in hashes:
        _require_whole(storage, source)

    def make(fresh: Path, work: Path) -> None:
        copied = work / "fetched"
        copied.mkdir(exist_ok=True)
        wanted = {name: value for name, value in hashes.items() if name not in left}
        for name, value in wanted.items():
            fetch_checked(storage, f"{source}/{name}", copied / name, f"sha256:{value}", progress)
        for name in wanted:
            (copied / name).replace(fresh / name)
        if left:
            _leave(storage, source, fresh)
        (fresh / manifest.file).write_bytes(content)

    def is_enough(folder: Path) -> bool:
        return as_read or not (folder / WHERE).exists()

    made = step(out, {"files": hashes}, make, is_enough=is_enough, inputs_of=_inputs_of)
    if not made and (out / WHERE).exists():
        _state_place(out, {**read_inputs(out, WHERE), "url": _address(storage, source)})


def _require_whole(storage: AbstractFileSystem, source: str) -> None:
    """Refuse a store that lacks signals itself, where there are zeros in their place."""
    try:
        with reading(source):
            where = json.loads(storage.cat_file(f"{source}/{WHERE}"))
    except ValueError:
        return  # It is not there, or nobody may ask, which a bucket can answer by 403.
    if isinstance(where, dict) and "url" in where:
        raise InputError(
            f"{source}: fetched with --as-read, and not all of its signals have come; fetch the "
            f"store from where they are, which its {WHERE} tells"
        )


def _leave(storage: AbstractFileSystem, source: str, folder: Path) -> None:
    """Make room in ``folder`` for the signals of a store, and state where they are."""
    url = _address(storage, source)
    # Of the address, which lacks what some storages need besides it.
    size = size_of(*storage_of(url))
    with (folder / SIGNALS).open("wb") as signals:
        signals.truncate(size)
    (folder / CAME).write_bytes(bytes(-(-size // BLOCK)))
    _state_place(folder, {"url": url, "block": BLOCK})


def _address(storage: AbstractFileSystem, source: str) -> str:
    return str(storage.unstrip_protocol(f"{source}/{SIGNALS}"))


def _state_place(folder: Path, where: Inputs) -> None:
    text = json.dumps(where)
    replace_file(folder / WHERE, lambda fresh: fresh.write_text(text, encoding="utf-8"))


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
            receive(storage, f"{source}/{manifest.file}", folder / manifest.file)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        else:
            return manifest
    kinds = ", ".join(f"{manifest.kind} ({manifest.file})" for manifest in MANIFESTS)
    raise InputError(f"{source}: no such folder, or no {kinds}; give the URL of one")
