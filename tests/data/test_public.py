"""Public data sets arrive as published, from a web server that fails in every way."""

import hashlib
import json
import re
import shutil
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import h5py
import numpy as np
import pytest

from myocard import simulation
from myocard.data import public
from myocard.data.preparation import prepare_folder
from myocard.data.public import STATEMENT, Plan, download, plan, public_sets
from myocard.data.signal import Preprocessing
from myocard.data.sources import SOURCES
from myocard.errors import InputError
from myocard.files import remote
from myocard.files.checksums import SUMS
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation.layouts.vendor_files import Style, write_wfdb

LOGIN = b"<!DOCTYPE html><html>Please log in</html>"


class Server(ThreadingHTTPServer):
    """A web server of one folder, which fails as ``faults`` says: a list for each name.

    Attributes:
        faults: Names of faults by the file's name, of which each request takes the first away.
        ranges: False for a server that knows no parts of files.
        asked: Names and first bytes of all requests.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.ranges = True
        self.asked: list[tuple[str, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, name = Path(self.translate_path(self.path)), Path(self.path).name
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked and self.server.ranges else 0
        self.server.asked.append((name, int(asked[1]) if asked else 0))
        faults = self.server.faults[name]
        fault = faults.pop(0) if faults else ""
        if fault.isdigit():
            self._answer(int(fault), b"")
        elif fault == "login":
            self._answer(302, b"", Location="/login")
        elif self.path == "/login" or path.is_dir():
            self._answer(200, LOGIN)
        elif not path.is_file():
            self._answer(404, b"")
        elif start and start >= path.stat().st_size:
            self._answer(416, b"")
        else:
            content = path.read_bytes()[start:]
            if fault == "wrong":
                content = content[:-1] + bytes([content[-1] ^ 1])
            self._answer(206 if start else 200, content, drop=fault == "drop")

    def _answer(self, status: int, content: bytes, *, drop: bool = False, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if drop else content)
        self.close_connection = drop

    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Path:
    return tmp_path / "served"


@pytest.fixture
def server(served: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote, "_WAITS", (0, 0, 0, 0, 0))
    with Server(served) as running:
        Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def ludb(served: Path) -> Path:
    """LUDB of one simulated record, as PhysioNet serves it."""
    folder = simulation.write(served / "ludb", "ludb", count=1)
    list_sums(folder)
    return folder


def list_sums(folder: Path) -> None:
    """Write the list of PhysioNet: one blank between hash and name."""
    lines = [
        f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in contents(folder)
    ]
    (folder / SUMS).write_text("".join(lines))


def contents(folder: Path) -> list[tuple[str, bytes]]:
    """Names and bytes of all files, but for lists and statements about them."""
    return [
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (SUMS, STATEMENT)
    ]


def write_mitdb(folder: Path) -> None:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name, facts in (("100", "69 M 1085 1629 x1"), ("201", "68 M 1960 2851 x1"), ("202", "")):
        signal = generator.normal(size=(12, 360 * 12)).astype(np.float32)
        record = Record(signal, 360.0, LEADS, "mV")
        names = dict(zip(LEADS, ["MLII", *"abcdefghij", "V1"], strict=True))
        style = Style(".dat", "16", "{gain}/mV", lead=names.get)
        write_wfdb(folder / name, record, style, gains=200, comments=[f"# {facts}"])
    write_wfdb(folder / "x_mitdb/x_100", record, style)


def write_code15(folder: Path) -> None:
    """CODE-15 as Zenodo has it: a table, and archives of one HDF5 file each."""
    folder.mkdir(parents=True)
    header = "exam_id,age,is_male,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,trace_file"
    rows = [
        f"{n},50,True,True,False,False,False,False,False,{n},exams_part{n}.hdf5" for n in (0, 1)
    ]
    (folder / "exams.csv").write_text("\n".join([header, *rows]))
    for n in (0, 1):
        with h5py.File(folder / "part.hdf5", "w") as file:
            file["exam_id"] = [n]
            file["tracings"] = np.random.default_rng(n).normal(size=(1, 4096, 12))
        with zipfile.ZipFile(folder / f"exams_part{n}.zip", "w") as archive:
            archive.write(folder / "part.hdf5", f"exams_part{n}.hdf5")
    (folder / "part.hdf5").unlink()


def simulated(layout: str) -> Callable[[Path], object]:
    return lambda folder: simulation.write(folder, layout, count=3, seed=5)


LAYOUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "ptbxl": (".", simulated("ptbxl")),
    "chapman": (".", simulated("chapman")),
    "ningbo": ("training/ningbo", simulated("challenge")),
    "georgia": ("training/georgia", simulated("challenge")),
    "cpsc2018": ("training/cpsc_2018", simulated("challenge")),
    "ludb": (".", simulated("ludb")),
    "mitdb": (".", write_mitdb),
}


def prepared(name: str, folder: Path, out: Path) -> list[bytes]:
    """Prepare as the table says; return the signals and what is known of the records."""
    source, *options = public_sets()[name].prepare.split()
    settings = {"leads": ["II"], "rename": {"MLII": "II"}} if options else {}
    prepare_folder(source, folder, out, Preprocessing(100, 1000), jobs=1, **settings)
    return [(out / file).read_bytes() for file in ("signals.npy", "records.parquet")]


def fetched(name: str, address: str, out: Path, **kwargs) -> Path:
    download(plan(name, address), out, **kwargs)
    return out


def test_the_table_is_whole_and_names_sources_that_exist():
    for each in public_sets().values():
        assert each.prepare.split()[0] in SOURCES
        assert each.address.startswith("https://")
        assert float(each.gigabytes) <= float(each.on_disk)
        assert "doi:10." in each.citation
        assert re.compile(each.files).groups == 1
    assert public_sets().keys() == {*LAYOUTS, "code15"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_store_of_what_was_fetched_is_that_of_what_was_served(name, served, server, tmp_path):
    part, write = LAYOUTS[name]
    write(served / part if part != "." else served)
    (served / "LICENSE.txt").write_text("free")
    list_sums(served)
    out = fetched(name, server.url, tmp_path / "out")
    expected = dict(contents(served / part))
    left_out = {each for each in expected if each.startswith("ECGDataDenoised")}
    assert dict(contents(out)) == {k: v for k, v in expected.items() if k not in left_out}
    stores = [
        prepared(name, each, tmp_path / f"{each.name}-store") for each in (served / part, out)
    ]
    assert stores[0] == stores[1]


def test_code15_is_fetched_by_zenodos_record_and_unpacked(served, server, tmp_path):
    write_code15(served)
    zenodo(served, server, "record.json")
    out = fetched("code15", f"{server.url}/record.json", tmp_path / "out")
    assert [name for name, _ in contents(out)] == [
        "exams.csv", "exams_part0.hdf5", "exams_part1.hdf5",
    ]  # fmt: skip
    store = prepare_folder("code15", out, tmp_path / "store", Preprocessing(100, 1000), jobs=1)
    assert sorted(store.records["id"]) == ["0", "1"]
    asked = len(server.asked)
    assert not download(plan("code15", f"{server.url}/record.json"), out)
    assert len(server.asked) == asked + 1


def zenodo(folder: Path, server: Server, name: str) -> None:
    """Write a record as Zenodo's API has it."""
    files = [
        {
            "key": name,
            "size": len(content),
            "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
            "links": {"self": f"{server.url}/{name}"},
        }
        for name, content in contents(folder)
    ]
    (folder / name).write_text(json.dumps({"id": 4916206, "files": files}))


def test_chapman_is_fetched_by_figshares_collection_of_articles(served, server, tmp_path):
    made = simulation.write(tmp_path / "made", "chapman", count=2)
    served.mkdir()
    shutil.copy(made / "Diagnostics.xlsx", served)
    for name in ("ECGData", "ECGDataDenoised"):
        shutil.make_archive(str(served / name), "zip", made, name)
    articles = []
    for name, content in contents(served):
        md5 = hashlib.md5(content).hexdigest()
        file = {"name": name, "download_url": f"{server.url}/{name}", "computed_md5": md5}
        (served / f"{name}.json").write_text(json.dumps({"files": [file]}))
        articles.append({"id": 1, "url_public_api": f"{server.url}/{name}.json"})
    (served / "articles.json").write_text(json.dumps(articles))
    out = fetched("chapman", f"{server.url}/articles.json", tmp_path / "out")
    assert [path.name for path in sorted(out.iterdir())] == [
        "Diagnostics.xlsx", "ECGData", STATEMENT,
    ]  # fmt: skip
    store = prepare_folder("chapman", out, tmp_path / "store", Preprocessing(100, 1000), jobs=1)
    assert len(store.records) == 2


def test_a_mirror_of_the_part_alone_will_do(served, server, tmp_path):
    simulation.write(served, "challenge", count=1)
    list_sums(served)
    assert contents(fetched("georgia", f"{server.url}/", tmp_path / "out")) == contents(served)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    "faults", [["drop"] * 3, ["503", "drop", "429", "500"], ["wrong"], ["drop", "wrong"]]
)
def test_what_fails_for_a_while_is_fetched_again(faults, ranges, ludb, server, tmp_path):
    server.ranges = ranges
    server.faults["1.dat"] = [*faults]
    server.faults[SUMS] = ["503", "drop"]
    assert contents(fetched("ludb", f"{server.url}/ludb", tmp_path / "out")) == contents(ludb)
    assert len([name for name, _ in server.asked if name == "1.dat"]) == len(faults) + 1
    assert not (tmp_path / ".out.partial").exists()


def test_a_large_file_goes_on_where_it_was_dropped(ludb, server, tmp_path):
    (ludb / "large").write_bytes(np.random.default_rng(0).bytes(6_000_000))
    list_sums(ludb)
    server.faults["large"] = ["drop", "drop"]
    assert contents(fetched("ludb", f"{server.url}/ludb", tmp_path / "out")) == contents(ludb)
    first, second, third = [start for name, start in server.asked if name == "large"]
    # Of what came before a drop, the buffer of the connection is lost.
    assert first == 0
    assert 0 < second <= 3_000_000
    assert second < third <= second + (6_000_000 - second) // 2


def test_files_are_counted_and_the_bytes_of_large_ones_too(ludb, server, tmp_path, monkeypatch):
    monkeypatch.setattr(public, "_SHOWN_ALONE", 100_000)
    told = []
    fetched(
        "ludb", f"{server.url}/ludb", tmp_path / "out", progress=lambda *each: told.append(each)
    )
    assert [each for each in told if each[0] == "fetch ludb"] == [
        ("fetch ludb", done, 17) for done in range(1, 18)
    ]
    assert ("fetch bytes of data/1.dat", 120_000, 120_000) in told
    assert {what for what, *_ in told} == {"fetch ludb", "fetch bytes of data/1.dat"}


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (["wrong"] * 2, r"1\.dat: not the file that was written, as its sha256 tells, twice; it"),
        (["login"] * 2, r"1\.dat: not the file .*, twice \(a web page came, as from a server whe"),
        (["503"] * 9, r"1\.dat: cannot be read \(ClientResponseError: 503.*see to its URL"),
        (["403"], r"1\.dat: cannot be read \(ClientResponseError: 403"),
        (["404"], r"1\.dat: cannot be read \(FileNotFoundError"),
    ],
)
def test_what_fails_for_good_is_one_error_and_the_rest_is_kept(
    faults, told, ludb, server, tmp_path
):
    address, out = f"{server.url}/ludb", tmp_path / "out"
    server.faults["1.dat"] = [*faults]
    with pytest.raises(InputError, match=told):
        fetched("ludb", address, out)
    assert not out.exists()
    server.faults.clear()
    assert contents(fetched("ludb", address, out)) == contents(ludb)
    assert max(Counter(server.asked).values()) <= 2 + len(faults)


def test_a_part_of_a_file_that_is_not_of_it_is_fetched_anew(ludb, server, tmp_path):
    server.faults["1.dat"] = ["404"]
    with pytest.raises(InputError):
        fetched("ludb", f"{server.url}/ludb", tmp_path / "out")
    (tmp_path / ".out.partial/fetched/data/1.dat").write_bytes(bytes(130_000))
    assert contents(fetched("ludb", f"{server.url}/ludb", tmp_path / "out")) == contents(ludb)


def test_a_download_that_was_stopped_goes_on_without_the_files_that_are_there(
    served, server, tmp_path
):
    simulation.write(served, "ptbxl", count=12)
    list_sums(served)

    def stop(what: str, done: int, count: int) -> None:
        if done == count // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched("ptbxl", server.url, tmp_path / "out", progress=stop)
    assert [path.name for path in tmp_path.iterdir() if path != served] == [".out.partial"]
    before = Counter(name for name, _ in server.asked)
    there = dict(contents(tmp_path / ".out.partial/fetched"))
    whole = [Path(name).name for name, content in contents(served) if there.get(name) == content]
    assert len(whole) >= 25
    assert contents(fetched("ptbxl", server.url, tmp_path / "out")) == contents(served)
    after = Counter(name for name, _ in server.asked)
    assert [name for name in whole if after[name] > before[name]] == []


def test_archives_that_were_unpacked_are_not_fetched_again(served, server, tmp_path):
    write_code15(served)
    zenodo(served, server, "record.json")
    server.faults["exams.csv"] = ["404"]
    address = f"{server.url}/record.json"
    with pytest.raises(InputError, match="exams.csv"):
        fetched("code15", address, tmp_path / "out")
    unpacked = {path.stem for path in (tmp_path / ".out.partial/archives").glob("*.unpacked")}
    before = Counter(name for name, _ in server.asked)
    fetched("code15", address, tmp_path / "out")
    after = Counter(name for name, _ in server.asked)
    assert all(after[name] == before[name] for name in unpacked)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{sum} ../stolen", r"ludb: a table names '\.\./stolen', a file outside this folder"),
        ("{sum} /etc/passwd", "names '/etc/passwd', a file outside"),
        ("{sum} data/../../x", "a file outside this folder"),
        (r"{sum} ..\x", "a file outside this folder"),
        ("{sum} data", "lists ludb/data twice, or as a folder and as a file"),
        ("{sum} .", "lists ludb twice, or as a folder and as a file"),
        ("{sum} ludb.csv", "lists ludb/ludb.csv twice"),
        ("{sum}", "SHA256SUMS.txt: line 18 is no checksum and name"),
        ("123 x", "SHA256SUMS.txt: line 18 is no checksum and name: '123 x'"),
        ("{sum} data/deep/", r"data/deep/: not the file .* \(a web page came"),
    ],
)
def test_a_list_that_names_what_it_should_not_is_refused(line, told, ludb, server, tmp_path):
    (ludb / "data/deep").mkdir()
    with (ludb / SUMS).open("a") as sums:
        sums.write(line.format(sum="0" * 64) + "\n")
    with pytest.raises(InputError, match=told):
        fetched("ludb", f"{server.url}/ludb", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if path != ludb.parent] in (
        [], [".out.partial"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["[", "{}", '{"files": [3, "key"]}', '[{"url_public_api": 3}]',
     '{"files": 3}', '{"files": [{}]}', "[3]", "[" * 9999, '{"files": []}',
     '{"files": [{"key": "a", "checksum": "md5:0", "links": {"self": "http://x/a"}}]}',
     '{"files": [{"name": "a", "computed_md5": "%s", "download_url": "file:///a"}]}' % ("0" * 32)],
)  # fmt: skip
def test_a_record_that_states_no_checksums_is_refused(content, served, server):
    served.mkdir()
    (served / "record.json").write_text(content)
    with pytest.raises(InputError, match=r"record\.json: (no list of files with|lists no file of)"):
        plan("code15", f"{server.url}/record.json")


def test_a_login_page_in_place_of_the_list_is_named(ludb, server):
    server.faults[SUMS] = ["login"]
    with pytest.raises(InputError, match=r"SHA256SUMS.txt: no list of checksums \(a web page cam"):
        plan("ludb", f"{server.url}/ludb")


@pytest.mark.parametrize(
    ("member", "told"),
    [("../out.hdf5", "exams_part0.zip: a table names '../out.hdf5', a file outside"), (None, "no")],
)
def test_an_archive_that_is_none_or_leads_elsewhere_is_refused(
    member, told, served, server, tmp_path
):
    write_code15(served)
    with zipfile.ZipFile(served / "exams_part0.zip", "w") as archive:
        archive.writestr(member or "x", "stolen")
    if member is None:
        (served / "exams_part0.zip").write_bytes(b"not an archive")
    zenodo(served, server, "record.json")
    with pytest.raises(InputError, match=f"exams_part0.zip: {told[:5]}|{re.escape(told)}"):
        fetched("code15", f"{server.url}/record.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("out.hdf5"))


def test_a_folder_is_kept_or_refused_by_its_checksums(ludb, server, tmp_path):
    address, out = f"{server.url}/ludb", tmp_path / "out"
    fetched("ludb", address, out)
    assert not download(plan("ludb", address), out)
    (ludb / "ludb.csv").write_text("another")
    list_sums(ludb)
    with pytest.raises(InputError, match=r"out: made from other inputs: files.ludb.csv is \"sha"):
        fetched("ludb", address, out)
    shutil.copytree(ludb, tmp_path / "by-hand")
    with pytest.raises(InputError, match=r"by-hand: exists already .*fetched\.json"):
        fetched("ludb", address, tmp_path / "by-hand")


def test_what_a_download_is_is_told_before_it_begins(ludb, server, tmp_path):
    found = plan("ludb", f"{server.url}/ludb")
    assert isinstance(found, Plan)
    assert found.told() == f"17 files from {server.url}/ludb, each checked by its sha256"
    told = found.wanted.told(Path("here"))
    for part in (
        "licence: ODC-By 1.0", "doi:10.1109/ACCESS.2020.3029211", "size: 0.03 GB as published",
        "time: 1 min at 10 MB/s",
        "then: myocard prepare ludb here --out store",
    ):  # fmt: skip
        assert part in told
    assert {name for name, _ in server.asked} == {SUMS}
