"""CSV, MATLAB and HDF5 files with headings, neighbours and groups."""

from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS

SIGNAL = np.random.default_rng(3).normal(size=(12, 50)).round(3)
KNOWN = {"rate": 100.0, "leads": LEADS, "unit": "mV"}


def write(folder: Path, rows: np.ndarray, heading: str) -> Path:
    path = folder / "r.csv"
    body = pd.DataFrame(rows).to_csv(index=False, header=False)
    path.write_text(f"{heading}\n{body}" if heading else body)
    return path


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("leads", [1, 2, 12])
def test_numbers_of_columns_are_no_sample(tmp_path: Path, start: int, leads: int) -> None:
    heading = ",".join(str(start + place) for place in range(leads))
    record = read(write(tmp_path, SIGNAL[:leads].T, heading), **(KNOWN | {"leads": LEADS[:leads]}))
    np.testing.assert_allclose(record.signal, SIGNAL[:leads], rtol=1e-6)


def test_pandas_numbers_of_rows_are_no_lead(tmp_path: Path) -> None:
    pd.DataFrame(SIGNAL.T).to_csv(tmp_path / "r.csv")
    np.testing.assert_allclose(read(tmp_path / "r.csv", **KNOWN).signal, SIGNAL, rtol=1e-6)


def test_rs_names_of_columns_are_no_chest_leads(tmp_path: Path) -> None:
    path = write(tmp_path, SIGNAL.T, ",".join(f"V{place}" for place in range(1, 13)))
    np.testing.assert_allclose(read(path, **KNOWN).signal, SIGNAL, rtol=1e-6)
    with pytest.raises(InputError, match="does not say its leads"):
        read(path, rate=100, unit="mV")


def test_whole_numbers_that_may_be_a_heading_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, (SIGNAL[:2].T * 1000).astype(int), "0,1")
    with pytest.raises(InputError, match="its first row, 0, 1, is a sample or numbers the columns"):
        read(path, rate=100, leads=["I", "II"], unit="uV")


def test_a_first_sample_is_kept(tmp_path: Path) -> None:
    record = read(write(tmp_path, SIGNAL.T, ""), **KNOWN)
    np.testing.assert_allclose(record.signal, SIGNAL, rtol=1e-6)


def test_headings_that_name_no_lead_leave_it_to_the_caller(tmp_path: Path) -> None:
    path = write(tmp_path, SIGNAL[:2].T, "ch1,ch2")
    known = {"rate": 100.0, "unit": "mV"}
    assert read(path, leads=["V1", "II"], **known).leads == ("V1", "II")
    assert read(path, rename={"CH2": "II"}, **known).leads == ("II",)
    with pytest.raises(InputError, match="its leads are ch1, ch2; I were given"):
        read(path, leads=["I"], **known)
    with pytest.raises(InputError, match="among 'ch1', 'ch2'; say which they are by --rename"):
        read(path, **known)


@pytest.mark.parametrize("name", ["V1", "II"])
def test_a_text_is_no_list_of_leads(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "r.npy", SIGNAL[:1])
    with pytest.raises(InputError, match=rf"are a text; give a list, as \['{name}'\]"):
        read(tmp_path / "r.npy", rate=100, leads=name, unit="mV")


def version_5(path: Path, content: dict[str, np.ndarray]) -> None:
    scipy.io.savemat(path, content)


def version_73(path: Path, content: dict[str, np.ndarray]) -> None:
    """As MATLAB 7.3 writes it: transposed, texts as numbers of 16 bits, behind 512 bytes."""
    buffer = BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        for name, value in content.items():
            text = isinstance(value, str)
            array = np.array([[ord(mark)] for mark in value], np.uint16) if text else value.T
            file[name] = array
            file[name].attrs["MATLAB_class"] = np.bytes_("char" if text else "double")
        file["#refs#/a"] = np.ones((3, 3))
    path.write_bytes(buffer.getvalue())


@pytest.mark.parametrize("write_mat", [version_5, version_73])
def test_numbers_texts_and_rows_beside_a_matrix_are_no_ecg(tmp_path: Path, write_mat) -> None:
    beside = {"fs": np.array([[100.0]]), "t": np.arange(50.0)[None] / 100, "unit": "mV"}
    write_mat(tmp_path / "r.mat", {"val": SIGNAL} | beside)
    np.testing.assert_allclose(read(tmp_path / "r.mat", **KNOWN).signal, SIGNAL, rtol=1e-6)


@pytest.mark.parametrize("write_mat", [version_5, version_73])
def test_two_matrices_are_named(tmp_path: Path, write_mat) -> None:
    write_mat(tmp_path / "r.mat", {"val": SIGNAL, "filtered": SIGNAL})
    with pytest.raises(InputError, match=r"2 matrices .*val \(.*filtered \(|filtered \(.*val \("):
        read(tmp_path / "r.mat", **KNOWN)


@pytest.mark.parametrize("name", ["ecg", "study/ecg", "study/rest/signal"])
def test_a_data_set_may_lie_in_groups(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file[name] = SIGNAL
        file[name].attrs.update(rate=100, leads=",".join(LEADS), unit="mV".encode("latin-1"))
        file["back"] = file["/"]  # A hard link that leads back ends.
    np.testing.assert_allclose(read(tmp_path / "r.h5").signal, SIGNAL, rtol=1e-6)


def test_the_micro_sign_of_an_attribute_may_be_latin_1(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["ecg"] = SIGNAL
        file["ecg"].attrs["unit"] = np.bytes_("µV".encode("latin-1"))
    record = read(tmp_path / "r.h5", rate=100, leads=LEADS, unit="uV")
    np.testing.assert_allclose(record.signal, SIGNAL / 1000, rtol=1e-6)


def test_a_file_of_many_records_is_named_by_its_shapes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["exam_id"], file["tracings"] = np.arange(3), np.zeros((3, 50, 12))
    with pytest.raises(InputError, match=r"exam_id \(3\), tracings \(3 × 50 × 12\)"):
        read(tmp_path / "r.h5", **KNOWN)
