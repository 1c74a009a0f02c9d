"""Places of encoders: files and folders, those that come with myocard, and the Hugging Face hub."""

import re
from importlib import import_module, resources
from pathlib import Path
from typing import Any

from myocard.encoders.files import CONFIG, WEIGHTS, checkpoints
from myocard.encoders.registry import cards
from myocard.errors import InputError
from myocard.files.manifest import CHECKPOINT, MODEL

_SHIPPED = Path(str(resources.files("myocard.models") / "shipped"))
_ON_HUB = re.compile(r"(?P<repository>\w[\w.-]*/\w[\w.-]*)(?:/(?P<file>\w[\w./-]*))?")
_OURS = ("preprocessing.json", "corpus.parquet")
"""Files beside ``config.json`` and the weights in a folder of myocard's alone."""
ENCODER = "encoder"
"""Folder within a model's folder that holds the encoder, where others made it."""
_OF_MODELS = (
    "decision.json",
    "reference.json",
    "single-layers.safetensors",
    "README.md",
    "encoder.md",
)
"""Further files of a model."""


def shipped() -> list[str]:
    """The names of the encoders that come with myocard."""
    return sorted(folder.name for folder in _SHIPPED.iterdir() if folder.is_dir())


def found(named: Path) -> Path:
    """Return the file or folder of a checkpoint; one on the hub is fetched into the hub's cache.

    Args:
        named: A file or folder, the name of a shipped encoder, or on the Hugging Face hub
            ``owner/name`` or ``owner/name/file``.

    Raises:
        InputError: When it is none of these, or the name of a model whose weights have to be given.
    """
    name = str(named)
    if named.exists():
        return named
    if name in shipped():
        return _SHIPPED / named
    if name in cards():
        card = cards()[name]
        raise InputError(
            f"{name}: the weights of {card.title} do not come with myocard; fetch them "
            f"({card.where}) and give their file or folder in place of the name"
        )
    on_hub = _ON_HUB.fullmatch(name)
    if on_hub is None:
        raise InputError(
            f"{name}: no such folder; {CHECKPOINT.fix}, or give {', '.join(shipped())}"
        )
    return _fetched(name, **on_hub.groupdict())


def of_encoder(place: Path) -> Path:
    """Return the published file or folder within a model's folder; any other place as it is."""
    if not (place / MODEL.file).exists():
        return place
    within = place / ENCODER
    files = sorted(within.iterdir()) if within.is_dir() else []
    return files[0] if len(files) == 1 else within


def is_published(place: Path) -> bool:
    """Tell others' checkpoints from a folder of myocard's, or of one of its parts at least."""
    if place.is_file():
        return True
    return bool(checkpoints(place)) and not any((place / name).exists() for name in _OURS)


def upload(folder: Path, repository: str) -> str:
    """Copy a folder to a repository on the hub, which is made if need be; return its address.

    Raises:
        InputError: Without ``huggingface_hub``, or when the hub refuses.
    """
    hub = _hub(repository)
    try:
        hub.create_repo(repository, exist_ok=True)
        return str(hub.upload_folder(repo_id=repository, folder_path=folder))
    except Exception as error:
        raise _refusal(f"{repository}: cannot be written on the hub", error) from error


def _fetched(name: str, repository: str, file: str | None) -> Path:
    hub = _hub(name)
    try:
        if file is not None:
            return Path(hub.hf_hub_download(repository, file))
        wanted = [CONFIG, WEIGHTS, *_OURS, *_OF_MODELS]
        place = Path(hub.snapshot_download(repository, allow_patterns=wanted))
    except Exception as error:
        raise _refusal(f"{name}: neither here nor on the hub", error) from error
    if not (place / WEIGHTS).exists():
        raise InputError(f"{name}: has no {WEIGHTS}; name its file, as {repository}/FILE")
    return place


def _refusal(what: str, error: Exception) -> InputError:
    """Return an error with the first line of the hub's, which are of many kinds."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(f"{what} ({first}); see to its name, your rights and the network")


def _hub(name: str) -> Any:
    try:
        return import_module("huggingface_hub")
    except ImportError as error:
        raise InputError(
            f"{name}: no such file or folder here; to look for it on the Hugging Face hub, "
            "pip install 'myocard[hub]', or fetch it otherwise and give the local file"
        ) from error
