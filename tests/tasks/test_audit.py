"""The audit of labels: a complete data set agrees, and every disagreement is told."""

from pathlib import Path

import pandas as pd
import pytest

from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.tasks.audit import compare

RHYTHMS = {
    "SB": 3889, "SR": 1826, "AFIB": 1780, "ST": 1568, "SVT": 587, "AF": 445, "SA": 399, "AT": 121,
    "AVNRT": 16, "AVRT": 8, "SAAWR": 7,
}  # fmt: skip
CHAPMAN = [(f"chapman:{code}",) for code, count in RHYTHMS.items() for _ in range(count)]


def test_a_complete_data_set_agrees() -> None:
    assert compare(CHAPMAN, [None] * len(CHAPMAN), "chapman") == []


def test_one_wrong_label_is_told_with_both_classes() -> None:
    changed = [("chapman:SR",), *CHAPMAN[1:]]
    findings = compare(changed, [None] * len(changed), "chapman")
    assert "chapman-rhythm-11 SB: 3,888 records, published 3,889" in findings
    assert "chapman-rhythm-11 SR: 1,827 records, published 1,826" in findings
    assert len(findings) == 4


def test_labels_in_the_wrong_split_are_told() -> None:
    findings = compare([("scp:NORM",)] * 21_799, [1] * 21_799)
    assert "ptbxl-superdiagnostic NORM: 21,799 records, published 9,514" in findings
    assert "ptbxl-superdiagnostic NORM test: 0 records, published 963" in findings
    assert "all records test: 0 records, published 2,198" in findings


def test_a_part_cannot_be_compared() -> None:
    assert compare(CHAPMAN[:100], [None] * 100, "chapman") == [
        "100 of 10,646 records: counts cannot be compared"
    ]


def test_a_part_cannot_hold_more_than_the_whole() -> None:
    findings = compare([("chapman:SAAWR",)] * 8, [None] * 8, "chapman")
    assert findings[1:] == ["chapman-rhythm-11 SAAWR: 8 records, published 7"]


def test_too_many_records_are_told() -> None:
    findings = compare([*CHAPMAN, ()], [None] * (len(CHAPMAN) + 1), "chapman")
    assert findings == ["all records: 10,647 records, published 10,646"]


def test_a_data_set_without_published_counts_lists_the_choices() -> None:
    with pytest.raises(InputError, match=r"'ptbxl'; there are those of .*ptbxl-1\.0\.3"):
        compare([], [], "ptbxl")


def test_chapmans_own_table_agrees(real_data: Path) -> None:
    frame = pd.read_excel(real_data / "chapman_sample" / "Diagnostics.xlsx", dtype=str)
    codes = [(f"chapman:{rhythm}",) for rhythm in frame["Rhythm"]]
    assert compare(codes, [None] * len(codes), "chapman") == []


def test_the_ptbxl_samples_are_parts_and_overshoot_nowhere(real_data: Path) -> None:
    found = entries("ptbxl-100", real_data / "ptbxl_z")
    findings = compare([entry.codes for entry in found], [entry.fold for entry in found])
    assert findings == ["1,486 of 21,799 records: counts cannot be compared"]
