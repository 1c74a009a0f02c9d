"""Published lists of files and their checksums: PhysioNet's, Zenodo's and figshare's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from myocard.errors import InputError
from myocard.files.atomic import writing
from myocard.files.remote import page_hint, receive, storage_of

SUMS = "SHA256SUMS.txt"
"""The list in a folder of PhysioNet: a line for each file, with its SHA-256 and its name."""
_RECORD = re.compile(r"/api/|//api\.|\.json$")
"""Pattern of the address of a record: JSON that states the MD5 and the address of each file."""
_LINE = re.compile(r"([0-9a-f]{64})[ \t]+\*?(\S.*)")
_MD5 = re.compile(r"md5:[0-9a-f]{32}")


class Listed(NamedTuple):
    """A file that is published.

    Attributes:
        name: Its path in the data set.
        url: Its address.
        checksum: ``sha256:`` or ``md5:`` and hexadecimal digits.
    """

    name: str
    url: str
    checksum: str


def read_list(address: str) -> list[Listed]:
    """Read the list of the files at an address.

    Args:
        address: URL of a folder that holds ``SHA256SUMS.txt``, or of a record or a collection of
            records in the API of Zenodo or figshare.

    Raises:
        InputError: When there is no such list.
    """
    if _RECORD.search(address):
        return _of_records(address)
    folder = address.rstrip("/")
    return list(_of_lines(_received(f"{folder}/{SUMS}"), folder))


def _received(url: str) -> str:
    with TemporaryDirectory() as temporary, writing(Path(temporary)):
        file = Path(temporary) / "list"
        receive(*storage_of(url), file)
        hint = page_hint(file)
        if hint:
            raise InputError(f"{url}: no list of checksums{hint}; give another address")
        return file.read_text(encoding="utf-8", errors="replace")


def _of_lines(text: str, folder: str) -> Iterator[Listed]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            raise InputError(
                f"{folder}/{SUMS}: line {number} is no checksum and name: {line[:80]!r}"
            )
        yield Listed(found[2], f"{folder}/{found[2]}", f"sha256:{found[1]}")


def _of_records(url: str) -> list[Listed]:
    """Read the files of a record, or of all that a collection of figshare lists."""
    try:
        found = json.loads(_received(url))
        if isinstance(found, list):
            records = [json.loads(_received(str(each["url_public_api"]))) for each in found]
        else:
            records = [found]
        return [_of_record(file) for record in records for file in record["files"]]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{url}: no list of files with their MD5 ({what})") from error


def _of_record(file: Any) -> Listed:
    """Read a file as Zenodo states it, or figshare."""
    if "key" in file:
        stated = file["key"], file["links"]["self"], file["checksum"]
    else:
        stated = file["name"], file["download_url"], f"md5:{file['computed_md5']}"
    found = Listed(*map(str, stated))
    if not _MD5.fullmatch(found.checksum) or not found.url.startswith(("https://", "http://")):
        raise ValueError(f"{found.name!r} at {found.url!r} with {found.checksum!r}")
    return found
