"""Published checkpoint files, read so that nothing in them is run.

Weights come from safetensors, or from a torch file through ``weights_only``. A torch file is a zip
archive whose pickle names classes; names beyond ``_NAMES`` are refused before torch sees the file.
"""

import json
import pickletools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from myocard.errors import InputError

SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt")
CONFIG, WEIGHTS = "config.json", "model.safetensors"
"""Files of a folder as the Hugging Face hub has it."""
_FETCH = "fetch it again"
_NUMPY = ("numpy.core.multiarray scalar", "numpy._core.multiarray scalar", "numpy dtype")
_NAMES = {
    "collections OrderedDict",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_tensor_v2",
    *(
        f"torch {kind}Storage"
        for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
    ),
    "_codecs encode",  # the bytes of a NumPy scalar
    *_NUMPY,
}
"""Names that a torch file may use: tensors, and NumPy scalars that a trainer leaves beside them."""
_STATES = ("state_dict", "model_state_dict", "model", "encoder")
_STATEMENTS = ("cfg", "config", "model_config", "preprocess")
"""Keys of what a checkpoint says of its network and input, beside the tensors."""


class _Unread:
    """Stand-in for a NumPy scalar, which no encoder needs."""

    def __init__(self, *parts: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


def checkpoints(folder: Path) -> list[Path]:
    """List the files in ``folder`` that are named as checkpoints."""
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)


def read_content(path: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors and plain values, in dictionaries within each other.

    Args:
        path: A safetensors or torch file; a folder with one such file; or a folder as the Hugging
            Face hub has it, whose content is ``config`` and ``model``.

    Raises:
        InputError: When it is none of these, is cut or contradicts itself, or needs code to be run.
    """
    if path.is_dir():
        return _read_folder(path)
    try:
        with path.open("rb") as file:
            beginning = file.read(9)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if beginning.startswith(b"PK\3\4"):
        return _read_torch(path)
    if beginning[8:] == b"{":
        return {**read_weights(path, _FETCH)}
    if beginning.startswith(b"\x80"):
        _refuse_classes(path.read_bytes(), path)
        raise InputError(f"{path}: a pickle, not a torch file of today; {_conversion(path)}")
    raise InputError(f"{path}: not a checkpoint; give a safetensors or torch file")


def _read_folder(folder: Path) -> dict[str, Any]:
    if (folder / WEIGHTS).exists() and (folder / CONFIG).exists():
        try:
            config = json.loads((folder / CONFIG).read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{folder / CONFIG}: not readable JSON ({error}); {_FETCH}") from error
        return {"config": config, "model": read_weights(folder / WEIGHTS, _FETCH)}
    found = checkpoints(folder)
    if len(found) != 1:
        named = ", ".join(path.name for path in found) or "no checkpoint"
        raise InputError(f"{folder}: holds {named}; give the file to read")
    return read_content(found[0])


def read_weights(path: Path, fix: str) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, which are no larger than the file.

    Args:
        path: The file.
        fix: Advice on a file that cannot be read, for the message.

    Raises:
        InputError: When it is none, or names a tensor twice.
    """
    try:
        weights = load_file(path)
        with path.open("rb") as file:
            header = file.read(int.from_bytes(file.read(8), "little"))
        json.loads(header, object_pairs_hook=_each_once)
    # KeyError: a dtype that torch does not support.
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: no readable safetensors ({error}); {fix}") from error
    return weights


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name comes twice")
    return content


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        with ZipFile(path) as archive:
            records = archive.infolist()
            _require_plain(records, path)
            (pickled,) = (record for record in records if record.filename.endswith("/data.pkl"))
            _refuse_classes(archive.read(pickled), path)
        with torch.serialization.safe_globals([(_Unread, n.replace(" ", ".")) for n in _NUMPY]):
            # Mapped: torch allocates nothing, and what the encoder does not need is never read.
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        if not isinstance(content, Mapping):
            raise InputError(f"{path}: holds a {type(content).__name__}, not tensors by name")
        _require_whole(_tensors(content), records, path)
    except InputError:
        raise
    # zipfile and torch raise errors of every kind for a broken file.
    except Exception as error:
        what = "cut or damaged" if isinstance(error, BadZipFile) else type(error).__name__
        raise InputError(f"{path}: not a readable torch file ({what}); {_FETCH}") from error
    return dict(content)


def _require_plain(records: Sequence[ZipInfo], path: Path) -> None:
    """Refuse an archive that torch did not write: what it unfolds to could be of any size."""
    names = {record.filename.lower() for record in records}
    size = sum(record.file_size for record in records)
    if len(names) < len(records):
        raise InputError(f"{path}: an archive that names a record twice; {_FETCH}")
    if any(record.compress_type != ZIP_STORED for record in records) or size > path.stat().st_size:
        raise InputError(f"{path}: an archive with compressed records; unpack it, or {_FETCH}")
    if sum(name.endswith("/data.pkl") for name in names) != 1:
        raise InputError(f"{path}: a zip archive, not a torch file; unpack it, or {_FETCH}")


def _refuse_classes(pickled: bytes, path: Path) -> None:
    """Refuse a pickle that names anything but tensors and plain values.

    Raises:
        InputError: Naming the class, or when it is no whole pickle.
    """
    try:
        steps = list(pickletools.genops(pickled))
    # pickletools raises errors of every kind for a broken pickle.
    except Exception as error:
        raise InputError(f"{path}: cut or damaged; {_FETCH}") from error
    texts = [""]
    for opcode, argument, _ in steps:
        if isinstance(argument, str):
            texts.append(argument)
        stacked = opcode.name == "STACK_GLOBAL"
        if stacked or opcode.name in ("GLOBAL", "INST"):
            named = " ".join(texts[-2:]) if stacked else texts[-1]
            if stacked or named not in _NAMES:
                raise InputError(
                    f"{path}: holds a pickled {named.replace(' ', '.')}, which could run code; "
                    f"{_conversion(path)}"
                )


def _conversion(path: Path) -> str:
    """Advice with the command that keeps a checkpoint's tensors, and statements as plain values."""
    kept = path.with_name(f"{path.stem}-weights.pt")
    code = (
        "import json, torch; "
        f"c = torch.load({str(path)!r}, map_location='cpu', weights_only=False); "
        "c = c if isinstance(c, dict) else c.state_dict(); "
        "p = lambda x: x.tolist() if hasattr(x, 'tolist') else getattr(x, '__dict__', None); "
        f"s = {{k: json.loads(json.dumps(c[k], default=p)) for k in {_STATEMENTS} if k in c}}; "
        f"w = {{k: c[k] for k in {_STATES} if k in c}}; "
        f"torch.save({{**w, **s}} if w else c, {str(kept)!r})"
    )
    return f'if you trust it, convert it once, on a machine that may run it: python -c "{code}"'


def _tensors(content: object, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor within ``content`` with its place, whatever it is nested in."""
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list | tuple):
        for place, value in enumerate(content):
            yield from _tensors(value, f"{name}.{place}")


def _require_whole(
    tensors: Iterable[tuple[str, Tensor]], records: Sequence[ZipInfo], path: Path
) -> None:
    """Refuse tensors that claim more elements than the file has for them."""
    claimed = {}
    for name, tensor in tensors:
        storage = tensor.untyped_storage()
        claimed[storage.data_ptr()] = storage.nbytes()
        if tensor.numel() * tensor.element_size() > storage.nbytes():
            raise InputError(
                f"{path}: {name} claims {tensor.numel():,} elements, and the file has fewer; "
                f"{_FETCH}"
            )
    held = [record.file_size for record in records if "/data/" in record.filename]
    if sorted(filter(None, claimed.values())) != sorted(filter(None, held)):
        raise InputError(f"{path}: its tensors are not as long as the file says; {_FETCH}")
