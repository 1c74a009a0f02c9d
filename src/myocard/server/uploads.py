"""Files as they were sent, on disk while they are read."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import BinaryIO, NamedTuple

from myocard.data.sources.listing import record_files
from myocard.errors import InputError

_NAME = re.compile(r"[^\W_][\w .()+,=@-]*")
_LONGEST = 240
"""Bytes of a name; file systems take 255."""


class Sent(NamedTuple):
    """A file of a request: the name that its sender gave it, and its content."""

    name: str
    content: BinaryIO | SpooledTemporaryFile[bytes]


@contextmanager
def record_file(sent: Sequence[Sent]) -> Iterator[Path]:
    """Write the files of one record into a folder of their own, which is gone afterwards.

    Errors within the ``with`` block do not name the folder.

    Raises:
        InputError: When there is no file or one of a wrong name, or they are of several records.
    """
    with TemporaryDirectory(prefix="myocard-") as folder:
        try:
            yield _written(sent, Path(folder))
        except InputError as error:
            error.args = (_without_folder(str(error), Path(folder)),)
            raise


def _without_folder(told: str, folder: Path) -> str:
    """Leave a folder out of a sentence that names a file in it."""
    return told.replace(f"{folder}/", "").replace(str(folder), "the upload")


def _written(sent: Sequence[Sent], folder: Path) -> Path:
    for name, content in sent:
        path = folder / _plain(name)
        if path.exists():
            raise InputError(f"{path.name}: sent twice; give each file of the record once")
        with path.open("xb") as file:
            shutil.copyfileobj(content, file)
    paths = sorted(folder.iterdir())
    if not paths:
        raise InputError("no file was sent; give the file of a record")
    # A file alone is read whatever it is called; the files of a record belong to its header.
    records = paths if len(paths) == 1 else record_files([folder])[0]
    if len(records) != 1:
        raise InputError(
            f"{len(paths)} files of {len(records)} records; give the files of one record"
        )
    return records[0]


def _plain(name: str) -> str:
    """Return the last part of a name, which other systems write with folders before it.

    Raises:
        InputError: When a file here may not be called so.
    """
    last = PurePosixPath(name.replace("\\", "/")).name
    if not _NAME.fullmatch(last) or len(last.encode()) > _LONGEST:
        raise InputError("a file name that is long or strange; give it a plain one, such as a.dat")
    return last
