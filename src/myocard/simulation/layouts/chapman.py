"""Chapman-Shaoxing as on figshare: µV in CSV files at 500 Hz and one spreadsheet."""

import io
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from myocard.simulation.findings import CONDITIONS, FINDINGS
from myocard.simulation.simulation import Simulated

# One unit of the recorder's converter (µV).
_UNIT = 4.88
_START = datetime(2018, 1, 11, 15, 51, 15)
# Start of the spreadsheet's representative beat (samples of 500 Hz).
_Q_ONSET = 216


def write_chapman(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as Chapman's figshare collection has them.

    ``ECGData`` names its leads in the first row; ``ECGDataDenoised`` has no such row and is the
    same signal between 0.5 and 50 Hz, an approximation of the authors' three filters.
    """
    raw, denoised = folder / "ECGData", folder / "ECGDataDenoised"
    raw.mkdir()
    denoised.mkdir()
    rows = []
    for number, draw in enumerate(draws):
        simulated = draw(rate=500.0)
        name = f"MUSE_{_START + timedelta(seconds=39 * number):%Y%m%d_%H%M%S}_{number % 100:02d}000"
        signal = simulated.record.signal.T.astype(np.float64)
        units = np.rint(signal * 1000 / _UNIT) * _UNIT
        header = ",".join(simulated.record.leads) + "\n"
        _write_csv(raw / f"{name}.csv", header, units, "%.2f")
        _write_csv(denoised / f"{name}.csv", "", _denoised(units), "%.5g")
        rows.append({"FileName": name} | _row(simulated))
    _write_xlsx(folder / "Diagnostics.xlsx", pd.DataFrame(rows))


def _write_csv(path: Path, header: str, samples: NDArray[np.float64], number: str) -> None:
    """Write ``(samples, leads)``, after a header or none."""
    line = ",".join([number] * samples.shape[1]) + "\n"
    text = (line * len(samples)) % tuple(samples.ravel().tolist())
    path.write_text(header + text, encoding="ascii", newline="\n")


def _denoised(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    return sosfiltfilt(butter(2, (0.5, 50), "bandpass", fs=500, output="sos"), samples, axis=0)


def _row(simulated: Simulated) -> dict[str, object]:
    """Return a row of the spreadsheet, without a file name: intervals in ms, marks in samples."""
    rhythm, *others = simulated.findings
    beat = [str(CONDITIONS[code].chapman) for code in others if code in CONDITIONS]
    qrs, qt = round(1000 * simulated.qrs / 2) * 2, round(1000 * simulated.qt / 2) * 2
    return {
        "Rhythm": FINDINGS[rhythm].chapman,
        "Beat": " ".join(beat) or "NONE",
        "PatientAge": round(simulated.age),
        "Gender": {"F": "FEMALE", "M": "MALE"}[simulated.sex],
        "VentricularRate": round(simulated.heart_rate),
        "AtrialRate": round(simulated.atrial_rate),
        "QRSDuration": qrs,
        "QTInterval": qt,
        # After Bazett, as the recorder's maker does.
        "QTCorrected": round(qt * np.sqrt(simulated.heart_rate / 60)),
        "RAxis": round(simulated.qrs_axis),
        "TAxis": round(simulated.t_axis),
        "QRSCount": len(simulated.beats),
        "QOnset": _Q_ONSET,
        "QOffset": _Q_ONSET + qrs // 2,
        "TOffset": _Q_ONSET + qt // 2,
    }


def _write_xlsx(path: Path, table: pd.DataFrame) -> None:
    """Write a spreadsheet without the time of its making, so that equal tables are equal bytes."""
    written = io.BytesIO()
    table.to_excel(written, index=False)
    with ZipFile(written) as source, ZipFile(path, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT[\d:]+Z", b"2018-01-11T00:00:00Z", data)
            target.writestr(ZipInfo(name), data, ZIP_DEFLATED)
