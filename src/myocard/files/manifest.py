"""Manifests: a JSON file that describes a folder and holds SHA-256 hashes of its files."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from myocard.errors import InputError

Stated = TypeVar("Stated")
_KEY = "sha256"
SIGNALS, WHERE, CAME = "signals.npy", "signals.json", "signals.blocks"
"""Signals of a store; and, while some lie in object storage, their place there and the blocks that
came."""


@dataclass(frozen=True)
class Manifest:
    """One kind of folder, and how an altered file in it is found.

    Attributes:
        kind: Name of the kind.
        file: Name of the manifest.
        format: Number of the folder's format.
        fix: Advice on one that cannot be used.
    """

    kind: str
    file: str
    format: int
    fix: str

    def write(self, folder: Path, content: Mapping[str, object], files: Sequence[str]) -> None:
        """Write ``content`` with the hashes of ``files``, which are in ``folder``."""
        hashes = {name: file_hash(folder / name) for name in files}
        text = json.dumps({"format": self.format, **content, _KEY: hashes}, default=str)
        stated = json.loads(text)
        stated[_KEY][self.file] = self._own_hash(stated)
        (folder / self.file).write_text(json.dumps(stated, indent=2) + "\n", encoding="utf-8")

    def read(self, folder: Path, files: Sequence[str]) -> dict[str, Any]:
        """Read the description of ``folder``, once it and ``files`` are found as they were written.

        Raises:
            InputError: Naming the file that is missing or altered, or the format.
        """
        stated = self._stated(folder)
        for name in (self.file, *files):
            self._require_unaltered(folder, name, stated)
        return {key: value for key, value in stated.items() if key not in (_KEY, "format")}

    def hashes(self, folder: Path) -> dict[str, str]:
        """Return names and hashes of the other files, as the manifest states them.

        Raises:
            InputError: When it is altered or without them, or names a file outside the folder.
        """
        stated = self._stated(folder)
        for name in stated[_KEY]:
            if not re.fullmatch(r"\w[\w.-]*", name):
                raise InputError(f"{folder / self.file}: names a file {name!r}; {self.fix}")
        self._require_unaltered(folder, self.file, stated)
        return {name: value for name, value in stated[_KEY].items() if name != self.file}

    def altered(self, folder: Path) -> Iterator[str]:
        """Yield a sentence for each file of ``folder`` that is missing or not as it was written.

        Raises:
            InputError: When the manifest cannot be read, or holds no hash of itself.
        """
        stated = self._stated(folder)
        for name in stated[_KEY]:
            if name == SIGNALS and (folder / WHERE).exists():
                yield f"{folder / name}: in object storage, of which not all has been read"
                continue
            try:
                self._require_unaltered(folder, name, stated)
            except InputError as error:
                yield str(error)

    def _stated(self, folder: Path) -> dict[str, Any]:
        path = folder / self.file
        if not folder.exists():
            raise InputError(f"{folder}: no such folder; {self.fix}")
        others = [each for each in MANIFESTS if (folder / each.file).exists()]
        if others and self not in others:
            raise InputError(f"{folder}: a {others[0].kind}, not a {self.kind}; {self.fix}")
        if folder.is_file():
            raise InputError(
                f"{folder}: a file, not the folder of a {self.kind}; {self.fix} (weights are read "
                "from safetensors alone, since a pickle can run code)"
            )
        try:
            stated: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found = stated["format"]
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}: not a readable {self.kind} ({what}); {self.fix}") from error
        if found != self.format:
            raise InputError(f"{path}: {self.kind} format {found!r}; {self.fix}")
        if not isinstance(stated.get(_KEY), dict) or self.file not in stated[_KEY]:
            raise InputError(f"{path}: holds no hash of itself; {self.fix}")
        return stated

    def _require_unaltered(self, folder: Path, name: str, stated: dict[str, Any]) -> None:
        path, hashes = folder / name, stated[_KEY]
        try:
            found = self._own_hash(stated) if name == self.file else file_hash(path)
            same = found == hashes[name] and Path(name).name == name
        except (OSError, LookupError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}: not a readable {self.kind} ({what}); {self.fix}") from error
        if not same:
            raise InputError(f"{path}: not the file that was written; {self.fix}")

    def _own_hash(self, stated: dict[str, Any]) -> str:
        others = {name: value for name, value in stated[_KEY].items() if name != self.file}
        text = json.dumps({**stated, _KEY: others}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


STORE = Manifest("store", "store.json", 5, "make one with `myocard prepare`")
CHECKPOINT = Manifest("checkpoint", "config.json", 4, "fetch or make the checkpoint again")
FEATURES = Manifest("cache", "features.json", 3, "make one with `myocard extract`")
MODEL = Manifest("model", "model.json", 1, "save the model again with `myocard save`")
"""A model on an encoder that others made; it holds a folder, and is not among ``MANIFESTS``."""
MANIFESTS = (STORE, CHECKPOINT, FEATURES)


def altered(folder: Path) -> list[str]:
    """Return a sentence for each file of a store, checkpoint or cache that was altered.

    Raises:
        InputError: When the folder is none of these.
    """
    for manifest in MANIFESTS:
        if (folder / manifest.file).exists():
            return list(manifest.altered(folder))
    if not folder.exists():
        raise InputError(f"{folder}: no such folder")
    raise InputError(f"{folder}: no store, checkpoint or features in it; give the folder of one")


def parsed(kind: type[Stated], stated: Any) -> Stated:
    """Parse a dataclass from JSON values.

    Raises:
        ValueError: When a value is of another type, missing, or unknown.
    """
    found = TypeAdapter(kind).validate_python(stated)
    _refuse_unknown(stated, asdict(found))  # type: ignore[call-overload]
    return found


def _refuse_unknown(stated: object, known: Any) -> None:
    if isinstance(stated, dict):
        for key, value in stated.items():
            if key not in known:
                raise ValueError(f"unknown key {key!r}")
            _refuse_unknown(value, known[key])
    if isinstance(stated, list):
        for item, other in zip(stated, known, strict=True):
            _refuse_unknown(item, other)


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
