"""The audit of labels: a complete data set agrees, and every disagreement is told."""

from pathlib import Path

import pandas as pd
import pytest

from myocard.data.corpora import PretrainedOn, trained_on_nothing
from myocard.data.labels import table
from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.tasks.audit import audit_labels, compare, leaks_by_name

RHYTHMS = {
    "SB": 3889, "SR": 1826, "AFIB": 1780, "ST": 1568, "SVT": 587, "AF": 445, "SA": 399, "AT": 121,
    "AVNRT": 16, "AVRT": 8, "SAAWR": 7,
}  # fmt: skip
CHAPMAN = [(f"chapman:{code}",) for code, count in RHYTHMS.items() for _ in range(count)]


def records(codes, source: str = "chapman", fold: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"source": source, "codes": pd.Series(codes, dtype=object), "fold": fold})


def test_a_complete_data_set_agrees() -> None:
    assert compare(CHAPMAN, [None] * len(CHAPMAN), "chapman") == []
    found = audit_labels(records(CHAPMAN))
    assert found.extent == "10,646 records, chapman in full: every count is as published"
    assert found.findings == []


def test_windows_are_not_counted_for_records() -> None:
    with pytest.raises(InputError, match="a store of windows"):
        audit_labels(records(CHAPMAN).assign(start=0.0))


def test_one_wrong_label_is_told_with_both_classes() -> None:
    found = audit_labels(records([("chapman:SR",), *CHAPMAN[1:]]))
    assert found.extent == "10,646 records, chapman in full: 4 counts differ"
    assert "chapman-rhythm-11 SB: 3,888 records, published 3,889" in found.findings
    assert "chapman-rhythm-11 SR: 1,827 records, published 1,826" in found.findings
    assert len(found.findings) == 4


def test_labels_in_the_wrong_split_are_told() -> None:
    found = audit_labels(records([("scp:NORM",)] * 21_799, "ptbxl"))
    assert found.extent.startswith("21,799 records, ptbxl-1.0.3 in full: ")
    assert "ptbxl-superdiagnostic NORM: 21,799 records, published 9,514" in found.findings
    assert "ptbxl-superdiagnostic NORM test: 0 records, published 963" in found.findings
    assert "all records test: 0 records, published 2,198" in found.findings


def test_too_many_records_are_told() -> None:
    assert audit_labels(records([*CHAPMAN, ()])).findings == [
        "all records: 10,647 records, published 10,646"
    ]


def test_a_record_in_quarantine_counts_towards_the_total_alone() -> None:
    found = audit_labels(records(CHAPMAN[1:]), quarantined=1)
    assert found.extent == ("10,645 records and 1 in quarantine, chapman in full: 2 counts differ")
    assert found.findings == [
        "chapman-rhythm SB: 3,888 records, published 3,889",
        "chapman-rhythm-11 SB: 3,888 records, published 3,889",
    ]
    assert "not that data set in full" in audit_labels(records(CHAPMAN[2:]), quarantined=1).extent


def test_a_part_is_not_compared_and_says_what_part_it_is() -> None:
    part = records([("chapman:SAAWR",)] * 100).assign(fold=[1, 3, 2, 3, 1] * 20)
    found = audit_labels(part)
    assert found.findings == []  # though there are 7 of these in the whole
    assert found.extent == (
        "100 records of chapman (folds 1, 2, 3), where chapman has 10,646: not that data set in "
        "full, so counts are not compared"
    )


def test_two_data_sets_together_are_neither_in_full() -> None:
    both = pd.concat([records(CHAPMAN), records([("scp:NORM",)], "ptbxl")])
    assert audit_labels(both).findings == []
    assert audit_labels(both).extent == (
        "10,647 records of chapman and ptbxl, of which nobody published counts: nothing to compare "
        "with"
    )
    found = audit_labels(both, "chapman")
    assert found.findings == []
    assert found.extent.startswith("10,647 records of chapman and ptbxl (folds 1), where chapman ")


def test_a_source_of_which_nobody_published_counts_says_so() -> None:
    found = audit_labels(records([()] * 3, "clinic"))
    assert found.findings == []
    assert found.extent == (
        "3 records of clinic, of which nobody published counts: nothing to compare with"
    )


@pytest.mark.parametrize(
    ("source", "dataset"),
    [
        ("ptbxl", "ptbxl-1.0.3"),
        ("ludb", "ludb-1.0.1"),
        ("ecg-arrhythmia", "ecg-arrhythmia-1.0.0"),
        ("chapman", "chapman"),
    ],
)
def test_a_source_is_compared_with_its_newest_version(source: str, dataset: str) -> None:
    assert f"where {dataset} has" in audit_labels(records([()], source)).extent


def test_another_version_is_compared_where_it_is_named() -> None:
    rows = [row for row in table("published_counts.csv") if row["dataset"] == "ptbxl-1.0.1"]
    (whole,) = (int(row["total"]) for row in rows if not row["task"])
    found = audit_labels(records([()] * whole, "ptbxl"), "ptbxl-1.0.1")
    assert f"{whole:,} records, ptbxl-1.0.1 in full" in found.extent


def test_a_data_set_without_published_counts_lists_the_choices() -> None:
    with pytest.raises(InputError, match=r"'ptbxl'; there are those of .*ptbxl-1\.0\.3"):
        audit_labels(records(CHAPMAN), "ptbxl")


def test_names_alone_tell_of_a_leak_or_that_nothing_rules_one_out() -> None:
    tested = records([(), ()], "ptbxl")
    told = "pretrained on challenge: has seen the records of ptbxl"
    assert leaks_by_name(PretrainedOn(None, ("code15", "challenge")), tested) == [told]
    assert leaks_by_name(PretrainedOn(None, ("code15",)), tested) == []
    (unknown,) = leaks_by_name(PretrainedOn(), tested)
    assert unknown.startswith("nobody says what it was pretrained on, which may be these records")
    assert leaks_by_name(trained_on_nothing(), tested) == []


def test_chapmans_own_table_agrees(real_data: Path) -> None:
    frame = pd.read_excel(real_data / "chapman_sample" / "Diagnostics.xlsx", dtype=str)
    codes = [(f"chapman:{rhythm}",) for rhythm in frame["Rhythm"]]
    assert compare(codes, [None] * len(codes), "chapman") == []


def test_the_ptbxl_samples_are_parts_and_overshoot_nowhere(real_data: Path) -> None:
    found = entries("ptbxl-100", real_data / "ptbxl_z")
    codes, folds = [entry.codes for entry in found], [entry.fold for entry in found]
    part = records(codes, "ptbxl").assign(fold=folds)
    assert audit_labels(part).extent.startswith("1,486 records of ptbxl (folds ")
    assert audit_labels(part).findings == []
    told = [finding.split(": ")[1].split(" records, published ") for finding in
            compare(codes, folds, "ptbxl-1.0.3")]  # fmt: skip
    assert told != []
    assert all(int(n.replace(",", "")) < int(m.replace(",", "")) for n, m in told)
