"""SNOMED CT codes in WFDB headers: ecg-arrhythmia 1.0.0 and Challenge 2021."""

from collections.abc import Callable, Iterable
from pathlib import Path

from myocard.simulation.findings import CONDITIONS, FINDINGS, RHYTHMS
from myocard.simulation.layouts.waveforms import Style, microvolts, write_wfdb
from myocard.simulation.simulation import Simulated

_SEXES = {"F": "Female", "M": "Male"}


def write_ecg_arrhythmia(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as ecg-arrhythmia has them: a hundred a folder, ``#Dx:`` without a blank."""
    for number, draw in enumerate(draws, start=1):
        place = f"{1 + number // 1000:02d}"
        stem = folder / "WFDBRecords" / place / f"{place}{number // 100 % 10}" / f"JS{number:05d}"
        stem.parent.mkdir(parents=True, exist_ok=True)
        simulated = draw(rate=500.0)
        comments = _comments(simulated, snomed_codes(simulated.findings), "#")
        _write(stem, simulated, Style(".mat", "16+24"), "1000/mV", comments)
    names = (CONDITIONS | RHYTHMS).values()
    table = [f"{finding.chapman},{finding.name},{finding.snomed}\n" for finding in names]
    (folder / "ConditionNames_SNOMED-CT.csv").write_text(
        "AcronymName,FullName,Snomed_CT\n" + "".join(table), encoding="utf-8-sig", newline="\n"
    )


def write_challenge(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as Challenge 2021 has them: one flat folder, ``# Dx:`` in ascending order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, draw in enumerate(draws, start=1):
        simulated = draw(rate=500.0)
        comments = _comments(simulated, sorted(snomed_codes(simulated.findings)), "# ")
        stem = folder / f"E{number:05d}"
        _write(stem, simulated, Style(".mat", "16x1+24"), "1000.0(0)/mV", comments)


def snomed_codes(findings: Iterable[str]) -> list[str]:
    """SNOMED CT codes of findings that have one, in their order."""
    codes = (FINDINGS[code].snomed for code in findings)
    return [code for code in codes if code is not None]


def _comments(simulated: Simulated, codes: list[str], mark: str) -> list[str]:
    fields = {
        "Age": f"{simulated.age:.0f}",
        "Sex": _SEXES[simulated.sex],
        "Dx": ",".join(codes),
        "Rx": "Unknown",
        "Hx": "Unknown",
        "Sx": "Unknown",
    }
    return [f"{mark}{name}: {value}" for name, value in fields.items()]


def _write(stem: Path, simulated: Simulated, style: Style, gain: str, comments: list[str]) -> None:
    record = simulated.record
    write_wfdb(
        stem,
        microvolts(record),
        record.rate,
        leads=record.leads,
        gains=[gain] * len(record.leads),
        style=style,
        comments=comments,
    )
