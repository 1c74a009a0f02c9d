"""Simulated records in vendors' layouts, read back with the tools that others use."""

import ast
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import wfdb

from myocard.errors import InputError
from myocard.simulation import FINDINGS, LAYOUTS, Simulated, simulate, write

COUNT = 12


@pytest.fixture(scope="module")
def truth() -> list[Simulated]:
    return [simulate(4, index, site="B") for index in range(COUNT)]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("layouts")
    for layout in LAYOUTS:
        write(folder / layout, layout, count=COUNT, seed=4, site="B")
    return folder


def names(simulated: Simulated, vocabulary: str) -> set[str]:
    found = {getattr(FINDINGS[code], vocabulary) for code in simulated.findings}
    return found - {None}


def assert_same_signal(stem: Path, simulated: Simulated, *, within: float) -> wfdb.Record:
    record = wfdb.rdrecord(str(stem))
    assert record.fs == simulated.record.rate
    assert [lead.lower() for lead in record.sig_name] == [
        lead.lower() for lead in simulated.record.leads
    ]
    np.testing.assert_allclose(record.p_signal.T, simulated.record.signal, atol=within)
    digital = wfdb.rdrecord(str(stem), physical=False)
    assert [value & 0xFFFF for value in digital.calc_checksum()] == [
        value & 0xFFFF for value in digital.checksum
    ]
    assert digital.init_value == digital.d_signal[0].tolist()
    return record


def test_ptbxl_reads_back_with_wfdb_and_pandas(written: Path, truth: list[Simulated]) -> None:
    folder = written / "ptbxl"
    table = pd.read_csv(folder / "ptbxl_database.csv", index_col="ecg_id")
    statements = pd.read_csv(folder / "scp_statements.csv", index_col=0)
    assert len(table) == COUNT
    for (_, row), simulated in zip(table.iterrows(), truth, strict=True):
        codes = ast.literal_eval(row["scp_codes"])
        assert set(codes) == set(simulated.findings) <= set(statements.index)
        for code, likelihood in codes.items():
            assert likelihood == (100.0 if statements.loc[code, "diagnostic"] == 1 else 0.0)
        assert row["age"] == (simulated.age if simulated.age < 90 else 300)
        assert row["sex"] == (1 if simulated.sex == "F" else 0)
        assert_same_signal(folder / row["filename_hr"], simulated, within=0.00051)
        low = wfdb.rdrecord(str(folder / row["filename_lr"]))
        assert (low.fs, low.sig_len) == (100, 1000)


def test_ptbxl_has_the_columns_of_the_original(written: Path, real_data: Path) -> None:
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        ours = (written / "ptbxl" / name).read_text().splitlines()[0]
        assert ours == (real_data / "ptbxl" / name).read_text().splitlines()[0]


def test_ptbxl_keeps_patients_in_one_fold(tmp_path: Path) -> None:
    write(tmp_path / "ptbxl", "ptbxl", count=40, seed=1)
    table = pd.read_csv(tmp_path / "ptbxl" / "ptbxl_database.csv")
    assert table["patient_id"].nunique() == 36
    assert (table.groupby("patient_id")["strat_fold"].nunique() == 1).all()
    assert table["strat_fold"].between(1, 10).all()


def test_headers_are_spelt_as_in_the_originals(written: Path, real_data: Path) -> None:
    pairs = [
        ("ptbxl/records500/00000/00001_hr.hea", real_data / "ptbxl" / "records500"),
        ("challenge/E00001.hea", real_data / "cinc2021_sample"),
    ]
    for ours, folder in pairs:
        original = next(iter(sorted(folder.rglob("*.hea"))))
        for our_line, line in zip(
            (written / ours).read_text().splitlines()[:13],
            original.read_text().splitlines()[:13],
            strict=True,
        ):
            # All but the record's name, its first sample and its checksum.
            same = [0, 5, 6] if "/" in line else [0]
            kept = [
                [word for place, word in enumerate(text.split()) if place not in same]
                for text in (our_line, line)
            ]
            assert kept[0] == kept[1]


def test_chapman_reads_back_with_pandas(written: Path, truth: list[Simulated]) -> None:
    folder = written / "chapman"
    table = pd.read_excel(folder / "Diagnostics.xlsx", keep_default_na=False)
    for (_, row), simulated in zip(table.iterrows(), truth, strict=True):
        conditions = set(row["Beat"].split()) - {"NONE"}
        assert {row["Rhythm"]} | conditions == names(simulated, "chapman")
        raw = pd.read_csv(folder / "ECGData" / f"{row['FileName']}.csv")
        assert tuple(raw.columns) == simulated.record.leads
        np.testing.assert_allclose(raw.T / 1000, simulated.record.signal, atol=0.00251)
        denoised = pd.read_csv(folder / "ECGDataDenoised" / f"{row['FileName']}.csv", header=None)
        assert denoised.shape == (5000, 12)
        assert row["QOffset"] - row["QOnset"] == row["QRSDuration"] / 2
        assert row["QRSCount"] == len(simulated.beats)


def test_chapman_has_the_columns_of_the_original(written: Path, real_data: Path) -> None:
    original = pd.read_excel(real_data / "chapman_sample" / "Diagnostics.xlsx", nrows=1)
    ours = pd.read_excel(written / "chapman" / "Diagnostics.xlsx", nrows=1)
    assert list(ours.columns) == list(original.columns)


@pytest.mark.parametrize("layout", ["ecg-arrhythmia", "challenge"])
def test_physionet_layouts_read_back_with_wfdb_and_scipy(
    layout: str, written: Path, truth: list[Simulated]
) -> None:
    headers = sorted((written / layout).rglob("*.hea"))
    for header, simulated in zip(headers, truth, strict=True):
        stem = header.with_suffix("")
        record = assert_same_signal(stem, simulated, within=0.00051)
        comments = dict(line.split(": ") for line in record.comments)
        assert set(comments["Dx"].split(",")) == names(simulated, "snomed")
        assert float(comments["Age"]) == simulated.age
        assert comments["Sex"][0] == simulated.sex
        matrix = scipy.io.loadmat(stem.with_suffix(".mat"))["val"]
        assert matrix.dtype == np.int16
        np.testing.assert_array_equal(matrix / 1000, record.p_signal.T)


def test_the_names_of_conditions_cover_all_codes(written: Path, truth: list[Simulated]) -> None:
    table = pd.read_csv(written / "ecg-arrhythmia" / "ConditionNames_SNOMED-CT.csv", dtype=str)
    for simulated in truth:
        assert names(simulated, "snomed") <= set(table["Snomed_CT"])


def test_ludb_reads_back_with_wfdb_and_pandas(written: Path, truth: list[Simulated]) -> None:
    table = pd.read_csv(written / "ludb" / "ludb.csv", index_col="ID")
    for number, simulated in enumerate(truth, start=1):
        record = assert_same_signal(
            written / "ludb" / "data" / str(number), simulated, within=0.001
        )
        age, sex, heading, *sentences = record.comments
        assert (age, sex) == (f"<age>: {simulated.age:.0f}", f"<sex>: {simulated.sex}")
        assert heading == "<diagnoses>:"
        spoken = {sentence.removesuffix(".") for sentence in sentences}
        spoken = {sentence for sentence in spoken if "axis" not in sentence}
        assert spoken == names(simulated, "ludb")
        cells = "".join(table.loc[number].dropna().astype(str))
        assert all(sentence.removeprefix("Rhythm: ") in cells for sentence in spoken)
        assert len(set(record.adc_gain)) > 1
        assert any(record.baseline)


def test_ludbs_marks_read_back_with_wfdb(written: Path, truth: list[Simulated]) -> None:
    for number, simulated in enumerate(truth, start=1):
        kind, onset, offset = simulated.delineation
        marked = (onset >= 1) & (offset <= 9)
        waves = np.stack([onset, (onset + offset) / 2, offset], axis=1)[marked]
        peaks = [" pNt"[each] for each in kind[marked]]
        for lead in simulated.record.leads:
            found = wfdb.rdann(str(written / "ludb/data" / str(number)), lead.lower())
            np.testing.assert_array_equal(found.sample, np.rint(500 * waves).ravel())
            assert found.symbol == [symbol for peak in peaks for symbol in ("(", peak, ")")]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_arguments_write_the_same_bytes(layout: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for name in ("once", "again"):
        write(tmp_path / name, layout, count=2, seed=9, progress=lambda *each: told.append(each))
    assert told == [(f"simulate {name}", n, 2) for name in ("once", "again") for n in (1, 2)]
    files = [path for path in sorted((tmp_path / "once").rglob("*")) if path.is_file()]
    assert files
    for path in files:
        again = tmp_path / "again" / path.relative_to(tmp_path / "once")
        assert path.read_bytes() == again.read_bytes(), path


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"layout": "chapman"}, 'layout is "ludb", not "chapman"'),
        ({"count": 3}, "records is 2, not 3"),
        ({"seed": 1}, "seed is 0, not 1"),
        ({"site": "B"}, 'site is "A", not "B"'),
    ],
)
def test_a_folder_of_other_records_is_refused_and_one_of_the_same_is_kept(
    other: dict, told: str, tmp_path: Path
) -> None:
    asked = {"layout": "ludb", "count": 2, "seed": 0, "site": "A"}
    write(tmp_path / "out", **asked)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write(tmp_path / "out", **asked)
    with pytest.raises(InputError, match=f"out: made from other inputs: {told}; choose another"):
        write(tmp_path / "out", **asked | other)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"layout": "edf"}, r"unknown layout 'edf'.*ptbxl, chapman"),
        ({"site": "C"}, "unknown site 'C'; the simulator has A, B"),
    ],
)
def test_an_unknown_layout_or_site_is_refused_and_nothing_is_written(
    wrong: dict, told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=told):
        write(tmp_path / "out", **{"layout": "ptbxl", "count": 1} | wrong)
    assert list(tmp_path.iterdir()) == []
