"""`myocard prepare` and `myocard extract` on folders of people's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from myocard import simulation
from myocard.data.preparation import parts
from myocard.data.store import Store
from myocard.models.checkpoint import Checkpoint
from myocard.tasks.own import OwnTask


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working folder with twelve records of leads called MLII and ``ECG 1``."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    rows = ["file,patient,codes"]
    for number in range(12):
        values = np.random.default_rng(number).integers(-999, 999, (1000, 2))
        values.astype("<i2").tofile(tmp_path / "own" / f"{number}.dat")
        lines = [f"{number}.dat 16 1000 16 0 0 0 0 {name}" for name in ("MLII", "ECG 1")]
        header = "\n".join([f"{number} 2 100 1000", *lines, ""])
        (tmp_path / "own" / f"{number}.hea").write_text(header)
        rows.append(f"{number}.hea,{number},own:{'sick' if number % 2 else 'well'};scp:NOSUCH")
    (tmp_path / "own" / "labels.csv").write_text("\n".join(rows))
    return tmp_path


RENAMED = ("--rename", "MLII=II", "--rename", "ecg 1=I", "--leads", "I,II", "--jobs", "1")


def test_no_jobs_are_refused(myocard, place):
    code, _, err = myocard("prepare", "folder", "own", "--out", "store", *RENAMED[:-1], "0")
    assert (code, err) == (2, "myocard: jobs 0: give 1 or more, or -1 for one a core\n")


def test_a_process_that_the_system_kills_is_told_in_one_line(myocard, place, monkeypatch):
    def killed(*words: object) -> None:
        raise TerminatedWorkerError("SIGKILL(-9)")

    monkeypatch.setattr(parts, "_prepare_part", killed)
    code, _, err = myocard("prepare", "folder", "own", "--out", "store", *RENAMED)
    assert code == 2
    assert err.splitlines()[-1] == (
        "myocard: a process was killed, as the system does where memory runs out; the same "
        "command goes on, with fewer --jobs"
    )


def test_leads_are_named_and_the_names_are_inputs_of_the_store(myocard, place):
    words = ["prepare", "folder", "own", "--out", "store", "--lowpass", "40"]
    code, out, err = myocard(*words, *RENAMED)
    assert code == 0, err
    assert "codes in no table, kept: scp:NOSUCH in 12 (store/unknown_codes.csv)" in out
    inputs = json.loads((place / "store" / "inputs.json").read_text())
    assert inputs["rename"] == {"MLII": "II", "ecg 1": "I"}
    code, _, err = myocard(*words, "--rename", "MLII=I", *RENAMED[2:])
    assert code == 2
    assert "rename.MLII" in err
    code, _, err = myocard(*words, "--rename", "MLII")
    assert (code, "rename 'MLII': give NAME=LEAD" in err) == (2, True)


def test_strict_refuses_codes_in_no_table_with_their_numbers(myocard, place):
    code, _, err = myocard("prepare", "folder", "own", "--out", "store", "--strict", *RENAMED)
    assert code == 2
    assert "codes in no table of their scheme: scp:NOSUCH in 12; correct them, or leave" in err
    assert not (place / "store").exists()


def test_fewer_leads_than_an_encoders_are_prepared_and_read(myocard, place, encoder):
    Checkpoint(encoder, {}).save(place / "encoder")
    words = ["prepare", "folder", "own", "--out", "store", "--like", "encoder"]
    code, out, err = myocard(*words, *RENAMED)
    assert code == 0, err
    assert Store.open(place / "store").made.leads == ("I", "II")
    code, _, err = myocard("extract", "encoder", "store", "--out", "features")
    assert code == 2
    assert "`myocard extract --leads I,II` reads these" in err
    assert "--like" not in err
    code, _, err = myocard("extract", "encoder", "store", "--leads", "I,II", "--out", "features")
    assert code == 0, err


def test_with_a_step_every_window_is_a_record(myocard, place):
    words = ["prepare", "folder", "own", "--out", "store", "--seconds", "4", "--step", "3"]
    code, out, err = myocard(*words, *RENAMED)
    assert code == 0, err
    assert out.startswith("store: 36 records, ")
    records = Store.open(place / "store").records
    assert records["id"][:3].tolist() == ["0.hea@0", "0.hea@3", "0.hea@6"]


def test_codes_of_ones_own_become_a_task_in_one_step(myocard, place):
    code, _, err = myocard("prepare", "folder", "own", "--out", "store", *RENAMED)
    assert code == 0, err
    asked = ["--id", "file", "--target", "codes", "--kind", "several", "--list-separator", ";"]
    code, _, err = myocard(
        "task", "own/labels.csv", "store", *asked, "--split", "made", "--out", "t"
    )
    assert code == 0, err
    assert OwnTask.open(place / "t").classes == ("own:sick", "own:well", "scp:NOSUCH")


def test_a_hospitals_folder_is_audited(myocard, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    simulation.write(tmp_path / "export", "challenge", count=3)
    assert myocard("prepare", "files", "export", "--out", "store", "--jobs", "1")[0] == 0
    assert (tmp_path / "settings" / "myocard" / "salt").is_file()
    code, out, _ = myocard("audit", "privacy", "store")
    assert (code, "may help to: signals.npy: 3 ECGs" in out) == (0, True)
    keep = ("--jobs", "1", "--keep-identifiers")
    assert myocard("prepare", "files", "export", "--out", "kept", *keep)[0] == 0
