"""The command line refuses in one line, leaves nothing half-written, and goes on when stopped."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from myocard import cli
from myocard.data.signal import Preprocessing
from myocard.files.manifest import CHECKPOINT
from myocard.models.checkpoint import HASHED, Checkpoint
from myocard.training.loop import Diverged

VERBS = (
    "demo", "simulate", "prepare", "audit", "audit labels", "pretrain", "extract", "probe",
    "probe-tokens", "finetune", "baseline", "report", "audit leak", "transfer", "fetch",
)  # fmt: skip
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def myocard(monkeypatch, capsys) -> Run:
    """Run a command in this process: exit code, standard output, standard error."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["myocard", *map(str, words)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        output = capsys.readouterr()
        return int(done.value.code or 0), output.out, output.err

    return run


@pytest.fixture
def place(checkpoint, store, tmp_path, monkeypatch) -> Path:
    """A working folder with checkpoints, recipes and vendors' folders that are wrong somehow."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(tmp_path / "encoder")
    replace(checkpoint, preprocessing=Preprocessing(500, 100)).save(tmp_path / "faster")
    checkpoint.save(tmp_path / "wider")
    config = CHECKPOINT.read(tmp_path / "wider", ())
    wider = config["encoder"] | {"width": 24}
    CHECKPOINT.write(tmp_path / "wider", config | {"encoder": wider}, HASHED)
    (tmp_path / "store").symlink_to(store.folder)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "labels.csv").write_text("file,patient\na.npy,1\n")
    (tmp_path / "broken.toml").write_text("task = ")
    (tmp_path / "key.toml").write_text('task = "ptbxl-all"\ncolour = "red"\n')
    (tmp_path / "task.toml").write_text('task = "mi"\n')
    corpus = '[[corpus]]\nstore = "[/lost]"\n'
    (tmp_path / "lost.toml").write_text(f'name = "lost"\nsize = "nano"\n{corpus}')
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(myocard, verb):
    code, out, err = myocard(*verb.split(), "--help")
    assert (code, err) == (0, "")
    assert f"{verb} [OPTIONS]" in out


def test_help_waits_for_no_torch():
    code = (
        "import sys\nfrom myocard.cli import main\n"
        f"for verb in {VERBS}:\n"
        "    sys.argv = ['myocard', *verb.split(), '--help']\n"
        "    try:\n        main()\n    except SystemExit as done:\n        assert done.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("simulate own", "own: exists already; remove it or choose another folder"),
        ("simulate new --layout ptb", "unknown layout 'ptb'; the simulator writes ptbxl, chapman"),
        ("simulate key.toml/new", "key.toml"),
        ("prepare ptb own new", "unknown source 'ptb'; the sources are ptbxl-100, ptbxl-500"),
        ("prepare folder nowhere new", "nowhere: no such folder"),
        ("prepare folder own new", "own/labels.csv: no column codes; use the table as published"),
        ("prepare ptbxl-100 own new", "own/ptbxl_database.csv: no such file; is own the data set"),
        ("prepare folder own new --like nowhere", "nowhere/preprocessing.json: not a readable"),
        ("prepare folder own new --like encoder --lowpass 40", "--like takes filter and leads"),
        ("prepare folder own new --lowpass 50", "a low-pass at 50 Hz needs more than 100 Hz"),
        ("prepare folder own new --leads I,X", "unknown lead 'X'; the leads are I, II"),
        ("prepare folder own new --allow noise", "cannot allow noise; what can be kept is"),
        ("audit labels nowhere", "nowhere/store.json: not a readable store"),
        ("audit labels store --dataset ptb", "no published counts of 'ptb'; there are those of"),
        ("pretrain nowhere.toml new", "nowhere.toml: not a readable TOML recipe"),
        ("pretrain broken.toml new", "broken.toml: not a readable TOML recipe"),
        ("pretrain key.toml new", "key.toml: "),
        ("pretrain lost.toml new", "[/lost]/store.json: not a readable store"),
        ("pretrain lost.toml own", "own: exists already; remove it or choose another folder"),
        ("extract nowhere store new", "nowhere/config.json: not a readable checkpoint"),
        ("extract wider store new", "wider/model.safetensors: the weights do not fit the model"),
        ("extract faster store new", "the rate is 100 Hz, not 500 Hz. Prepare the source again"),
        ("extract encoder nowhere new", "nowhere/store.json: not a readable store"),
        ("extract encoder store own", "own/features.json: not a readable cache"),
        ("probe key.toml nowhere --out new", "key.toml: unknown key 'colour'; the keys are task,"),
        ("probe task.toml nowhere --out new", "nowhere/features.json: not a readable cache"),
        ("probe-tokens key.toml encoder store --out new", "key.toml: unknown key 'colour'"),
        ("probe-tokens task.toml encoder store --out new", "unknown task 'mi'; the tasks are"),
        ("probe-tokens task.toml faster store --out new", "the rate is 100 Hz, not 500 Hz"),
        ("finetune key.toml encoder store new", "key.toml: unknown key 'colour'"),
        ("finetune task.toml encoder store new", "unknown task 'mi'; the tasks are ptbxl-all"),
        ("finetune task.toml faster nowhere new", "nowhere/store.json: not a readable store"),
        ("baseline task.toml store new", "unknown task 'mi'; the tasks are ptbxl-all"),
        ("baseline task.toml store own", "own: exists already; remove it"),
        ("report nowhere[/red]:heart: --out new", "nowhere[/red]:heart:"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(myocard, place, words, message):
    before = sorted(place.rglob("*"))
    code, out, err = myocard(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith("myocard: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message in err
    assert sorted(place.rglob("*")) == before


def test_a_loss_that_diverges_is_told_in_one_line(myocard, monkeypatch, tmp_path):
    def diverge(paths: object, out: object) -> None:
        raise Diverged("the loss is nan at step 8;\nlower base_learning_rate")

    monkeypatch.setattr("myocard.report.write_report", diverge)
    code, _, err = myocard("report", tmp_path)
    assert (code, err) == (2, "myocard: the loss is nan at step 8; lower base_learning_rate\n")


def test_a_fault_of_ours_is_not_hidden(monkeypatch, tmp_path):
    def fail(paths: object, out: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("myocard.report.write_report", fail)
    monkeypatch.setattr(sys, "argv", ["myocard", "report", str(tmp_path)])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_an_audit_of_a_part_fails_with_the_reason(myocard, store):
    code, out, err = myocard("audit", "labels", store.folder)
    assert (code, err) == (1, "")
    assert out.startswith("60 of 21,799 records: counts cannot be compared")


def test_a_simulated_folder_appears_whole(myocard, monkeypatch, tmp_path):
    from myocard.simulation import layouts

    def stop(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(layouts, "simulate", stop)
        code, _, err = myocard("simulate", tmp_path / "new", "--records", 3)
    assert code == 130
    assert err.endswith(
        "myocard: stopped; the same command goes on from what was saved, or starts again\n"
    )
    assert not (tmp_path / "new").exists()
    assert myocard("simulate", tmp_path / "new", "--records", 3)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert len(list((tmp_path / "new" / "records500").rglob("*.dat"))) == 3


def test_the_audit_of_leaks_exits_with_1_and_names_them_or_says_that_there_are_none(myocard, place):
    code, out, _ = myocard("audit", "leak", "encoder", "store")
    assert code == 1
    assert "sim A000008, fold 9: same waveform as sim A000008\n" in out
    code, out, _ = myocard("audit", "leak", "encoder", "store", "--task", "ptbxl-superdiagnostic")
    assert code == 1
    assert myocard("audit", "leak", "encoder", "store", "--folds", "9;10")[0] == 2
    checkpoint = Checkpoint.load(place / "encoder")
    replace(checkpoint, corpus=checkpoint.corpus.iloc[:0]).save(place / "clean")
    code, out, _ = myocard("audit", "leak", "clean", "store", "--folds", "all")
    assert code == 0
    assert out.startswith("clean: trained on none of the held-out records of store, by waveform")


RECIPE = """
name = "stopped"
size = "nano"
input = {{ leads = ["II"] }}

[[corpus]]
store = "{store}"
folds = [1, 2]

[optimisation]
epochs = 10
batch = 4
base_learning_rate = 1e-3
weight_decay = 0.01
precision = "bf16"
checkpoint_every = 1
"""
# A shell may start its jobs with Ctrl-C ignored.
PRETRAIN = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "sys.argv = ['myocard', 'pretrain', 'recipe.toml', 'made'];"
    "from myocard.cli import main; main()"
)


def test_pretraining_that_is_stopped_says_so_and_goes_on(store, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE.format(store=store.folder))
    command = [sys.executable, "-W", "error", "-c", PRETRAIN]
    stopped = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    saved = tmp_path / "made.run" / "training.safetensors"
    while not saved.exists() and stopped.poll() is None:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    error = stopped.communicate()[1].splitlines()
    assert stopped.returncode == 130, error
    # Stopped before its first step was told, it has drawn no progress bar.
    *bar, last = (line.split(",")[0].split(";")[0] for line in error)
    assert last == "myocard: stopped"
    assert bar in ([], ["pretrain in bf16"])
    assert not (tmp_path / "made").exists()

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "made\n")
    assert done.stderr.startswith("pretrain in bf16, loss ")
    assert done.stderr.count("\n") == 1
    assert Checkpoint.load(tmp_path / "made").name == "stopped"
    log = (tmp_path / "made" / "log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in log]
    assert steps == list(range(1, 31))
    assert not saved.parent.exists()
