"""Facts and identifiers of files on their way into a store."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from writing.aecg import aecg
from writing.muse import PATIENT, muse

from myocard import simulation
from myocard.data.preparation import prepare_folder
from myocard.data.preparation.identity import Policy
from myocard.data.privacy import identifying_content
from myocard.data.pseudonyms import names_someone, pseudonym, read_salt
from myocard.data.signal import Preprocessing
from myocard.data.sources import entries
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.simulation import simulate

EIGHT = [lead for lead in LEADS if lead not in ("III", "aVR", "aVL", "aVF")]
SALT = "a salt that stays here"
POLICY = Policy(SALT)
STATEMENT = """<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>{}</StmtText>
</DiagnosisStatement>"""
SECRETS = ("4711", "4712", "Doe", "Jo", "1940", "Roe")


def counts(seed: int) -> dict[str, np.ndarray]:
    signal = simulate(seed, 0, rate=500).record.select(EIGHT).signal
    return dict(zip(EIGHT, np.rint(signal / 0.00488).astype(np.int64), strict=True))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two ECGs of one patient and one of another, of whom one file bears the number."""
    folder = tmp_path / "export"
    folder.mkdir()
    other = PATIENT.replace("4711", "4712").replace("MALE", "FEMALE")
    texts = ("Sinus rhythm", "Mr. Doe was seen")
    named = "".join(STATEMENT.format(text) for text in texts)
    (folder / "first.xml").write_bytes(muse(counts(1), diagnosis=named))
    (folder / "second.xml").write_bytes(muse(counts(2)))
    (folder / "ecg_4712.xml").write_bytes(muse(counts(3), patient=other))
    (folder / "broken.xml").write_bytes(muse(counts(4))[:900])
    (folder / "letter.pdf").write_text("Dear colleague")
    return folder


def prepared(files: Path, **how) -> Store:
    return prepare_folder(
        "files", files, files.with_name("store"), Preprocessing(100, 1000, LEADS), jobs=1, **how
    )


def test_a_folder_of_files_becomes_a_store_with_what_they_say(files, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        store = prepared(files, policy=POLICY)
    assert "1 other files passed over: 1 .pdf" in caplog.text
    assert "files called by a name or number of their patient: 1, such as " in caplog.text
    assert "records without texts that name their patient, left out: 1, such as " in caplog.text
    records = store.records.set_index("id").loc[
        ["first.xml", "second.xml", pseudonym("ecg_4712.xml", SALT)]
    ]
    assert records["patient"].tolist() == [pseudonym(n, SALT) for n in ("4711", "4711", "4712")]
    assert records["fold"].iloc[0] == records["fold"].iloc[1]
    assert records["age"].tolist() == [60, 60, 60]
    assert records["sex"].tolist() == ["M", "M", "F"]
    assert set(records["device"]) == {"MAC55"}
    assert set(records["date"]) == {"2000-01-02 12:00:00"}
    assert (set(records["rate_bpm"]), set(records["pr_ms"])) == ({61}, {158})
    assert [list(each) for each in records["statements"]] == [
        ["Sinus rhythm"], *[["Cannot rule out old infarct"]] * 2,
    ]  # fmt: skip
    assert "broken.xml" in (store.folder / "quarantine.csv").read_text()


def test_nothing_in_a_store_names_a_patient(files) -> None:
    store = prepared(files, policy=POLICY)
    table = store.records.drop(columns=["fingerprint", "sha256"]).to_json()
    for name in SECRETS:
        assert name not in table
    for path in store.folder.glob("*.json"):
        assert SALT not in path.read_text()
    assert "4712" not in (store.folder / "flags.csv").read_text()
    assert [finding.where for finding in identifying_content(store) if finding.direct] == []


def test_identifiers_are_kept_when_asked_for_and_the_audit_names_them(files) -> None:
    store = prepared(files, policy=Policy(keep_identifiers=True))
    records = store.records.set_index("id")
    assert records.loc["ecg_4712.xml", "patient"] == "4712"
    kept = json.loads(records.loc["first.xml", "identifiers"])
    assert kept["PatientLastName"] == "Doe"
    assert "Mr. Doe was seen" in records.loc["first.xml", "statements"]
    direct = [finding.where for finding in identifying_content(store) if finding.direct]
    assert direct == ["identifiers", "patient"]


def test_a_store_of_another_salt_is_another_store(files) -> None:
    prepared(files, policy=POLICY)
    with pytest.raises(InputError, match="made from other inputs: salt is"):
        prepared(files, policy=Policy("another salt that stays"))


def test_shards_need_to_know_the_patients(files) -> None:
    with pytest.raises(InputError, match="shards go by patient"):
        prepared(files, shard=(1, 2))


def test_a_table_goes_first_and_what_contradicts_it_is_flagged(files) -> None:
    rows = ["file,patient,codes,sex,age", "first.xml,p1,own:a,F,61", "second.xml,,own:b,M,"]
    (files / "labels.csv").write_text("\n".join(rows))
    store = prepare_folder(
        "folder", files, files.with_name("own"), Preprocessing(100, 1000, LEADS), jobs=1,
        policy=POLICY,
    )  # fmt: skip
    records = store.records.set_index("id")
    assert records["patient"].tolist() == [pseudonym(name, SALT) for name in ("p1", "4711")]
    assert (records["sex"].tolist(), records["age"].tolist()) == (["F", "M"], [61, 60])
    assert records["flags"].tolist() == ["contradiction", ""]
    assert "sex F in the table, M in the file" in (store.folder / "flags.csv").read_text()
    direct = [finding for finding in identifying_content(store) if finding.direct]
    assert direct == []


@pytest.mark.parametrize("number", ["", "0000", "XXXX", "unknown", "N/A"])
def test_a_number_of_nobody_joins_no_records(files, number) -> None:
    for name, seed in (("first.xml", 1), ("second.xml", 2)):
        blank = PATIENT.replace("4711", number)
        (files / name).write_bytes(muse(counts(seed), patient=blank))
    records = prepared(files, policy=POLICY).records.set_index("id")
    assert records.loc["first.xml", "patient"] == "first.xml"
    assert records.loc["second.xml", "patient"] == "second.xml"


def test_a_column_of_another_format_is_empty_where_it_is_unknown(files) -> None:
    (files / "trial.xml").write_bytes(aecg(counts(5)))
    records = prepared(files, policy=POLICY).records.set_index("id")
    assert np.isnan(records.loc["trial.xml", "pr_ms"])
    assert len(records) == 4


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ecg_4711.xml", True), ("DOE^JO.dcm", True), ("export4711.xml", True),
        ("19400302.edf", True), ("ecg_47.xml", False), ("1940/a.xml", False),
        ("03_02_1940.xml", True), ("Li_Wu.xml", True),
        ("doer/a.xml", False), ("x-1940-03-02.edf", True), ("Sinus rhythm", False),
    ],
)  # fmt: skip
def test_names_and_numbers_are_found_in_texts(text, found) -> None:
    assert names_someone(text, ["4711", "Doe", "1940-03-02", "Wu Li"]) is found


def test_the_users_own_salt_is_made_once_and_is_for_the_owner_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    salt = read_salt()
    (made,) = (tmp_path / "myocard").iterdir()
    assert (read_salt(), made.stat().st_mode & 0o777) == (salt, 0o600)
    assert len(salt) == 64


@pytest.mark.parametrize(
    ("text", "told"), [(None, "no salt can be read"), ("short", "5 characters")]
)
def test_a_salt_that_is_none_is_refused(tmp_path, text, told) -> None:
    if text is not None:
        (tmp_path / "salt").write_text(text)
    with pytest.raises(InputError, match=told):
        read_salt(tmp_path / "salt")


def test_comments_of_a_header_tell_age_and_sex(tmp_path) -> None:
    simulation.write(tmp_path / "export", "challenge", count=12)
    store = prepare_folder(
        "files", tmp_path / "export", tmp_path / "store", Preprocessing(100, 1000, LEADS), jobs=1,
        policy=POLICY,
    )  # fmt: skip
    stated = {entry.path.stem: entry for entry in entries("challenge", tmp_path / "export")}
    for row in store.records.itertuples():
        assert (row.age, row.sex) == (stated[Path(row.id).stem].age, stated[Path(row.id).stem].sex)


def test_windows_of_a_record_without_a_number_are_one_patients(files) -> None:
    blank = PATIENT.replace("4711", "")
    (files / "first.xml").write_bytes(muse(counts(1), patient=blank))
    store = prepare_folder(
        "files", files, files.with_name("windows"), Preprocessing(100, 200, LEADS), jobs=1,
        policy=POLICY, seconds=2, step=4,
    )  # fmt: skip
    patients = store.records.set_index("id")["patient"]
    assert set(patients[[f"first.xml@{start}" for start in (0, 4, 8)]]) == {"first.xml"}
    hidden = pseudonym("ecg_4712.xml", SALT)
    assert set(patients[[f"{hidden}@{start}" for start in (0, 4, 8)]]) == {pseudonym("4712", SALT)}


def test_a_data_set_that_is_called_by_a_patient_is_refused(files) -> None:
    named = files.rename(files.with_name("Doe"))
    with pytest.raises(InputError, match="folder Doe: called by a name of a patient; .*--dataset"):
        prepared(named, policy=POLICY)
    assert len(prepared(named, policy=POLICY, dataset="clinic").records) == 3


def test_a_salt_that_serves_nothing_is_refused(files) -> None:
    (files / "labels.csv").write_text("file,patient,codes\nfirst.xml,p1,own:a\n")
    with pytest.raises(InputError, match="a salt serves nothing where the source names every"):
        prepare_folder(
            "folder", files, files.with_name("own"), Preprocessing(100, 1000, LEADS), policy=POLICY
        )


def test_folds_of_a_table_do_not_divide_a_patient_of_the_files(files) -> None:
    rows = ["file,patient,codes,fold", "first.xml,,own:a,1", "second.xml,,own:a,2"]
    (files / "labels.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match="has records in 2 folds"):
        prepare_folder(
            "folder", files, files.with_name("own"), Preprocessing(100, 1000, LEADS), jobs=1,
            policy=POLICY,
        )  # fmt: skip
