"""Public data sets by name: a table of them, and their download, in which every file is checked."""

import csv
import re
import zlib
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from shutil import copyfileobj
from threading import Event
from zipfile import BadZipFile, ZipFile

from myocard.data.sources.index import member
from myocard.errors import InputError
from myocard.files.checksums import Listed, read_list
from myocard.files.progress import Progress, silent
from myocard.files.remote import fetch_checked, storage_of
from myocard.files.step import INPUTS, read_inputs, step

STATEMENT = "fetched.json"
"""The file, in a folder that was fetched, that names the data set and the checksum of each file."""
_CONNECTIONS = 8
_SHOWN_ALONE = 50e6
"""Bytes of a file from which on its progress is told, too."""
_BROKEN = (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True)
class PublicSet:
    """A data set of the table ``public.csv``.

    Attributes:
        name: The name by which it is fetched.
        prepare: Source by which ``myocard prepare`` reads it, with the options that it needs.
        address: URL of its list of checksums, as ``read_list`` takes it.
        files: Pattern of its files' names in that list; its group is the name in the folder.
        gigabytes: Size of what is fetched (10⁹ bytes).
        on_disk: Size once its archives are unpacked (10⁹ bytes).
        licence: Its licence.
        citation: The publications to cite.
    """

    name: str
    prepare: str
    address: str
    files: str
    gigabytes: str
    on_disk: str
    licence: str
    citation: str

    def told(self, folder: Path) -> str:
        """Say what a download to ``folder`` is: licence, citation, size, time, and what follows."""
        megabytes = 1000 * float(self.gigabytes)
        source, _, options = self.prepare.partition(" ")
        lines = (
            f"licence: {self.licence}",
            f"cite: {self.citation}",
            f"size: {self.gigabytes} GB as published, {self.on_disk} GB on disk",
            f"time: {_duration(megabytes / 10)} at 10 MB/s, {_duration(megabytes)} at 1 MB/s",
            f"then: myocard prepare {source} {folder} --out store {options}".rstrip(),
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Plan:
    """A download that has not begun: the data set, the address used, and the files to fetch."""

    wanted: PublicSet
    address: str
    files: tuple[Listed, ...]

    def told(self) -> str:
        """Say from where, and by which checksums."""
        checksum = self.files[0].checksum.partition(":")[0]
        return f"{len(self.files):,} files from {self.address}, each checked by its {checksum}"


@cache
def public_sets() -> Mapping[str, PublicSet]:
    """Read the data sets by name."""
    text = files("myocard.data").joinpath("public.csv").read_text(encoding="utf-8")
    return {row["name"]: PublicSet(**row) for row in csv.DictReader(text.splitlines())}


def plan(name: str, address: str | None = None) -> Plan:
    """Read which files a data set has.

    Args:
        name: One of ``public_sets()``.
        address: URL of a mirror, as ``read_list`` takes it, of the whole publication or of the data
            set's part of it; where it is published by default.

    Raises:
        InputError: When there is no list of files, or it names one twice, within another, or
            outside the folder.
    """
    wanted = public_sets()[name]
    listed = read_list(address or wanted.address)
    parts = [(re.fullmatch(wanted.files, file.name), file) for file in listed]
    chosen = [file._replace(name=found[1]) for found, file in parts if found]
    if address is None:
        address = wanted.address
    else:
        chosen = chosen or listed
    if not chosen:
        raise InputError(f"{address}: lists no file of {name}; give another address by --from")
    paths = [member(Path(name), file.name) for file in chosen]
    taken = Counter(paths)
    taken.update({folder for path in paths for folder in path.parents})
    if max(taken.values()) > 1:
        clash = taken.most_common(1)[0][0]
        raise InputError(f"{address}: lists {clash} twice, or as a folder and as a file")
    return Plan(wanted, address, tuple(chosen))


def download(planned: Plan, out: Path, progress: Progress = silent) -> bool:
    """Fetch what is planned into ``out``, or take up where a stopped download left off.

    Archives are unpacked, and go. Every file is compared with its published checksum.

    Args:
        planned: The files.
        out: The folder to make, by the rule of ``files/step.py``; its inputs are the checksums.
        progress: Called after each file, and as bytes of large ones arrive.

    Returns:
        True if it was fetched, False if it was there.

    Raises:
        InputError: When a file cannot be read or is not as published, or ``out`` holds others.
    """

    def make(fresh: Path, work: Path) -> None:
        fetched = work / "fetched"
        _fetch_all(planned, fetched, work / "archives", progress)
        # A simulated data set has inputs of its own.
        (fresh / INPUTS).replace(fresh / STATEMENT)
        for path in fetched.iterdir():
            path.replace(fresh / path.name)

    checksums = {file.name: file.checksum for file in planned.files}
    inputs = {"dataset": planned.wanted.name, "files": checksums}
    return step(out, inputs, make, inputs_of=lambda folder: read_inputs(folder, STATEMENT))


def _fetch_all(planned: Plan, folder: Path, archives: Path, progress: Progress) -> None:
    """Fetch all files over several connections; the first error stops them all."""
    stopped = Event()

    def told(what: str, done: int, size: int) -> None:
        if stopped.is_set():
            raise CancelledError
        if size >= _SHOWN_ALONE:
            progress(what, done, size)

    def fetch(file: Listed) -> None:
        if Path(file.name).suffix.lower() == ".zip":
            _fetch_archive(file, archives, folder, told)
        else:
            _fetch(file, folder, told)

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        try:
            begun = [pool.submit(fetch, file) for file in planned.files]
            for done, future in enumerate(as_completed(begun), start=1):
                future.result()
                progress(f"fetch {planned.wanted.name}", done, len(begun))
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(file: Listed, folder: Path, progress: Progress) -> Path:
    path = folder / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    fetch_checked(*storage_of(file.url), path, file.checksum, progress)
    return path


def _fetch_archive(file: Listed, archives: Path, folder: Path, progress: Progress) -> None:
    """Fetch and unpack an archive, unless that was done before."""
    unpacked = archives / f"{file.name}.unpacked"
    if unpacked.exists():
        return
    archive = _fetch(file, archives, progress)
    try:
        _unpack(archive, folder)
    except _BROKEN as error:
        raise InputError(f"{file.url}: not a readable archive ({error})") from error
    unpacked.touch()
    archive.unlink()


def _unpack(archive: Path, folder: Path) -> None:
    with ZipFile(archive) as packed:
        for name in packed.namelist():
            path = folder / member(Path(archive.name), name).relative_to(archive.name)
            if not name.endswith("/"):
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(name) as content, path.open("wb") as target:
                    copyfileobj(content, target)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{max(seconds / 60, 1):.0f} min"
