"""PTB-XL's table: what its columns mean, and what broken rows do."""

from pathlib import Path

import pandas as pd
import pytest

from myocard import simulation
from myocard.data.sources import dataset, entries
from myocard.errors import InputError

HEADER = "ecg_id,patient_id,age,sex,site,device,scp_codes,strat_fold,filename_lr,filename_hr"


def write(folder: Path, *rows: str) -> Path:
    (folder / "ptbxl_database.csv").write_text("\n".join([HEADER, *rows]))
    for name in ("a", "records500/1_hr"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / f"{name}.hea").touch()
    return folder


def test_a_row_becomes_an_entry(tmp_path: Path) -> None:
    codes = "\"{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}\""
    write(tmp_path, f"1,15709.0,56.0,1,0.0,CS-12   E,{codes},3,records100/1_lr,records500/1_hr")
    (entry,) = entries("ptbxl-500", tmp_path)
    assert (entry.id, entry.patient, entry.fold) == ("1", "15709", 3)
    assert (entry.age, entry.sex, entry.site, entry.device) == (56, "F", "0", "CS-12   E")
    assert entry.path == tmp_path / "records500" / "1_hr.hea"


def test_codes_without_a_likelihood_count(tmp_path: Path) -> None:
    """Form and rhythm statements always carry 0, so a threshold would lose them all."""
    write(tmp_path, "1,1,,0,,,\"{'NORM': 100.0, 'SR': 0.0}\",1,a,b")
    assert entries("ptbxl-100", tmp_path)[0].codes == ("scp:NORM", "scp:SR")


def test_empty_cells_are_none(tmp_path: Path) -> None:
    write(tmp_path, "1,1,,0,,,{},1,a,b")
    (entry,) = entries("ptbxl-100", tmp_path)
    assert (entry.age, entry.sex, entry.site, entry.device) == (None, "M", None, None)


@pytest.mark.parametrize(
    "row",
    [
        "1,1,,0,,,not a dictionary,1,a,b",
        "1,1,,0,,,[1],1,a,b",
        '1,1,,0,,,"__import__(""os"").getcwd()",1,a,b',
        "1,unknown,,0,,,{},1,a,b",
        "1,1,,0,,,{},,a,b",
        "1,1,,0,,,{},1,../../a,../../b",
        "1,1,,0,,,{},1,/etc/a,/etc/b",
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: str) -> None:
    with pytest.raises(InputError, match=r"row of ecg_id 1 is broken"):
        entries("ptbxl-100", write(tmp_path, row))


def test_a_record_that_comes_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *["7,1,,0,,,{},1,a,b"] * 2)
    with pytest.raises(InputError, match="2 records are called 7"):
        entries("ptbxl-100", tmp_path)


@pytest.mark.parametrize(
    ("folder", "source", "count", "samples", "unit"),
    [
        ("ptbxl", "ptbxl-100", 324, 1000, "mV"),
        ("ptbxl", "ptbxl-500", 324, 5000, "mV"),
        ("ptbxl_z", "ptbxl-100", 1486, 1000, "NU"),
    ],
)
def test_the_real_table_is_read_whole(
    real_data: Path, folder: str, source: str, count: int, samples: int, unit: str
) -> None:
    found = entries(source, real_data / folder)
    table = pd.read_csv(real_data / folder / "ptbxl_database.csv")
    assert len(found) == count == len(table)
    assert [entry.fold for entry in found] == table["strat_fold"].tolist()
    assert [entry.sex == "F" for entry in found] == (table["sex"] == 1).tolist()
    assert len({entry.patient for entry in found}) == table["patient_id"].nunique()
    record = found[count // 2].read()
    assert (record.signal.shape, record.unit) == ((12, samples), unit)


def test_the_two_rates_show_the_same_heart(real_data: Path) -> None:
    slow = entries("ptbxl-100", real_data / "ptbxl")[0].read()
    fast = entries("ptbxl-500", real_data / "ptbxl")[0].read()
    assert slow.seconds == fast.seconds == 10
    assert abs(slow.signal - fast.signal[:, ::5]).mean() < 0.02


def test_both_rates_of_ptbxl_are_one_data_set():
    here = Path("records")
    assert dataset("ptbxl-100", here) == dataset("ptbxl-500", here) == "ptbxl"
    assert dataset("ludb", here) == "ludb"


def test_folders_of_ones_own_are_data_sets_of_their_own() -> None:
    assert dataset("folder", Path("a/clinic")) == "folder clinic"
    assert dataset("folder", Path("a/ward")) == "folder ward"


def test_simulated_records_are_a_data_set_of_their_own(tmp_path):
    simulation.write(tmp_path / "drawn", "ptbxl", count=2, seed=7)
    assert dataset("ptbxl-100", tmp_path / "drawn") == "simulated ptbxl, site A, seed 7"


@pytest.mark.parametrize("content", ['{"site": 1}', "no JSON"])
def test_a_strangers_inputs_json_says_nothing(tmp_path, content):
    (tmp_path / "inputs.json").write_text(content)
    assert dataset("ludb", tmp_path) == "ludb"
