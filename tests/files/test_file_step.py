"""The rule of finishing for a file: made, kept or refused, and nothing half left."""

from pathlib import Path

import pytest

from myocard.errors import InputError
from myocard.files.step import file_step


def make(fresh: Path, work: Path) -> None:
    (work / "part").write_text("part")
    fresh.write_text("content")


def refuse(fresh: Path, work: Path) -> None:
    raise AssertionError("made again")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_made_with_its_inputs_beside_it_then_kept_and_refused_for_others(tmp_path):
    out = tmp_path / "out.csv"
    assert file_step(out, {"a": {"b": 1}}, make)
    assert names(tmp_path) == ["out.csv", "out.csv.inputs.json"]
    assert not file_step(out, {"a": {"b": 1}}, refuse)
    with pytest.raises(
        InputError, match=r"out\.csv: made from other inputs: a\.b is 1, not 2; choose "
    ):
        file_step(out, {"a": {"b": 2}}, refuse)
    assert out.read_text() == "content"


def test_what_a_stop_left_is_there_the_next_time_and_gone_in_the_end(tmp_path):
    def stop(fresh: Path, work: Path) -> None:
        make(fresh, work)
        raise KeyboardInterrupt

    def go_on(fresh: Path, work: Path) -> None:
        assert (work / "part").read_text() == "part"
        assert not fresh.exists()
        fresh.write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        file_step(tmp_path / "out.csv", {"a": 1}, stop)
    assert names(tmp_path) == [".out.csv.partial"]
    with pytest.raises(InputError, match=r"a is 1, not 2; it is what a stopped job left; remove"):
        file_step(tmp_path / "out.csv", {"a": 2}, refuse)
    assert file_step(tmp_path / "out.csv", {"a": 1}, go_on)
    assert names(tmp_path) == ["out.csv", "out.csv.inputs.json"]


def test_a_stop_leaves_nothing_half_written_and_other_inputs_may_be_tried(tmp_path):
    def stop(fresh: Path, work: Path) -> None:
        fresh.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file_step(tmp_path / "out.csv", {"a": 1}, stop)
    assert names(tmp_path) == []
    assert file_step(tmp_path / "out.csv", {"a": 2}, make)


def test_a_kill_between_the_inputs_and_the_file_leaves_nothing_in_the_way(tmp_path):
    file_step(tmp_path / "out.csv", {"a": 1}, make)
    (tmp_path / "out.csv").unlink()
    assert file_step(tmp_path / "out.csv", {"a": 2}, make)
    assert not file_step(tmp_path / "out.csv", {"a": 2}, refuse)


def test_a_kill_after_the_file_leaves_a_workplace_that_goes(tmp_path):
    file_step(tmp_path / "out.csv", {"a": 1}, make)
    (tmp_path / ".out.csv.partial").mkdir()
    (tmp_path / ".out.csv.partial" / "part").touch()
    assert not file_step(tmp_path / "out.csv", {"a": 1}, refuse)
    assert names(tmp_path) == ["out.csv", "out.csv.inputs.json"]


def test_a_file_that_does_not_say_from_what_it_was_made_is_not_written_over(tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(
        InputError, match=r"no readable out\.csv\.inputs\.json\); remove it or choose another file"
    ):
        file_step(tmp_path / "out.csv", {"a": 1}, refuse)
    assert (tmp_path / "out.csv").read_text() == "mine"
