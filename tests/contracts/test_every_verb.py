"""The promise of every command that writes a folder: made, kept, or refused by name."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import verbs

from myocard import cli
from myocard.data.store import Store

# The same command with one other input, and what is said of it.
OTHERS = {
    "simulate": ("{same} --seed 7", "seed is 0, not 7"),
    "prepare": ("{same} --seconds 9", "seconds is 10.0, not 9.0"),
    "fetch, by name": ("fetch ludb {out} --from published-b", 'files.data/1.avf is "sha256:'),
    "fetch": ("fetch store-b --out {out}", "files.signals.npy is another (hash "),
    "pretrain": ("{same} --set optimisation.epochs=3", "optimisation.epochs is 2.0, not 3.0"),
    "extract": ("{same} --random 7", "encoder is another (hash "),
    "finetune": ("{same} --set seeds=[1]", "recipe.seeds is [0], not [1]"),
    "baseline": ("{same} --set features=168", "recipe.features is 84, not 168"),
    "report": ("report features --out {out}", 'results is ["results"], not ["features"]'),
    "save": ("{same} --sensitivity 0.9", "sensitivity is null, not 0.9"),
    "predict": ("{same} --unit mV", 'unit is null, not "mV"'),
    "export": (
        "export model-b --format torch --out {out}.pt2",
        "model.decision.sensitivity is null, not 0.9",
    ),
    "explain": ("{same} --unit mV", 'unit is null, not "mV"'),
    "explain, of a folder": ("{same} --rate 100", "rate is null, not 100"),
    "compare": ("{same} --seed 7", "seed is 0, not 7"),
    "leaderboard": (
        "leaderboard features --out {out}",
        'results is ["results"], not ["features"]',
    ),
    "rescore": ("{same} --metric auroc", 'metrics is null, not ["auroc"]'),
    "task": ("{same} --seed 7", "settings.seed is 0, not 7"),
    "probe": ("{same} --set resamples=20", "recipe.resamples is 10, not 20"),
    "probe, streamed": ("{same} --set resamples=20", "recipe.resamples is 10, not 20"),
    "transfer": ("{same} --folds 9,10", "transfer.folds is null, not [9, 10]"),
    "layers": ("{same} --records 20", "records is 512, not 20"),
    "delineate": ("{same} --annotations marks-b", "waves is another (hash "),
    "benchmark": ("{same} --set probing.resamples=20", "recipe.resamples is 10, not 20"),
}
Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Store:
    return verbs.other_store(tmp_path_factory.mktemp("stores") / "other")


@pytest.fixture
def place(encoder, store, other, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    verbs.materials(tmp_path, encoder, store, other)
    return tmp_path


@pytest.fixture
def myocard(monkeypatch, capsys) -> Run:
    """Run a command in this process: exit code, what it said beside its output, output."""

    def run(words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["myocard", *words.split()])
        with pytest.raises(SystemExit) as done:
            cli.main()
        output = capsys.readouterr()
        return int(done.value.code or 0), verbs.without_scores(output.err), output.out

    return run


def files(place: Path) -> dict[str, tuple[int, int]]:
    """Every file below the place, hidden ones too, and folders: inode, and time of last change."""
    return {
        path.relative_to(place).as_posix(): (
            path.stat().st_ino,
            path.stat().st_mtime_ns if path.is_file() else 0,
        )
        for path in place.rglob("*")
    }


def test_no_command_is_left_out():
    named = {words.split()[0] for words in verbs.COMMANDS.values()}
    writing = {each.callback.__name__ for each in cli.app.registered_commands}
    # The demo is a benchmark, and four commands write no folder.
    assert writing - {"demo", "encoders", "fingerprint", "read", "serve"} == named
    assert OTHERS.keys() == verbs.COMMANDS.keys()


@pytest.mark.parametrize("verb", verbs.COMMANDS)
def test_what_is_absent_is_made_then_kept_and_refused_for_other_inputs(place, myocard, verb):
    out = place / "out"  # in full, for processes that were started in another folder
    same = verbs.COMMANDS[verb].format(out=out)
    code, err, _ = myocard(same)
    assert code == 0, err
    assert not list(place.rglob(".*"))
    made = files(place)

    code, err, _ = myocard(same)
    assert code == 0, err
    if verb in verbs.ONE_FOLDER:
        assert err == f"myocard: {out}: is there, made from the same inputs; kept\n"
    assert files(place) == made

    code, err, printed = myocard(f"{same} --json")
    assert code == 0, err
    assert json.loads(printed)
    assert files(place) == made

    words, told = OTHERS[verb]
    code, err, printed = myocard(f"{words.format(same=same, out=out)} --json")
    assert code == 2, err
    *_, refusal = err.splitlines()
    assert refusal.startswith(f"myocard: {out}")
    assert json.loads(printed)["error"] == refusal.removeprefix("myocard: ")
    assert ": made from other inputs: " in refusal
    assert told in refusal
    kind = "file" if verb in verbs.ONE_FILE else "folder"
    assert refusal.endswith(f"choose another {kind}, or remove it")
    assert files(place) == made


def test_a_store_of_30_records_is_not_taken_for_one_of_50_with_another_seed(place, myocard):
    command = verbs.COMMANDS["benchmark"].format(out=place / "out")
    code, err, _ = myocard(command)
    assert code == 0, err
    made = files(place)
    store = "--set stores.sim.simulate."
    code, err, _ = myocard(f"{command} {store}records=50 {store}seed=7")
    assert code == 2
    assert err == (
        f"myocard: {place}/out/records/sim: made from other inputs: records is 30, not 50; "
        "seed is 0, not 7; choose another folder, or remove it\n"
    )
    assert files(place) == made


def test_what_a_kill_left_beside_runs_that_were_trained_as_one_goes(place, myocard):
    command = verbs.COMMANDS["probe, streamed"].format(out="out")
    assert myocard(command)[0] == 0
    made = files(place)
    (run,) = (place / "out").rglob("run.json")
    left = run.parents[1] / ".tokens+attentive-tokens-linear.partial"
    left.mkdir()
    for name in ("training.safetensors", "inputs.json"):
        (left / name).touch()
    assert myocard(command)[0] == 0
    assert files(place) == made
