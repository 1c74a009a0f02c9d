"""Whatever byte of a store, a checkpoint or a cache is altered, its file is named."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from myocard.auditing import altered
from myocard.checkpoint import Checkpoint
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.features import Features, extract
from myocard.folders import replace_folder
from myocard.seals import SEALS

# Arrays are too large to hash whenever they are opened; the audit does.
OPEN: dict[str, Callable[[Path], object]] = {
    "store": Store.open,
    "checkpoint": Checkpoint.load,
    "cache": Features.open,
}
AUDITED = {"signals.npy", "states.npy", "quarantine.csv"}
FOR_PEOPLE = {"README.md"}


@pytest.fixture(params=SEALS, ids=lambda seal: seal.kind)
def sealed(request, checkpoint, store, tmp_path):
    """A seal and a folder of its kind."""
    folder = tmp_path / "folder"
    if request.param.kind == "store":
        replace_folder(folder, lambda new: [_copy(path, new) for path in store.folder.iterdir()])
    elif request.param.kind == "checkpoint":
        checkpoint.save(folder)
    else:
        extract(checkpoint, store, folder)
    return request.param, folder


def _copy(path: Path, folder: Path) -> None:
    (folder / path.name).write_bytes(path.read_bytes())


def test_a_folder_as_it_was_written_opens_and_passes_the_audit(sealed):
    seal, folder = sealed
    OPEN[seal.kind](folder)
    assert altered(folder) == []


def test_one_flipped_bit_anywhere_is_found_and_its_file_named(sealed):
    seal, folder = sealed
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
                    OPEN[seal.kind](folder)
                    told = ""
            except InputError as error:
                told = str(error)
            assert f"{path}: " in told, (path.name, place, told)
        path.write_bytes(content)


def test_a_file_that_is_missing_is_named(sealed):
    seal, folder = sealed
    for path in sorted(folder.iterdir()):
        if path.name not in FOR_PEOPLE | {seal.file}:
            content = path.read_bytes()
            path.unlink()
            assert [line.split(": ")[0] for line in altered(folder)] == [str(path)]
            path.write_bytes(content)


def test_a_folder_of_before_there_were_hashes_opens_and_fails_the_audit(sealed):
    seal, folder = sealed
    path = folder / seal.file
    stated = json.loads(path.read_text())
    path.write_text(json.dumps(stated | {"format": seal.older[0], "sha256": {}}))
    OPEN[seal.kind](folder)
    with pytest.raises(InputError, match=rf"{seal.file}: holds no hash of itself; "):
        altered(folder)


def test_another_format_is_refused(sealed):
    seal, folder = sealed
    path = folder / seal.file
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))
    with pytest.raises(InputError, match=rf"{seal.file}: {seal.kind} format 99; {seal.mend}"):
        OPEN[seal.kind](folder)


def test_a_pickle_is_refused_in_one_sentence(sealed, tmp_path):
    seal, _ = sealed
    path = tmp_path / "model.pt"
    path.write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match=r"model\.pt: a file, .* since a pickle can run code"):
        OPEN[seal.kind](path)


def test_what_is_none_of_these_is_not_audited(tmp_path):
    with pytest.raises(InputError, match="no store, checkpoint or features in it"):
        altered(tmp_path)
