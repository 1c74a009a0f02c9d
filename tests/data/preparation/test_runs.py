"""A run that is stopped, wherever that is, goes on to the same bytes, or tells what hinders it."""

import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myocard.data.preparation import Wanted, joining, parts, prepare
from myocard.data.signal import Band
from myocard.data.sources import entries
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS

WANTED = Wanted(100, 10.0, LEADS)
FILES = {
    "flags.csv",
    "inputs.json",
    "quarantine.csv",
    "unknown_codes.csv",
    "records.parquet",
    "signals.npy",
    "store.json",
}


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing catches it, nothing is tidied up."""


@pytest.fixture
def listed(make_entry, monkeypatch) -> list[Entry]:
    """Seven records in parts of two; the third is broken, the sixth a duplicate."""
    monkeypatch.setattr(parts, "PART", 2)
    found = [make_entry(str(number), codes=("scp:NORM",)) for number in range(7)]
    np.save(found[2].path, np.full((12, 1000), np.nan))
    found[5].path.write_bytes(found[0].path.read_bytes())
    return found


def run(found: list[Entry], out: Path, wanted: Wanted = WANTED, **settings: object) -> Store:
    return prepare(found, out, wanted, source="test", **{"jobs": 1} | settings)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def whole(listed, tmp_path) -> dict[str, bytes]:
    """The files of a store that nobody stopped."""
    run(listed, tmp_path / "whole")
    assert not (tmp_path / ".whole.partial").exists()
    return content(tmp_path / "whole")


def kill_between_parts(monkeypatch) -> None:
    made = parts._prepare_part

    def prepare_part(chunk, path, *how):
        if path.name == "part-000002.npz":
            raise Killed
        return made(chunk, path, *how)

    monkeypatch.setattr(parts, "_prepare_part", prepare_part)


def kill_within_a_part(monkeypatch) -> None:
    def savez(path, **arrays):
        Path(path).write_bytes(b"half of a part")
        raise Killed

    monkeypatch.setattr(parts.np, "savez", savez)


def kill_while_joining(monkeypatch) -> None:
    def write_header(file, header):
        file.write(b"half of the signals")
        raise Killed

    monkeypatch.setattr(joining, "write_array_header_1_0", write_header)


def kill_before_the_store_gets_its_name(monkeypatch) -> None:
    rename_path = Path.rename

    def rename_unless_store(path, target):
        if target.name == "store":
            raise Killed
        return rename_path(path, target)

    monkeypatch.setattr(Path, "rename", rename_unless_store)


@pytest.mark.parametrize(
    "kill",
    [
        kill_between_parts,
        kill_within_a_part,
        kill_while_joining,
        kill_before_the_store_gets_its_name,
    ],
)
def test_a_killed_run_goes_on_to_the_same_bytes(listed, whole, tmp_path, kill) -> None:
    out = tmp_path / "store"
    with pytest.MonkeyPatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            run(listed, out)
    assert not out.exists()
    run(listed, out)
    assert content(out) == whole
    assert whole.keys() == FILES
    assert not (tmp_path / ".store.partial").exists()


def test_finished_parts_are_not_made_again(listed, tmp_path, monkeypatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_between_parts(patch)
        with pytest.raises(Killed):
            run(listed, tmp_path / "store")
    made = parts._prepare_part
    names, told = [], []

    def prepare_part(chunk, path, *how):
        names.append(path.name)
        return made(chunk, path, *how)

    monkeypatch.setattr(parts, "_prepare_part", prepare_part)
    run(listed, tmp_path / "store", progress=lambda *each: told.append(each))
    assert names == ["part-000002.npz", "part-000003.npz"]
    assert told == [("prepare store", done, 7) for done in (4, 6, 7)]


SCRIPT = """
import os, signal, sys
from myocard.data.sources import entries
from myocard.leads import LEADS
from myocard.data.preparation import Wanted, parts, prepare

parts.PART = 2

def progress(what, done, total):
    if done >= 4:
        os.kill(os.getpid(), signal.SIGKILL)

found = entries("folder", sys.argv[1])
prepare(found, __import__("pathlib").Path(sys.argv[2]), Wanted(100, 10.0, LEADS), source="folder",
        jobs=1, progress=progress)
"""


def test_a_run_that_the_system_kills_goes_on_in_another_process(
    listed, tmp_path, monkeypatch
) -> None:
    source = listed[0].path.parent
    rows = [f"{e.path.name},p{e.id},own:a,100,{' '.join(LEADS)},mV" for e in listed]
    (source / "labels.csv").write_text("\n".join(["file,patient,codes,rate,leads,unit", *rows]))
    stopped = subprocess.run([sys.executable, "-c", SCRIPT, source, tmp_path / "store"])
    assert stopped.returncode == -signal.SIGKILL
    assert not (tmp_path / "store").exists()
    work = tmp_path / ".store.partial"
    before = {path.name: path.stat().st_mtime_ns for path in work.glob("part-*.npz")}
    assert before.keys() == {"part-000000.npz", "part-000001.npz"}
    found = entries("folder", source)
    prepare(found, tmp_path / "store", WANTED, source="folder", jobs=1)
    prepare(found, tmp_path / "whole", WANTED, source="folder", jobs=1)
    assert content(tmp_path / "store") == content(tmp_path / "whole")


def test_the_number_of_processes_does_not_change_a_byte(listed, whole, tmp_path) -> None:
    run(listed, tmp_path / "store", jobs=2)
    assert content(tmp_path / "store") == whole


def test_the_size_of_parts_does_not_change_a_byte(listed, whole, tmp_path, monkeypatch) -> None:
    for size in (1, 3, 256):
        monkeypatch.setattr(parts, "PART", size)
        run(listed, tmp_path / f"store-{size}")
        assert content(tmp_path / f"store-{size}") == whole


OTHERS = {
    "seconds is 10.0, not 9.0": lambda found: (found, Wanted(100, 9.0, LEADS)),
    'allow is [], not ["duplicate"]': lambda found: (
        found,
        Wanted(100, 10.0, LEADS, allow=("duplicate",)),
    ),
    "band.highpass is null, not 0.5": lambda found: (found, Wanted(100, 10.0, LEADS, Band(0.5))),
    "records is 7, not 6": lambda found: (found[:-1], WANTED),
    "listing is ": lambda found: ([replace(e, codes=("scp:NOSUCH",)) for e in found], WANTED),
}


@pytest.mark.parametrize("told", OTHERS)
def test_parts_of_another_run_are_not_taken_up(listed, whole, tmp_path, told) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kill_between_parts(patch)
        with pytest.raises(Killed):
            run(listed, tmp_path / "store")
    expected = rf"store: made from other inputs: {re.escape(told)}.*; it is what a stopped job left"
    with pytest.raises(InputError, match=expected):
        run(OTHERS[told](listed)[0], tmp_path / "store", OTHERS[told](listed)[1])
    run(listed, tmp_path / "store")
    assert content(tmp_path / "store") == whole


@pytest.mark.parametrize("told", OTHERS)
def test_a_store_that_exists_is_kept_for_the_same_inputs_and_refused_for_others(
    listed, whole, tmp_path, told, monkeypatch
) -> None:
    monkeypatch.setattr(parts, "_prepare_part", None)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "whole").iterdir()}
    assert run(listed, tmp_path / "whole").folder == tmp_path / "whole"
    with pytest.raises(InputError, match=rf"whole: made from other inputs: {re.escape(told)}"):
        run(OTHERS[told](listed)[0], tmp_path / "whole", OTHERS[told](listed)[1])
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "whole").iterdir()} == before
    assert content(tmp_path / "whole") == whole


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"split_seed": 1}, "split_seed is 0, not 1"),
        ({"shard": (1, 2)}, r"shard is \[1, 1\], not \[1, 2\]"),
        ({"source": "other"}, 'source is "test", not "other"'),
    ],
)
def test_a_store_of_another_split_shard_or_source_is_another_store(
    listed, whole, tmp_path, settings, told
) -> None:
    with pytest.raises(InputError, match=f"whole: made from other inputs: {told}"):
        prepare(listed, tmp_path / "whole", WANTED, **{"source": "test"} | settings)
    assert content(tmp_path / "whole") == whole


def test_a_signal_that_was_changed_makes_other_inputs(listed, whole, tmp_path) -> None:
    np.save(listed[3].path, -np.load(listed[3].path))
    with pytest.raises(InputError, match="whole: made from other inputs: listing is "):
        run(listed, tmp_path / "whole")


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Writing beyond ``size`` bytes of a file is an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# The inputs have some 500 bytes, a part of two records 48 kB, all signals 120 kB.
@pytest.mark.parametrize("size", [100, 10_000, 100_000])
def test_a_full_disk_is_told_and_the_run_goes_on_later(listed, whole, tmp_path, size) -> None:
    out = tmp_path / "store"
    told = r"store: cannot be written \(.*\); make room there, then the same command goes on"
    with files_up_to(size), pytest.raises(InputError, match=told):
        run(listed, out)
    assert not out.exists()
    run(listed, out)
    assert content(out) == whole


def test_a_place_where_no_folder_can_be_is_told(listed, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"store: cannot be written \(.*[Dd]irectory"):
        run(listed, tmp_path / "file" / "store")
