"""Waves of LUDB's records as a store has them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from myocard import simulation
from myocard.data.preparation import prepare_folder
from myocard.data.signal import Preprocessing
from myocard.data.sources.ludb_waves import read_waves
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.simulation.layouts.vendor_files import write_marks
from myocard.waves import NONE, QRS, UNKNOWN, P, T

INPUT = Preprocessing(100, 600)


@pytest.fixture
def ludb(tmp_path) -> Path:
    return simulation.write(tmp_path / "ludb", "ludb", count=3, seed=4)


@pytest.fixture
def opened(ludb, tmp_path) -> Store:
    return prepare_folder("ludb", ludb, tmp_path / "store", INPUT, jobs=1)


def rewrite(ludb: Path, marks: str) -> None:
    """Mark lead I of the first record at 1 s, and every 100 ms behind."""
    symbols = marks.split()
    write_marks(ludb / "data/1.i", [500 + 50 * k for k in range(len(symbols))], symbols)


def test_waves_are_the_hearts_but_for_the_first_and_last_second(ludb, opened):
    for number, leads in enumerate(read_waves(ludb, opened)):
        truth = simulation.simulate(4, number).delineation
        inside = truth.chosen((truth.onset >= 1) & (truth.offset <= 9))
        assert list(leads) == list(opened.made.leads)
        for kind, onset, offset in leads.values():
            assert kind.tolist() == [UNKNOWN, *inside.kind.tolist(), UNKNOWN]
            np.testing.assert_allclose(onset[1:-1], inside.onset, atol=0.001)
            np.testing.assert_allclose(offset[1:-1], inside.offset, atol=0.001)
            assert (onset[0], offset[-1]) == (-np.inf, np.inf)
            assert (offset[0], onset[-1]) == (onset[1], offset[-2])


def test_a_record_that_was_cropped_when_it_was_prepared_keeps_its_waves(ludb, opened, tmp_path):
    cropped = prepare_folder("ludb", ludb, tmp_path / "cropped", INPUT, seconds=7, jobs=1)
    for whole, middle in zip(read_waves(ludb, opened), read_waves(ludb, cropped), strict=True):
        np.testing.assert_allclose(middle["V1"].onset, whole["V1"].onset - 1.5)


def test_a_wave_without_one_of_its_boundaries_is_unknown(ludb, opened):
    rewrite(ludb, "( p ) ( N t ) ( p N )")
    found = read_waves(ludb, opened)[0]["I"]
    assert found.kind.tolist() == [UNKNOWN, P, *[UNKNOWN] * 4, UNKNOWN]
    assert found.labels(1000, 100)[[50, 110, 125, 140, 155, 165, 195, 250]].tolist() == [
        UNKNOWN, P, NONE, UNKNOWN, UNKNOWN, NONE, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_a_lead_without_its_file_was_not_looked_at_and_an_empty_one_says_nothing(ludb, opened):
    (ludb / "data/1.ii").unlink()
    rewrite(ludb, "")
    first, second, _ = read_waves(ludb, opened)
    assert "II" not in first
    assert first["I"].kind.tolist() == [UNKNOWN]
    assert {QRS, T} <= set(second["II"].kind.tolist())


def test_symbols_of_another_kind_are_refused(ludb, opened):
    (ludb / "data/1.i").write_bytes(np.array([5 << 10 | 7, 0], "<u2").tobytes())
    with pytest.raises(InputError, match=r"1\.i: marks 5 beside \( \) p N t; give files of LUDB"):
        read_waves(ludb, opened)


def test_a_folder_of_other_records_is_refused(ludb, opened, tmp_path):
    other = simulation.write(tmp_path / "other", "ludb", count=3, seed=5)
    with pytest.raises(
        InputError, match="no marks of any record of .*store, which holds .* seed 4"
    ):
        read_waves(other, opened)
    for file in (ludb / "data").glob("*.*"):
        if file.suffix not in (".hea", ".dat"):
            file.unlink()
    with pytest.raises(InputError, match=r"or its files .*1\.i, … are missing; give LUDB's folder"):
        read_waves(ludb, opened)


def test_records_lie_in_the_folder_or_in_its_data(ludb, opened):
    before = read_waves(ludb, opened)
    for file in (ludb / "data").iterdir():
        shutil.move(file, ludb)
    (ludb / "data").rmdir()
    after = read_waves(ludb, opened)
    np.testing.assert_array_equal(before[2]["V6"].onset, after[2]["V6"].onset)
