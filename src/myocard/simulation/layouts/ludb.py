"""LUDB 1.0.1: lead names in lower case, a gain and baseline for each lead, diagnoses as sentences.

LUDB has no sentence for low voltage or a long QT interval: those two are not written. Its
annotation files are not made either.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from myocard.simulation.findings import FINDINGS
from myocard.simulation.layouts.waveforms import Style, digitise, write_wfdb
from myocard.simulation.simulation import Simulated

_COLUMN_OF = {
    "CLBBB": "Conduction abnormalities",
    "CRBBB": "Conduction abnormalities",
    "1AVB": "Conduction abnormalities",
    "PVC": "Extrasystolies",
    "PAC": "Extrasystolies",
    "LVH": "Hypertrophies",
    "AMI": "Ischemia",
    "IMI": "Ischemia",
}
_COLUMNS = (
    "ID",
    "Sex",
    "Age",
    "Rhythms",
    "Electric axis of the heart",
    "Conduction abnormalities",
    "Extrasystolies",
    "Hypertrophies",
    "Cardiac pacing",
    "Ischemia",
    "Non-specific repolarization abnormalities",
    "Other states",
)
# Units that the range of a lead is spread over.
_UNITS = 8000


def write_ludb(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as LUDB has them."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, draw in enumerate(draws, start=1):
        simulated = draw(rate=500.0)
        _write(data / str(number), simulated)
        rows.append(_row(number, simulated))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table.to_csv(folder / "ludb.csv", index=False, lineterminator="\n")
    names = "".join(f"data/{number}\n" for number in range(1, len(rows) + 1))
    (folder / "RECORDS").write_text(names, encoding="utf-8", newline="\n")


def _write(stem: Path, simulated: Simulated) -> None:
    record = simulated.record
    low, high = record.signal.min(axis=1), record.signal.max(axis=1)
    gains = np.rint(_UNITS / (high - low)).astype(np.int64)
    baselines = np.rint(-gains * (low + high) / 2).astype(np.int64)
    sentences = [FINDINGS[code].ludb for code in simulated.findings]
    rhythm, *others = [sentence for sentence in sentences if sentence is not None]
    write_wfdb(
        stem,
        digitise(record, gains, baselines),
        record.rate,
        leads=[lead.lower() for lead in record.leads],
        gains=[f"{gain}({zero})/mV" for gain, zero in zip(gains, baselines, strict=True)],
        style=Style(".dat", "16"),
        comments=[
            f"#<age>: {simulated.age:.0f}",
            f"#<sex>: {simulated.sex}",
            "#<diagnoses>:",
            *(f"#{line}." for line in (rhythm, _axis(simulated.qrs_axis), *others)),
        ],
    )


def _row(number: int, simulated: Simulated) -> dict[str, str | int]:
    """A row of ludb.csv; every field but the number ends in a line break, as the original's do."""
    rhythm = str(FINDINGS[simulated.findings[0]].ludb).removeprefix("Rhythm: ")
    row: dict[str, str | int] = {
        "ID": number,
        "Sex": f"{simulated.sex}\n",
        "Age": f"{simulated.age:.0f}\n",
        "Rhythms": f"{rhythm}\n",
        "Electric axis of the heart": f"{_axis(simulated.qrs_axis)}\n",
    }
    for code in simulated.findings:
        if code in _COLUMN_OF:
            column = _COLUMN_OF[code]
            row[column] = f"{row.get(column, '')}{FINDINGS[code].ludb}\n"
    return row


def _axis(degrees: float) -> str:
    bounds = {0: "left axis deviation", 30: "horizontal", 70: "normal", 90: "vertical"}
    names = (name for bound, name in bounds.items() if degrees < bound)
    return f"Electric axis of the heart: {next(names, 'right axis deviation')}"
