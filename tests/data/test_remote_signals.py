"""A store whose signals stay in object storage reads as the one that was copied, block by block."""

import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import make_archive

import fsspec
import numpy as np
import pytest

from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.files import download
from myocard.files.download import fetch
from myocard.files.manifest import altered
from myocard.leads import LEADS
from myocard.simulation import entries

INPUT = Preprocessing(100, 1000)


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Store:
    out = tmp_path_factory.mktemp("local") / "store"
    return prepare(entries(30, 0), out, Wanted(100, 10.0, LEADS), source="test", jobs=1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(download, "BLOCK", 10_000)


@pytest.fixture
def memory(local):
    bucket = fsspec.filesystem("memory")
    bucket.put(str(local.folder), "/ecgs/store", recursive=True)
    yield bucket
    bucket.rm("/ecgs", recursive=True)


@pytest.fixture
def lazy(memory, tmp_path) -> Path:
    (folder,) = fetch("memory://ecgs/store", tmp_path / "lazy", as_read=True)
    return folder


def came(folder: Path) -> int:
    return sum((folder / "signals.blocks").read_bytes())


def windows(store: Store, rows: list[int]) -> np.ndarray:
    return store.windows(rows, INPUT)


def test_windows_are_those_of_the_copy_and_only_what_is_read_comes(local, lazy):
    assert came(lazy) == 0
    store = Store.open(lazy)
    assert (store.key, store.made) == (local.key, local.made)
    assert came(lazy) == 1
    rows = [7, 3, 7]
    assert np.array_equal(windows(store, rows), windows(local, rows))
    # The first has the header; a record of 24 kB touches three or four blocks of 10 kB.
    assert 7 <= came(lazy) <= 9


def test_what_has_come_is_not_asked_for_again(local, lazy, memory):
    windows(Store.open(lazy), [7])
    memory.rm("/ecgs/store/signals.npy")
    assert np.array_equal(windows(Store.open(lazy), [7]), windows(local, [7]))
    with pytest.raises(InputError, match="signals.npy"):
        windows(Store.open(lazy), [8])


def test_a_store_that_has_come_is_like_any_other(local, lazy):
    store = Store.open(lazy)
    windows(store, list(range(30)))
    assert {path.name for path in lazy.iterdir()} == {path.name for path in local.folder.iterdir()}
    assert (lazy / "signals.npy").read_bytes() == (local.folder / "signals.npy").read_bytes()
    assert np.array_equal(windows(store, [5]), windows(Store.open(lazy), [5]))


def test_features_are_the_same(local, lazy, encoder, tmp_path):
    one = extract(encoder, local, tmp_path / "one")
    other = extract(encoder, lazy, tmp_path / "other")
    assert one.states.tobytes() == other.states.tobytes()


def test_shards_are_read_as_one(memory, local, lazy):
    both = Store.joined(lazy.parent / "both", [Store.open(lazy)])
    assert np.array_equal(windows(both, [4, 2]), windows(local, [4, 2]))


def test_what_was_altered_there_is_told_when_all_has_come(local, lazy, memory):
    whole = memory.cat("/ecgs/store/signals.npy")
    content = bytearray(whole)
    content[5000] ^= 1
    memory.pipe("/ecgs/store/signals.npy", bytes(content))
    store = Store.open(lazy)
    with pytest.raises(InputError, match="not the signals that were written"):
        windows(store, list(range(30)))
    memory.pipe("/ecgs/store/signals.npy", whole)
    assert np.array_equal(windows(store, list(range(30))), windows(local, list(range(30))))
    assert altered(lazy) == []


def test_what_is_no_array_is_told(lazy, memory):
    size = memory.size("/ecgs/store/signals.npy")
    memory.pipe("/ecgs/store/signals.npy", b"<html>".ljust(size))
    with pytest.raises(InputError, match="signals.npy: not a readable array"):
        Store.open(lazy)


def test_an_array_that_became_shorter_there_is_told(lazy, memory):
    memory.pipe("/ecgs/store/signals.npy", memory.cat("/ecgs/store/signals.npy")[:5000])
    with pytest.raises(InputError, match="signals.npy: not given in parts, or shorter"):
        Store.open(lazy)


def test_signals_that_lie_elsewhere_are_told_of_and_not_called_altered(lazy):
    (told,) = altered(lazy)
    assert told.endswith("signals.npy: in object storage, of which not all has been read")
    windows(Store.open(lazy), list(range(30)))
    assert altered(lazy) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("signals.json", "{}"),
        ("signals.json", "[]"),
        ("signals.json", '{"url": "memory://ecgs/store/signals.npy", "block": 0}'),
        ("signals.blocks", "\0"),
        ("signals.blocks", ""),
        ("signals.blocks", None),
        ("signals.npy", None),
    ],
)
def test_a_folder_whose_files_do_not_fit_is_told(lazy, name, content):
    (lazy / name).unlink()
    if content is not None:
        (lazy / name).write_text(content)
    with pytest.raises(InputError, match=r"signals.json: does not fit .*; fetch the store without"):
        Store.open(lazy)


def test_a_process_that_was_killed_while_it_checked_the_signals_leaves_that_to_the_next(
    local, lazy, memory
):
    (lazy / "signals.npy").write_bytes(memory.cat("/ecgs/store/signals.npy"))
    (lazy / "signals.blocks").write_bytes(b"\1" * len((lazy / "signals.blocks").read_bytes()))
    assert np.array_equal(windows(Store.open(lazy), [5]), windows(local, [5]))
    assert {path.name for path in lazy.iterdir()} == {path.name for path in local.folder.iterdir()}


def test_signals_that_were_not_checked_before_a_kill_are_checked(lazy, memory):
    (lazy / "signals.npy").write_bytes(memory.cat("/ecgs/store/signals.npy")[:-1] + b"x")
    (lazy / "signals.blocks").write_bytes(b"\1" * len((lazy / "signals.blocks").read_bytes()))
    with pytest.raises(InputError, match="not the signals that were written"):
        Store.open(lazy)
    assert came(lazy) == 0


@pytest.mark.parametrize("as_read", [True, False])
def test_a_store_that_lacks_signals_itself_is_not_fetched(lazy, tmp_path, as_read):
    """The first block has come, so that the rest would be read as zeros."""
    Store.open(lazy)
    with pytest.raises(InputError, match=r"lazy: fetched with --as-read, .* its signals.json"):
        fetch(str(lazy), tmp_path / "other", as_read=as_read)


def test_a_storage_that_refuses_what_is_not_there_is_fetched_from(
    local, memory, tmp_path, monkeypatch
):
    """Buckets that may not be listed answer 403 in place of 404."""

    def refused(path: str, *given: object, **named: object) -> bytes:
        raise PermissionError(path)

    monkeypatch.setattr(memory, "cat_file", refused)
    (folder,) = fetch("memory://ecgs/store", tmp_path / "copy")
    assert np.array_equal(windows(Store.open(folder), [7]), windows(local, [7]))


def test_what_is_fetched_again_from_elsewhere_is_read_from_there(local, lazy, memory):
    windows(Store.open(lazy), [7])
    some = came(lazy)
    memory.mv("/ecgs/store", "/ecgs/moved", recursive=True)
    fetch("memory://ecgs/moved", lazy, as_read=True)
    assert came(lazy) == some
    assert np.array_equal(windows(Store.open(lazy), [8]), windows(local, [8]))


def test_a_storage_that_its_address_does_not_name_is_told_at_once(local, tmp_path):
    archive = make_archive(str(tmp_path / "all"), "zip", local.folder.parent)
    with pytest.raises(InputError, match="signals.npy: cannot be read"):
        fetch(f"zip://store::file://{archive}", tmp_path / "lazy", as_read=True)


def test_a_folder_that_cannot_be_written_is_told_with_what_would_help(lazy):
    mount = ["mount", "--bind", "-o", "ro", str(lazy), str(lazy)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a file system of its own")
    try:
        with pytest.raises(InputError) as refused:
            Store.open(lazy)
    finally:
        subprocess.run(["umount", str(lazy)], check=True)
    told = "cannot be written (Read-only file system); make it writable or choose another place"
    assert str(refused.value).startswith(f"{lazy}: {told}")


def test_a_folder_that_comes_as_it_is_read_is_kept_and_made_whole_when_that_is_asked_for(
    local, lazy
):
    windows(Store.open(lazy), [7])
    some = came(lazy)
    assert fetch("memory://ecgs/store", lazy, as_read=True) == [lazy]
    assert came(lazy) == some
    fetch("memory://ecgs/store", lazy)
    assert {path.name for path in lazy.iterdir()} == {path.name for path in local.folder.iterdir()}
    assert altered(lazy) == []
    assert fetch("memory://ecgs/store", lazy, as_read=True) == [lazy]
    assert altered(lazy) == []


def test_a_folder_that_was_replaced_is_to_be_opened_again(local, lazy):
    store = Store.open(lazy)
    fetch("memory://ecgs/store", lazy)
    with pytest.raises(InputError, match="lazy: replaced while it was read; open it again"):
        windows(store, [7])
    assert np.array_equal(windows(Store.open(lazy), [7]), windows(local, [7]))
    assert altered(lazy) == []


def test_a_store_that_another_reads_to_its_end_goes_on_being_read(local, lazy):
    store, other = Store.open(lazy), Store.open(lazy)
    windows(store, [7])
    windows(other, list(range(30)))
    assert not (lazy / "signals.blocks").exists()
    assert np.array_equal(windows(store, [7, 20]), windows(local, [7, 20]))
    assert {path.name for path in lazy.iterdir()} == {path.name for path in local.folder.iterdir()}


def test_a_store_that_another_finishes_while_it_is_opened_is_an_ordinary_one(
    local, lazy, monkeypatch
):
    """The other takes ``signals.blocks`` away once ``signals.json`` has been read."""
    read = Path.read_text

    def finished(path: Path, *words: str, **more: str) -> str:
        text = read(path, *words, **more)
        if path.name == "signals.json":
            windows(store, list(range(30)))
        return text

    store = Store.open(lazy)
    monkeypatch.setattr(Path, "read_text", finished)
    assert np.array_equal(windows(Store.open(lazy), [5]), windows(local, [5]))


class _Ranges(SimpleHTTPRequestHandler):
    """A web server that gives parts of files."""

    def log_message(self, *told) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = self.headers.get("Range")
        first, last = 0, len(content) - 1
        if asked:
            start, end = asked.removeprefix("bytes=").split("-")
            first, last = int(start), min(int(end or last), last)
        self.send_response(206 if asked else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[first : last + 1])


class _Whole(SimpleHTTPRequestHandler):
    """A web server that gives whole files alone."""

    def log_message(self, *told) -> None:
        pass


@pytest.fixture
def server(local):
    handler = partial(_Ranges, directory=str(local.folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


def test_a_web_server_without_parts_is_told_when_a_store_is_fetched(local, tmp_path):
    handler = partial(_Whole, directory=str(local.folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        with pytest.raises(InputError, match="signals.npy: its web server gives no parts of files"):
            fetch(f"http://127.0.0.1:{found.server_port}/store", tmp_path / "lazy", as_read=True)
        found.shutdown()


def test_several_processes_read_one_store_from_a_web_server(server, local, tmp_path):
    (folder,) = fetch(f"{server}/store", tmp_path / "lazy", as_read=True)
    code = (
        "import sys, hashlib, numpy as np; from pathlib import Path;"
        "from myocard.data.store import Store; from myocard.data.signal import Preprocessing;"
        "store = Store.open(Path(sys.argv[1])); seed = int(sys.argv[2]);"
        "order = np.random.default_rng(seed).permutation(30)[:20];"
        "windows = [store.windows([row], Preprocessing(100, 1000)) for row in order];"
        "print(hashlib.sha256(np.concatenate(windows).tobytes()).hexdigest())"
    )
    jobs = [
        subprocess.Popen([sys.executable, "-c", code, *each], stdout=subprocess.PIPE, text=True)
        for each in [(str(at), str(seed)) for seed in (1, 2) for at in (local.folder, folder)]
    ]
    told = [job.communicate(timeout=120)[0] for job in jobs]
    assert told[0] == told[1] != told[2] == told[3]
