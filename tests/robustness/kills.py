"""Verbs that are killed, again and again, and what an undisturbed run of them comes to.

    .venv/bin/python tests/robustness/kills.py --kills 120

Runs simulate, prepare, pretrain, extract, predict, fetch and benchmark on simulated records, sends
SIGKILL to the whole process at random moments, and starts the same command again until it ends.
Half come at a moment drawn from the undisturbed run's time, half at a change of the file system
drawn from those that it makes (a file opened to be written, renamed, removed, a folder made). After
every kill each file that has its final name must be what the undisturbed run leaves there, and what
lies in a hidden work folder must open; in the end all files must be the undisturbed run's, byte for
byte but for the seconds that things took and hashes of them. The verbs run in forks of a process
that has imported all they need.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors import safe_open

from myocard import cli
from myocard.benchmark import run as all_of_it  # noqa: F401
from myocard.evaluation import prediction

# In runs, in a log, in a page, and in the last column of a table of the loss.
_SECONDS = re.compile(
    rb"(seconds(?:\"|&#34;): |^\d+,[-\d.]+,[-e\d.]+,)(?:[\d.]+|null)", re.MULTILINE
)
_HASHES_OF_SECONDS = re.compile(
    rb"(\"(?:log\.jsonl|config\.json|features\.json)\": \")[0-9a-f]{64}"
)
_DIGEST_OF_SECONDS = "results.sha256"
_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
_TRIAL = 6  # kills before a run is left to end
NANO = """
name = "killed"
size = "nano"
input = { leads = ["I", "II", "V2"] }
corpus = [{ folds = [1, 2, 3] }]

[optimisation]
epochs = 3
batch = 16
base_learning_rate = 1e-3
weight_decay = 0.01
precision = "fp32"
checkpoint_every = 2
"""
_LITTLE = (
    "random = []",
    "stores.simulated.simulate.records = 60",
    "pretraining.optimisation = {epochs = 0.5, batch = 8, checkpoint_every = 2}",
    "probing.seeds = [0, 1]",
    "probing.penalties = [1e-2]",
    "probing.min_positives = 1",
    "probing.resamples = 20",
    "probing.optimisation = {epochs = 1, batch = 32}",
    "probing.readouts = ['last', 'pma', 'attentive-tokens', 'alf-leads']",
    "probing.heads = ['linear']",
    "sweeps = [{store = 'simulated', tasks = ['ptbxl-superdiagnostic']}]",
    "layers = []",
)


_PROBE = (
    *("--set", "readouts = ['scalar-mix']", "--set", "heads = ['linear']"),
    *("--set", "min_positives = 1", "--set", "resamples = 10", "--set", "penalties = [1e-2]"),
)
_RUN = "results/killed/ptbxl-superdiagnostic/scalar-mix-linear"


@dataclass(frozen=True)
class Undisturbed:
    """The outcome of a verb that is left alone."""

    files: dict[str, bytes]
    seconds: float
    changes: int


@dataclass
class Tally:
    """The outcome of the trials of a verb."""

    timed: int = 0
    at_changes: int = 0
    trials: int = 0
    faults: list[str] = field(default_factory=list)


def start(words: list[str], folder: Path, *, die_at: int = 0) -> int:
    """Start a command in a fork, in a process group of its own; it ends itself at a change.

    ``changes`` beside ``folder`` tells how many there were, if it ends otherwise.
    """
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(folder)
        sys.stdout = sys.stderr = folder.with_name("log").open("a")
        made = _count_changes(folder, die_at)
        sys.argv = ["myocard", *words]
        code = _exit_code(cli.main)
        folder.with_name("changes").write_text(str(made[0]))
    except BaseException:
        traceback.print_exc()
        code = 99
    finally:
        sys.stdout.flush()
        os._exit(code)


def _exit_code(program: Callable[[], None]) -> int:
    try:
        program()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    return 0


def _count_changes(folder: Path, die_at: int) -> list[int]:
    """Count the changes of the file system below ``folder`` from now on; die at one of them."""
    made = [0]

    def heard(event: str, words: tuple[object, ...]) -> None:
        opened = event == "open" and isinstance(words[2], int) and words[2] & os.O_CREAT
        if not (opened or event in _CHANGES):
            return
        place = Path(os.fsdecode(words[0])) if isinstance(words[0], str | bytes | Path) else folder
        if (folder / place).is_relative_to(folder):
            made[0] += 1
            if made[0] == die_at:
                os.killpg(0, signal.SIGKILL)

    sys.addaudithook(heard)
    return made


def end(child: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def contents(folder: Path) -> dict[str, bytes]:
    """Read every file below ``folder``, without the seconds that things took."""
    return {
        path.relative_to(folder).as_posix(): _timeless(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _timeless(path: Path) -> bytes:
    if path.name == _DIGEST_OF_SECONDS:
        return b""
    content = _SECONDS.sub(rb"\g<1>0", path.read_bytes())
    return _HASHES_OF_SECONDS.sub(rb"\g<1>0", content)


def undisturbed(words: list[str], folder: Path) -> Undisturbed:
    folder.mkdir(parents=True)
    began = time.perf_counter()
    code = end(start(words, folder))
    seconds = time.perf_counter() - began
    if code:
        raise SystemExit(f"myocard {' '.join(words)}: {folder.with_name('log').read_text()}")
    changes = int(folder.with_name("changes").read_text())
    return Undisturbed(contents(folder), seconds, changes)


def broken(folder: Path, expected: Undisturbed) -> Iterator[str]:
    """Tell what a killed run left that a reader would take for whole and that is not."""
    for name, content in contents(folder).items():
        *above, last = Path(name).parts
        if last.startswith("."):
            continue  # a lock, or a file that was half-written
        if any(part.startswith(".") for part in above):
            # A folder that is being joined or removed may be half.
            fault = "" if {"new", "old"} & {*above} else _unreadable(folder / name)
            if fault:
                yield f"{name}: {fault}"
        elif name not in expected.files:
            yield f"{name} is none of the outcome's files"
        elif content != expected.files[name]:
            yield f"{name} has its final name and another content"


def _unreadable(path: Path) -> str:
    """Tell why a file in a work folder cannot be read; a log may be half."""
    try:
        if path.suffix == ".npz":
            _ = [np.load(path)[name] for name in np.load(path)]
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                _ = [file.get_tensor(name) for name in file.keys()]  # noqa: SIM118
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".parquet":
            pq.read_table(path)
    except Exception as error:
        return repr(error)
    return ""


def trial(
    words: list[str], folder: Path, expected: Undisturbed, rng: random.Random, tally: Tally
) -> None:
    """Kill a command a few times, then let it end, and compare."""
    folder.mkdir(parents=True)
    tally.trials += 1
    for number in range(_TRIAL):
        # Starting and reading change nothing: most of an undisturbed run's changes come late.
        if at_change := number % 2 == 0:
            code = end(start(words, folder, die_at=rng.randint(1, expected.changes)))
        else:
            child = start(words, folder)
            code = _killed_after(child, rng.uniform(0.05, 1.0) * expected.seconds)
        if code != -signal.SIGKILL:
            break
        tally.at_changes += at_change
        tally.timed += not at_change
        tally.faults += [f"{folder}: {fault}" for fault in broken(folder, expected)]
    else:
        code = end(start(words, folder))
    said = folder.with_name("log").read_text()
    if code:
        tally.faults.append(f"{folder}: exit code {code}: {said[-2000:]}")
    tally.faults += [f"{folder}: {fault}" for fault in differences(folder, expected)]


def _killed_after(child: int, seconds: float) -> int:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    return end(child)


def differences(folder: Path, expected: Undisturbed) -> Iterator[str]:
    """Tell what differs between what is there and what an undisturbed run leaves."""
    found = contents(folder)
    for name in sorted(found.keys() | expected.files.keys()):
        if name not in found:
            yield f"{name} is missing"
        elif name not in expected.files:
            yield f"{name} is left over"
        elif found[name] != expected.files[name]:
            yield f"{name} differs"


def verbs(place: Path) -> dict[str, list[str]]:
    """List commands by verb; each runs in a folder of its own two levels below ``place``."""
    return {
        "simulate": ["simulate", "--records", "5", "--out", "records"],
        "prepare": [
            *("prepare", "ptbxl-100", f"{place}/records"),
            *("--out", "store", "--jobs", "1"),
        ],
        "pretrain": [
            *("pretrain", f"{place}/nano.toml", "--store", f"{place}/store", "--out", "encoder"),
        ],
        "extract": ["extract", f"{place}/encoder", f"{place}/store", "--out", "features"],
        "predict": [
            *("predict", f"{place}/model", f"{place}/records/records100"),
            *("--out", "scores.csv", "--jobs", "1"),
        ],
        "fetch": ["fetch", f"{place}/store*", "--out", "fetched"],
        "benchmark": [
            *("benchmark", "demo", "--out", "out", "--test", "--jobs", "1"),
            *(word for change in _LITTLE for word in ("--set", change)),
        ],
    }


def materials(place: Path, count: int) -> None:
    """Make records, a store, an encoder and a model on it."""
    (place / "nano.toml").write_text(NANO)
    for words in (
        ["simulate", "--records", str(count), "--out", "records"],
        ["prepare", "ptbxl-100", "records", "--out", "store", "--jobs", "1"],
        ["pretrain", "nano.toml", "--store", "store", "--out", "encoder"],
        ["extract", "encoder", "store", "--out", "features"],
        ["probe", "superclasses", "features", "--out", "results", *_PROBE],
        ["save", "encoder", _RUN, "--out", "model"],
    ):
        if code := end(start(words, place)):
            raise SystemExit(f"{words[0]} ended with {code}: {place.with_name('log').read_text()}")


def report(found: dict[str, tuple[Undisturbed, Tally]]) -> None:
    print("verb       undisturbed  files  changes  trials  kills: timed  at a change  faults")
    for verb, (expected, tally) in found.items():
        print(
            f"{verb:10} {expected.seconds:9.1f} s {len(expected.files):6} {expected.changes:8} "
            f"{tally.trials:7} {tally.timed:13} {tally.at_changes:12} {len(tally.faults):7}"
        )
    kills = sum(tally.timed + tally.at_changes for _, tally in found.values())
    faults = [fault for _, tally in found.values() for fault in tally.faults]
    print(f"{kills} kills, {len(faults)} faults")
    print("\n".join(faults[:20]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--records", type=int, default=300)
    parser.add_argument("--verbs", nargs="+", default=list(verbs(Path())))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    prediction.PART = 16  # of few records several parts
    place = Path(tempfile.mkdtemp(prefix="kills-")) / "place"
    place.mkdir()
    materials(place, asked.records)
    found = {}
    for verb in asked.verbs:
        words, rng = verbs(place)[verb], random.Random(f"{verb} {asked.seed}")
        expected, tally = undisturbed(words, place / f"{verb}-whole" / "here"), Tally()
        found[verb] = expected, tally
        while tally.timed + tally.at_changes < asked.kills // len(asked.verbs):
            folder = place / f"{verb}-{tally.trials}" / "here"
            trial(words, folder, expected, rng, tally)
            kills = tally.timed + tally.at_changes
            print(f"{verb}: {kills} kills, {len(tally.faults)} faults", file=sys.stderr, flush=True)
            if not tally.faults:
                shutil.rmtree(folder.parent)
    report(found)
    if any(tally.faults for _, tally in found.values()):
        raise SystemExit(f"what was left lies in {place}")
    shutil.rmtree(place.parent)


if __name__ == "__main__":
    main()
