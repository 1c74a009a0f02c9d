"""SNOMED CT codes in WFDB headers: ecg-arrhythmia 1.0.0 and Challenge 2021."""

from collections.abc import Callable, Iterable
from pathlib import Path

from myocard.simulation.findings import CONDITIONS, FINDINGS, RHYTHMS
from myocard.simulation.layouts.vendor_files import Style, write_wfdb
from myocard.simulation.simulation import Simulated

_SEXES = {"F": "Female", "M": "Male"}


def write_ecg_arrhythmia(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as ecg-arrhythmia has them: a hundred a folder, ``#Dx:`` without a blank."""
    for number, draw in enumerate(draws, start=1):
        place = f"{1 + number // 1000:02d}"
        stem = folder / "WFDBRecords" / place / f"{place}{number // 100 % 10}" / f"JS{number:05d}"
        simulated = draw(rate=500.0)
        comments = _comments(simulated, _snomed_codes(simulated), "#")
        style = Style(".mat", "16+24", "{gain}/mV")
        write_wfdb(stem, simulated.record, style, comments=comments)
    names = (CONDITIONS | RHYTHMS).values()
    table = [f"{finding.chapman},{finding.name},{finding.snomed}\n" for finding in names]
    (folder / "ConditionNames_SNOMED-CT.csv").write_text(
        "AcronymName,FullName,Snomed_CT\n" + "".join(table), encoding="utf-8-sig", newline="\n"
    )


def write_challenge(folder: Path, draws: Iterable[Callable[..., Simulated]]) -> None:
    """Write records as Challenge 2021 has them: one flat folder, ``# Dx:`` in ascending order."""
    for number, draw in enumerate(draws, start=1):
        simulated = draw(rate=500.0)
        comments = _comments(simulated, sorted(_snomed_codes(simulated)), "# ")
        stem = folder / f"E{number:05d}"
        write_wfdb(stem, simulated.record, Style(".mat", "16x1+24"), comments=comments)


def _snomed_codes(simulated: Simulated) -> list[str]:
    """Return the SNOMED CT codes of the findings that have one, in their order."""
    codes = (FINDINGS[code].snomed for code in simulated.findings)
    return [code for code in codes if code is not None]


def _comments(simulated: Simulated, codes: list[str], mark: str) -> list[str]:
    fields = {"Age": f"{simulated.age:.0f}", "Sex": _SEXES[simulated.sex], "Dx": ",".join(codes)}
    fields |= {"Rx": "Unknown", "Hx": "Unknown", "Sx": "Unknown"}
    return [f"{mark}{name}: {value}" for name, value in fields.items()]
