"""Sources with a table of labels: CPSC 2018, CODE-15 %, and a folder of one's own."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from myocard.data.sources import entries
from myocard.data.sources.code15 import read_without_padding
from myocard.errors import InputError


def padded(folder: Path, signal: np.ndarray, before: int, after: int) -> Path:
    path = folder / "r.mat"
    scipy.io.savemat(path, {"feats": np.pad(signal, [(0, 0), (before, after)])})
    return path


@pytest.mark.parametrize(("before", "after"), [(0, 0), (648, 648), (581, 581), (0, 10), (10, 0)])
def test_code15s_padding_is_cut_and_nothing_else(tmp_path: Path, before: int, after: int) -> None:
    signal = np.random.default_rng(0).normal(size=(12, 2800))
    signal[0] = 0  # A flat lead is no padding,
    signal[:, 100:200] = 0  # and neither is silence within.
    record = read_without_padding(padded(tmp_path, signal, before, after), 400.0)
    np.testing.assert_allclose(record.signal, signal, rtol=1e-6)


def test_a_record_of_zeros_keeps_its_length(tmp_path: Path) -> None:
    record = read_without_padding(padded(tmp_path, np.zeros((12, 4096)), 0, 0), 400.0)
    assert record.signal.shape == (12, 4096)


def test_real_code15_records_hold_7_or_10_seconds(real_data: Path) -> None:
    found = entries("code15", real_data / "code15_sample")
    assert len(found) == 10
    seconds = sorted({round(entry.read().seconds, 2) for entry in found})
    assert seconds == [7.33, 10.24]
    assert all(entry.codes for entry in found)


def test_cpsc2018s_sexes_are_those_inside_its_files(real_data: Path) -> None:
    found = entries("cpsc2018", real_data / "cpsc2018_sample")
    assert len(found) == 10
    for entry in found:
        inside = scipy.io.loadmat(entry.path)["ECG"][0, 0]
        assert entry.sex == str(inside["sex"].item())[0]
        assert entry.age == inside["age"].item()
        np.testing.assert_allclose(entry.read().signal, inside["data"], rtol=1e-6)


HEADER = "file,patient,codes,fold,age,sex,site,device,rate,leads,unit"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    (folder / "labels.csv").write_text("\n".join([header, *rows]))
    np.save(folder / "a.npy", np.ones((2, 100)))
    return folder


def test_every_column_of_ones_own_table_is_used(tmp_path: Path) -> None:
    row = "a.npy,p1,own:x;scp:AFIB,3,61,female,ward 2,cart,250,II v5,uV"
    (entry,) = entries("folder", write(tmp_path, row))
    assert (entry.id, entry.patient, entry.fold) == ("a.npy", "p1", 3)
    assert entry.codes == ("own:x", "scp:AFIB")
    assert (entry.age, entry.sex, entry.site, entry.device) == (61, "F", "ward 2", "cart")
    record = entry.read()
    assert (record.rate, record.leads) == (250, ("II", "V5"))
    np.testing.assert_allclose(record.signal, 1e-3)


def test_only_three_columns_are_needed(tmp_path: Path) -> None:
    (entry,) = entries("folder", write(tmp_path, "a.npy,,", header="file,patient,codes"))
    assert (entry.patient, entry.codes, entry.fold) == (None, (), None)
    with pytest.raises(InputError, match=r"a\.npy: the file does not say its rate, leads, unit"):
        entry.read()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.npy,p1,AFIB,,,,,,,,", "line 2: code 'AFIB' names no scheme; write own:AFIB"),
        ("a.npy,p1,own:,,,,,,,,", "line 2: code 'own:' names no scheme"),
        ("a.npy,p1,own:x,first,,,,,,,", "line 2: fold 'first': give a whole number from 1 to 10"),
        ("a.npy,p1,own:x,,,,,,fast,,", "line 2: rate 'fast' is no number"),
        ("../a.npy,p1,own:x,,,,,,,,", "a file outside this folder"),
        (",p1,own:x,,,,,,,,", "a file outside this folder"),
    ],
)
def test_a_broken_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"labels\.csv: {message}|{message}"):
        entries("folder", write(tmp_path, row))


def test_a_file_that_is_no_table_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(InputError, match=r"labels\.csv: no"):
        entries("folder", tmp_path)


@pytest.mark.parametrize("fold", ["2.7", "-3", "11", "1e30"])
def test_a_fold_that_is_none_is_refused_with_its_line(tmp_path: Path, fold: str) -> None:
    row = f"a.npy,p1,own:x,{fold},,,,,500,I II,mV"
    with pytest.raises(InputError, match=f"line 2: fold '{fold}': give a whole number from 1 to"):
        entries("folder", write(tmp_path, row))
