"""A hindrance to writing is told in one line, and the files that were there before stay."""

import gc
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import verbs

from myocard import cli
from myocard.data.store import Store
from myocard.files.atomic import occupied

# Where a verb works before its folder appears under its name.
WORK_FOLDERS = dict.fromkeys(verbs.ONE_FOLDER, ".{out}.partial")
WORK_FOLDERS |= {
    "predict": ".{out}.csv.partial",
    "rescore": ".{out}.csv.partial",
    "export": ".{out}.pt2.partial",
    "explain": ".{out}.html.partial",
}
LONG = {"layers", "finetune", "benchmark"}
# The manifest or list of what is fetched goes to a temporary folder first, which is limited too.
ROOM = {"fetch": 10_000, "fetch, by name": 10_000}
Run = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Store:
    return verbs.other_store(tmp_path_factory.mktemp("stores") / "other")


@pytest.fixture
def place(encoder, store, other, tmp_path, monkeypatch) -> Path:
    """A working folder with all that the verbs read."""
    monkeypatch.chdir(tmp_path)
    verbs.materials(tmp_path, encoder, store, other)
    return tmp_path


@pytest.fixture
def myocard(monkeypatch, capsys) -> Run:
    """Run a command in this process: exit code and what it said of errors."""

    def run(words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["myocard", *words.split()])
        with pytest.raises(SystemExit) as done:
            cli.main()
        said = verbs.without_scores(capsys.readouterr().err)
        return int(done.value.code or 0), said

    return run


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Writing beyond ``size`` bytes of a file is an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a file system of its own")
    try:
        yield
    finally:
        gc.collect()  # what an error in there still holds open
        subprocess.run(["umount", str(folder)], check=True)


def require_told(err: str, out: str, what: str) -> None:
    """Require one line behind the progress: where it is, what it is and what fixes it."""
    told = err.splitlines()[-1]
    assert told.startswith(f"myocard: {out}"), err
    assert f"cannot be written {what}" in told
    assert told.endswith(", then the same command goes on")
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", verbs.COMMANDS)
def test_a_verb_is_told_what_hinders_it_and_goes_on_when_that_is_gone(place, myocard, verb):
    before, command = contents(place), verbs.COMMANDS[verb].format(out="new")
    with occupied(place / WORK_FOLDERS.get(verb, "{out}").format(out="new")):
        code, err = myocard(command)
    assert code == 2
    assert re.sub(r"new\.(csv|html|pt2)", "new", err).startswith(
        "myocard: new: another process is writing here; wait for it, or choose"
    )
    assert contents(place) == before

    code, err = myocard(verbs.COMMANDS[verb].format(out="nano.toml/new"))
    assert code == 2
    require_told(err, "nano.toml/new", "(Not a directory); a file is in the way")
    assert contents(place) == before

    with files_up_to(ROOM.get(verb, 60)):
        code, err = myocard(command)
    assert code == 2
    require_told(err, "new", "(File too large); make room there")
    assert contents(place).items() >= before.items()
    if verb not in LONG:
        code, err = myocard(command)
        assert code == 0, err
        assert not list(place.rglob(".*"))


@pytest.mark.parametrize(
    "verb",
    ["simulate", "prepare", "pretrain", "extract", "fetch", "fetch, by name", "probe", "report"],
)
def test_a_full_disk_and_one_that_can_only_be_read_are_told(place, myocard, verb):
    before, command = contents(place), verbs.COMMANDS[verb].format(out="disk/new")
    with mounted(place / "disk", "size=16k"):
        code, err = myocard(command)
        assert code == 2
        require_told(err, "disk/new", "(No space left on device); make room there")
        subprocess.run(["mount", "-o", "remount,ro", str(place / "disk")], check=True)
        code, err = myocard(verbs.COMMANDS[verb].format(out="disk/other"))
        assert code == 2
        require_told(err, "disk/other", "(Read-only file system); make it writable")
    assert contents(place) == before
