"""A table reads the same however a spreadsheet wrote it, and what is open is refused."""

from contextlib import suppress
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.tasks.own.spreadsheet import Spreadsheet, read_spreadsheet


def read(folder: Path, content: str | bytes, *columns: str, file: str = "t.csv") -> Spreadsheet:
    path = folder / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_spreadsheet(path, columns or ("id", "y"))


def rows(sheet: Spreadsheet) -> list[list[object]]:
    return sheet.cells.to_numpy(object).tolist()


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_separator_encoding_and_line_ends_change_nothing(tmp_path, separator, encoding, ends):
    lines = [["id", "ä"], ["1", "Müller"], ["2", "ß"]]
    content = ends.join(separator.join(line) for line in lines).encode(encoding)
    found = read(tmp_path, content, "id", "ä")
    assert rows(found) == [["1", "Müller"], ["2", "ß"]]
    assert found.cells.index.tolist() == [2, 3]
    assert any("cp1252" in sentence for sentence in found.told) == (encoding == "cp1252")


def test_text_in_no_known_encoding_is_refused(tmp_path):
    for content in ("id,y\n1,é".encode("utf-16-le"), b"id,y\n1,\x81\xff"):
        with pytest.raises(InputError, match=r"t\.csv: no text in UTF-8, UTF-16 or cp1252"):
            read(tmp_path, content)


def test_decimal_commas_between_semicolons_are_no_separators(tmp_path):
    assert rows(read(tmp_path, "id;y,z;y\n1;2;3,5\n", "id", "y")) == [["1", "3,5"]]


def test_blank_rows_and_columns_and_blanks_around_words_say_nothing(tmp_path):
    content = " id , y ,,\n\n 1 , a  b ,,\n,,,\n2,\u00a0c,,\n"
    found = read(tmp_path, content)
    assert rows(found) == [["1", "a b"], ["2", "c"]]
    assert found.cells.index.tolist() == [3, 5]
    assert found.blank == 2


def test_columns_are_found_in_other_capitals_if_there_is_one_and_it_is_told(tmp_path):
    found = read(tmp_path, "ID,Y\n1,0\n")
    assert rows(found) == [["1", "0"]]
    assert "column 'Y' is taken for 'y'" in found.told
    assert rows(read(tmp_path, "Id,y,Y\n1,0,5\n")) == [["1", "0"]]
    with pytest.raises(InputError, match="2 columns fit 'Low': 'LOW', 'low'; rename them"):
        read(tmp_path, "id,LOW,low\n1,0,5\n", "id", "Low")
    with pytest.raises(InputError, match="2 columns fit 'y': 'y', 'y'"):
        read(tmp_path, "id,y,y\n1,0,5\n")


def test_a_missing_column_lists_those_that_there_are(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: no column y; it has id, ef, sex"):
        read(tmp_path, "id;ef;sex\n1;2;M\n")
    with pytest.raises(InputError, match=r"no column id, y; is empty"):
        read(tmp_path, "")


def test_what_stands_above_the_names_is_not_read_and_told(tmp_path):
    found = read(tmp_path, "sep=;\nRegistry of 2024\nid;y\n1;0\n")
    assert rows(found) == [["1", "0"]]
    assert found.cells.index.tolist() == [4]
    assert any("line 3" in sentence for sentence in found.told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id,y,z\n1,0,5\n2,45,3,5\n", "line 3 has 4 cells, and there are 3 columns; quote"),
        ("id,y,z\n1,0\n", "line 2 has 2 cells"),
        ("id,y,\n1,45,2\n", "line 2 holds '2' in column 3, which has no name"),
        ('id,y\n1,"0\n', "line 2: unexpected end of data"),
    ],
)
def test_rows_that_do_not_fit_the_names_are_refused_by_line(tmp_path, content, told):
    with pytest.raises(InputError, match=told):
        read(tmp_path, content)


def test_a_cell_may_hold_separators_and_line_ends_in_quotes(tmp_path):
    found = read(tmp_path, 'id,y\n1,"a, b\nc"\n2,"say ""d"""\n')
    assert rows(found) == [["1", "a, b c"], ["2", 'say "d"']]
    assert found.cells.index.tolist() == [2, 4]


def test_a_numbered_first_column_without_a_name_is_no_fault(tmp_path):
    assert rows(read(tmp_path, ",id,y\n0,1,0\n")) == [["1", "0"]]


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, content in sheets.items():
        sheet = book.create_sheet(title)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_gives_whole_numbers_as_words_and_days_as_days(tmp_path):
    content = [["id", "y", "on"], [123.0, 0.5, datetime(2024, 3, 1, 12)], [], ["007", True, None]]
    path = workbook(tmp_path / "t.xlsx", all=content, empty=[])
    found = read_spreadsheet(path, ("id", "y", "on"))
    assert rows(found) == [["123", 0.5, date(2024, 3, 1)], ["007", "true", ""]]
    assert found.cells.index.tolist() == [2, 4]
    assert found.blank == 1


def test_of_several_sheets_one_must_be_named(tmp_path):
    content = [["id", "y"], [1, 0]]
    path = workbook(tmp_path / "t.xlsx", a=content, b=content)
    with pytest.raises(InputError, match="one sheet is read, and it has a, b; name it with --sh"):
        read_spreadsheet(path, ("id", "y"))
    with pytest.raises(InputError, match="no sheet 'c' with content; it has a, b"):
        read_spreadsheet(path, ("id", "y"), sheet="c")
    assert rows(read_spreadsheet(path, ("id", "y"), sheet="b")) == [["1", "0"]]


def test_parquet_reads_as_text_does(tmp_path):
    frame = pd.DataFrame({"id": [1, 2, 9], "y": [0.5, None, 2.0], "codes": [["a"], [], ["b"]]})
    frame.to_parquet(tmp_path / "t.parquet")
    found = read_spreadsheet(tmp_path / "t.parquet", ("id", "y"))
    assert rows(found) == [["1", 0.5], ["2", ""], ["9", "2"]]
    assert found.cells.index.tolist() == [1, 2, 3]
    frame.set_index("id").to_parquet(tmp_path / "t.parquet")
    assert rows(read_spreadsheet(tmp_path / "t.parquet", ("id", "y"))) == rows(found)


def test_columns_are_found_however_their_letters_are_composed(tmp_path):
    found = read(tmp_path, "id,gro\u0308\u00dfe\n1,a\u0308\n", "id", "gr\u00f6\u00dfe")
    assert rows(found) == [["1", "\u00e4"]]
    with pytest.raises(InputError, match="2 columns fit 'gr\u00f6\u00dfe'"):
        read(tmp_path, "id,gr\u00f6\u00dfe,gro\u0308\u00dfe\n1,0,1\n", "id", "gr\u00f6\u00dfe")


@pytest.mark.parametrize(
    ("values", "kind"),
    [([["a"], ["a", "b"]], "list"), ([{"a": 1}, {"a": 0}], "struct"), ([b"0", b"1"], "binary")],
)
def test_cells_of_several_parts_are_refused_by_column_and_kind(tmp_path, values, kind):
    pd.DataFrame({"id": [1, 2], "Y": values}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=rf"t\.parquet: column Y holds {kind}.*--list-separator"):
        read_spreadsheet(tmp_path / "t.parquet", ("id", "y"))


@pytest.mark.parametrize("file", ["t.csv", "t.parquet"])
def test_a_sheet_is_asked_of_workbooks_alone(tmp_path, file):
    (tmp_path / file).write_text("id,y\n1,0\n")
    with pytest.raises(InputError, match=f"{file}: has no sheets; leave --sheet a out"):
        read_spreadsheet(tmp_path / file, ("id", "y"), sheet="a")


@pytest.mark.parametrize("file", ["t.xlsx", "t.parquet"])
def test_a_broken_file_is_refused(tmp_path, file):
    with pytest.raises(InputError, match=f"{file}: not a readable table"):
        read(tmp_path, b"PK\x03\x04 but no more", file=file)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"t\.xls: save it as \.csv, \.tsv, \.txt, \.xlsx or \.p"):
        read(tmp_path, b"", file="t.xls")
    with pytest.raises(InputError, match="lost.csv: no such file"):
        read_spreadsheet(tmp_path / "lost.csv", ("id",))


@example("id,y\n1,2\n", "cp1252")
@given(st.text(alphabet='idy1.,;|"\t\n\r é', max_size=60), st.sampled_from(["cp1252", "utf-16"]))
def test_any_text_is_read_or_refused(tmp_path_factory, text, encoding):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(text.encode(encoding))
    with suppress(InputError):
        found = read_spreadsheet(path, ("id", "y"))
        assert found.cells.index.is_monotonic_increasing
        assert found.cells.shape[1] == 2


def test_more_columns_are_read_where_they_are_there(tmp_path):
    (tmp_path / "t.csv").write_text("x;id;score:A;score:B\n1;2;3;4\n")
    found = read_spreadsheet(tmp_path / "t.csv", ["id"], more=lambda name: name != "x")
    assert found.cells.to_dict("list") == {"id": ["2"], "score:A": ["3"], "score:B": ["4"]}
    (tmp_path / "t.csv").write_text("id,z,z\n1,2,3\n")
    assert list(read_spreadsheet(tmp_path / "t.csv", ["id"]).cells) == ["id"]
    with pytest.raises(InputError, match="2 columns fit 'z'"):
        read_spreadsheet(tmp_path / "t.csv", ["id"], more=lambda name: name == "z")
