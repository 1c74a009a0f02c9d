"""The findings that a simulated record can show, and their names in each vendor's files.

The identifier of a finding is its SCP-ECG code as PTB-XL uses it, never an acronym: "AF" is
fibrillation in the PhysioNet Challenge and flutter in the Chapman data.
"""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from pydantic import TypeAdapter

SINUS = frozenset({"SR", "SBRAD", "STACH", "SARRH"})

# Premature beats come and go between the visits of a patient; the rest stays.
TRANSIENT = frozenset({"PVC", "PAC"})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding and its name in every vocabulary.

    Attributes:
        kind: A rhythm, a condition beside the rhythm, or the absence of both.
        name: The cardiologist's term.
        snomed: SNOMED CT code of ecg-arrhythmia and Challenge 2021, or None where they have none.
        chapman: Acronym in the columns Rhythm (for a rhythm) or Beat of Chapman's Diagnostics.xlsx.
        ludb: Sentence in a header of LUDB, without its full stop.
        ludb_column: Column of ludb.csv that takes this sentence, for a condition.
        excludes: Findings beside which it cannot be diagnosed or does not occur.
        ageing: Years that it adds to the mean age of its patients.
    """

    kind: Literal["rhythm", "condition", "normal"]
    name: str
    snomed: str | None = None
    chapman: str | None = None
    ludb: str | None = None
    ludb_column: str | None = None
    excludes: frozenset[str] = frozenset()
    ageing: float = 0.0


_TABLE = files("myocard.simulation").joinpath("findings.toml").read_text("utf-8")
FINDINGS = TypeAdapter(dict[str, Finding]).validate_python(tomllib.loads(_TABLE))
RHYTHMS = {code: finding for code, finding in FINDINGS.items() if finding.kind == "rhythm"}
CONDITIONS = {code: finding for code, finding in FINDINGS.items() if finding.kind == "condition"}


def possible(code: str, present: tuple[str, ...]) -> bool:
    """Return whether the condition ``code`` can be diagnosed in a record that shows ``present``."""
    excluded = any(code in FINDINGS[other].excludes for other in present)
    return not excluded and CONDITIONS[code].excludes.isdisjoint(present)
