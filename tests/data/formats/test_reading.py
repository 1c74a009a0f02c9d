"""One signal in every format, and files that say too little or lie."""

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from writing.aecg import aecg

from myocard.data.formats.reading import format_of, read
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record

RATE = 500.0
# Whole microvolts, so that every format holds them exactly.
MICROVOLTS = np.random.default_rng(0).integers(-2000, 2000, (12, 250))
KNOWN = {"rate": RATE, "leads": LEADS, "unit": "uV"}


def write_wfdb(folder: Path) -> Path:
    lines = [f"r.dat 16 1(0)/uV 16 0 0 0 0 {lead.lower()}" for lead in LEADS]
    (folder / "r.hea").write_text("\n".join([f"r 12 500 {MICROVOLTS.shape[1]}", *lines]))
    MICROVOLTS.T.astype("<i2").tofile(folder / "r.dat")
    return folder / "r.hea"


def write_csv(folder: Path, header: bool = True) -> Path:
    path = folder / "r.csv"
    names = ",".join(LEADS) if header else ""
    np.savetxt(path, MICROVOLTS.T, fmt="%d", delimiter=",", header=names, comments="")
    if not header:
        path.write_text(path.read_text().lstrip("\n"))
    return path


def write_npy(folder: Path) -> Path:
    np.save(folder / "r.npy", MICROVOLTS.astype(np.float32))
    return folder / "r.npy"


def write_mat(folder: Path) -> Path:
    scipy.io.savemat(folder / "r.mat", {"val": MICROVOLTS.T.astype(float), "rate": 500.0})
    return folder / "r.mat"


def write_structure(folder: Path) -> Path:
    """A record as CPSC 2018 keeps it."""
    scipy.io.savemat(folder / "r.mat", {"ECG": {"sex": "Male", "age": 52, "data": MICROVOLTS}})
    return folder / "r.mat"


def write_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "r.h5", "w") as file:
        file["signal"] = MICROVOLTS
        file["beats"] = np.arange(5)
        file["signal"].attrs.update(rate=500, leads=",".join(LEADS), unit="uV")
    return folder / "r.h5"


def write_bare_hdf5(folder: Path) -> Path:
    with h5py.File(folder / "r.hdf5", "w") as file:
        file["anything"] = MICROVOLTS.T
    return folder / "r.hdf5"


WRITERS = [
    write_wfdb,
    write_csv,
    write_npy,
    write_mat,
    write_structure,
    write_hdf5,
    write_bare_hdf5,
]


@pytest.mark.parametrize("write", WRITERS)
def test_one_signal_reads_back_equal_from_every_format(tmp_path: Path, write) -> None:
    known = {} if write in (write_wfdb, write_hdf5) else KNOWN
    record = read(write(tmp_path), **known)
    expected = Record.from_array(MICROVOLTS, RATE, LEADS, "uV")
    assert (record.rate, record.leads, record.unit) == (RATE, LEADS, "mV")
    np.testing.assert_allclose(record.signal, expected.signal, rtol=1e-6, atol=0)


def test_a_table_without_names_takes_the_given_ones(tmp_path: Path) -> None:
    record = read(write_csv(tmp_path, header=False), **KNOWN)
    np.testing.assert_allclose(record.signal, MICROVOLTS / 1000, rtol=1e-6)


def test_columns_that_are_no_leads_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('time,"v1",AVF\n0,1,2\n0.002,3,\n')
    record = read(path, rate=RATE, unit="mV")
    assert record.leads == ("V1", "aVF")
    np.testing.assert_array_equal(record.signal, np.array([[1, 3], [2, np.nan]], np.float32))


@pytest.mark.parametrize("name", ["rate", "leads", "unit"])
def test_what_neither_file_nor_caller_says_is_named(tmp_path: Path, name: str) -> None:
    known = {key: value for key, value in KNOWN.items() if key != name}
    with pytest.raises(InputError, match=rf"r\.npy: the file does not say its {name}"):
        read(write_npy(tmp_path), **known)


@pytest.mark.parametrize("change", [{"rate": 100.0}, {"unit": "mV"}, {"leads": LEADS[::-1]}])
def test_a_file_that_says_otherwise_than_the_caller_is_refused(tmp_path: Path, change) -> None:
    with pytest.raises(InputError, match=r"r\.h5: its .* given"):
        read(write_hdf5(tmp_path), **(KNOWN | change))


def test_a_lead_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r\.npy: unknown lead 'V7'"):
        read(write_npy(tmp_path), rate=RATE, leads=[*LEADS[:11], "V7"], unit="mV")


def test_an_array_that_does_not_fit_its_leads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\(12, 250\) does not fit 2 leads"):
        read(write_npy(tmp_path), rate=RATE, leads=["I", "II"], unit="mV")


def test_pickled_objects_are_refused_and_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "r.npy", tmp_path / "was_run"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trace,))

    np.save(path, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"r\.npy: not a NumPy array"):
        read(path, **KNOWN)
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match=r"r\.npy: not a NumPy array"):
        read(path, **KNOWN)
    assert not trace.exists()


def test_an_array_that_promises_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.npy"
    with path.open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (12, 10**13)}
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(InputError, match=r"r\.npy: not a NumPy array"):
        read(path, **KNOWN)
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file.create_dataset("signal", (12, 10**13), "f8", chunks=(1, 1000))
    with pytest.raises(InputError, match="does not hold them"):
        read(tmp_path / "r.h5", **KNOWN)


def test_data_in_another_hdf5_file_is_not_followed(tmp_path: Path) -> None:
    write_hdf5(tmp_path)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["signal"] = h5py.ExternalLink("r.h5", "signal")
    with pytest.raises(InputError, match="0 matrices of numbers in it, where one is read: nothing"):
        read(tmp_path / "link.h5", **KNOWN)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        outside = [(str(tmp_path / "r.h5"), 0, 1600)]
        file.create_dataset("signal", (2, 100), "f8", external=outside)
    with pytest.raises(InputError, match="in other files"):
        read(tmp_path / "outside.h5", **KNOWN)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".mat", ".h5", ".hea"])
@pytest.mark.parametrize("content", [b"", b"nonsense", bytes(range(256)) * 4])
def test_nonsense_is_an_input_error_that_names_the_file(
    tmp_path: Path, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"r{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match="r" + suffix.replace(".", r"\.")):
        read(path, **KNOWN)


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".mat", ".h5", ".hea", ""])
def test_a_missing_file_is_an_input_error(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match="nobody"):
        read(tmp_path / f"nobody{suffix}", **KNOWN)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("r.pdf", b"%PDF-1.7", "a PDF, which pictures an ECG; export the signal"),
        ("r.zip", b"PK\3\4and more", "an archive; unpack it"),
        ("r.xml", b"<invoice/>", "XML of an unknown kind, 'invoice'"),
        ("r.xml", b"", "an empty file; export it again"),
        ("r.dat", b"\1\2\3", r"a signal file without its WFDB header r\.hea"),
    ],
)
def test_what_is_no_ecg_is_named(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{name}: {told}"):
        read(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder; name a file, or read all by `myocard prepare"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["a.dat", "a.hea", "a.csv", "a"])
def test_the_first_bytes_tell_the_format_whatever_a_file_is_called(tmp_path, name) -> None:
    counts = {lead: np.arange(1000) % 50 for lead in LEADS}
    (tmp_path / name).write_bytes(aecg(counts))
    assert format_of(tmp_path / name) == "HL7 aECG"
    assert read(tmp_path / name).rate == 500


def test_columns_may_be_divided_by_semicolons_with_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("I;II\n0,5;1\n-0,25;2\n")
    np.testing.assert_array_equal(read(path, rate=100, unit="mV").signal, [[0.5, -0.25], [1, 2]])
    path.write_text("0,5;1,25\n-0,25;2,5\n0;0\n")
    found = read(path, rate=100, leads=("I", "II"), unit="mV")
    np.testing.assert_array_equal(found.signal, [[0.5, -0.25, 0], [1.25, 2.5, 0]])


@pytest.mark.parametrize(("name", "step"), [("time", 0.002), ("t", 2.0), ("Time (ms)", 2.0)])
def test_a_column_of_times_tells_the_rate_and_is_no_lead(tmp_path: Path, name, step) -> None:
    path = tmp_path / "r.csv"
    rows = [f"{number * step:.3f},{number % 7}" for number in range(50)]
    path.write_text("\n".join([f"{name},V2", *rows]))
    found = read(path, unit="mV")
    assert (found.rate, found.leads) == (500, ("V2",))
    assert found.facts.assumed == (f"none of the twelve leads, left out: {name!r}",)
    with pytest.raises(InputError, match="its rate is 500 Hz, 250 was given"):
        read(path, rate=250, unit="mV")


def test_an_unknown_format_lists_the_readable_ones(tmp_path: Path) -> None:
    path = tmp_path / "r.pdf"
    path.write_bytes(b"no known start")
    with pytest.raises(InputError, match=r"r\.pdf: unknown format; readable are \.hea"):
        read(path)


def test_numbers_that_are_no_signal_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.npy"
    for array in (
        np.zeros(5),
        np.zeros((2, 3, 4)),
        np.zeros((0, 5)),
        np.array([["a"]]),
        np.eye(2) * 1j,
    ):
        np.save(path, array)
        with pytest.raises(InputError, match="not leads × samples"):
            read(path, **KNOWN)


@pytest.mark.parametrize("extra", [1, 2])
def test_columns_without_a_name_are_refused_and_shift_no_lead(tmp_path, extra):
    rows = np.arange(13.0)[None] + np.zeros((50, 1))
    lines = [",".join(LEADS[: 13 - extra]), *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "ecg.csv").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"ecg\.csv: .* longer than the first row; name every"):
        read(tmp_path / "ecg.csv", rate=500, unit="mV")
