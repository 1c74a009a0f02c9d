"""Files of records below folders: each record once, by its header, in order."""

import os
from pathlib import Path

import pytest

from myocard.data.sources.listing import record_files, state
from myocard.errors import InputError


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in (
        "b/r.hea", "b/r.dat", "b/r.atr", "a/r.hea", "a/r.mat", "a/plain.mat", "a/x.NPY",
        "notes.txt", ".hidden/r.hea", "b/.r.hea", "lone.dat", "t.csv",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def listed(*places: Path, **how) -> list[str]:
    files, _ = record_files(places, **how)
    return [path.name for path in files]


def test_each_record_is_listed_once_by_its_header_and_what_is_hidden_is_not(folder):
    files, others = record_files([folder])
    found = [path.relative_to(folder).as_posix() for path in files]
    assert found == ["a/plain.mat", "a/r.hea", "a/x.NPY", "b/r.hea", "lone.dat", "t.csv"]
    assert others == {".atr": 1, ".txt": 1}


def test_a_file_that_tells_its_format_is_listed_whatever_it_is_called(tmp_path):
    (tmp_path / "export.0001").write_text("<?xml version='1.0'?><RestingECG/>")
    (tmp_path / "page.html").write_text("<html/>")
    files, others = record_files([tmp_path])
    assert [path.name for path in files] == ["export.0001"]
    assert others == {".html": 1}


def test_files_and_folders_that_overlap_list_a_record_once(folder):
    assert listed(folder / "b", folder / "b/r.dat", folder / "b/r.hea", folder / "b/r") == ["r.hea"]


def test_a_named_file_is_listed_whatever_it_is(folder):
    assert listed(folder / "notes.txt", folder / "b/.r.hea") == [".r.hea", "notes.txt"]


def test_what_is_no_record_can_be_left_out(folder):
    assert listed(folder, without=[folder / "t.csv"])[-1] == "lone.dat"


def test_a_place_that_is_not_there_is_told(folder):
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        record_files([folder, folder / "nowhere"])


def test_a_link_that_leads_round_in_a_circle_ends(folder):
    (folder / "b" / "up").symlink_to(folder)
    assert listed(folder).count("t.csv") == 1


@pytest.mark.parametrize("name", ["b/r.hea", "b/r.dat", "t.csv"])
def test_the_state_changes_with_any_file_that_is_read(folder, name):
    files, _ = record_files([folder])
    before = state(files)
    assert state(files) == before
    os.utime(folder / name, ns=(1, 1))
    touched = state(files)
    (folder / name).write_text("longer than it was before")
    os.utime(folder / name, ns=(1, 1))
    assert len({before, touched, state(files)}) == 3
    assert state(files[:-1]) != before
