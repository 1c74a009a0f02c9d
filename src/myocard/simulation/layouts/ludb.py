"""LUDB 1.0.1: lead names in lower case, a gain and baseline for each lead, diagnoses as sentences.

LUDB has no sentence for low voltage or a long QT interval: those two are not written. Waves are
marked in a file for each lead, but for those that reach into the first or last second.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from myocard.data.sources.ludb_waves import SYMBOLS
from myocard.simulation.findings import FINDINGS
from myocard.simulation.layouts.vendor_files import Style, write_marks, write_table, write_wfdb
from myocard.simulation.simulation import Simulated

_STYLE = Style(".dat", "16", "{gain}({baseline})/mV", lead=str.lower)
# Seconds at either end in which no wave is marked; some in LUDB too are not.
_UNMARKED = 1.0
_SYMBOLS = {kind: symbol for symbol, kind in SYMBOLS.items()}
# Units that the range of a lead is spread over.
_UNITS = 8000


def write_ludb(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as LUDB has them."""
    rows = []
    for number, draw in enumerate(draws, start=1):
        simulated = draw(rate=500.0)
        _write(folder / "data" / str(number), simulated)
        rows.append(_row(number, simulated))
    write_table(folder / "ludb.csv", rows)
    names = "".join(f"data/{number}\n" for number in range(1, len(rows) + 1))
    (folder / "RECORDS").write_text(names, encoding="utf-8", newline="\n")


def _write(stem: Path, simulated: Simulated) -> None:
    record = simulated.record
    low, high = record.signal.min(axis=1), record.signal.max(axis=1)
    gains = np.rint(_UNITS / (high - low)).astype(np.int64)
    baselines = np.rint(-gains * (low + high) / 2).astype(np.int64)
    sentences = [FINDINGS[code].ludb for code in simulated.findings]
    rhythm, *others = [sentence for sentence in sentences if sentence is not None]
    comments = [
        f"#<age>: {simulated.age:.0f}",
        f"#<sex>: {simulated.sex}",
        "#<diagnoses>:",
        *(f"#{line}." for line in (rhythm, _axis(simulated.qrs_axis), *others)),
    ]
    write_wfdb(stem, record, _STYLE, gains=gains, baselines=baselines, comments=comments)
    _mark(stem, simulated)


def _mark(stem: Path, simulated: Simulated) -> None:
    """Write the annotation file of every lead; the heart's waves are the same in all."""
    record, marks = simulated.record, []
    for kind, onset, offset in zip(*simulated.delineation, strict=True):
        if onset >= _UNMARKED and offset <= record.seconds - _UNMARKED:
            middle = (onset + offset) / 2
            marks += [(onset, "("), (middle, _SYMBOLS[kind]), (offset, ")")]
    samples = [round(moment * record.rate) for moment, _ in marks]
    for lead in record.leads:
        path = stem.with_name(f"{stem.name}.{lead.lower()}")
        write_marks(path, samples, [symbol for _, symbol in marks])


def _row(number: int, simulated: Simulated) -> dict[str, object]:
    """Return a row of ludb.csv; fields but the number end in a line break, as in the original."""
    rhythm = str(FINDINGS[simulated.findings[0]].ludb).removeprefix("Rhythm: ")
    row: dict[str, object] = {
        "ID": number,
        "Sex": f"{simulated.sex}\n",
        "Age": f"{simulated.age:.0f}\n",
        "Rhythms": f"{rhythm}\n",
        "Electric axis of the heart": f"{_axis(simulated.qrs_axis)}\n",
    }
    for finding in (FINDINGS[code] for code in simulated.findings):
        if column := finding.ludb_column:
            row[column] = f"{row.get(column, '')}{finding.ludb}\n"
    return row


def _axis(degrees: float) -> str:
    bounds = {0: "left axis deviation", 30: "horizontal", 70: "normal", 90: "vertical"}
    names = (name for bound, name in bounds.items() if degrees < bound)
    return f"Electric axis of the heart: {next(names, 'right axis deviation')}"
