"""Files of records in and below folders, whoever laid them out."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from myocard.data.formats.reading import SUFFIXES, tells_itself
from myocard.data.formats.wfdb import HEADER, SIGNALS
from myocard.data.sources.index import files_below
from myocard.errors import InputError
from myocard.files.names import in_any_case

_CLINICAL = (".xml", ".dcm", ".scp", ".ecg", ".edf", ".bdf")
"""Endings of formats that tell themselves: a file that has one and does not is a broken one."""


def record_files(
    places: Sequence[Path], without: Sequence[Path] = ()
) -> tuple[list[Path], Counter[str]]:
    """List the file of every record in some places, in order and each once.

    A file that is named is listed, whatever it is. In and below a folder, those with the suffix or
    the first bytes of a readable format are. A WFDB record is listed by its header. What has a name
    that begins with a dot, or lies in such a folder, is passed over.

    Args:
        places: Files, WFDB records without a suffix, and folders.
        without: Files that are no records.

    Returns:
        The files, and by suffix how many others the folders hold.

    Raises:
        InputError: When a place is not there.
    """
    found, others, barred = set[Path](), Counter[str](), {path.absolute() for path in without}
    for place in places:
        if not place.is_dir():
            found.add(_existing(place))
            continue
        for path in _visible(place):
            if path.absolute() in barred:
                continue
            if path.suffix.lower() in (*SUFFIXES, *_CLINICAL) or tells_itself(path):
                found.add(_by_header(path))
            else:
                others[path.suffix or path.name] += 1
    return sorted(found), others


def state(files: Sequence[Path]) -> str:
    """Hash names, sizes and times of files, and those of the signals beside headers."""
    digest = hashlib.sha256()
    for file in files:
        beside = [
            in_any_case(file.with_suffix(suffix))
            for suffix in SIGNALS
            if file.suffix.lower() == HEADER
        ]
        for path in (file, *(each for each in beside if each.exists())):
            status = path.stat()
            digest.update(os.fsencode(path))
            digest.update(f"\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _visible(folder: Path) -> Iterator[Path]:
    for path in files_below(folder, ""):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _existing(place: Path) -> Path:
    for path in (place, in_any_case(place.with_name(f"{place.name}{HEADER}"))):
        if path.is_file():
            return _by_header(path)
    raise InputError(f"{place}: no such file or folder")


def _by_header(path: Path) -> Path:
    if path.suffix.lower() not in SIGNALS:
        return path
    header = in_any_case(path.with_suffix(HEADER))
    return header if header.is_file() else path
