"""What a simulated record can show, and how each vendor writes it.

The identifier of a finding is its SCP-ECG code as PTB-XL uses it, never an acronym: "AF" is
fibrillation in the PhysioNet Challenge and flutter in the Chapman data.
"""

from dataclasses import dataclass

SINUS = frozenset({"SR", "SBRAD", "STACH", "SARRH"})


@dataclass(frozen=True)
class Finding:
    """One finding and its name in every vocabulary.

    Attributes:
        name: What a cardiologist calls it.
        scp: SCP-ECG code, as in PTB-XL.
        snomed: SNOMED CT code of ecg-arrhythmia and Challenge 2021, or None where they have none.
        chapman: Acronym in the columns Rhythm (for a rhythm) or Beat of Chapman's Diagnostics.xlsx.
        ludb: Sentence in a header of LUDB, without its full stop.
        excludes: Findings beside which it cannot be told or does not occur.
    """

    name: str
    scp: str
    snomed: str | None
    chapman: str | None
    ludb: str | None
    excludes: frozenset[str] = frozenset()


RHYTHMS = {
    finding.scp: finding
    for finding in (
        Finding("sinus rhythm", "SR", "426783006", "SR", "Rhythm: Sinus rhythm"),
        Finding("sinus bradycardia", "SBRAD", "426177001", "SB", "Rhythm: Sinus bradycardia"),
        Finding("sinus tachycardia", "STACH", "427084000", "ST", "Rhythm: Sinus tachycardia"),
        Finding("sinus arrhythmia", "SARRH", "427393009", "SA", "Rhythm: Sinus arrhythmia"),
        Finding("atrial fibrillation", "AFIB", "164889003", "AFIB", "Rhythm: Atrial fibrillation"),
        Finding("atrial flutter", "AFLT", "164890007", "AF", "Rhythm: Atrial flutter, typical"),
    )
}

# In the order in which they are drawn: each names what it excludes among those before it.
CONDITIONS = {
    finding.scp: finding
    for finding in (
        Finding(
            "complete left bundle branch block",
            "CLBBB",
            "164909002",
            "LBBB",
            "Complete left bundle branch block",
        ),
        Finding(
            "complete right bundle branch block",
            "CRBBB",
            "59118001",
            "RBBB",
            "Complete right bundle branch block",
            frozenset({"CLBBB"}),
        ),
        Finding(
            "anterior myocardial infarction",
            "AMI",
            "164865005",
            "MIFW",
            "STEMI: anterior wall",
            frozenset({"CLBBB"}),
        ),
        Finding(
            "inferior myocardial infarction",
            "IMI",
            "164865005",
            "MILW",
            "STEMI: inferior wall",
            frozenset({"CLBBB", "AMI"}),
        ),
        Finding(
            "left ventricular hypertrophy",
            "LVH",
            "164873001",
            "LVH",
            "Left ventricular hypertrophy",
            frozenset({"CLBBB", "AMI", "IMI"}),
        ),
        Finding(
            "low voltage",
            "LVOLT",
            "251146004",
            "LVQRSAL",
            None,
            frozenset({"CLBBB", "AMI", "IMI", "LVH"}),
        ),
        Finding(
            "first-degree AV block",
            "1AVB",
            "270492004",
            "1AVB",
            "I degree AV block",
            frozenset({"STACH", "AFIB", "AFLT"}),
        ),
        Finding(
            "long QT interval",
            "LNGQT",
            "111975006",
            "QTIE",
            None,
            frozenset({"STACH", "AFIB", "AFLT", "CLBBB"}),
        ),
        Finding(
            "ventricular premature beats",
            "PVC",
            "17338001",
            "VPB",
            "Ventricular extrasystole, type: single PVC",
        ),
        Finding(
            "atrial premature beats",
            "PAC",
            "284470004",
            "APB",
            "Atrial extrasystole, type: single PAC",
            frozenset({"AFIB", "AFLT", "PVC"}),
        ),
    )
}

# Premature beats come and go between the visits of a patient; the rest stays.
TRANSIENT = frozenset({"PVC", "PAC"})

NORMAL = Finding("normal ECG", "NORM", None, None, None)

FINDINGS = RHYTHMS | CONDITIONS | {"NORM": NORMAL}


def possible(code: str, present: tuple[str, ...]) -> bool:
    """Whether the condition ``code`` can be told in a record that shows ``present``."""
    others = [CONDITIONS[other] for other in present if other in CONDITIONS]
    excluded = any(code in other.excludes for other in others)
    return not excluded and CONDITIONS[code].excludes.isdisjoint(present)


def with_normal(present: tuple[str, ...]) -> tuple[str, ...]:
    """``present``, and NORM if it is a sinus rhythm of any pace with nothing beside."""
    return (*present, "NORM") if SINUS.issuperset(present) else present
