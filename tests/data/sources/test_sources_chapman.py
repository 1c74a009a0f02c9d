"""Chapman's figshare folders."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.leads import LEADS

ROWS = {
    "FileName": ["MUSE_1", "MUSE_2", "MUSE_3"],
    "Rhythm": ["AF", "SA", "SB"],
    "Beat": ["RBBB TWC RBBB", "NONE", "NONE"],
    "PatientAge": [59, 40, 30],
    "Gender": ["MALE", "FEMALE", "MALE"],
}
MICROVOLTS = np.random.default_rng(0).integers(-1500, 1500, (5000, 12))


def write(folder: Path, subfolder: str, *, header: str, names=("MUSE_1", "MUSE_2")) -> Path:
    pd.DataFrame(ROWS).to_excel(folder / "Diagnostics.xlsx", index=False)
    (folder / subfolder).mkdir()
    for name in names:
        path = folder / subfolder / f"{name}.csv"
        np.savetxt(path, MICROVOLTS, fmt="%d", delimiter=",", header=header, comments="")
        path.write_text(path.read_text().lstrip("\n"))
    return folder


def test_codes_keep_rhythms_and_conditions_apart(tmp_path: Path) -> None:
    first, second = entries("chapman", write(tmp_path, "ECGData", header=",".join(LEADS)))
    assert first.codes == ("chapman:AF", "chapman-beat:RBBB", "chapman-beat:TWC")
    assert second.codes == ("chapman:SA",)
    assert (first.age, first.sex, first.patient) == (59, "M", "MUSE_1")


@pytest.mark.parametrize(
    ("subfolder", "header"), [("ECGData", ",".join(LEADS)), ("ECGDataDenoised", "")]
)
def test_microvolts_become_millivolts(tmp_path: Path, subfolder: str, header: str) -> None:
    record = entries("chapman", write(tmp_path, subfolder, header=header))[0].read()
    assert (record.rate, record.leads, record.unit) == (500, LEADS, "mV")
    np.testing.assert_allclose(record.signal, MICROVOLTS.T / 1000, rtol=1e-6)


def test_the_raw_folder_comes_before_the_denoised(tmp_path: Path) -> None:
    write(tmp_path, "ECGDataDenoised", header="")
    write(tmp_path, "ECGData", header=",".join(LEADS))
    assert entries("chapman", tmp_path)[0].path.parent.name == "ECGData"


def test_rows_without_a_file_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "ECGData", header=",".join(LEADS))
    with caplog.at_level(logging.WARNING):
        assert len(entries("chapman", tmp_path)) == 2
    assert "1 of 3 records of Diagnostics.xlsx have no file in ECGData" in caplog.text


def test_without_a_signal_folder_the_choices_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of ECGData, ECGDataDenoised, ECGDataDenoisedMat"):
        entries("chapman", tmp_path)


def test_the_real_sample_obeys_einthoven_in_millivolts(
    real_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = entries("chapman", real_data / "chapman_sample")
    assert len(found) == 35
    assert "10611 of 10646" in caplog.text
    record = found[0].read()
    one, two, three = record.select(["I", "II", "III"]).signal
    # Denoised lead by lead, so the identity holds only roughly.
    assert np.corrcoef(three, two - one)[0, 1] > 0.9
    assert 0.1 < np.ptp(two) < 10
