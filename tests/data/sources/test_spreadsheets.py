"""Tables of labels as people, spreadsheets and pandas write them."""

import logging
from pathlib import Path

import h5py
import numpy as np
import pytest

from myocard.data.cells import age, fold, number, patient, sex
from myocard.data.labels import SCHEMES, parse_codes, scheme
from myocard.data.sources import entries
from myocard.data.sources.index import read_lines
from myocard.errors import InputError


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "labels.csv").write_bytes(text.encode(encoding))
    for name in ("a.npy", "b.npy"):
        np.save(folder / name, np.ones((2, 100)))
    return folder


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("file;patient;codes;site\na.npy;1;own:x;Münster\n", "utf-8"),
        ("file\tpatient\tcodes\tsite\na.npy\t1\town:x\tMünster\n", "utf-16"),
        ("file|patient|codes|site\r\na.npy|1|own:x|Münster\r\n", "utf-8-sig"),
        ("File,PATIENT,Codes,Site\na.npy,1,own:x,Münster\n", "cp1252"),
        ("file, patient, codes, site\n a.npy , 1 , own:x , Münster\n", "utf-8"),
        ('"file", "patient", "codes", "site"\n"a.npy", "1", "own:x", "Münster"\n', "utf-8"),
        ("\nfile,patient,codes,site,,\n,,,,,\na.npy,1,own:x,Münster\n,,,,,\n\n", "utf-8"),
    ],
)
def test_a_table_as_a_spreadsheet_saves_it_is_read(
    tmp_path: Path, text: str, encoding: str
) -> None:
    (entry,) = entries("folder", write(tmp_path, text, encoding))
    assert (entry.id, entry.patient, entry.codes, entry.site) == (
        "a.npy",
        "1",
        ("own:x",),
        "Münster",
    )


def test_a_table_that_is_no_utf_8_is_told(tmp_path: Path, caplog) -> None:
    entries("folder", write(tmp_path, "file,patient,codes\na.npy,é,own:x\n", "cp1252"))
    assert "labels.csv: no UTF-8; read as cp1252" in caplog.text


def test_a_row_is_named_by_its_line_in_the_file(tmp_path: Path) -> None:
    text = 'file,patient,codes,site\n\n,,,\na.npy,1,own:x,"two\nlines"\nb.npy,2,x,\n'
    with pytest.raises(InputError, match=r"labels\.csv: line 6: code 'x' names no scheme"):
        entries("folder", write(tmp_path, text))
    assert [line for line, _ in read_lines(tmp_path / "labels.csv", ["file"])] == [4, 6]


@pytest.mark.parametrize("heading", ["file,patient,codes", "file,patient,codes,"])
def test_a_cell_that_its_separator_cuts_in_two_is_refused(tmp_path: Path, heading: str) -> None:
    text = f"{heading}\na.npy,1,own:af,own:lbbb\n"
    with pytest.raises(InputError, match="line 2 is longer than the first row"):
        entries("folder", write(tmp_path, text))


@pytest.mark.parametrize(
    "cell",
    ["own:af,own:lbbb", "['own:af', 'own:lbbb']", "own:af own:lbbb", "own:af|own:lbbb",
     "own:af/own:lbbb", "own:af\nown:lbbb", "scp:NORM,SR", '"own:af"', "{own:af}", "own:af\tx"],
)  # fmt: skip
def test_codes_that_run_together_are_refused_with_line_and_separator(
    tmp_path: Path, cell: str
) -> None:
    quoted = cell.replace('"', '""')
    with pytest.raises(InputError, match="line 2: code.*divide codes by ';'"):
        entries("folder", write(tmp_path, f'file,patient,codes\na.npy,1,"{quoted}"\n'))


def test_schemes_may_be_in_capitals_and_all_known_codes_are_codes() -> None:
    assert parse_codes("SCP:NORM; own:left bundle ;;Scp:NORM") == ("scp:NORM", "own:left bundle")
    for name in SCHEMES:
        for code in scheme(name):
            assert parse_codes(f"{name}:{code}") == (f"{name}:{code}",)


@pytest.mark.parametrize(
    ("cell", "years"),
    [("067Y", 67), ("63,5", 63.5), ("71 years", 71), ("71 J.", 71), ("018M", 1.5),
     ("007D", 7 / 365.25), ("26 weeks", 26 * 7 / 365.25), ("0", 0),
     ("300", 300), (" 5.0 ", 5), ("71a", 71)],
)  # fmt: skip
def test_ages_are_understood(cell: str, years: float) -> None:
    assert age(cell) == pytest.approx(years)


@pytest.mark.parametrize("cell", ["", "-1", "19560312", "1e300", "old", "90+", "71 x", "inf", "-5"])
def test_what_is_no_age_is_none(cell: str) -> None:
    assert age(cell) is None


def test_sexes_are_understood_and_numbers_left_open() -> None:
    women, men = ["W", "f", "Female", "weiblich", "Frau", "femme"], ["Mann", "m", "MALE", "hombre"]
    assert {sex(word) for word in women} == {"F"}
    assert {sex(word) for word in men} == {"M"}
    assert {sex(word) for word in ["0", "1", "2", "", "X", "u"]} == {None}


def test_cells_that_are_not_understood_are_counted(tmp_path: Path, caplog) -> None:
    rows = ["a.npy,1,own:x,old,1", "b.npy,2,own:x,90+,1"]
    with caplog.at_level(logging.WARNING):
        entries("folder", write(tmp_path, "\n".join(["file,patient,codes,age,sex", *rows])))
    assert "age of 2 records not understood and left empty: 'old' (1), '90+' (1)" in caplog.text
    assert "sex of 2 records not understood and left empty: '1' (2)" in caplog.text


def test_cells_that_say_nothing_are_not_counted(tmp_path: Path, caplog) -> None:
    rows = ["a.npy,1,own:x,-1,U", "b.npy,2,own:x,,Unknown"]
    entries("folder", write(tmp_path, "\n".join(["file,patient,codes,age,sex", *rows])))
    assert not caplog.text


@pytest.mark.parametrize("cell", ["1.7", "1e19", "1e300", "0", "11", "-1", "one", "nan", "inf"])
def test_a_fold_is_a_small_whole_number(cell: str) -> None:
    with pytest.raises(InputError, match="give a whole number from 1 to 10"):
        fold(cell)
    assert (fold("3"), fold("3.0"), fold(" ")) == (3, 3, None)


@pytest.mark.parametrize(
    ("cell", "name"),
    [("7.0", "7"), ("7", "7"), ("1.23e+08", "123000000"), ("007", "007"), ("7.5", "7.5"),
     ("p7", "p7"), ("9007199254740993.0", "9007199254740993.0")],
)  # fmt: skip
def test_a_patients_number_is_one_however_it_is_written(cell: str, name: str) -> None:
    assert patient(cell) == name


def test_patients_who_may_be_one_are_told(tmp_path: Path, caplog) -> None:
    text = "file,patient,codes\na.npy,007,own:x\nb.npy,7,own:x\n"
    found = entries("folder", write(tmp_path, text))
    assert [entry.patient for entry in found] == ["007", "7"]
    assert "patients '007' and '7' are kept apart" in caplog.text


def test_thousands_are_not_taken_for_a_fraction() -> None:
    assert (number("1,000"), number("0,5"), number("1.5")) == (None, 0.5, 1.5)


def test_a_backslash_divides_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    text = "file,patient,codes,rate,leads,unit\na\\a.npy,,own:x,100,I II,mV\n"
    write(tmp_path, text)
    (tmp_path / "a.npy").rename(tmp_path / "a" / "a.npy")
    (entry,) = entries("folder", tmp_path)
    assert entry.id == "a/a.npy"
    assert entry.read().leads == ("I", "II")
    with pytest.raises(InputError, match="a file outside this folder"):
        entries("folder", write(tmp_path, "file,patient,codes\n..\\a.npy,1,own:x\n"))


def test_a_table_may_rename_leads(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 2 100 5\nr.dat 16 1000 16 0 0 0 0 ECG 1\nr.dat 16 1000\n")
    np.arange(10).astype("<i2").tofile(tmp_path / "r.dat")
    (entry,) = entries("folder", write(tmp_path, "file,patient,codes,rename\nr.hea,1,,ECG 1=V2\n"))
    assert entry.read().leads == ("V2",)
    with pytest.raises(InputError, match="line 2: rename 'V2': give NAME=LEAD"):
        entries("folder", write(tmp_path, "file,patient,codes,rename\nr.hea,1,,V2\n"))


def header(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{path.stem} 1 100 5\n{path.stem}.dat 16 1000 16 0 0 0 0 I\n# Dx: 426783006\n")


def test_records_of_one_name_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    for name in ("site-a/A1", "site-b/A1", "site-b/A2"):
        header(tmp_path / f"{name}.hea")
    found = entries("challenge", tmp_path)
    assert [entry.id for entry in found] == ["site-a/A1", "site-b/A1", "A2"]
    assert [entry.patient for entry in found] == [entry.id for entry in found]


def test_a_record_that_is_named_twice_is_named_by_its_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 records are called a\.npy: a\.npy, a\.npy"):
        entries("folder", write(tmp_path, "file,patient,codes\na.npy,1,\na.npy,2,\n"))


def test_links_to_files_and_endings_in_capitals_are_found(tmp_path: Path) -> None:
    header(tmp_path / "there" / "A1.HEA")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "A2.hea").symlink_to(tmp_path / "there" / "A1.HEA")
    assert [entry.id for entry in entries("challenge", tmp_path)] == ["A2", "A1"]


@pytest.mark.parametrize(
    "cell", ["426783006, 164889003", "426783006;164889003", "426783006 164889003"]
)
def test_codes_of_a_header_may_be_divided_in_any_way(tmp_path: Path, cell: str) -> None:
    header(tmp_path / "A1.hea")
    text = (tmp_path / "A1.hea").read_text().replace("426783006", cell)
    (tmp_path / "A1.hea").write_text(text)
    (entry,) = entries("challenge", tmp_path)
    assert entry.codes == ("snomed:426783006", "snomed:164889003")


def test_code15_is_read_as_published(tmp_path: Path, caplog) -> None:
    tracings = np.random.default_rng(0).normal(size=(3, 4096, 12)).astype("f4")
    tracings[:, :600] = 0
    with h5py.File(tmp_path / "exams_part0.hdf5", "w") as file:
        file["exam_id"], file["tracings"] = np.array([11, 12, 0]), tracings
    (tmp_path / "exams.csv").write_text(
        "exam_id,age,is_male,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,trace_file\n"
        "12,60,False,False,False,False,False,False,True,2,exams_part0.hdf5\n"
        "13,60,False,False,False,False,False,False,True,2,exams_part0.hdf5\n"
        "99,60,False,False,False,False,False,False,True,2,exams_part7.hdf5\n"
    )
    first, second = entries("code15", tmp_path)
    assert "1 of 3 records lie in files that are not there" in caplog.text
    assert (first.id, first.patient, first.sex, first.codes) == ("12", "2", "F", ("code15:AF",))
    record = first.read()
    np.testing.assert_array_equal(record.signal, tracings[1, 600:].T)
    assert (record.rate, record.unit) == (400, "NU")
    with pytest.raises(InputError, match="0 records of exam_id 13"):
        second.read()
