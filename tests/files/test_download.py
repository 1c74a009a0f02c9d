"""A copy from object storage is what was put there, or is refused with its file named."""

import json
import re
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from myocard.data.preparation import Wanted, prepare
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.download import fetch
from myocard.files.manifest import altered
from myocard.files.progress import Progress
from myocard.files.remote import receive, storage_of
from myocard.files.step import INPUTS, read_inputs
from myocard.leads import LEADS
from myocard.models.checkpoint import Checkpoint
from myocard.simulation import entries


@pytest.fixture
def bucket(store, encoder, tmp_path):
    """A file system in memory that holds a store and a checkpoint."""
    memory = fsspec.filesystem("memory")
    memory.put(str(store.folder), "/ecgs/store", recursive=True)
    Checkpoint(encoder, {}).save(tmp_path / "made")
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
    del sizes["store.json"]  # too small to be told of
    assert {what: done for what, done, size in told if done == size} == {
        f"fetch bytes of store/{name}": size for name, size in sizes.items()
    }
    assert not (tmp_path / ".out.partial").exists()


def test_a_checkpoint_arrives_with_what_is_hashed(bucket, tmp_path):
    fetch("memory://ecgs/encoder", tmp_path / "out")
    assert altered(tmp_path / "out") == []
    expected = contents(tmp_path / "made")
    del expected["README.md"]
    found = contents(tmp_path / "out")
    stated = json.loads(found.pop(INPUTS))
    assert found == expected
    assert {*stated["files"]} == expected.keys() - {"config.json"}


def test_a_folder_that_was_fetched_says_from_what_it_was_made(bucket, store, tmp_path):
    fetch("memory://ecgs/store", tmp_path / "out")
    assert read_inputs(tmp_path / "out") == read_inputs(store.folder)
    assert read_inputs(store.folder)["records"] == 60


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


def stop_at(file: str) -> Progress:
    def progress(what: str, done: int, size: int) -> None:
        if what == f"fetch bytes of store/{file}":
            raise KeyboardInterrupt

    return progress


def test_a_copy_that_was_stopped_goes_on_with_the_files_that_are_missing(bucket, store, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fetch("memory://ecgs/store", tmp_path / "out", stop_at("records.parquet"))
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.partial" / "fetched" / "signals.npy").exists()
    told = []
    fetch("memory://ecgs/store", tmp_path / "out", lambda what, *done: told.append(what))
    missing = ("records.parquet", "quarantine.csv", "unknown_codes.csv", "flags.csv", INPUTS)
    assert set(told) == {f"fetch bytes of store/{name}" for name in missing}
    assert contents(tmp_path / "out") == contents(store.folder)
    assert not (tmp_path / ".out.partial").exists()


def test_what_was_altered_there_is_named_and_the_rest_is_kept(bucket, tmp_path):
    whole = bucket.cat("/ecgs/store/records.parquet")
    bucket.pipe("/ecgs/store/records.parquet", whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="^/ecgs/store/records.parquet: not the file that was wr"):
        fetch("memory://ecgs/store", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    left = {path.name for path in (tmp_path / ".out.partial" / "fetched").iterdir()}
    assert left == {"signals.npy"}
    bucket.pipe("/ecgs/store/records.parquet", whole)
    fetch("memory://ecgs/store", tmp_path / "out")
    assert altered(tmp_path / "out") == []


def test_a_statement_that_was_altered_costs_no_copy(bucket, tmp_path):
    stated = json.loads(bucket.cat("/ecgs/store/store.json")) | {"source": "another"}
    bucket.pipe("/ecgs/store/store.json", json.dumps(stated).encode())
    with pytest.raises(InputError, match="store.json: not the file that was written"):
        fetch("memory://ecgs/store", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_file_that_is_missing_there_is_named(bucket, tmp_path):
    bucket.rm("/ecgs/store/signals.npy")
    with pytest.raises(InputError, match="^/ecgs/store/signals.npy: cannot be read"):
        fetch("memory://ecgs/store", tmp_path / "out")


def test_what_a_stopped_copy_left_of_another_folder_is_not_mixed_in(bucket, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fetch("memory://ecgs/store", tmp_path / "out", stop_at("quarantine.csv"))
    left = tmp_path / ".out.partial"
    told = (
        r"out: made from other inputs: files\..*; it is what a stopped job left; remove .*partial"
    )
    with pytest.raises(InputError, match=told):
        fetch("memory://ecgs/encoder", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    shutil.rmtree(left)
    fetch("memory://ecgs/encoder", tmp_path / "out")
    assert altered(tmp_path / "out") == []
    assert "signals.npy" not in contents(tmp_path / "out")


def test_two_folders_of_one_name_are_refused(bucket, tmp_path):
    for place in ("a", "b"):
        bucket.pipe(f"/ecgs/{place}/store/store.json", b"{}")
    with pytest.raises(InputError, match="names two folders alike; fetch each to"):
        fetch("memory://ecgs/*/store", tmp_path / "out")


def test_what_a_kill_left_beside_a_folder_goes(bucket, tmp_path):
    fetch("memory://ecgs/store", tmp_path / "out" / "store")
    left = tmp_path / "out" / ".store.partial"
    (left / "fetched").mkdir(parents=True)
    (left / "fetched" / "signals.npy").touch()
    (left / INPUTS).write_text("{}")
    fetch("memory://ecgs/stor*", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["store"]


def test_a_plain_web_server_will_do(store, tmp_path):
    """A server that knows no ranges, and lists no folders that we would understand."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            pass

    handler = partial(Quiet, directory=store.folder.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        fetch(f"http://127.0.0.1:{server.server_port}/{store.folder.name}/", tmp_path / "out")
        server.shutdown()
    assert contents(tmp_path / "out") == contents(store.folder)


def test_a_server_that_tells_no_length_is_told_of_as_whole_at_the_end_alone(
    store, tmp_path, monkeypatch
):
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *said: object) -> None:
            pass

        def send_header(self, name: str, value: str) -> None:
            if name != "Content-Length":
                super().send_header(name, value)

    monkeypatch.setattr("myocard.files.remote.BLOCK", 1000)
    told = []
    handler = partial(Silent, directory=store.folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        storage, place = storage_of(f"http://127.0.0.1:{server.server_port}/signals.npy")
        receive(storage, place, tmp_path / "signals", lambda *each: told.append(each))
        server.shutdown()
    size = (store.folder / "signals.npy").stat().st_size
    assert (tmp_path / "signals").stat().st_size == size > 2000
    assert [done for _, done, of in told if done >= of] == [size]


@pytest.mark.parametrize("name", ["../stolen", "/etc/passwd", "..", "", ".hidden", "a/b"])
def test_a_statement_cannot_name_a_file_elsewhere(bucket, tmp_path, name):
    stated = json.loads(bucket.cat("/ecgs/store/store.json"))
    stated["sha256"][name] = "0" * 64
    bucket.pipe("/ecgs/store/store.json", json.dumps(stated).encode())
    with pytest.raises(InputError, match="store.json: names a file"):
        fetch("memory://ecgs/store", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


@pytest.mark.parametrize("hashes", [None, 3, ["signals.npy"]])
def test_a_statement_without_hashes_is_refused(bucket, tmp_path, hashes):
    stated = json.loads(bucket.cat("/ecgs/store/store.json")) | {"sha256": hashes}
    bucket.pipe("/ecgs/store/store.json", json.dumps(stated).encode())
    with pytest.raises(InputError, match="store.json: holds no hash of itself"):
        fetch("memory://ecgs/store", tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://ecgs/nothing", "nothing: no such folder, or no store .store.json., checkp"),
        ("memory://ecgs/none-*", "no folder has such a name"),
        ("carrier-pigeon://ecgs/store", "cannot be read .ValueError: Protocol not known"),
    ],
)
def test_what_cannot_be_fetched_is_said_in_one_line(bucket, tmp_path, url, message):
    with pytest.raises(InputError, match=message):
        fetch(url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_kept_or_refused_by_its_hashes(bucket, tmp_path):
    fetch("memory://ecgs/store", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert fetch("memory://ecgs/store", tmp_path / "out") == [tmp_path / "out"]
    stated = json.loads((tmp_path / "made" / "config.json").read_text())["sha256"]
    told = f'files.model.safetensors is absent, not "{stated["model.safetensors"][:56]}…'
    with pytest.raises(InputError, match=f"out: made from other inputs: .*{re.escape(told)}"):
        fetch("memory://ecgs/encoder", tmp_path / "out")
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="mine: exists already and does not say from what"):
        fetch("memory://ecgs/encoder", tmp_path / "mine")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    Store.open(tmp_path / "out")
