"""A server answers what the model says of each file, whatever else is sent, and keeps nothing."""

import asyncio
import json
import re
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path

import pytest
import serving as load
import torch

from myocard import Model
from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.errors import InputError
from myocard.models.classifier import build_classifier
from myocard.models.exported import open_predictor
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.server.app import build
from myocard.server.gate import Limits
from myocard.server.serving import _listening, _tell
from myocard.server.uploads import Sent, record_file
from myocard.simulation import write

CLASSES = ("CD", "MI", "NORM")


def save(folder: Path) -> None:
    """Save a model that nobody trained, with decisions that nobody chose."""
    torch.manual_seed(1)
    network = Encoder(EncoderShape(samples=100, patch=10, width=12, depth=2, heads=3)).eval()
    encoder = MyocardEncoder("tiny", network, Preprocessing(100, 100), trained_on_nothing())
    shape = ClassifierShape(task="superclasses", classes=CLASSES, readout="pma", head="linear")
    splits = dict.fromkeys(("train", "validation"), SplitInfo(folds=(1,), records=9, patients=9))
    basis = Basis(source="sim", tested_on="sim", splits=splits, metric="auroc")
    decision = Decision(
        outcome="one",
        classes=CLASSES,
        temperature=1.5,
        thresholds=(0.3, 0.4, 0.5),
        coverage=0.8,
        yes_from=(0.3, 0.3, 0.3),
        basis=basis,
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    Model(encoder, classifier, shape, decision).save_pretrained(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a ``model``, and the folder ``own`` for the server's log and files."""
    place = tmp_path_factory.mktemp("served")
    save(place / "model")
    write(place / "simulated", "ptbxl", count=6)
    (place / "own").mkdir()
    return place


@pytest.fixture(scope="module")
def cases(place) -> list[load.Case]:
    folder = place / "simulated" / "records500"
    good = list(load.good_cases(open_predictor(place / "model"), folder))
    return [*good, *load.bad_cases(good)]


def halves(case: load.Case) -> tuple[bytes, bytes]:
    """Return the two parts of a request."""
    body = load.body_of(case.files, case.fields)
    start = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {load.FORM['Content-Type']}\r\n"
    whole = f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return whole[: len(whole) // 2], whole[len(whole) // 2 :]


def wait_for(port: int, waiting: int) -> None:
    """Wait until so many requests have a place."""
    while json.loads(got(port, "/health")[2])["waiting"] != waiting:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(place, cases):
    """A real server: its process and port."""
    options = ("--queue", "1", "--max-mb", "1")
    with load.serving(place / "model", place / "own", *options) as (process, port):
        yield process, port
        # A request that is in work is finished when the server is stopped.
        sent, rest = halves(cases[0])
        with socket.create_connection(("127.0.0.1", port)) as held:
            held.sendall(sent)
            wait_for(port, 1)
            process.send_signal(signal.SIGTERM)
            held.sendall(rest)
            assert held.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert process.returncode == 0
    # No file of a request is left, whatever became of it.
    assert [path.name for path in (place / "own").iterdir()] == ["log"]
    lines = (place / "own" / "log").read_text().splitlines()
    assert lines[-1] == "myocard: stopped"
    told = r"myocard: (http://127.0.0.1:\d+ serves .*|(GET|POST) \d{3} in \d+ ms|stopped)"
    assert [line for line in lines if not re.fullmatch(told, line)] == []


def got(port: int, path: str) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def wrong(port: int, case: load.Case) -> str | None:
    """Ask the server, and say what is wrong with the answer."""
    client = load.Client(("127.0.0.1", port))
    found = client.ask(case)
    client.connection.close()
    return found.wrong


def test_every_answer_is_the_one_for_its_own_file_among_hostile_requests(server, cases):
    process, port = server
    outcomes, used, _ = load.load(process, port, cases, requests=80, clients=4)
    assert len(outcomes) == 80
    assert [each for each in outcomes if each.wrong] == []
    kinds = Counter(each.name for each in outcomes)
    assert {"wfdb", "npy", "csv", "half-sent", "too large as it comes"} <= kinds.keys()
    assert used[-1] - used[20] < 20


@pytest.mark.parametrize("number", range(10))
def test_what_cannot_be_read_is_refused_with_the_readers_sentence(server, cases, number):
    _, port = server
    case = cases[18 + number]
    assert wrong(port, case) is None


def test_a_request_without_a_place_is_told_to_come_again(server, cases):
    _, port = server
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    for each in held:
        each.sendall(halves(cases[0])[0])
    wait_for(port, 2)
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/predict", load.body_of(cases[0].files, {}), load.FORM)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
    assert json.loads(answer.read())["detail"] == "2 requests are before this one; try again"
    for each in held:
        each.close()
    connection.close()
    wait_for(port, 0)
    assert wrong(port, cases[0]) is None


def test_a_body_that_is_sent_whole_before_its_sender_reads_is_told_that_it_is_too_large(server):
    connection = HTTPConnection("127.0.0.1", server[1], timeout=60)
    connection.request("POST", "/predict", bytes(20_000_000), load.FORM)
    answer = connection.getresponse()
    assert (answer.status, b"more than 1 MB" in answer.read()) == (413, True)


def test_its_page_needs_no_script_and_loads_nothing_and_its_health_names_the_model(server, place):
    _, port = server
    status, headers, page = got(port, "/")
    assert (status, headers["cache-control"]) == (200, "no-store")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"<script|src=|https?://|@import", page)
    fields = re.findall(r'<(?:input|select)[^>]* id="(\w+)"', page)
    assert fields == ["files", "rate", "leads", "unit"]
    assert re.findall(r'<label for="(\w+)"', page) == fields
    health = json.loads(got(port, "/health")[2])
    model = open_predictor(place / "model").statement.sha256
    assert (health["ready"], health["model"], health["waiting"]) == (True, model, 0)
    described = json.loads(got(port, "/openapi.json")[2])
    assert [*described["paths"]] == ["/health", "/predict", "/explain"]
    assert {"200", "413", "422", "503"} <= described["paths"]["/predict"]["post"][
        "responses"
    ].keys()
    assert got(port, "/docs")[0] == got(port, "/redoc")[0] == 404


def test_a_record_is_explained_on_a_page(server, cases):
    _, port = server
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", "/explain", load.body_of(cases[0].files, {}), load.FORM)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert (answer.status, answer.getheader("content-type")) == (200, "text/html; charset=utf-8")
    assert "<h1>00001_hr</h1>" in page
    assert "/tmp" not in page


class Sockets:
    """Messages between an ASGI server and an application: those that come, and those that go."""

    def __init__(self, *messages: dict[str, object]) -> None:
        self.coming, self.gone = list(messages), []

    async def receive(self) -> dict[str, object]:
        if not self.coming:
            await asyncio.sleep(60)
        return self.coming.pop(0)

    async def send(self, message: dict[str, object]) -> None:
        self.gone.append(message)


def asked(app, body: bytes, *, whole: bool = True) -> tuple[int, dict[str, str]]:
    kind = (b"content-type", load.FORM["Content-Type"].encode())
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [kind]}
    scope |= {"query_string": b"", "raw_path": b"/predict", "http_version": "1.1", "scheme": "http"}
    sockets = Sockets({"type": "http.request", "body": body, "more_body": not whole})
    # A browser's tests leave a loop running in this thread.
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, app(scope, sockets.receive, sockets.send)).result()
    content = b"".join(each.get("body", b"") for each in sockets.gone)
    return sockets.gone[0]["status"], json.loads(content)


def test_a_body_that_does_not_come_gives_its_place_back(place, cases):
    app = build(open_predictor(place / "model"), Limits(queue=0, seconds=1.5))
    body = load.body_of(cases[0].files, cases[0].fields)
    told = {"detail": "the body did not arrive within 1.5 s"}
    assert asked(app, body[:500], whole=False) == (408, told)
    assert asked(app, body)[0] == 200


def test_a_fault_of_the_server_is_told_without_what_it_says(place, cases, caplog, monkeypatch):
    predictor = open_predictor(place / "model")
    monkeypatch.setattr(Model, "read", lambda *_: 1 / 0)
    body = load.body_of(cases[0].files, cases[0].fields)
    app = build(predictor, Limits())
    assert asked(app, body) == (500, {"detail": "the server failed on this request"})
    (told,) = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert told == "ZeroDivisionError in a request: POST"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "no file was sent; give the file of a record"),
        (["a.dat", r"C:\ecg\a.dat"], "a.dat: sent twice; give each file of the record once"),
        ([".hidden"], "a file name that is long or strange"),
        (["a\n.dat"], "a file name that is long or strange"),
        (["心" * 100], "a file name that is long or strange"),
        (["a.hea", "b.hea"], "2 files of 2 records; give the files of one record"),
        (["a.txt", "b.txt"], "2 files of 0 records; give the files of one record"),
    ],
)
def test_files_that_are_not_those_of_one_record_are_refused(tmp_path, monkeypatch, names, told):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sent = [Sent(name, BytesIO(b"no record")) for name in names]
    with pytest.raises(InputError, match=f"^{told}"), record_file(sent):
        pass
    assert [*tmp_path.iterdir()] == []


def test_an_address_that_is_taken_is_told_and_one_that_others_reach_is_warned_of(caplog):
    with _listening("127.0.0.1", 0) as listener:
        _, port = listener.getsockname()
        with pytest.raises(InputError, match=rf"127\.0\.0\.1, port {port}: cannot be listened at"):
            _listening("127.0.0.1", port)
    caplog.set_level("INFO")
    _tell(("0.0.0.0", 8000), "model")
    _tell(("::1", 8000, 0, 0), "model")
    first, *rest = [each.getMessage() for each in caplog.records]
    assert first.startswith("whoever reaches 0.0.0.0 can ask: there is no login and no encryption")
    assert rest == [
        "http://0.0.0.0:8000 serves model; Ctrl-C ends it",
        "http://[::1]:8000 serves model; Ctrl-C ends it",
    ]
