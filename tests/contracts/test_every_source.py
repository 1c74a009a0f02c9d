"""The promises of every registered source, on a tiny folder in its vendor's layout."""

import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from myocard import simulation
from myocard.data.labels import known
from myocard.data.sources import SOURCES, entries
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.simulation.layouts.vendor_files import Style, write_wfdb

COUNT = 3


def write_cinc2011(folder: Path) -> None:
    folder.mkdir()
    for number in range(COUNT):
        lines = [f"{number}.dat 16 200/mV 16 0 0 0 0 {lead}" for lead in LEADS]
        (folder / f"{number}.hea").write_text("\n".join([f"{number} 12 500 50", *lines]))
        np.arange(600, dtype="<i2").tofile(folder / f"{number}.dat")
    rows = [f"{number},{'un' * (number % 2)}acceptable" for number in range(COUNT)]
    (folder / "labels.csv").write_text("\n".join(["record,quality", *rows]))


def write_cpsc2018(folder: Path) -> None:
    folder.mkdir()
    classes = "AFIB,VPC,NORM,1AVB,CRBBB,STE,PAC,CLBBB,STD"
    rows = [f"{n},A{n},40,{n % 2},{'0,' * n}1{',0' * (8 - n)}" for n in range(COUNT)]
    header = f"patient_id,filename,age,sex,{classes}"
    (folder / "labels.csv").write_text("\n".join([header, *rows]))
    for number in range(COUNT):
        ecg = {"sex": "Male", "age": 40, "data": np.random.default_rng(0).normal(size=(12, 60))}
        scipy.io.savemat(folder / f"A{number}.mat", {"ECG": ecg})


def write_code15(folder: Path) -> None:
    folder.mkdir()
    header = "exam_id,patient_id,age,is_male,save_file,sample_rate,1dAVb,RBBB,LBBB,SB,ST,AF"
    rows = [
        f"{n},7,50,True,{n}.mat,400,{n == 0},False,True,False,False,False" for n in range(COUNT)
    ]
    (folder / "meta.csv").write_text("\n".join([header, *rows]))
    for number in range(COUNT):
        signal = np.random.default_rng(0).normal(size=(12, 60))
        scipy.io.savemat(folder / f"{number}.mat", {"feats": signal, "idx": number})


def write_mitdb(folder: Path) -> None:
    record = simulation.simulate(0, 0, rate=360.0).record
    for number, facts in enumerate(["69 M 1085 1629 x1", "-1 M 2052", "Digoxin."], start=200):
        style = Style(".dat", "16", "{gain}/mV", lead=lambda lead: {"II": "MLII"}.get(lead, lead))
        write_wfdb(folder / str(number), record, style, gains=200, comments=[f"# {facts}"])


def write_folder(folder: Path) -> None:
    folder.mkdir()
    header = "file,patient,codes,fold,rate,leads,unit"
    rows = [f"{n}.npy,p{n},own:a;scp:AFIB,{n + 1},250,I II V1,mV" for n in range(COUNT)]
    (folder / "labels.csv").write_text("\n".join([header, *rows]))
    for number in range(COUNT):
        np.save(folder / f"{number}.npy", np.random.default_rng(0).normal(size=(3, 50)))


def simulated(layout: str) -> Callable[[Path], None]:
    return lambda folder: simulation.write(folder, layout, count=COUNT, seed=1)


WRITERS: dict[str, Callable[[Path], None]] = {
    "ptbxl-100": simulated("ptbxl"),
    "ptbxl-500": simulated("ptbxl"),
    "chapman": simulated("chapman"),
    "ecg-arrhythmia": simulated("ecg-arrhythmia"),
    "challenge": simulated("challenge"),
    "ludb": simulated("ludb"),
    "cinc2011": write_cinc2011,
    "cpsc2018": write_cpsc2018,
    "code15": write_code15,
    "mitdb": write_mitdb,
    "folder": write_folder,
    "files": simulated("challenge"),
}
INDICES = ("ptbxl_database.csv", "Diagnostics.xlsx", "labels.csv", "meta.csv")


@pytest.fixture(scope="module", params=SOURCES)
def source(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def vendor_folder(source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(source) / "download"
    WRITERS[source](folder)
    return folder


@pytest.fixture
def own_copy(vendor_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(vendor_folder, tmp_path / "copy"))


def test_every_record_is_found_once(source: str, vendor_folder: Path) -> None:
    found = entries(source, vendor_folder)
    assert len(found) == COUNT
    assert len({entry.id for entry in found}) == COUNT
    assert [entry.id for entry in entries(source, vendor_folder)] == [e.id for e in found]


def test_entries_say_what_the_store_needs(source: str, vendor_folder: Path) -> None:
    for entry in entries(source, vendor_folder):
        assert entry.id
        assert entry.patient or source == "files"
        assert entry.codes or source in ("mitdb", "files")
        assert entry.path.is_relative_to(vendor_folder)
        assert entry.sex in {"F", "M", None}
        assert entry.age is None or entry.age >= 0
        assert [code for code in entry.codes if not known(code)] == []


def test_records_are_read_in_another_process_too(source: str, vendor_folder: Path) -> None:
    for entry in entries(source, vendor_folder):
        record = pickle.loads(pickle.dumps(entry)).read()
        assert record.signal.dtype == np.float32
        assert record.signal.shape[0] == len(record.leads)
        assert set(record.leads) <= set(LEADS)
        assert record.unit == ("NU" if source == "code15" else "mV")
        assert np.isfinite(record.signal).all()
        # A reader that forgot a unit is off by 1,000.
        assert 1e-3 < np.ptp(record.signal) < 100


def test_a_signal_file_that_was_lost_is_an_input_error(source: str, own_copy: Path) -> None:
    lost, *others = entries(source, own_copy)
    for path in lost.path.parent.glob(f"{lost.path.stem}.*"):
        if path.suffix != ".hea":
            path.unlink()
    if source == "chapman":  # Its table covers more than most folders hold.
        assert [entry.id for entry in entries(source, own_copy)] == [each.id for each in others]
        return
    again = {entry.id: entry for entry in entries(source, own_copy)}
    with pytest.raises(InputError, match=re.escape(str(lost.path))):
        again[lost.id].read()
    for other in others:
        again[other.id].read()


def test_a_folder_of_which_every_signal_file_was_lost_is_refused(
    source: str, own_copy: Path
) -> None:
    for path in own_copy.rglob("*"):
        if path.is_file() and path.name not in INDICES:
            path.unlink()
    for folder in sorted(own_copy.rglob("*"), reverse=True):
        if folder.is_dir():
            folder.rmdir()
    with pytest.raises(InputError, match=re.escape(str(own_copy))):
        entries(source, own_copy)


def test_an_index_that_was_lost_is_named(source: str, own_copy: Path) -> None:
    index = next((own_copy / name for name in INDICES if (own_copy / name).exists()), None)
    if index is None:
        pytest.skip("labels are in the headers")
    index.unlink()
    with pytest.raises(InputError, match=index.name):
        entries(source, own_copy)


def test_a_column_that_was_lost_is_named(source: str, own_copy: Path) -> None:
    index = next((path for path in own_copy.glob("*.csv") if path.name in INDICES), None)
    if index is None:
        pytest.skip("no index, or a spreadsheet")
    text = index.read_text()
    column = "strat_fold" if "strat_fold" in text else text.partition(",")[0]
    index.write_text(text.replace(column, "lost", 1))
    with pytest.raises(InputError, match=rf"{index.name}: no column {column}"):
        entries(source, own_copy)


def test_an_empty_or_missing_folder_is_an_input_error(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        entries(source, tmp_path)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        entries(source, tmp_path / "nowhere")


def test_an_unknown_source_lists_the_choices() -> None:
    with pytest.raises(InputError, match="unknown source 'mitbih'; the sources are ptbxl-100, "):
        entries("mitbih", ".")
