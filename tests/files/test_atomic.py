"""A folder appears whole or not at all; one process writes it, and a dead one is not in the way."""

import errno
import re
import shutil
import signal
import subprocess
import sys
from itertools import count, groupby
from pathlib import Path

import pytest
from safetensors import SafetensorError

from myocard.errors import InputError
from myocard.files.atomic import occupied, replace_file, replace_folder, restore, writing

HOLD = """
import sys, time
from pathlib import Path
from myocard.files.atomic import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def held_by_another(folder: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_a_folder_is_free_again_after_the_block_and_no_lock_is_left(tmp_path):
    for name in ("a", "b"):
        with occupied(tmp_path / "new"):
            (tmp_path / "new" / name).touch()
    assert names(tmp_path / "new") == ["a", "b"]


def test_a_folder_into_which_nothing_was_put_goes_again_with_those_made_for_it(tmp_path):
    (tmp_path / "kept").touch()
    with occupied(tmp_path / "a" / "b" / "c"):
        assert (tmp_path / "a" / "b" / "c").is_dir()
    assert names(tmp_path) == ["kept"]


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path):
    (tmp_path / "x").touch()
    for folder in (tmp_path / "x", tmp_path / "x" / "y"):
        told = pytest.raises(InputError, match="a file is in the way: choose another place")
        with told, occupied(folder):
            pass


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
    assert names(tmp_path) == ["x"]


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
    assert names(tmp_path) == ["kept", "kept/a"]


def test_a_folder_is_replaced_whole(tmp_path):
    replace_folder(tmp_path / "x", lambda folder: (folder / "a").write_text("first"))
    replace_folder(tmp_path / "x", lambda folder: (folder / "b").write_text("second"))
    assert names(tmp_path) == ["x", "x/b"]


def test_a_kill_leaves_the_old_folder_or_the_new_one_and_no_half(tmp_path, dying_at):
    def first(folder: Path) -> None:
        for name in "abc":
            (folder / name).write_text("first")

    def second(folder: Path) -> None:
        (folder / "d").write_text("second")

    shown = []
    for changes in count():
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        replace_folder(tmp_path / "x", first)
        with dying_at(changes) as missed:
            replace_folder(tmp_path / "x", second)
        shown.append(names(tmp_path / "x"))
        restore(tmp_path / "x")  # as a program does before it looks
        assert names(tmp_path) in (["x", "x/a", "x/b", "x/c"], ["x", "x/d"])
        assert shown[-1] in ([], [name.removeprefix("x/") for name in names(tmp_path)[1:]])
        replace_folder(tmp_path / "x", second)
        assert names(tmp_path) == ["x", "x/d"]
        if not missed:
            break
    assert [list(each) for each, _ in groupby(shown)] == [["a", "b", "c"], [], ["d"]]


def test_a_folder_that_a_process_is_replacing_is_not_restored(tmp_path):
    replace_folder(tmp_path / "x", lambda folder: (folder / "a").touch())
    restore(tmp_path / "x")
    assert names(tmp_path) == ["x", "x/a"]
    with held_by_another(tmp_path / ".x.partial") as other:
        with pytest.raises(InputError, match="/x: another process is writing here"):
            restore(tmp_path / "x")
        other.kill()


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    path = tmp_path / "a.txt"
    replace_file(path, lambda fresh: fresh.write_text("first"))

    def half(fresh: Path) -> None:
        fresh.write_text("sec")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        replace_file(path, half)
    assert path.read_text() == "first"
    assert names(tmp_path) == ["a.txt"]
    replace_file(path, lambda fresh: fresh.write_text("second"))
    assert path.read_text() == "second"
    assert names(tmp_path) == ["a.txt"]


def test_a_process_that_is_killed_while_it_replaces_a_file_leaves_the_old_one(tmp_path):
    (tmp_path / "a.csv").write_text("first")
    code = (
        "import os; from pathlib import Path; from myocard.files.atomic import replace_file\n"
        "replace_file(Path('a.csv'), lambda fresh: (fresh.touch(), os.kill(os.getpid(), 9)))"
    )
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "a.csv").read_text() == "first"
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv"}
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["a.csv"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "No space left on device); make room there"),
        (errno.EDQUOT, "Disk quota exceeded); make room there"),
        (errno.EFBIG, "File too large); make room there"),
        (errno.EACCES, "Permission denied); make it writable or choose another place"),
        (errno.EPERM, "Operation not permitted); make it writable or choose another place"),
        (errno.EROFS, "Read-only file system); make it writable or choose another place"),
        (errno.ENOTDIR, "Not a directory); a file is in the way: choose another place"),
    ],
)
@pytest.mark.parametrize("raised", [OSError, SafetensorError])
def test_what_hinders_a_program_is_told_with_its_place_and_what_would_help(number, told, raised):
    def fail() -> None:
        # Safetensors writes files itself and tells in words.
        raise OSError(number, "x") if raised is OSError else SafetensorError(f"os error {number}")

    expected = re.escape(f"out: cannot be written ({told}, then the same command goes on")
    with pytest.raises(InputError, match=f"^{expected}$"), writing(Path("out")):
        fail()


def test_a_fault_that_is_none_of_the_places_is_not_hidden(tmp_path):
    for error in (OSError(errno.ENOENT, "x"), OSError("x"), SafetensorError("x"), ValueError("x")):
        with pytest.raises(type(error)) as raised, writing(tmp_path):
            raise error
        assert raised.value is error


def test_a_file_elsewhere_that_may_not_be_read_is_named_and_not_the_output(tmp_path):
    told = r"vendor/table.csv: cannot be used \(Permission denied\)"
    with pytest.raises(InputError, match=told), occupied(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / "vendor/table.csv"))
    with pytest.raises(InputError, match=r"out: cannot be written"), occupied(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "denied", str(tmp_path / ".out.partial/parts/1.npy"))
