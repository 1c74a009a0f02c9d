"""Whatever byte of a store, a checkpoint or a cache is altered, its file is named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract
from myocard.files.atomic import replace_folder
from myocard.files.manifest import MANIFESTS, altered
from myocard.files.step import INPUTS
from myocard.models.checkpoint import Checkpoint

# Arrays are too large to hash whenever they are opened; the audit does.
OPEN: dict[str, Callable[[Path], object]] = {
    "store": Store.open,
    "checkpoint": Checkpoint.load,
    "cache": Features.open,
}
AUDITED = {"signals.npy", "states.npy", "quarantine.csv", "flags.csv", "unknown_codes.csv", INPUTS}
FOR_PEOPLE = {"README.md"}


@pytest.fixture(params=MANIFESTS, ids=lambda manifest: manifest.kind)
def hashed(request, encoder, store, tmp_path):
    """A manifest and a folder of its kind."""
    folder = tmp_path / "folder"
    if request.param.kind == "store":
        replace_folder(folder, lambda new: [_copy(path, new) for path in store.folder.iterdir()])
    elif request.param.kind == "checkpoint":
        Checkpoint(encoder, {}).save(folder)
    else:
        extract(encoder, store, folder)
    return request.param, folder


def _copy(path: Path, folder: Path) -> None:
    (folder / path.name).write_bytes(path.read_bytes())


def test_a_folder_as_it_was_written_opens_and_passes_the_audit(hashed):
    manifest, folder = hashed
    OPEN[manifest.kind](folder)
    assert altered(folder) == []


def test_one_flipped_bit_anywhere_is_found_and_its_file_named(hashed):
    manifest, folder = hashed
    rng = np.random.default_rng(0)
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        places = {0, len(content) - 1, *rng.integers(len(content), size=30).tolist()}
        for place in () if path.name in FOR_PEOPLE else places:
            spoiled = bytearray(content)
            spoiled[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(spoiled)
            told = ""
            try:
                told = "\n".join(altered(folder))
                if path.name not in AUDITED:
                    OPEN[manifest.kind](folder)
                    told = ""
            except InputError as error:
                told = str(error)
            assert f"{path}: " in told, (path.name, place, told)
        path.write_bytes(content)


def test_a_file_that_is_missing_is_named(hashed):
    manifest, folder = hashed
    for path in sorted(folder.iterdir()):
        if path.name not in FOR_PEOPLE | {manifest.file}:
            content = path.read_bytes()
            path.unlink()
            assert [line.split(": ")[0] for line in altered(folder)] == [str(path)]
            path.write_bytes(content)


@pytest.mark.parametrize("hashes", [None, {}, [], 3, {"records.parquet": "0" * 64}])
def test_a_folder_without_hashes_is_refused_and_fails_the_audit(hashed, hashes):
    manifest, folder = hashed
    path = folder / manifest.file
    stated = json.loads(path.read_text()) | {"sha256": hashes}
    if hashes is None:
        del stated["sha256"]
    path.write_text(json.dumps(stated))
    for program in (OPEN[manifest.kind], altered):
        with pytest.raises(InputError, match=rf"{manifest.file}: holds no hash of itself; "):
            program(folder)


def test_another_format_is_refused(hashed):
    manifest, folder = hashed
    path = folder / manifest.file
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    refusal = rf"{manifest.file}: {manifest.kind} format 99; {manifest.fix}"
    with pytest.raises(InputError, match=refusal):
        OPEN[manifest.kind](folder)


def test_a_pickle_is_refused_in_one_sentence(hashed, tmp_path):
    manifest, _ = hashed
    path = tmp_path / "model.pt"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match=r"model\.pt: a file, .* since a pickle can run code"):
        OPEN[manifest.kind](path)


def test_what_is_none_of_these_is_not_audited(tmp_path):
    with pytest.raises(InputError, match="no store, checkpoint or features in it"):
        altered(tmp_path)
