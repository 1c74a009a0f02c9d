"""The rule of finishing: kept, refused with the key that differs, or made whole."""

import json
import logging
import re
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from myocard.errors import InputError
from myocard.files import step as rule
from myocard.files.atomic import occupied
from myocard.files.step import INPUTS, clear, is_kept, read_inputs, step, workplace

INPUTS_HERE = {"records": 30, "recipe": {"seeds": [0, 1], "optimisation": {"epochs": 1}}}
OTHERS = INPUTS_HERE | {"records": 50}


def make(fresh: Path, work: Path) -> None:
    """Two files and a folder; a part of the work survives a stop."""
    (work / "part").write_text("part")
    (fresh / "a").write_text("a")
    (fresh / "below").mkdir()
    (fresh / "below" / "b").write_text("b")


def never(fresh: Path, work: Path) -> None:
    raise AssertionError("it is there and was made again")


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """The files below a folder: each one's inode and the time of its last change."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in found
    }


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


MADE = ["out", "out/a", "out/below", "out/below/b", f"out/{INPUTS}"]


def test_a_folder_that_is_absent_is_made_and_says_from_what(tmp_path):
    assert step(tmp_path / "new" / "out", INPUTS_HERE, make) is True
    assert names(tmp_path / "new") == MADE
    assert read_inputs(tmp_path / "new" / "out") == INPUTS_HERE


def test_a_folder_made_from_the_same_inputs_is_kept_and_that_is_told(tmp_path, caplog):
    out = tmp_path / "out"
    step(out, INPUTS_HERE, make)
    before = files(tmp_path)
    assert not is_kept(tmp_path / "none", INPUTS_HERE)
    assert is_kept(out, INPUTS_HERE)
    with caplog.at_level(logging.INFO, logger=rule.LOG.name):
        assert step(out, INPUTS_HERE, never) is False
    assert caplog.messages == [f"{out}: is there, made from the same inputs; kept"]
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    "alike",
    [
        {"a": (1, 2), "b": Path("x"), "c": {"d": None, "e": {}}},
        {"c": {"e": {}, "d": None}, "b": "x", "a": [1, 2]},
    ],
    ids=["of other types in Python", "in another order"],
)
def test_inputs_are_the_same_that_are_the_same_in_json(tmp_path, alike):
    step(tmp_path / "out", {"a": [1, 2], "b": "x", "c": {"d": None, "e": {}}}, make)
    assert step(tmp_path / "out", alike, never) is False


@pytest.mark.parametrize(
    ("found", "wanted", "told"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, "b is 2, not 3"),
        ({"a": 30, "b": 0}, {"a": 50, "b": 7}, "a is 30, not 50; b is 0, not 7"),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3, "d": 2}}}, "a.b.c is 1, not 3"),
        ({"a": [1, 2]}, {"a": (1, 3)}, "a is [1, 2], not [1, 3]"),
        ({"a": None}, {"a": "x"}, 'a is null, not "x"'),
        ({"a": {}}, {"a": {"b": 1}}, "a.b is absent, not 1; a is {}, not absent"),
        ({"a": 1}, {"a": 1, "b": 2}, "b is absent, not 2"),
        ({"a": 1, "b": 2}, {"a": 1}, "b is 2, not absent"),
        ({"a": "x" * 80}, {"a": "y"}, f'a is "{"x" * 56}…", not "y"'),
        ({"a": "x" * 58}, {"a": "y"}, f'a is "{"x" * 58}", not "y"'),
        ({"a": "0f" * 32}, {"a": "1e" * 32}, "a is another (hash 0f0f0f0f…, not 1e1e1e1e…)"),
        (
            dict.fromkeys("abcde", 1),
            dict.fromkeys("abcde", 2),
            "a is 1, not 2; b is 1, not 2; c is 1, not 2; and 2 more",
        ),
    ],
)
def test_a_folder_made_from_other_inputs_is_refused_with_the_key_and_both_values(
    tmp_path, found, wanted, told
):
    out = tmp_path / "out"
    step(out, found, make)
    before = files(tmp_path)
    fix = "choose another folder, or remove it"
    for asked in (lambda: step(out, wanted, never), lambda: is_kept(out, wanted)):
        with pytest.raises(InputError) as refused:
            asked()
        assert str(refused.value) == f"{out}: made from other inputs: {told}; {fix}"
    assert files(tmp_path) == before
    assert names(tmp_path) == MADE


@pytest.mark.parametrize("content", [None, "", "[1", "3", "null", '["a"]', "\0", "[" * 100_000])
def test_a_folder_that_does_not_say_from_what_it_was_made_is_refused(tmp_path, content):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    if content is not None:
        (out / INPUTS).write_text(content)
    before = files(tmp_path)
    told = (
        f"{out}: exists already and does not say from what it was made (no readable {INPUTS}); "
        "remove it or choose another folder"
    )
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        step(out, INPUTS_HERE, never)
    assert files(tmp_path) == before


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="out: exists already and does not say from what it was"):
        step(tmp_path / "out", INPUTS_HERE, never)
    assert (tmp_path / "out").read_text() == "mine"
    assert names(tmp_path) == ["out"]


def test_inputs_may_be_read_from_what_a_folder_holds(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a").write_text("1")

    def inputs_of(folder: Path) -> dict[str, str]:
        return {"a": (folder / "a").read_text()}

    assert step(out, {"a": "1"}, never, inputs_of=inputs_of) is False
    with pytest.raises(InputError, match='a is "1", not "2"'):
        step(out, {"a": "2"}, never, inputs_of=inputs_of)
    assert names(tmp_path) == ["out", "out/a"]


def test_a_folder_that_is_not_enough_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    step(out, INPUTS_HERE, make)
    (out / "old").touch()
    assert (
        step(out, INPUTS_HERE, never, is_enough=lambda folder: (folder / "old").exists()) is False
    )
    assert not is_kept(out, INPUTS_HERE, is_enough=lambda folder: (folder / "more").exists())
    assert step(out, INPUTS_HERE, more, is_enough=lambda folder: (folder / "more").exists()) is True
    assert names(tmp_path) == ["out", f"out/{INPUTS}", "out/more"]


def more(fresh: Path, work: Path) -> None:
    (fresh / "more").touch()


def test_a_folder_made_from_other_inputs_is_not_replaced_because_it_is_not_enough(tmp_path):
    step(tmp_path / "out", OTHERS, make)
    with pytest.raises(InputError, match="records is 50, not 30"):
        step(tmp_path / "out", INPUTS_HERE, never, is_enough=lambda folder: False)
    assert names(tmp_path) == MADE


def fail(fresh: Path, work: Path) -> None:
    (fresh / "half").touch()
    raise ZeroDivisionError


def store_and_fail(fresh: Path, work: Path) -> None:
    (work / "part").write_text("part")
    (work / ".part.17.partial.npy").write_text("half")
    fail(fresh, work)


def test_what_fails_with_nothing_to_take_up_leaves_no_folder_and_no_claim(tmp_path):
    with pytest.raises(ZeroDivisionError):
        step(tmp_path / "below" / "out", INPUTS_HERE, fail)
    assert list(tmp_path.iterdir()) == []
    assert step(tmp_path / "below" / "out", OTHERS, make) is True


def test_what_fails_leaves_the_folder_that_it_would_have_replaced(tmp_path):
    step(tmp_path / "out", INPUTS_HERE, make)
    before = files(tmp_path)
    with pytest.raises(ZeroDivisionError):
        step(tmp_path / "out", INPUTS_HERE, fail, is_enough=lambda folder: False)
    assert files(tmp_path) == before
    assert names(tmp_path) == MADE


def test_what_a_failed_job_stored_is_taken_up_with_the_same_inputs_alone(tmp_path):
    out, work = tmp_path / "out", tmp_path / ".out.partial"
    with pytest.raises(ZeroDivisionError):
        step(out, INPUTS_HERE, store_and_fail)
    assert not out.exists()
    before = files(work)
    assert before.keys() == {"part", ".part.17.partial.npy", INPUTS}
    told = (
        f"{out}: made from other inputs: records is 30, not 50; it is what a stopped job left; "
        f"remove {work} to drop it"
    )
    with pytest.raises(InputError, match=f"^{re.escape(told)}$"):
        step(out, OTHERS, never)
    # A file that was half-written when the job stopped is of no use to anybody.
    assert files(work) == {name: before[name] for name in ("part", INPUTS)}

    def go_on(fresh: Path, work: Path) -> None:
        assert (work / "part").read_text() == "part"
        make(fresh, work)

    assert step(out, INPUTS_HERE, go_on) is True
    assert names(tmp_path) == MADE


def test_what_a_failed_job_stored_may_be_dropped_by_hand(tmp_path):
    with suppress(ZeroDivisionError):
        step(tmp_path / "out", INPUTS_HERE, store_and_fail)
    for path in (tmp_path / ".out.partial").iterdir():
        path.unlink()
    assert step(tmp_path / "out", OTHERS, make) is True
    assert names(tmp_path) == MADE


def test_a_folder_that_another_process_is_making_is_left_to_it(tmp_path):
    told = f"^{tmp_path}/out: another process is writing here; wait for it"
    with occupied(tmp_path / ".out.partial"), pytest.raises(InputError, match=told):
        step(tmp_path / "out", INPUTS_HERE, never)
    assert step(tmp_path / "out", INPUTS_HERE, make) is True


def old(fresh: Path, work: Path) -> None:
    for name in ("old", "older"):
        (fresh / name).touch()


@pytest.mark.parametrize("was_there", [False, True])
def test_a_kill_leaves_the_old_folder_the_new_one_or_none_and_the_same_call_goes_on(
    tmp_path, dying_at, was_there
):
    def is_enough(folder: Path) -> bool:
        return (folder / "a").exists()

    before, seen = (["old", "older"] if was_there else []), []
    for changes in count():
        place = tmp_path / str(changes)
        out = place / "out"
        if was_there:
            step(out, INPUTS_HERE, old)
        with dying_at(changes) as missed:
            step(out, INPUTS_HERE, make, is_enough=is_enough)
        seen.append([name for name in names(out) if name != INPUTS])
        assert seen[-1] in ([], before, ["a", "below", "below/b"])
        assert not out.exists() or read_inputs(out) == INPUTS_HERE
        step(out, INPUTS_HERE, make, is_enough=is_enough)
        assert names(place) == MADE
        if not missed:
            break
    assert len(seen) > 10
    assert (seen[0], seen[-1]) == (before, ["a", "below", "below/b"])


def test_a_kill_while_a_kept_folder_is_looked_at_changes_nothing(tmp_path, dying_at):
    step(tmp_path / "out", INPUTS_HERE, make)
    before = files(tmp_path)
    for changes in count():
        with dying_at(changes) as missed:
            step(tmp_path / "out", INPUTS_HERE, never)
        step(tmp_path / "out", INPUTS_HERE, never)
        assert files(tmp_path) == before
        assert names(tmp_path) == MADE
        if not missed:
            break


def test_what_a_killed_process_was_writing_is_cleared_and_what_it_had_written_is_kept(tmp_path):
    work = tmp_path / ".out.partial"
    work.mkdir()
    (work / INPUTS).write_text(json.dumps(INPUTS_HERE))
    (work / "part-1.npz").touch()
    (work / "fetched").mkdir()
    for name in (".part-2.17.partial.npz", "fetched/.a.17.partial.npy", ".lock"):
        (work / name).touch()
    (work / "new").mkdir()
    (work / "new" / "half").touch()

    def look(fresh: Path, found: Path) -> None:
        assert found == work
        assert names(work) == [".lock", "fetched", INPUTS, "new", f"new/{INPUTS}", "part-1.npz"]
        make(fresh, work)

    assert step(tmp_path / "out", INPUTS_HERE, look) is True
    assert names(tmp_path) == MADE


def test_a_workplace_is_removed_in_the_end_and_kept_by_a_stop(tmp_path):
    work, named = tmp_path / "work", tmp_path / "named"

    def stop() -> None:
        with workplace(work, INPUTS_HERE, named=named):
            (work / "state").touch()
            (work / ".state.17.npz").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    told = f"^{named}: made from other inputs: records is 30, not 50; .* remove {work} to drop it$"
    with pytest.raises(InputError, match=told), workplace(work, OTHERS, named=named):
        pass
    with workplace(work, INPUTS_HERE, named=named):
        assert names(work) == [".lock", INPUTS, "state"]
        with pytest.raises(InputError, match="named: another process is writing here"):
            stop()
    assert list(tmp_path.iterdir()) == []


def test_a_workplace_into_which_nothing_was_put_leaves_no_claim(tmp_path):
    with pytest.raises(KeyboardInterrupt), workplace(tmp_path / "w", INPUTS_HERE, named=tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_workplace_that_was_being_removed_goes_when_all_is_there(tmp_path, dying_at):
    work, named = tmp_path / "work", tmp_path / "named"
    for changes in count():
        with dying_at(changes) as missed, workplace(work, INPUTS_HERE, named=named):
            (work / "state").touch()
            (work / "below").mkdir()
        clear(work, named=named)
        assert list(tmp_path.iterdir()) == []
        if not missed:
            break
    assert changes > 5
    with occupied(work), pytest.raises(InputError, match="named: another process is writing here"):
        clear(work, named=named)
