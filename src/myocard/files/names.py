"""Names of files as other systems write them."""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path


def as_text(name: str) -> str:
    """Return a name, or words with one, as UTF-8; what it holds beside that is written out."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def in_any_case(path: Path) -> Path:
    """Return ``path``, or where nothing is called so, the one file beside whose capitals differ."""
    if path.exists():
        return path
    try:
        changed = path.parent.stat().st_mtime_ns
        names = _names(path.parent, changed).get(path.name.lower(), [])
    except OSError:
        return path
    return path.with_name(names[0]) if len(names) == 1 else path


@lru_cache(maxsize=4)
def _names(folder: Path, changed: int) -> Mapping[str, list[str]]:
    """Return the names in a folder by their form in small letters, as it was when it changed."""
    names: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            names.setdefault(entry.name.lower(), []).append(entry.name)
    return names
