"""WFDB records of several files or segments, which the ``wfdb`` package reads for us."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from myocard.data.formats.reading import read
from myocard.data.formats.wfdb import WrongLength
from myocard.errors import InputError


def write_segments(folder: Path, header: str) -> Path:
    """Segments ``s1`` of 10 and ``s2`` of 15 samples, and a header ``r`` over them."""
    for name, samples in (("s1", 10), ("s2", 15)):
        values = np.random.default_rng(samples).integers(-999, 999, (samples, 2))
        values.astype("<i2").tofile(folder / f"{name}.dat")
        lines = [f"{name}.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in ("I", "II")]
        text = "\n".join([f"{name} 2 500 {samples}", *lines, ""])
        (folder / f"{name}.hea").write_text(text)
    (folder / "r.hea").write_text(header)
    return folder / "r"


def test_segments_are_joined_as_the_wfdb_package_joins_them(tmp_path: Path) -> None:
    path = write_segments(tmp_path, "r/2 2 500 25\ns1 10\ns2 15\n")
    record = read(path)
    assert record.signal.shape == (2, 25)
    np.testing.assert_allclose(record.signal, wfdb.rdrecord(str(path)).p_signal.T, rtol=1e-6)


def test_gaps_between_segments_are_nan(tmp_path: Path) -> None:
    layout = "r_layout 2 500 0\n~ 0 1000(0)/mV 16 0 0 0 0 I\n~ 0 1000(0)/mV 16 0 0 0 0 II\n"
    (tmp_path / "r_layout.hea").write_text(layout)
    path = write_segments(tmp_path, "r/4 2 500 30\nr_layout 0\ns1 10\n~ 5\ns2 15\n")
    record = read(path)
    assert np.isnan(record.signal[:, 10:15]).all()
    np.testing.assert_array_equal(record.signal[:, :10], read(tmp_path / "s1").signal)
    np.testing.assert_array_equal(record.signal[:, 15:], read(tmp_path / "s2").signal)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("r/2 2 500 1000015\n~ 1000000\ns2 15\n", "gaps"),
        ("r/2 2 500 25\n../s1 10\ns2 15\n", "outside its own folder"),
        ("r/2 2 500 25\nr 10\ns2 15\n", "has segments itself"),
        ("r/2 2 500 25\nnobody 10\ns2 15\n", "cannot read the header"),
    ],
)
def test_segments_that_cannot_be_are_refused(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(write_segments(tmp_path, header))


def test_a_segment_of_another_length_than_promised_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongLength, match="segment s1"):
        read(write_segments(tmp_path, "r/2 2 500 26\ns1 11\ns2 15\n"))


def test_leads_in_two_files_make_one_record(tmp_path: Path) -> None:
    """Leads as in PTB, which keeps Frank's in a file of their own."""
    for name, value in (("a.dat", 1000), ("b.dat", 500)):
        np.full(10, value, "<i2").tofile(tmp_path / name)
    (tmp_path / "r.hea").write_text(
        "r 2 500 10\na.dat 16 1000 16 0 0 0 0 ii\nb.dat 16 1000 16 0 0 0 0 vx\n"
    )
    record = read(tmp_path / "r")
    assert record.leads == ("II",)
    np.testing.assert_array_equal(record.signal, np.ones((1, 10), np.float32))


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    for name, samples in (("a.dat", 10), ("b.dat", 20)):
        np.zeros(samples, "<i2").tofile(tmp_path / name)
    (tmp_path / "r.hea").write_text(
        "r 2 500\na.dat 16 1000 16 0 0 0 0 I\nb.dat 16 1000 16 0 0 0 0 II\n"
    )
    with pytest.raises(WrongLength, match=r"\[10, 20\]"):
        read(tmp_path / "r")
