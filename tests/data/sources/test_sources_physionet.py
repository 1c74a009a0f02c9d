"""Labels in WFDB headers (Challenge, ecg-arrhythmia, LUDB) and CinC 2011's lists."""

from pathlib import Path

import numpy as np
import pytest

from myocard.data.labels import known
from myocard.data.sources import entries
from myocard.errors import InputError
from myocard.leads import LEADS

MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


def write(folder: Path, name: str, comments: str = "", *, leads=LEADS) -> Path:
    """A record whose lead number i holds the constant i + 1 mV, the order being ``leads``."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in leads]
    (folder / f"{name}.hea").write_text("\n".join([f"{name} 12 500 20", *lines, comments]))
    values = [1000 * (LEADS.index(lead) + 1) for lead in leads]
    np.tile(np.array(values, "<i2"), (20, 1)).tofile(folder / f"{name}.dat")
    return folder


def test_diagnoses_age_and_sex_come_from_the_header(tmp_path: Path) -> None:
    comments = "#Age: 59\n#Sex: Female\n#Dx: 426177001, 164934002,426177001\n#Rx: Unknown"
    (entry,) = entries("challenge", write(tmp_path, "E1", comments))
    assert entry.codes == ("snomed:426177001", "snomed:164934002")
    assert (entry.age, entry.sex, entry.patient, entry.fold) == (59, "F", "E1", None)


def test_unknowns_are_none(tmp_path: Path) -> None:
    comments = "# Age: NaN\n# Sex: Unknown\n# Dx: Unknown"
    (entry,) = entries("challenge", write(tmp_path, "E1", comments))
    assert (entry.age, entry.sex, entry.codes) == (None, None, ())


def test_names_of_the_first_headers_are_the_codes_of_the_later_ones(tmp_path: Path) -> None:
    comments = "#Dx: AF,RBBB, Normal,Strange"
    (entry,) = entries("challenge", write(tmp_path, "A1", comments))
    known = ("snomed:164889003", "snomed:59118001", "snomed:426783006")
    assert entry.codes == (*known, "snomed:Strange")


def test_every_real_cpsc_record_of_the_challenge_has_a_known_code(real_data: Path) -> None:
    found = entries("challenge", real_data / "challenge" / "cpsc_2018")
    assert all(entry.codes for entry in found)
    assert all(known(code) for entry in found for code in entry.codes)


def test_a_header_that_lost_a_newline_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    """A header as JS01052.hea of ecg-arrhythmia 1.0.0: for quarantine, not out of sight."""
    folder = write(tmp_path / "WFDBRecords" / "01", "JS01052", "#Dx: 426177001")
    header = folder / "JS01052.hea"
    header.write_text(header.read_text().replace("V1\n", "V1", 1))
    write(folder, "JS00001", "#Dx: 426177001")
    good, broken = entries("ecg-arrhythmia", tmp_path)
    assert good.codes == ("snomed:426177001",)
    assert broken.id == "JS01052"
    with pytest.raises(InputError, match=r"JS01052\.hea: .*lost line or newline"):
        broken.read()


def test_ecg_arrhythmia_reads_below_its_own_folder(tmp_path: Path) -> None:
    write(tmp_path, "E1")
    with pytest.raises(InputError, match="WFDBRecords: no such folder"):
        entries("ecg-arrhythmia", tmp_path)


@pytest.mark.parametrize("order", [MIMIC_ORDER, LEADS[::-1]])
def test_leads_are_chosen_by_name_not_by_place(tmp_path: Path, order: tuple[str, ...]) -> None:
    """MIMIC-IV-ECG holds aVF before aVL, and so do the text files of CinC 2011."""
    (entry,) = entries("challenge", write(tmp_path, "M1", "#Dx: 426177001", leads=order))
    record = entry.read()
    assert record.leads == order
    np.testing.assert_array_equal(record.select(LEADS).signal[:, 0], np.arange(1.0, 13.0))


def ludb_codes(tmp_path: Path, *sentences: str) -> tuple[str, ...]:
    comments = "\n".join(["#<age>: 51", "#<sex>: F ", "#<diagnoses>:", *sentences])
    (entry,) = entries("ludb", write(tmp_path / "data", "1", comments).parent)
    assert (entry.age, entry.sex) == (51, "F")
    return tuple(code.removeprefix("ludb:") for code in entry.codes)


def test_ludbs_sentences_become_codes(tmp_path: Path) -> None:
    assert ludb_codes(
        tmp_path,
        "#Rhythm: Sinus bradycardia.",
        "#Electric axis of the heart: left axis deviation. ",
        "#STEMI: anterior wall.",
        "#Undefined ischemia/scar/supp.NSTEMI: apical.",
    ) == (
        "sinus-bradycardia",
        "electric-axis-of-the-heart-left-axis-deviation",
        "stemi-anterior-wall",
        "undefined-ischemia-scar-supp-nstemi-apical",
    )


@pytest.mark.parametrize(
    ("sentence", "normal"),
    [
        ("#Electric axis of the heart: normal.", True),
        ("#Ventricular extrasystole, type: single PVC.", True),
        ("#I degree AV block.", False),
        ("#Early repolarization syndrome.", False),
        ("#A state that no table knows.", False),
    ],
)
def test_ludb_is_normal_where_nothing_speaks_against_it(
    tmp_path: Path, sentence: str, normal: bool
) -> None:
    assert ("normal" in ludb_codes(tmp_path, "#Rhythm: Sinus rhythm.", sentence)) == normal


def test_ludb_records_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("10", "9", "1"):
        write(tmp_path, name, "#<diagnoses>:")
    assert [entry.id for entry in entries("ludb", tmp_path)] == ["1", "9", "10"]


def test_cinc2011_takes_the_published_lists_too(tmp_path: Path) -> None:
    for name in ("11", "22"):
        write(tmp_path, name)
    (tmp_path / "RECORDS-acceptable").write_text("22\n")
    (tmp_path / "RECORDS-unacceptable").write_text("11\n")
    found = {entry.id: entry.codes for entry in entries("cinc2011", tmp_path)}
    assert found == {"11": ("cinc2011:unacceptable",), "22": ("cinc2011:acceptable",)}


@pytest.mark.parametrize(
    ("source", "folder", "count"),
    [
        ("challenge", "cinc2021_sample", 29),
        ("ecg-arrhythmia", "chapman_sample", 20),
        ("cinc2011", "cinc2011", 250),
    ],
)
def test_real_folders_are_read_whole(real_data: Path, source: str, folder: str, count: int) -> None:
    found = entries(source, real_data / folder)
    assert len(found) == count
    assert {entry.read().signal.shape for entry in found} == {(12, 5000)}


def test_the_limb_leads_of_real_cinc2011_records_agree(real_data: Path) -> None:
    """A test of order: they hold only with aVL and aVF in their true places."""
    found = entries("cinc2011", real_data / "cinc2011")
    records = [e.read() for e in found if e.codes == ("cinc2011:acceptable",)][:20]
    for record in records:
        one, two, avl, avf = record.select(["I", "II", "aVL", "aVF"]).signal
        assert np.abs(avl - (one - two / 2)).max() < 0.05
        assert np.abs(avf - (two - one / 2)).max() < 0.05


def test_mitdb_tells_age_sex_and_the_one_patient_of_two_records(tmp_path: Path) -> None:
    leads = ("MLII", "V1")
    facts = {"100": "69 M 1085 1629 x1", "201": "68 M 1960 2851 x1", "202": "-1 M 1960", "203": ""}
    for name, comment in facts.items():
        lines = [f"{name}.dat 212 200 11 1024 0 0 0 {lead}" for lead in leads]
        header = [f"{name} 2 360 4", *lines, f"# {comment}", "# Aldomet, Inderal"]
        (tmp_path / f"{name}.hea").write_text("\n".join(header))
        (tmp_path / f"{name}.dat").write_bytes(bytes([0, 0x44, 0]) * 4)
    write(tmp_path / "x_mitdb", "x_100")
    found = entries("mitdb", tmp_path)
    assert [(entry.id, entry.patient, entry.age, entry.sex) for entry in found] == [
        ("100", "100", 69, "M"), ("201", "201", 68, "M"),
        ("202", "201", None, "M"), ("203", "203", None, None),
    ]  # fmt: skip
    record = found[0].read(rename={"MLII": "II"})
    assert (record.leads, record.rate) == (("II", "V1"), 360)
    assert np.allclose(record.signal, 0)


def test_a_broken_header_of_mitdb_is_listed_and_fails_when_read(tmp_path: Path) -> None:
    (tmp_path / "100.hea").write_text("")
    (broken,) = entries("mitdb", tmp_path)
    assert (broken.id, broken.age) == ("100", None)
    with pytest.raises(InputError, match="100.hea"):
        broken.read()


def test_records_without_mlii_are_not_of_mitdb(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of 1 headers has a lead MLII"):
        entries("mitdb", write(tmp_path, "100"))
