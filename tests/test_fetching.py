"""What comes from object storage is what was put there, or is refused with its file named."""

import json
from pathlib import Path

import fsspec
import pytest

from myocard import fetching
from myocard.auditing import altered
from myocard.data.sources.simulator import entries
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.fetching import fetch
from myocard.leads import LEADS
from myocard.preparation import Wanted, prepare


@pytest.fixture
def bucket(store, checkpoint, tmp_path):
    """A file system in memory that holds a store and a checkpoint."""
    memory = fsspec.filesystem("memory")
    memory.put(str(store.folder), "/ecgs/store", recursive=True)
    checkpoint.save(tmp_path / "made")
    memory.put(str(tmp_path / "made"), "/ecgs/encoder", recursive=True)
    yield memory
    memory.rm("/ecgs", recursive=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_store_arrives_whole_and_opens(bucket, store, tmp_path):
    told = []
    fetch("memory://ecgs/store", tmp_path / "out", lambda *each: told.append(each))
    assert contents(tmp_path / "out") == contents(store.folder)
    assert Store.open(tmp_path / "out").key == store.key
    sizes = {path.name: path.stat().st_size for path in store.folder.iterdir()}
    assert {file: done for file, done, size in told if done == size} == sizes


def test_a_checkpoint_arrives_with_what_is_hashed(bucket, tmp_path):
    fetch("memory://ecgs/encoder", tmp_path / "out")
    assert altered(tmp_path / "out") == []
    expected = contents(tmp_path / "made")
    del expected["README.md"]
    assert contents(tmp_path / "out") == expected


def test_all_shards_come_by_a_pattern_and_those_there_stay(bucket, tmp_path):
    found, wanted = entries(10, 0, rate=100.0), Wanted(100, 10.0, LEADS)
    for number in (1, 2):
        made = tmp_path / "made" / f"ptbxl-{number}"
        prepare(found, made, wanted, source="s", shard=(number, 2), jobs=1)
        bucket.put(str(made), f"/ecgs/ptbxl-{number}", recursive=True)
    fetch("memory://ecgs/ptbxl-2", tmp_path / "out" / "ptbxl-2")
    before = (tmp_path / "out" / "ptbxl-2").stat().st_ino
    found = fetch("memory://ecgs/ptbxl-*", tmp_path / "out")
    assert [folder.name for folder in found] == ["ptbxl-1", "ptbxl-2"]
    assert (tmp_path / "out" / "ptbxl-2").stat().st_ino == before
    here, there = (Store.open(tmp_path / each / "ptbxl-*") for each in ("out", "made"))
    assert here.key == there.key


def test_a_copy_that_was_stopped_goes_on_where_it_was(bucket, store, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "BLOCK", 1000)

    def stop(file: str, done: int, size: int) -> None:
        if file == "signals.npy" and done > size // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("memory://ecgs/store", tmp_path / "out", stop)
    assert not (tmp_path / "out").exists()
    half = (tmp_path / "out.partial" / "fetched" / "signals.npy").stat().st_size
    told = []
    fetch("memory://ecgs/store", tmp_path / "out", lambda *each: told.append(each))
    assert min(done for file, done, _ in told if file == "signals.npy") == half + 1000
    assert contents(tmp_path / "out") == contents(store.folder)
    assert not (tmp_path / "out.partial").exists()


def test_what_was_altered_there_is_named_and_does_not_arrive(bucket, tmp_path):
    whole = bucket.cat("/ecgs/store/signals.npy")
    bucket.pipe("/ecgs/store/signals.npy", whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match=r"signals.npy: not the file .* from /ecgs/store"):
        fetch("memory://ecgs/store", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    bucket.pipe("/ecgs/store/signals.npy", whole)
    fetch("memory://ecgs/store", tmp_path / "out")
    assert (tmp_path / "out" / "signals.npy").read_bytes() == whole


def test_a_store_that_was_replaced_while_the_copy_was_stopped_is_not_mixed(bucket, tmp_path):
    work = tmp_path / "out.partial" / "fetched"
    work.mkdir(parents=True)
    (work / "records.parquet").write_bytes(b"of another store")
    with pytest.raises(InputError, match="records.parquet: not the file that was written"):
        fetch("memory://ecgs/store", tmp_path / "out")
    assert fetch("memory://ecgs/store", tmp_path / "out")


@pytest.mark.parametrize("name", ["../stolen", "/etc/passwd", "..", "", ".hidden", "a/b"])
def test_a_statement_cannot_name_a_file_elsewhere(bucket, tmp_path, name):
    stated = json.loads(bucket.cat("/ecgs/store/store.json"))
    stated["sha256"][name] = "0" * 64
    bucket.pipe("/ecgs/store/store.json", json.dumps(stated).encode())
    with pytest.raises(InputError, match="store.json: names a file"):
        fetch("memory://ecgs/store", tmp_path / "out")
    left = {path.name for path in (tmp_path / "out.partial").rglob("*")}
    assert left <= {"fetched", "store.json"}


@pytest.mark.parametrize("hashes", [None, 3, ["signals.npy"]])
def test_a_statement_without_hashes_is_refused(bucket, tmp_path, hashes):
    stated = json.loads(bucket.cat("/ecgs/store/store.json")) | {"sha256": hashes}
    bucket.pipe("/ecgs/store/store.json", json.dumps(stated).encode())
    with pytest.raises(InputError, match="store.json: holds no hashes"):
        fetch("memory://ecgs/store", tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://ecgs/nothing", "nothing: is no store .store.json., checkpoint"),
        ("memory://ecgs/none-*", "no folder has such a name"),
        ("carrier-pigeon://ecgs/store", "cannot be read .ValueError: Protocol not known"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_one_line(bucket, tmp_path, url, message):
    with pytest.raises(InputError, match=message):
        fetch(url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_replaced(bucket, tmp_path):
    fetch("memory://ecgs/store", tmp_path / "out")
    with pytest.raises(InputError, match="out: exists already"):
        fetch("memory://ecgs/encoder", tmp_path / "out")
    Store.open(tmp_path / "out")
