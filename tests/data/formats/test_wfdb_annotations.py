"""Annotation files: read as ``wfdb`` reads them, and refused where they are broken."""

from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from myocard.data.formats.wfdb_annotations import SYMBOLS, read_marks
from myocard.errors import InputError

symbols = st.sampled_from([*SYMBOLS.values()])
marks = st.lists(st.tuples(st.integers(0, 5000), symbols), min_size=1, max_size=12)


@given(marks=marks, noted=st.booleans())
def test_marks_are_read_as_wfdb_reads_them(tmp_path_factory, marks, noted):
    folder = tmp_path_factory.getbasetemp()
    samples = np.cumsum([step for step, _ in marks])
    notes = ["odd" if noted and place % 2 else "" for place in range(len(marks))]
    names = [symbol for _, symbol in marks]
    options = {"aux_note": notes, "fs": 500} if noted else {}
    wfdb.wrann("1", "avr", samples, names, write_dir=str(folder), **options)
    found, other = read_marks(folder / "1.avr"), wfdb.rdann(str(folder / "1"), "avr")
    np.testing.assert_array_equal(found.samples, other.sample)
    assert found.symbols == other.symbol == names


def test_notes_are_left_out_and_other_symbols_keep_their_code(tmp_path):
    samples, symbols = np.array([5, 9, 12]), ["N", '"', "V"]
    wfdb.wrann("1", "i", samples, symbols, write_dir=str(tmp_path), aux_note=["", "hello", ""])
    found = read_marks(tmp_path / "1.i")
    assert found.samples.tolist() == [5, 12]
    assert found.symbols == ["N", "5"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "ends before its last mark"),
        (np.array([1 << 10 | 7], "<u2").tobytes(), "ends before its last mark"),
        (np.array([59 << 10, 1], "<u2").tobytes(), "ends before its last mark"),
        (np.array([63 << 10 | 999, 0], "<u2").tobytes(), "ends before its last mark"),
        (np.array([1034, 59 << 10, 0xFFFF, 0xFFF0, 1024, 0], "<u2").tobytes(), "out of order"),
        (bytes(1_000_001), "more than 1,000,000 bytes"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "1.ii"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"1\.ii: .*{told}"):
        read_marks(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"1\.v1: cannot be read: No such file"):
        read_marks(Path(tmp_path / "1.v1"))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "1.i"
    path.write_bytes(content)
    try:
        found = read_marks(path)
    except InputError:
        return
    assert len(found.samples) == len(found.symbols)
    assert (np.diff(found.samples, prepend=0) >= 0).all()
