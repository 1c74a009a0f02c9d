"""Folders as users have them: links, missing columns, parts of a download, the wrong source."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from myocard import simulation
from myocard.data.sources import SOURCES, entries
from myocard.errors import InputError

COLUMNS = [
    ("ptbxl-100", "ptbxl_database.csv", ["age", "sex", "site", "device"]),
    ("chapman", "Diagnostics.xlsx", ["PatientAge", "Gender"]),
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small folder in the layout of each source that the simulator can write."""
    root = tmp_path_factory.mktemp("layouts")
    names = ("ptbxl", "chapman", "ecg-arrhythmia", "challenge", "ludb")
    return {name: simulation.write(root / name, name, count=4) for name in names}


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda layout: Path(shutil.copytree(folders[layout], tmp_path / layout))


def _drop(path: Path, columns: list[str]) -> None:
    if path.suffix == ".xlsx":
        pd.read_excel(path, dtype=str).drop(columns=columns).to_excel(path, index=False)
    else:
        pd.read_csv(path, dtype=str).drop(columns=columns).to_csv(path, index=False)


@pytest.mark.parametrize(("source", "table", "columns"), COLUMNS)
def test_columns_that_labels_do_not_need_may_be_missing_and_are_named(
    copy: Callable[[str], Path],
    caplog: pytest.LogCaptureFixture,
    source: str,
    table: str,
    columns: list[str],
) -> None:
    folder = copy(source.partition("-")[0])
    complete = entries(source, folder)
    _drop(folder / table, columns)
    with caplog.at_level(logging.WARNING):
        found = entries(source, folder)
    assert f"{table}: no column {', '.join(columns)}; left empty" in caplog.text
    assert [entry.codes for entry in found] == [entry.codes for entry in complete]
    assert {(e.age, e.sex, e.site, e.device) for e in found} == {(None, None, None, None)}


@pytest.mark.parametrize("column", ["scp_codes", "strat_fold", "patient_id"])
def test_a_column_that_labels_need_is_missed(copy: Callable[[str], Path], column: str) -> None:
    folder = copy("ptbxl")
    _drop(folder / "ptbxl_database.csv", [column])
    with pytest.raises(InputError, match=f"no column {column}; it has ecg_id"):
        entries("ptbxl-100", folder)


def test_links_are_followed_also_those_that_lead_back(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    (folder / "training").symlink_to(folders["challenge"], target_is_directory=True)
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert len(entries("challenge", folder)) == len(entries("challenge", folders["challenge"]))


FITTING = {
    "ptbxl": {"ptbxl-100", "ptbxl-500"},
    "chapman": {"chapman"},
    "ecg-arrhythmia": {"ecg-arrhythmia", "challenge"},
    "challenge": {"challenge"},
    "ludb": {"ludb"},
}


@pytest.mark.parametrize("layout", FITTING)
@pytest.mark.parametrize("source", sorted(SOURCES.keys() - {"files"}))
def test_a_source_that_does_not_fit_is_refused_with_what_was_found(
    folders: dict[str, Path], layout: str, source: str
) -> None:
    folder = folders[layout]
    if source in FITTING[layout]:
        assert len(entries(source, folder)) == 4
        return
    with pytest.raises(InputError, match=f"{folder} holds ") as refusal:
        entries(source, folder)
    some = sorted(path.name for path in folder.iterdir())[0]
    assert some in str(refusal.value)


def test_the_source_that_would_fit_is_named(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"ptbxl_database\.csv is a sign of ptbxl-100 and ptbxl-5"):
        entries("chapman", folders["ptbxl"])


def test_a_rate_that_was_not_downloaded_is_refused(copy: Callable[[str], Path]) -> None:
    folder = copy("ptbxl")
    shutil.rmtree(folder / "records500")
    assert len(entries("ptbxl-100", folder)) == 4
    with pytest.raises(InputError, match="none of the 4 files of source ptbxl-500 is there, such"):
        entries("ptbxl-500", folder)
