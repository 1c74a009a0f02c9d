"""The tables of codes against each other, their published sums and the files they describe."""

import csv
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from myocard.data.labels import SCHEMES, known, scheme, table

# Subclass and codes as the PTB-XL paper groups them.
SUBCLASSES = {
    "NORM": {"NORM": "NORM"},
    "MI": {
        "AMI": "AMI ASMI ALMI INJAS INJAL INJLA",
        "IMI": "IMI ILMI IPLMI IPMI INJIN INJIL",
        "LMI": "LMI",
        "PMI": "PMI",
    },
    "STTC": {
        "STTC": "NDT DIG LNGQT ANEUR EL",
        "NST_": "NST_",
        "ISC_": "ISC_",
        "ISCA": "ISCAL ISCAS ISCLA ISCAN",
        "ISCI": "ISCIN ISCIL",
    },
    "CD": {
        "LAFB/LPFB": "LAFB LPFB",
        "IRBBB": "IRBBB",
        "_AVB": "1AVB 2AVB 3AVB",
        "IVCD": "IVCD",
        "CRBBB": "CRBBB",
        "CLBBB": "CLBBB",
        "WPW": "WPW",
        "ILBBB": "ILBBB",
    },
    "HYP": {
        "LVH": "LVH",
        "LAO/LAE": "LAO/LAE",
        "RVH": "RVH",
        "RAO/RAE": "RAO/RAE",
        "SEHYP": "SEHYP",
    },
}


def test_every_diagnostic_scp_code_is_in_its_subclass_and_superclass() -> None:
    expected = {
        (code, subclass, superclass)
        for superclass, subclasses in SUBCLASSES.items()
        for subclass, codes in subclasses.items()
        for code in codes.split()
    }
    rows = table("ptbxl_scp.csv")
    found = {(r["code"], r["subclass"], r["superclass"]) for r in rows if r["diagnostic"] == "1"}
    assert found == expected


def test_four_scp_codes_are_both_diagnostic_and_form() -> None:
    rows = table("ptbxl_scp.csv")
    both = {row["code"] for row in rows if row["diagnostic"] == row["form"] == "1"}
    assert both == {"NDT", "NST_", "DIG", "LNGQT"}


@pytest.mark.parametrize("name", SCHEMES)
def test_each_code_of_a_scheme_is_there_once_and_described(name: str) -> None:
    assert len(scheme(name)) == len(table(SCHEMES[name])) > 0
    assert all(row["description"] for row in scheme(name).values())


def test_the_challenge_maps_133_codes_and_scores_30_as_26() -> None:
    rows = table("snomed.csv")
    scored = Counter(row["scored"] for row in rows if row["scored"])
    assert (len(scored), scored.total()) == (26, 30)
    pairs = {name for name, count in scored.items() if count == 2}
    assert pairs == {"CLBBB/LBBB", "CRBBB/RBBB", "PAC/SVPB", "PVC/VPB"}
    # Four more codes are in the table of ecg-arrhythmia only.
    assert len(rows) == 133 + 4


# Records of PTB-XL 1.0.1 that the Challenge's dx_mapping_scored.csv counts under each SNOMED code.
CHALLENGE_COUNTS = {
    "164889003": 1514, "164890007": 73, "270492004": 797, "445118002": 1626, "251146004": 182,
    "698252002": 789, "284470004": 398, "10370003": 296, "164947007": 340, "111975006": 118,
    "164917005": 548, "427393009": 772, "426177001": 637, "427084000": 826, "59931005": 294,
    "713426002": 1118, "713427006": 542,
}  # fmt: skip


def test_scp_codes_have_as_many_records_as_the_challenge_gives_their_snomed_codes() -> None:
    """All but the withdrawn records, 38 of 21,837, and statements that were corrected since."""
    published = {
        row["class"]: int(row["total"])
        for row in table("published_counts.csv")
        if row["dataset"] == "ptbxl-1.0.3" and row["task"] in ("ptbxl-form", "ptbxl-rhythm")
    }
    meant = {row["snomed"]: row["code"] for row in table("ptbxl_scp.csv") if row["snomed"]}
    compared = [code for code in CHALLENGE_COUNTS if meant[code] in published]
    assert len(compared) > 8
    for code in compared:
        assert published[meant[code]] == pytest.approx(CHALLENGE_COUNTS[code], abs=4), meant[code]


def test_a_snomed_code_that_an_scp_code_stands_for_is_scored_and_of_its_superclass() -> None:
    for row in table("ptbxl_scp.csv"):
        if row["snomed"]:
            other = scheme("snomed")[row["snomed"]]
            assert other["scored"]
            if row["superclass"]:
                assert other["superclass"] == row["superclass"]


@pytest.mark.parametrize(
    "code",
    [
        "snomed:55827005",
        "snomed:55930002",
        "snomed:233896004",
        "snomed:251166008",
        "snomed:195101003",
        "snomed:17366009",
        "chapman:SA",
        "chapman:SI",
        "chapman-beat:LVHV",
        "own:anything",
    ],
)
def test_codes_that_other_tables_miss_are_known(code: str) -> None:
    assert known(code)


@pytest.mark.parametrize("code", ["scp:AF", "snomed:1", "chapman:AFLT", "chapman-beat:NONE"])
def test_a_code_of_another_scheme_is_unknown(code: str) -> None:
    assert not known(code)


def test_the_three_meanings_of_af_stay_apart() -> None:
    assert scheme("chapman")["AF"]["description"] == "atrial flutter"
    assert scheme("code15")["AF"]["description"] == "atrial fibrillation"
    acronyms = {row["acronym"]: row["description"] for row in table("snomed.csv")}
    assert acronyms["AF"] == "atrial fibrillation"
    assert scheme("snomed")["164890007"]["description"] == "atrial flutter"
    assert scheme("scp")["AFLT"]["description"] == "atrial flutter"


def test_published_parts_add_up_to_their_totals() -> None:
    rows = [row for row in table("published_counts.csv") if row["train"]]
    assert len(rows) > 60
    for row in rows:
        parts = [int(row[split]) for split in ("train", "val", "test")]
        assert sum(parts) == int(row["total"]), row


def test_published_chapman_counts_cover_every_record() -> None:
    rows = [row for row in table("published_counts.csv") if row["dataset"] == "chapman"]
    for task in ("chapman-rhythm", "chapman-rhythm-11"):
        assert sum(int(row["total"]) for row in rows if row["task"] == task) == 10_646


def test_scp_codes_are_those_of_ptbxls_own_table(real_data: Path) -> None:
    theirs = pd.read_csv(real_data / "ptbxl" / "scp_statements.csv", index_col=0)
    assert set(theirs.index) == set(scheme("scp"))
    for code, row in scheme("scp").items():
        assert row["superclass"] == (
            "" if row["diagnostic"] != "1" else theirs.diagnostic_class[code]
        )
        for kind in ("diagnostic", "form", "rhythm"):
            assert (row[kind] == "1") == (theirs.loc[code, kind] == 1)


def test_every_snomed_code_of_ecg_arrhythmia_is_known(real_data: Path) -> None:
    path = real_data / "chapman_sample" / "ConditionNames_SNOMED-CT.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file)][1:]
    assert len(rows) > 60
    for acronym, _, code in rows:
        assert acronym in scheme("snomed")[code]["ecg_arrhythmia"].split("/")


def test_every_code_of_chapmans_table_is_known(real_data: Path) -> None:
    frame = pd.read_excel(
        real_data / "chapman_sample" / "Diagnostics.xlsx", dtype=str, keep_default_na=False
    )
    assert set(frame["Rhythm"]) == set(scheme("chapman")) - {"SI"}
    assert set(" ".join(frame["Beat"]).split()) == set(scheme("chapman-beat")) | {"NONE"}
