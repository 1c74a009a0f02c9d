"""The command line refuses in one line, leaves nothing half-written, and goes on when stopped."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from myocard import cli
from myocard.cli import options
from myocard.cli.output import _with_json
from myocard.data.corpora import trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.files.manifest import CHECKPOINT
from myocard.models.checkpoint import HASHED, Checkpoint, load_encoder
from myocard.tasks.audit import LabelAudit
from myocard.training.loop import Diverged

VERBS = (
    "simulate", "prepare", "fetch", "pretrain", "extract", "probe", "finetune", "baseline",
    "transfer", "layers", "report", "save", "predict", "compare", "rescore", "leaderboard",
    "audit", "audit files", "audit labels", "audit leak", "audit privacy", "demo", "benchmark",
    "encoders", "fingerprint", "task",
)  # fmt: skip


@pytest.fixture
def place(encoder, store, tmp_path, monkeypatch) -> Path:
    """A working folder with checkpoints, recipes and vendors' folders that are wrong somehow."""
    monkeypatch.chdir(tmp_path)
    Checkpoint(encoder, {}).save(tmp_path / "encoder")
    Checkpoint(replace(encoder, input=Preprocessing(500, 100)), {}).save(tmp_path / "faster")
    Checkpoint(encoder, {}).save(tmp_path / "wider")
    config = CHECKPOINT.read(tmp_path / "wider", ())
    wider = config["encoder"] | {"width": 24}
    CHECKPOINT.write(tmp_path / "wider", config | {"encoder": wider}, HASHED)
    (tmp_path / "store").symlink_to(store.folder)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "labels.csv").write_text("file,patient\na.npy,1\n")
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "a.npy").touch()
    (tmp_path / "good" / "labels.csv").write_text("file,patient,codes\na.npy,1,own:a\n")
    (tmp_path / "good" / "a.npy").touch()
    (tmp_path / "broken.toml").write_text("task = ")
    (tmp_path / "key.toml").write_text('task = "ptbxl-all"\ncolour = "red"\n')
    good = 'task = "ptbxl-superdiagnostic"\nmin_positives = 1\n'
    (tmp_path / "good.toml").write_text(good)
    (tmp_path / "task.toml").write_text('task = "mi"\n')
    corpus = '[[corpus]]\nstore = "[/lost]"\n'
    (tmp_path / "lost.toml").write_text(f'name = "lost"\nsize = "nano"\n{corpus}')
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(myocard, verb):
    code, out, err = myocard(*verb.split(), "--help")
    assert (code, err) == (0, "")
    assert f"{verb} [OPTIONS]" in out


def test_every_command_takes_json():
    for group in (cli.app, options.audit):
        for command in group.registered_commands:
            assert "json" in inspect.signature(command.callback).parameters


def test_what_is_read_comes_as_one_json_object(myocard, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 1000), np.float32))
    words = ("read", tmp_path / "a.npy", "--rate", 100, "--leads", "I,II", "--unit", "mV")
    code, out, err = myocard(*words, "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert (told["leads"], told["rate"], told["samples"]) == (["I", "II"], 100, 1000)
    code, lines, _ = myocard(*words)
    assert [line[:20].strip() for line in lines.splitlines()] == [name for name, _ in told["told"]]


def test_a_finding_is_json_too_and_exits_with_1(myocard, place):
    (place / "encoder" / "model.safetensors").write_bytes(b"other")
    code, out, _ = myocard("audit", "files", "encoder", "--json")
    assert code == 1
    (finding,) = json.loads(out)["findings"]
    assert "model.safetensors" in finding


@pytest.mark.parametrize("words", ["predict", "read a.xml --rate x", "nothing"])
def test_words_that_are_not_understood_are_json_too_and_exit_with_2(myocard, words):
    code, out, err = myocard(*words.split(), "--json")
    assert (code, json.loads(out)) == (2, {"error": "not understood; standard error says why"})
    assert "Error" in err


@pytest.mark.parametrize(("options", "kind"), [((), bytes), (("--json",), json.loads)])
def test_names_that_standard_output_cannot_hold_are_written_out(tmp_path, options, kind):
    name = os.fsdecode("ö".encode() + b"\xff.npy")
    np.save(tmp_path / "a.npy", np.zeros((2, 1000), np.float32))
    (tmp_path / "a.npy").rename(tmp_path / name)
    words = ["read", name, "--rate", "100", "--leads", "I,II", "--unit", "mV"]
    done = subprocess.run(
        [sys.executable, "-m", "myocard", *words, *options],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert kind(done.stdout)


@pytest.mark.parametrize(
    ("fault", "told"), [(KeyboardInterrupt(), "stopped"), (ZeroDivisionError("a\nb"), "a b")]
)
def test_what_ends_a_command_is_in_its_json(capsys, fault, told):
    def command() -> None:
        raise fault

    with pytest.raises(type(fault)):
        _with_json(command)(json=True)
    assert json.loads(capsys.readouterr().out) == {"error": told}


def test_colours_are_left_out_where_they_are_not_wanted(monkeypatch):
    words = [sys.executable, "-m", "myocard", "read", "nothing.xml"]
    for added, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        asked = os.environ | {"FORCE_COLOR": "1"} | added
        done = subprocess.run(words, capture_output=True, text=True, env=asked)
        assert done.returncode == 2
        assert ("\x1b[31" in done.stderr or "\x1b[1;31" in done.stderr) == coloured


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell):
    asked = os.environ | {"_MYOCARD_COMPLETE": f"source_{shell}"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("myocard"))],
        capture_output=True,
        text=True,
        env=asked,
    )
    assert done.returncode == 0, done.stderr
    assert "_MYOCARD_COMPLETE" in done.stdout


def test_a_data_set_is_described_though_its_files_cannot_be_listed(myocard, place):
    code, out, err = myocard("fetch", "ptbxl", "new", "--from", "own")
    assert (code, "licence: CC BY 4.0" in out) == (2, True)
    assert "own/SHA256SUMS.txt: cannot be read (FileNotFoundError: " in err


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
        ("simulate --out own", "own: exists already and does not say from what it was made"),
        ("simulate --out new --layout ptb", "unknown layout 'ptb'; the simulator writes ptbxl, ch"),
        ("simulate --out new --site C", "unknown site 'C'; the simulator has A, B"),
        (
            "simulate --out key.toml/new",
            "key.toml/new: cannot be written (Not a directory); a file is in",
        ),
        ("simulate --out store", 'store: made from other inputs: layout is absent, not "ptbxl'),
        ("prepare ptb own --out new", "unknown source 'ptb'; the sources are ptbxl-100, ptbxl-500"),
        ("prepare folder nowhere --out new", "nowhere: no such folder"),
        ("prepare folder own --out new", "own/labels.csv: no column codes; it has "),
        ("prepare ptbxl-100 own --out new", "own/ptbxl_database.csv: no such file; is own the da"),
        ("prepare folder own --out new --like nowhere", "nowhere: no such folder; "),
        ("prepare folder own --out new --like lost.toml", "own/labels.csv: no column codes"),
        ("prepare folder own --out new --like encoder --lowpass 40", "--like takes the filter f"),
        (
            "prepare folder own --out new --raw --lowpass 40",
            "--raw takes records as they are; leave",
        ),
        ("prepare folder own --out new --lowpass 50", "a low-pass at 50 Hz needs more than 100 Hz"),
        ("prepare folder own --out new --preset none", "preset: no 'none'; there are stmem, ecgs"),
        ("prepare folder own --out new --leads I,X", "unknown lead 'X'; the leads are I, II"),
        ("prepare folder good --out new --allow noise", "cannot allow noise; what can be kept is"),
        ("prepare folder good --out new --shard 3", "--shard 3: give a number and their count, as"),
        ("prepare folder good --out own", "own: exists already and does not say from what it was"),
        ("audit labels nowhere", "nowhere: no such folder; "),
        ("audit labels store --dataset ptb", "no published counts of 'ptb'; there are those of"),
        ("audit files nowhere", "nowhere: no such folder"),
        ("audit files own", "own: no store, checkpoint or features in it"),
        ("audit leak encoder store --folds 9;10", "'9;10': give numbers with commas between them"),
        ("audit leak encoder store --task mi", "unknown task 'mi'; the tasks are"),
        ("fetch ./nowhere --out new", "nowhere: no such folder, or no store (store.json), checkpo"),
        ("fetch nowhere new", "nowhere: no such folder, and no data set; those are ptbxl, chapman"),
        ("fetch ptbxl", "name the folder to write, once: myocard fetch ptbxl FOLDER"),
        ("fetch ptbxl one --out other", "name the folder to write, once: myocard fetch ptbxl FO"),
        ("fetch store new --dry-run", "--from and --dry-run go with the name of a data set: ptbxl"),
        (
            "pretrain nowhere.toml --store store --out new",
            "nowhere.toml: no such recipe; shipped are ipastmem, paper-ecgsoup",
        ),
        (
            "pretrain broken.toml --store store --out new",
            "broken.toml: not a readable TOML recipe",
        ),
        ("pretrain key.toml --store store --out new", "key.toml: "),
        (
            "pretrain lost.toml --store store --out new",
            "names a store '[/lost]', and given are store; add --store [/lost]=FOLDER",
        ),
        (
            "pretrain lost.toml --store [/lost] --out new",
            "[/lost]: no such folder; make one with",
        ),
        (
            "pretrain lost.toml --store store --store store=own --out new",
            "two stores are called store; give them as NAME=FOLDER",
        ),
        (
            "pretrain lost.toml --store [/lost]=store --out own",
            "own: exists already and does not say from what it was made",
        ),
        (
            "pretrain lost.toml --store [/lost]=store --out new --set objective='mix'",
            "no objective 'mix'; there are mae",
        ),
        (
            "pretrain lost.toml --store [/lost]=store --out new --set size",
            "'size': not of the form key = value in TOML",
        ),
        ("extract nowhere store --out new", "nowhere: no such folder; "),
        ("extract wider store --out new", "wider/model.safetensors: the weights do not fit the m"),
        ("extract faster store --out new", "the rate is 100 Hz, not 500 Hz. Prepare the source ag"),
        ("extract encoder nowhere --out new", "nowhere: no such folder; "),
        ("extract encoder store --out own", "own: exists already and does not say from what it"),
        ("probe key.toml nowhere --out new", "key.toml: unknown key 'colour'; the keys are task,"),
        ("probe task.toml nowhere --out new", "nowhere: no such folder; "),
        ("probe task.toml --out new", "give either folders of features, or --encoder and --store"),
        ("probe task.toml --out new --encoder encoder", "give either folders of features, or --en"),
        (
            "probe task.toml nowhere --out new --encoder encoder --store store",
            "give either folders of features, or --encoder and --store",
        ),
        ("probe key.toml --encoder encoder --store store --out new", "unknown key 'colour'"),
        ("probe task.toml --encoder encoder --store store --out new", "unknown task 'mi'; the tas"),
        ("probe task.toml --encoder faster --store store --out new", "the rate is 100 Hz, not 50"),
        (
            "probe task.toml --encoder encoder --store store --out new --set readouts=['best']",
            "no readout 'best'; there are ",
        ),
        (
            "probe task.toml --encoder encoder --store store --out new --set heads=['big']",
            "no head 'big'; there are linear, ridge, mlp",
        ),
        ("finetune key.toml encoder store --out new", "key.toml: unknown key 'colour'"),
        ("finetune task.toml encoder store --out new", "unknown task 'mi'; the tasks are ptbxl-al"),
        ("finetune task.toml faster nowhere --out new", "nowhere: no such folder; "),
        (
            "finetune good.toml encoder store --out own --set start='scratch'",
            "own: exists already and does not say",
        ),
        (
            "finetune task.toml encoder store --out new --set readout='best'",
            "no readout 'best'; there are last,",
        ),
        (
            "finetune superclasses encoder store --out new --probe nowhere",
            "nowhere: no such folder; give the folder of a run",
        ),
        ("baseline task.toml store --out new", "unknown task 'mi'; the tasks are ptbxl-all"),
        (
            "baseline good.toml store --out own",
            "own: exists already and does not say from what it",
        ),
        (
            "baseline task.toml store --out new --set model='rocket'",
            "no baseline 'rocket'; there are ",
        ),
        ("transfer nowhere nowhere nowhere --out new", "nowhere: no such folder; "),
        ("layers encoder store --task mi --out new", "unknown task 'mi'; the tasks are ptbxl-all"),
        (
            "layers encoder store --task ptbxl-all --set copies='keep' --out new",
            "layers: copies: input should be 'refuse' or 'drop'",
        ),
        (
            "layers encoder store --task ptbxl-all --set readouts=['last'] --out new",
            "layers: measures the readout layers under one head, for --task; leave task and",
        ),
        (
            "layers encoder store --task ptbxl-all --set heads=['linear','mlp'] --out new",
            "layers: measures the readout layers under one head",
        ),
        (
            "layers encoder store --task ptbxl-all --set task='ptbxl-form' --out new",
            "layers: measures the readout layers under one head",
        ),
        (
            "layers encoder store --task ptbxl-all --set heads=['svm'] --out new",
            "no head 'svm'; there are ",
        ),
        ("encoders nowhere", "nowhere: no such file or folder"),
        ("delineate encoder store --annotations nowhere --out new", "nowhere: no such folder; giv"),
        ("layers faster store --task ptbxl-all --out new", "the rate is 100 Hz, not 500 Hz"),
        ("report nowhere[/red]:heart: --out new", "nowhere[/red]:heart:"),
        ("report own --out new", "no run.json"),
        ("benchmark nowhere --out new", "nowhere: no such file; shipped are demo"),
        (
            "benchmark key.toml --out new",
            "unknown key 'task'; layers.task is one; the keys are input",
        ),
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


def test_an_audit_of_a_part_says_why_nothing_is_compared(myocard, store):
    code, out, err = myocard("audit", "labels", store.folder)
    assert (code, err) == (0, "")
    told = "60 records of sim, of which nobody published counts: nothing to compare with"
    assert out == f"{store.folder}: {told}\n"
    code, out, err = myocard("audit", "labels", store.folder, "--dataset", "ptbxl-1.0.3")
    assert (code, err) == (0, "")
    assert "where ptbxl-1.0.3 has 21,799: not that data set in full, so counts are not c" in out


def test_an_audit_in_which_counts_differ_exits_with_1_and_tells_them(myocard, store, monkeypatch):
    found = LabelAudit("3 records, x in full: 1 counts differ", ["a: 1 records, published 2"])
    monkeypatch.setattr("myocard.tasks.audit.audit_labels", lambda *given: found)
    told = f"{store.folder}: {found.extent}\na: 1 records, published 2\n"
    assert myocard("audit", "labels", store.folder) == (1, told, "")


def test_the_audit_of_files_names_those_that_were_altered(myocard, place):
    code, out, err = myocard("audit", "files", "encoder", "store")
    assert (code, out, err) == (0, "encoder, store: every file is as it was written\n", "")
    (place / "encoder" / "corpus.parquet").write_bytes(b"")
    code, out, err = myocard("audit", "files", "encoder", "store")
    assert (code, err) == (1, "")
    assert out.startswith("encoder/corpus.parquet: not the file that was written; ")
    assert out.count("\n") == 1


def test_a_simulated_folder_appears_whole(myocard, monkeypatch, tmp_path):
    from myocard.simulation import layouts

    def stop(*words: object, **more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(layouts, "simulate", stop)
        code, _, err = myocard("simulate", "--out", tmp_path / "new", "--records", 3)
    assert code == 130
    assert err.endswith(
        "myocard: stopped; the same command goes on from what was saved, or starts again\n"
    )
    assert not (tmp_path / "new").exists()
    assert myocard("simulate", "--out", tmp_path / "new", "--records", 3)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert len(list((tmp_path / "new" / "records500").rglob("*.dat"))) == 3


def test_the_audit_of_leaks_exits_with_1_and_names_them_or_says_that_there_are_none(myocard, place):
    code, out, _ = myocard("audit", "leak", "encoder", "store")
    assert code == 1
    assert "sim A000008, fold 9: same waveform as sim A000008\n" in out
    code, out, _ = myocard("audit", "leak", "encoder", "store", "--task", "ptbxl-superdiagnostic")
    assert code == 1
    assert myocard("audit", "leak", "encoder", "store", "--folds", "9;10")[0] == 2
    clean = replace(load_encoder(place / "encoder"), pretrained_on=trained_on_nothing())
    Checkpoint(clean, {}).save(place / "clean")
    code, out, _ = myocard("audit", "leak", "clean", "store", "--folds", "all")
    assert code == 0
    assert out.startswith("clean: pretrained on none of the held-out records of store, by waveform")


def test_a_recipe_is_a_file_or_the_name_of_a_shipped_one(myocard, place):
    code, _, err = myocard("probe", "superclass", "nowhere", "--out", "new")
    assert code == 2
    assert "superclass: no such recipe; shipped are all, rhythms, superclasses" in err
    code, _, err = myocard("probe", "superclasses", "nowhere", "--out", "new")
    assert code == 2
    assert "nowhere: no such folder; " in err


RECIPE = """
name = "stopped"
size = "nano"
input = { leads = ["II"] }

[[corpus]]
store = "sim"
folds = [1, 2]

[optimisation]
epochs = 10
batch = 4
base_learning_rate = 1e-3
weight_decay = 0.01
precision = "fp32"
checkpoint_every = 1
"""
# A shell may start its jobs with Ctrl-C ignored.
PRETRAIN = (
    "import signal, sys, torch; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "torch.set_num_threads(1);"
    "sys.argv = ['myocard', 'pretrain', 'recipe.toml', '--store', 'sim=' + sys.argv[1],"
    " '--out', 'made'];"
    "from myocard.cli import main; main()"
)


SIDE_BY_SIDE = """
import os, signal, sys, threading, time
from joblib import Parallel, delayed
from myocard import cli, report

def wait(*given):
    threading.Timer(1, os.kill, (os.getpid(), signal.SIGTERM)).start()
    Parallel(n_jobs=2)([delayed(time.sleep)(60)] * 2)

report.write_report = wait
sys.argv = ["myocard", "report", "."]
cli.main()
"""


def test_sigterm_ends_the_processes_side_by_side_and_says_what_ctrl_c_says():
    done = subprocess.run([sys.executable, "-c", SIDE_BY_SIDE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == (
        "myocard: stopped; the same command goes on from what was saved, or starts again\n"
    )


def test_pretraining_that_is_stopped_says_so_and_goes_on(store, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    command = [sys.executable, "-W", "error", "-c", PRETRAIN, str(store.folder)]
    stopped = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    saved = tmp_path / ".made.partial" / "training.safetensors"
    while not saved.exists() and stopped.poll() is None:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    error = stopped.communicate()[1]
    assert stopped.returncode == 130, error
    assert error == (
        "myocard: stopped; the same command goes on from what was saved, or starts again\n"
    )
    assert not (tmp_path / "made").exists()

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "made\n")
    *heartbeats, last = done.stderr.splitlines()
    assert all(re.fullmatch(r"pretrain stopped: \d+ of 30 after \d+ s", x) for x in heartbeats)
    assert re.fullmatch(r"pretrain stopped: 30 in \d+\.\d s", last)
    assert load_encoder(tmp_path / "made").name == "stopped"
    log = (tmp_path / "made" / "log.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in log]
    assert steps == list(range(1, 31))
    assert not saved.parent.exists()

    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (0, "made\n")
    assert again.stderr == "myocard: made: is there, made from the same inputs; kept\n"
