"""Layers in people's files, NumPy's or Parquet, as arrays that stay on disk."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.evaluation.embeddings.parquet import unpack_parquet

Numbers = NDArray[np.floating]
_KINDS = (".npy", ".npz", ".parquet")
_FEW = 256
"""Records that are looked at."""


def files_in(place: Path) -> list[Path]:
    """Return the file ``place``, or the files in that folder, layer_2 before layer_10.

    Raises:
        InputError: When there is none, one is no file, or they are of several kinds.
    """
    if not place.exists():
        raise InputError(f"{place}: no such file or folder; give embeddings")
    files = [place] if place.is_file() else list(place.iterdir())
    found = [each for each in files if kind_of(each) in _KINDS and each.name != "records.parquet"]
    for each in found:
        if not each.is_file():
            raise InputError(f"{each}: no file, or a link to none; move it elsewhere")
    if len(set(map(kind_of, found))) != 1:
        told = "embeddings of several kinds" if found else "no embeddings there"
        raise InputError(f"{place}: {told}; give {', '.join(_KINDS[:-1])} or {_KINDS[-1]} files")
    return sorted(found, key=lambda file: _natural(file.stem))


def kind_of(file: Path) -> str:
    """Return the ending of a file's name, in small letters."""
    return file.suffix.lower()


def read_layers(files: Sequence[Path], unpacked: Path) -> dict[str, Numbers]:
    """Read the layers of the same records from files of one kind.

    Args:
        files: Each of one layer, in order; or one file of several.
        unpacked: A folder, made for what cannot be mapped where it is.

    Returns:
        Numbers of each layer by its name, ``(records, width)``, the first layer first.

    Raises:
        InputError: When a file is broken or holds no embeddings, or they do not fit each other.
    """
    paths = {file.stem: file for file in files}
    if kind_of(files[0]) == ".parquet":
        paths = unpack_parquet(files, unpacked)
    elif kind_of(files[0]) == ".npz":
        paths = _unpack_zip(files, unpacked)
    places = {
        name: path if path in files else f"{files[0]}, {name}" for name, path in paths.items()
    }
    found = {name: _mapped(paths[name], places[name]) for name in sorted(paths, key=_natural)}
    first = next(iter(found.values()))
    for name, array in found.items():
        if array.ndim == 3 and len(found) > 1:
            raise InputError(f"{places[name]}: several layers, beside other arrays; give it alone")
        if len(array) != len(first):
            raise InputError(
                f"{places[name]}: {len(array)} records, and {len(first)} in the first layer; give "
                "all layers of the same records"
            )
    if first.ndim == 3:
        return {f"layer {layer}": first[:, layer] for layer in range(first.shape[1])}
    return found


def _unpack_zip(files: Sequence[Path], unpacked: Path) -> dict[str, Path]:
    """Unpack the arrays of ``.npz`` files, and return them by name."""
    paths: dict[str, Path] = {}
    for file in files:
        try:
            with ZipFile(file) as archive:
                for member in archive.namelist():
                    name = member.removesuffix(".npy")
                    name = name if len(files) == 1 else f"{file.stem} {name}"
                    if name in paths:
                        raise ValueError(f"{name} is in it twice")
                    paths[name] = Path(archive.extract(member, unpacked / file.stem))
        # zipfile and zlib raise errors of every kind for a broken file.
        except Exception as error:
            raise InputError(f"{file}: not a readable .npz ({error}); save it again") from error
    if not paths:
        raise InputError(f"{files[0]}: no array in it; save it again")
    return paths


def _mapped(path: Path, where: object) -> Numbers:
    """Open an array of embeddings, ``(records, width)`` or ``(records, layers, width)``."""
    try:
        array: NDArray[Any] = open_memmap(path, mode="r")
    # A broken header is parsed as Python, which tells of that in many ways.
    except Exception as error:
        raise InputError(
            f"{where}: not a readable array ({error}); save numbers with np.save"
        ) from error
    what = f"{where}: {array.dtype} of shape {array.shape}"
    if array.dtype.kind in "iub" or _is_binary(array):
        raise InputError(
            f"{what} looks like labels (whole numbers, or 0 and 1 alone), not embeddings; move it "
            "elsewhere, and make labels a task (`myocard task`)"
        )
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise InputError(f"{what} is no embedding; save float16, float32 or float64")
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(f"{what}: give (records, width) or (records, layers, width)")
    if array.ndim == 3 and array.shape[1] > array.shape[2]:
        raise InputError(
            f"{what}: more layers than numbers in each; give (records, layers, width), or views of "
            "a record one behind the other as (records, width)"
        )
    return array


def _is_binary(array: NDArray[Any]) -> bool:
    """Tell if the first records hold both 0 and 1, and else nothing that is known."""
    if array.dtype.kind != "f" or array.ndim == 0:
        return False
    no, yes = array[:_FEW] == 0, array[:_FEW] == 1
    return bool(no.any() and yes.any() and (no | yes | np.isnan(array[:_FEW])).all())


def _natural(name: str) -> list[str | int]:
    parts: list[str] = re.split(r"(\d+)", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]
