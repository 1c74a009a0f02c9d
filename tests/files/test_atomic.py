"""A folder appears whole or not at all; one process writes it, and a dead one is not in the way."""

import errno
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from myocard.errors import InputError
from myocard.files.atomic import (
    DONE,
    drop_unfinished,
    occupied,
    replace_file,
    replace_folder,
    require_new,
    sweep,
    workplace,
)

HOLD = """
import sys, time
from pathlib import Path
from myocard.files.atomic import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def held_by_another(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_folder_is_free_again_after_the_block_and_no_lock_is_left(tmp_path):
    for name in ("a", "b"):
        with occupied(tmp_path / "new"):
            (tmp_path / "new" / name).touch()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "b"]


def test_a_folder_into_which_nothing_was_put_goes_again_with_those_made_for_it(tmp_path):
    (tmp_path / "kept").touch()
    with occupied(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b" / "c").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_another_process_is_refused_until_the_first_is_gone_even_by_kill(tmp_path):
    with held_by_another(tmp_path / "x") as first:
        with pytest.raises(InputError, match="x: another process"), occupied(tmp_path / "x"):
            pass
        first.send_signal(signal.SIGKILL)
    with occupied(tmp_path / "x"):
        pass


def test_a_folder_that_another_process_is_replacing_is_left_to_it(tmp_path):
    with held_by_another(tmp_path / ".x.partial") as first:
        with pytest.raises(InputError, match="/x: another process is writing here"):
            replace_folder(tmp_path / "x", lambda folder: None)
        first.kill()
    replace_folder(tmp_path / "x", lambda folder: None)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def broken(folder: Path) -> None:
    (folder / "half").write_text("half")
    raise OSError("no space left")


def test_a_folder_that_fails_half_way_never_appears(tmp_path):
    with pytest.raises(OSError, match="no space left"):
        replace_folder(tmp_path / "new", broken)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_fails_half_way_leaves_the_old_one(tmp_path):
    replace_folder(tmp_path / "kept", lambda folder: (folder / "a").write_text("first"))
    with pytest.raises(OSError, match="no space left"):
        replace_folder(tmp_path / "kept", broken)
    assert [path.name for path in tmp_path.rglob("*")] == ["kept", "a"]


def test_a_folder_is_replaced_whole(tmp_path):
    replace_folder(tmp_path / "x", lambda folder: (folder / "a").write_text("first"))
    replace_folder(tmp_path / "x", lambda folder: (folder / "b").write_text("second"))
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "b"]


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing is tidied up."""


def kill_at(monkeypatch, step: int) -> None:
    """Let the first n changes of the file system happen, and nothing after."""
    left = [step]

    def counted(change):
        def change_or_die(*words, **more):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return change(*words, **more)

        return change_or_die

    for owner, name in (
        (Path, "mkdir"),
        (Path, "rename"),
        (Path, "rmdir"),
        (Path, "unlink"),
        (shutil, "rmtree"),
    ):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.mark.parametrize("step", range(12))
def test_a_kill_leaves_the_old_folder_or_the_new_one_and_no_half(tmp_path, step):
    def first(folder: Path) -> None:
        (folder / "a").write_text("first")

    def second(folder: Path) -> None:
        (folder / "b").write_text("second")

    replace_folder(tmp_path / "x", first)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, step)
        with suppress(Killed):
            replace_folder(tmp_path / "x", second)
    shown = [path.name for path in (tmp_path / "x").glob("*")]
    assert shown in (["a"], ["b"], [])
    sweep(tmp_path)  # as a benchmark does before it goes on
    assert shown in ([path.name for path in (tmp_path / "x").iterdir()], [])
    replace_folder(tmp_path / "x", second)
    assert [path.name for path in tmp_path.rglob("*")] == ["x", "b"]


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "a.txt"
    replace_file(path, lambda fresh: fresh.write_text("first"))

    def half(fresh: Path) -> None:
        fresh.write_text("sec")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(
        InputError, match=r"cannot be written \(No space left on device\); make room"
    ):
        replace_file(path, half)
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_process_was_about_to_put_somewhere_goes(tmp_path):
    code = (
        "import os; from pathlib import Path; from myocard.files.atomic import replace_file\n"
        "replace_file(Path('a.csv'), lambda fresh: (fresh.touch(), os.kill(os.getpid(), 9)))"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.iterdir()] == [".csv"]
    (tmp_path / ".mine").touch()
    drop_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".mine"]


def test_a_workplace_keeps_what_a_stop_left_but_for_half_files(tmp_path):
    work = tmp_path / "x.run"
    with suppress(Killed), workplace(work):
        (work / "state").touch()
        (work / ".state.17.npz").touch()
        raise Killed
    with suppress(Killed), workplace(work):
        assert {path.name for path in work.iterdir()} == {"state", ".lock"}
        raise Killed
    with workplace(work):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", range(4))
def test_a_workplace_that_was_being_removed_is_still_known_to_be_done(tmp_path, step):
    out, work = tmp_path / "x", tmp_path / "x.run"
    with pytest.MonkeyPatch.context() as patch, suppress(Killed), workplace(work):
        for name in ("a", "b", DONE, "z"):
            (work / name).touch()
        out.mkdir()
        kill_at(patch, step)
    with suppress(InputError):
        require_new(out, work)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("clear", [lambda out, work: sweep(out.parent), require_new])
def test_a_workplace_of_which_all_is_made_is_cleared_away_and_no_other(tmp_path, clear):
    out, work = tmp_path / "x.y", tmp_path / "x.y.run"
    work.mkdir()
    (work / "state").touch()
    clear(out, work)
    assert work.exists()
    out.mkdir()
    with suppress(InputError):
        clear(out, work)
    assert work.exists()
    (work / DONE).touch()
    with suppress(InputError):
        clear(out, work)
    assert [path.name for path in tmp_path.iterdir()] == ["x.y"]


def test_what_somebody_calls_done_is_no_workplace(tmp_path):
    for name in ("plain", DONE):
        (tmp_path / "encoders" / name).mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / DONE).touch()
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        DONE,
        DONE,
        "encoders",
        "mine",
        "plain",
    ]


def test_a_file_elsewhere_that_may_not_be_read_is_named_and_not_the_output(tmp_path):
    told = r"vendor/table.csv: cannot be used \(Permission denied\)"
    with pytest.raises(InputError, match=told), occupied(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "vendor/table.csv"))
    with pytest.raises(InputError, match=r"out: cannot be written"), occupied(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "out.partial/parts/1.npy"))
