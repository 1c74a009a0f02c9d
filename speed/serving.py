"""Load a server on this machine with good and hostile requests, and check every answer.

    python speed/serving.py [MODEL] [--requests 2000] [--clients 16]

A real `myocard serve` in a process of its own; by default of a model of the packaged encoder that
nobody trained. Clients send simulated records of 10 s at 500 Hz as WFDB, CSV and NumPy files, and
among them files that cannot be read, bodies that are too large, half-sent or no forms, and requests
that are none. Each answer is compared with what the same model says of the same file here. It
prints what came, how long good answers took, and the server's memory over the first and last 200.
"""

import argparse
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from myocard.data.formats.reading import read
from myocard.data.window import Stated
from myocard.errors import InputError
from myocard.models.exported import open_predictor
from myocard.models.statement import Predictor
from myocard.server.answers import answered
from myocard.server.uploads import Sent
from myocard.simulation import write

QUEUE, MEGABYTES = 8, 1.0
_EDGE = "----of-a-part"
Files = Sequence[tuple[str, bytes]]


class Case(NamedTuple):
    """A request and its answer.

    Attributes:
        name: Name of its kind.
        files: Name and content of each file.
        fields: Further fields of the form.
        status: Status of the answer.
        answer: The answer; of a refusal words that it holds.
    """

    name: str
    files: Files
    fields: Mapping[str, str]
    status: int
    answer: dict[str, object] | str


class Outcome(NamedTuple):
    """The outcome of a request: its kind, None or what is wrong, and the seconds it took."""

    name: str
    wrong: str | None
    seconds: float


def body_of(files: Files, fields: Mapping[str, str]) -> bytes:
    """Return a form with these files and fields."""
    parts = [
        f'--{_EDGE}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files:
        told = f'form-data; name="files"; filename="{name}"'
        parts.append(f"--{_EDGE}\r\nContent-Disposition: {told}\r\n\r\n".encode() + content)
        parts.append(b"\r\n")
    return b"".join([*parts, f"--{_EDGE}--\r\n".encode()])


FORM = {"Content-Type": f"multipart/form-data; boundary={_EDGE}"}


def good_cases(predictor: Predictor, folder: Path) -> Iterator[Case]:
    """Yield records in three formats, with what the model says of them."""
    for header in sorted(folder.rglob("*.hea")):
        record, array = read(header), BytesIO()
        np.save(array, record.signal)
        lines = "\n".join(",".join(f"{x:.4f}" for x in row) for row in record.signal.T)
        form = {"rate": f"{record.rate:g}", "unit": "mV"}
        names, signals = ",".join(record.leads), header.with_suffix(".dat")
        pair = [(header.name, header.read_bytes()), (signals.name, signals.read_bytes())]
        yield _good("wfdb", predictor, pair, {})
        yield _good("npy", predictor, [("a.npy", array.getvalue())], form | {"leads": names})
        yield _good("csv", predictor, [("a.csv", f"{names}\n{lines}\n".encode())], form)


def _good(name: str, predictor: Predictor, files: Files, fields: dict[str, str]) -> Case:
    sent = [Sent(name, BytesIO(content)) for name, content in files]
    leads = tuple(fields["leads"].split(",")) if "leads" in fields else None
    rate = float(fields["rate"]) if "rate" in fields else None
    found = answered(predictor, sent, Stated(rate, leads, fields.get("unit")))
    return Case(name, files, fields, 200, found.model_dump(exclude_none=True))


def bad_cases(good: Sequence[Case]) -> list[Case]:
    """Return files that are to be refused, with words of the refusal."""
    (header, head), (signals, samples) = good[0].files
    array = next(case for case in good if case.name == "npy")
    few = {**array.fields, "leads": ",".join(f"V{k}" for k in range(1, 13))}
    rng = np.random.default_rng(0)
    return [
        Case("garbage", [("a.xml", rng.bytes(5_000))], {}, 422, "a.xml: unknown format"),
        Case("truncated", [(header, head), (signals, samples[:999])], {}, 422, "wrong length"),
        Case("without signals", [(header, head)], {}, 422, header),
        Case("empty", [("b.npy", b"")], {}, 422, "b.npy"),
        Case("a way out", [("../../../etc/passwd", b"root:x:0")], {}, 422, "passwd: unknown"),
        Case("unknown leads", array.files, few, 422, "unknown lead 'V7'"),
        Case("no rate", array.files, {}, 422, "rate"),
        Case("a rate that is none", array.files, {"rate": "much"}, 422, "rate: "),
        Case("several records", [("a.npy", b"1"), ("b.npy", b"2")], {}, 422, "of 2 records"),
        Case("no file", [], {"rate": "500"}, 422, "files: "),
    ]


class Client:
    """A client with a connection of its own, which is opened again where the server closed it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.connection = HTTPConnection(*address, timeout=120)
        self.refused = 0

    def ask(self, case: Case) -> Outcome:
        """Send a case, again where the server says that it is busy, and compare the answer."""
        body, began = body_of(case.files, case.fields), time.monotonic()
        while True:
            status, content = self._sent(body)
            if status != 503:
                break
            self.refused += 1
            time.sleep(random.uniform(0.05, 0.3))
        wrong = None
        if status != case.status:
            wrong = f"status {status} and not {case.status}: {content[:200]!r}"
        elif isinstance(case.answer, str):
            told = json.loads(content)["detail"]
            wrong = None if case.answer in told and "/tmp" not in told else told
        elif not _same(json.loads(content), case.answer):
            wrong = f"another answer: {content[:200]!r}"
        return Outcome(case.name, wrong, time.monotonic() - began)

    def _sent(self, body: bytes) -> tuple[int, bytes]:
        for _ in range(2):
            try:
                self.connection.request("POST", "/predict", body, FORM)
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            # The server closes a connection after a refusal, and one that was idle.
            except (HTTPException, ConnectionError):
                self.connection.close()
        return 0, b"no answer"


def _same(found: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        pairs = ((found.get(key), value) for key, value in wanted.items())
        return found.keys() == wanted.keys() and all(_same(*pair) for pair in pairs)
    if isinstance(wanted, list) and isinstance(found, list):
        return bool(np.allclose(found, wanted, atol=1e-5))
    if isinstance(wanted, float) and isinstance(found, float):
        return abs(found - wanted) < 1e-5
    return found == wanted


def raw(address: tuple[str, int], content: bytes, status: int | None, *, whole: bool) -> str | None:
    """Send bytes as they are; return what is wrong with the first line of the answer.

    Args:
        address: The server's.
        content: The bytes.
        status: The status to expect; None where the connection is broken off before an answer.
        whole: False to end the connection at once.
    """
    with socket.create_connection(address, timeout=120) as connection:
        with suppress(ConnectionError):
            connection.sendall(content)
        if not whole or status is None:
            return None
        try:
            first = connection.recv(100).split(b"\r\n")[0].decode()
        except ConnectionError as error:
            return f"no answer: {error}"
    return None if f" {status} " in f"{first} " else f"{first!r}, not {status}"


def hostile(address: tuple[str, int], good: Case) -> dict[str, Callable[[], str | None]]:
    """Return requests that no well-meaning client sends, by name."""
    body, kind = body_of(good.files, good.fields), FORM["Content-Type"]
    start = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n"
    whole = f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body
    declared = f"{start}Content-Length: {10**12}\r\n\r\n".encode() + body
    part = body[: body.index(b"\r\n\r\n") + 4]
    first, chunk = f"{len(part):x}\r\n".encode() + part, b"10000\r\n" + bytes(0x10000) + b"\r\n"
    begun = f"{start}Transfer-Encoding: chunked\r\n\r\n".encode()
    chunked, zeros = begun + first + b"\r\n" + 20 * chunk, begun + 20 * chunk
    no_form = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"
    return {
        "too large by its own account": lambda: raw(address, declared, 413, whole=True),
        "too large as it comes": lambda: raw(address, chunked, 413, whole=True),
        "no form as it comes": lambda: raw(address, zeros, 400, whole=True),
        "half-sent": lambda: raw(address, whole[: len(whole) // 2], None, whole=False),
        "headers alone": lambda: raw(address, whole[:200], None, whole=False),
        "no form": lambda: raw(address, no_form, 422, whole=True),
        "no HTTP": lambda: raw(address, b"\x16\x03\x01" + bytes(300), 400, whole=True),
    }


@contextmanager
def serving(model: Path, folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen, int]]:
    """Serve a model in a process of its own; yield it, with the port, within a ``with`` block.

    What it says goes to ``log`` in the folder. It is ended by SIGTERM.
    """
    log, words = folder / "log", ("--port", "0", *options)
    command = [sys.executable, "-m", "myocard", "serve", str(model), *words]
    own = os.environ | {"TMPDIR": str(folder)}
    with log.open("wb") as output, subprocess.Popen(command, stderr=output, env=own) as process:
        try:
            yield process, _port(log, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _port(log: Path, process: subprocess.Popen) -> int:
    for _ in range(5000):
        found = re.search(r"http://127\.0\.0\.1:(\d+) serves", log.read_text())
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise InputError(f"the server did not start: {log.read_text()}")


def memory(process: subprocess.Popen) -> float:
    """Return the resident memory of a process in MB."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1e3


def plan(cases: Sequence[Case], attacks: Sequence[str], requests: int) -> list[Case | str]:
    """Mix requests: one in seven is an attack, one in ten of the others a file to be refused."""
    good = [case for case in cases if case.status == 200]
    bad, kinds = cycle(case for case in cases if case.status != 200), cycle(attacks)
    chosen = random.Random(0)
    planned: list[Case | str] = []
    for number in range(requests):
        if number % 7 == 0:
            planned.append(next(kinds))
        else:
            planned.append(next(bad) if number % 10 == 1 else chosen.choice(good))
    chosen.shuffle(planned)
    return planned


def load(
    process: subprocess.Popen, port: int, cases: Sequence[Case], requests: int, clients: int
) -> tuple[list[Outcome], list[float], int]:
    """Send requests, some of them hostile; return outcomes, memory after each, and 503s."""
    address = ("127.0.0.1", port)
    attacks = hostile(address, cases[0])
    todo, lock = iter(plan(cases, [*attacks], requests)), threading.Lock()
    outcomes: list[Outcome] = []
    used: list[float] = []
    everybody = [Client(address) for _ in range(clients)]

    def ask(client: Client, asked: Case | str) -> Outcome:
        if isinstance(asked, Case):
            return client.ask(asked)
        began, wrong = time.monotonic(), attacks[asked]()
        # A server that is busy may say so to anybody.
        wrong = None if wrong and " 503 " in wrong else wrong
        return Outcome(asked, wrong, time.monotonic() - began)

    def work(client: Client) -> None:
        while True:
            with lock:
                asked = next(todo, None)
            if asked is None:
                client.connection.close()
                return
            found = ask(client, asked)
            with lock:
                outcomes.append(found)
                used.append(memory(process))

    threads = [threading.Thread(target=work, args=[client]) for client in everybody]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes, used, sum(client.refused for client in everybody)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--clients", type=int, default=16)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, model = Path(scratch), asked.model
        if model is None:
            from predicting import save

            model = folder / "model"
            save(model)
        write(folder / "simulated", "ptbxl", count=30)
        good = list(good_cases(open_predictor(model), folder / "simulated" / "records500"))
        cases, own = [*good, *bad_cases(good)], folder / "own"
        own.mkdir()
        options = ("--queue", str(QUEUE), "--max-mb", str(MEGABYTES))
        with serving(model, own, *options) as (process, port):
            began = time.monotonic()
            outcomes, used, refused = load(process, port, cases, asked.requests, asked.clients)
            took = time.monotonic() - began
        left = sorted(path.name for path in own.iterdir())
        log = (own / "log").read_text()
    wrong = [each for each in outcomes if each.wrong]
    counts = Counter(each.name for each in outcomes)
    answers = [each.seconds for each in outcomes if each.name in ("wfdb", "npy", "csv")]
    half, tail = 1e3 * np.quantile(answers, [0.5, 0.95])
    first, last = np.mean(used[:200]), np.mean(used[-200:])
    print(f"{len(outcomes):,} requests of {asked.clients} clients in {took:.0f} s: {dict(counts)}")
    print(f"{len(wrong)} wrong: {wrong[:5]}; {refused} times 503, and asked again")
    print(f"{len(answers):,} good answers: median {half:.0f} ms, 95 % within {tail:.0f} ms")
    print(f"memory: {first:.0f} MB over the first 200, {last:.0f} MB over the last 200")
    print(f"exit code {process.returncode}; left in its folder for temporary files: {left}")
    names = [name for case in cases for name, _ in case.files if name in log]
    print(f"names of files in its log: {names}; last line: {log.splitlines()[-1]!r}")


if __name__ == "__main__":
    main()
