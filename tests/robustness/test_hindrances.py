"""What keeps a verb from writing is told in one line, and what was there before stays."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from myocard import cli, simulation
from myocard.evaluation.features import extract
from myocard.files.atomic import occupied

RECIPES = {
    "nano.toml": """
name = "new"
size = "nano"
input = { leads = ["II"] }
corpus = [{ store = "store", folds = [1] }]
optimisation = { epochs = 2, batch = 2, base_learning_rate = 1e-3, weight_decay = 0.0 }
""",
    "probe.toml": """
task = "ptbxl-superdiagnostic"
readouts = ["last"]
min_positives = 1
resamples = 10
seeds = [0]
penalties = [1e-2]
optimisation = { epochs = 1, batch = 16 }
""",
    "finetune.toml": """
task = "ptbxl-superdiagnostic"
min_positives = 1
resamples = 10
optimisation = { epochs = 1, batch = 16 }
""",
    "ridge.toml": """
model = "minirocket"
task = "ptbxl-superdiagnostic"
min_positives = 1
resamples = 10
features = 84
""",
}
VERBS = {
    "simulate": "simulate {out} --records 1",
    "prepare": "prepare ptbxl-100 records {out} --jobs 1",
    "pretrain": "pretrain nano.toml {out}",
    "extract": "extract encoder store {out}",
    "fetch": "fetch store {out}",
    "layers": "layers encoder store --task ptbxl-superdiagnostic --out {out}",
    "probe": "probe probe.toml features --out {out}",
    "probe-tokens": "probe-tokens tokens.toml encoder store --out {out}",
    "finetune": "finetune finetune.toml encoder store {out}",
    "baseline": "baseline ridge.toml store {out}",
    "benchmark": "benchmark demo {out} --jobs 1",
    "report": "report results --out {out}",
}
# Where a verb works before its folder appears under its name.
WORKPLACES = {
    "simulate": ".{out}.partial",
    **dict.fromkeys(("prepare", "extract", "fetch"), "{out}.partial"),
    **dict.fromkeys(("pretrain", "finetune", "baseline"), "{out}.run"),
}
LONG = {"layers", "finetune", "benchmark"}
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def place(checkpoint, store, tmp_path, monkeypatch) -> Path:
    """A working folder with all that the verbs read."""
    monkeypatch.chdir(tmp_path)
    checkpoint = replace(checkpoint, corpus=checkpoint.corpus.iloc[:0])
    checkpoint.save(tmp_path / "encoder")
    (tmp_path / "store").symlink_to(store.folder)
    simulation.write(tmp_path / "records", "ptbxl", count=2)
    extract(checkpoint, store, tmp_path / "features")
    for name, text in RECIPES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "tokens.toml").write_text(RECIPES["probe.toml"].replace("last", "attentive-tokens"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    return tmp_path


@pytest.fixture
def myocard(monkeypatch, capsys) -> Run:
    """Run a command in this process: exit code and what it said of errors."""

    def run(words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["myocard", *words.split()])
        with pytest.raises(SystemExit) as done:
            cli.main()
        return int(done.value.code or 0), capsys.readouterr().err

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
        subprocess.run(["umount", str(folder)], check=True)


def require_told(err: str, out: str, what: str) -> None:
    """Of one line behind the progress: where it is, what it is and what fixes it."""
    told = err.splitlines()[-1]
    assert told.startswith(f"myocard: {out}"), err
    assert f"cannot be written {what}" in told
    assert told.endswith(", then the same command goes on")
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_told_what_hinders_it_and_goes_on_when_that_is_mended(place, myocard, verb):
    before, command = contents(place), VERBS[verb].format(out="new")
    with occupied(place / WORKPLACES.get(verb, "{out}").format(out="new")):
        code, err = myocard(command)
    assert code == 2
    assert ": another process is writing here; wait for it, or choose another" in err
    assert contents(place) == before

    code, err = myocard(VERBS[verb].format(out="nano.toml/new"))
    assert code == 2
    require_told(err, "nano.toml/new", "(Not a directory); make it writable")
    assert contents(place) == before

    with files_up_to(60):
        code, err = myocard(command)
    assert code == 2
    require_told(err, "new", "(File too large); make room there")
    assert contents(place).items() >= before.items()
    if verb not in LONG:
        assert myocard(command)[0] == 0
        assert not list(place.rglob(".*"))


@pytest.mark.parametrize(
    "verb", ["simulate", "prepare", "pretrain", "extract", "fetch", "probe", "report"]
)
def test_a_full_disk_and_one_that_can_only_be_read_are_told(place, myocard, verb):
    before, command = contents(place), VERBS[verb].format(out="disk/new")
    with mounted(place / "disk", "size=32k"):
        code, err = myocard(command)
        assert code == 2
        require_told(err, "disk/new", "(No space left on device); make room there")
        subprocess.run(["mount", "-o", "remount,ro", str(place / "disk")], check=True)
        code, err = myocard(VERBS[verb].format(out="disk/other"))
        assert code == 2
        require_told(err, "disk/other", "(Read-only file system); make it writable")
    assert contents(place) == before
