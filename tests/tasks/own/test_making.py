"""A task is a folder: each row of a table and each record of a store is in it, or listed."""

import json
import tomllib
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.recipe import ProbeRecipe, check, read_recipe
from myocard.tasks.own import OwnTask
from myocard.tasks.own.account import account
from myocard.tasks.own.making import make_task
from myocard.tasks.own.matching import ENDINGS
from myocard.tasks.own.settings import OwnTaskSettings, read_settings


def test_a_clean_table_is_all_in_it_and_comes_back_row_by_row(make, table, records, left_out):
    task = make(table)
    assert (task.name, task.outcome, task.classes) == ("task", "any", ("y",))
    assert left_out().empty
    shuffled = records.sample(frac=1, random_state=0)
    found = task.label(pd.concat([shuffled, shuffled[:2].assign(id=["x", "y"])]))
    expected = table.set_index("id")["y"].loc[shuffled["id"]]
    assert found.targets[:-2, 0].tolist() == expected.tolist()
    assert np.isnan(found.targets[-2:]).all()
    assert found.kept.tolist() == [True] * 120 + [False] * 2
    assert found.folds.tolist() == [*shuffled["fold"], 0, 0]
    assert found.patients.tolist() == [*("ours " + shuffled["patient"]), "", ""]
    assert found.targets.dtype == np.float64


def test_a_store_that_lacks_too_many_of_its_records_is_refused_by_the_rule_of_making(
    make, table, records
):
    task = make(table)
    assert task.label(records.drop(columns="source")).kept.all()
    assert task.label(records[12:]).kept.all()
    told = (
        r"task task: 13 of 120 ids have no record \('1', '2', '3', …\), and 1 of 108 records no "
        r"row \('new'\); more than 0\.1 of all \(--unmatched\); is this the store .* made for"
    )
    new = records[:1].assign(id="new")
    with pytest.raises(InputError, match=told):
        task.label(pd.concat([records[13:], new]))
    with pytest.raises(InputError, match="120 of 120 ids have no record"):
        task.label(records.assign(source="theirs"))
    assert make(table, "lenient", unmatched=0.5).label(records[60:]).kept.all()


def test_a_store_of_one_source_is_held_against_the_labels_of_that_source(make, table, records):
    sources = records["source"].where(records.index < 60, "theirs")
    task = make(table, records=records.assign(source=sources))
    assert task.label(records[:60]).kept.all()
    with pytest.raises(InputError, match="7 of 60 ids have no record"):
        task.label(records[:53])


FAULTS = (
    "Registry of the hospital;;;;;\r\n"
    "\r\n"
    " ECG-Nr ;Größe EF;;Patient;Befund;Datum\r\n"
    "0001.HEA;45,5;;p1;JA;01/02/2024\r\n"
    "2;38,0;;p1;nein;13/02/2024\r\n"
    ";;;;;\r\n"
    "3;1.234,5;;nan;ja;14/02/2024\r\n"
    "4;n/a;;p4;?;\r\n"
    "5;51;;p5;Ja;16/02/2024\r\n"
    "5;51;;p5;ja;16/02/2024\r\n"
    "6;40;;p6;ja;17/02/2024\r\n"
    "6;41;;p6;nein;17/02/2024\r\n"
    "x/7.xml;33,1;;p7;nein;18/02/2024\r\n"
    "y/7.xml;33,1;;p7;nein;18/02/2024\r\n"
    "ohne;22,2;;p8;nein;19/02/2024\r\n"
    ";60;;p9;nein;20/02/2024\r\n"
    "8;28,5;;p8;nein;21/02/2024\r\n"
) + "".join(f"{k};50;;q{k};{('ja', 'nein')[k % 2]};22/02/2024\r\n" for k in range(9, 49))
"""Faults of every kind, and clean rows from line 18 on."""
ASKED = {"id": "ecg-nr", "target": "befund", "positive": "ja", "patient": "PATIENT"}


def test_every_fault_of_a_spreadsheet_at_once(make, info, left_out, records):
    task = make(FAULTS.encode("cp1252"), **ASKED, unmatched=0.5, date="Datum", split="made")
    labelled = dict(zip(task.table["id"], task.table["target:befund"], strict=True))
    assert list(labelled.items())[:4] == [("1", 1), ("2", 0), ("5", 1), ("8", 0)]
    assert len(labelled) == 4 + 40
    assert task.table["patient"].tolist()[:4] == ["p1", "p1", "p5", "p8"]
    listed = left_out()
    table = listed[listed["of"] == "table"]
    assert dict(zip(table["line"].astype(int), table["reason"], strict=True)) == {
        7: "no patient",
        8: "no label",
        10: "repeated",
        11: "contradictory",
        12: "contradictory",
        13: "ambiguous",
        14: "ambiguous",
        15: "no record",
        16: "no id",
    }
    store = listed[listed["of"] == "store"].set_index("id")
    assert set(store.index) | set(labelled) == set(records["id"])
    assert store.loc["3", ["reason", "detail"]].tolist() == ["row left out", "line 7: no patient"]
    assert store.loc["6", "detail"] == "line 11: contradictory"
    assert store.loc["7", "reason"] == "ambiguous"
    assert store.loc["49", "reason"] == "no row"
    found = info()
    assert found.counts.rows == len(table) + 44
    assert found.counts.blank == 1
    assert found.counts.matched == {"exact": 46, "leading zeros": 1}
    assert found.counts.rows_left_out["contradictory"] == 2
    told = " ".join(found.told)
    assert "semicolons" in told
    assert "cp1252" in told
    assert "line 3" in told
    assert "'Befund' is taken for 'befund'" in told
    assert "unknown in 1 rows (? 1)" in told


def test_a_number_with_the_same_faults_is_read_with_its_decimal_commas(make):
    asked = ASKED | {"target": "größe ef", "kind": "number", "positive": None}
    task = make(FAULTS.encode("cp1252"), **asked, unmatched=0.5)
    assert task.table["target:größe ef"].tolist() == [45.5, 38, 51, 28.5, *[50] * 40]


def test_dates_in_two_orders_are_refused_by_line(make, tmp_path):
    broken = FAULTS.replace("14/02/2024", "02/14/2024")
    with pytest.raises(InputError, match=r"column Datum: the day stands first in line 5 .* line 7"):
        make(broken, **ASKED, unmatched=0.5, date="Datum", split="date")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_the_word_that_is_positive_is_that_of_the_event_where_there_is_one(make, table, info):
    days = np.linspace(1, 900, len(table))
    died = table["y"].map({1: "ja", 0: "nein"})
    make(table.assign(y=days, died=died), kind="time", event="died", positive="ja")
    told = info().told
    assert "column 'died': nein is the negative" in told
    assert not any("column 'y'" in sentence and "negative" in sentence for sentence in told)


def test_the_account_tells_each_number_that_task_json_holds(make, info):
    make(FAULTS, **ASKED, unmatched=0.5)
    told = "\n".join(account(info()))
    for part in (
        "labels.csv: 53 rows and 1 blank ones, 50 ids",
        "matched: 47 of 120 records (46 exact, 1 leading zeros)",
        "2 contradictory, 2 ambiguous, 1 no patient",
        "  train: 36 records of 35 patients",
        "    befund: 18 positives, 18 negatives, 0 unknown",
    ):
        assert part in told


def test_the_recipe_is_that_of_a_probe_of_this_folder(make, table, tmp_path):
    make(table)
    recipe = check(ProbeRecipe, tomllib.loads((tmp_path / "task/recipe.toml").read_text()), "x")
    assert OwnTask.open(tmp_path / recipe.task).name == "task"
    assert recipe.readouts == ("last", "layers", "ppa", "scalar-mix", "concat")
    assert (recipe.heads, recipe.seeds) == (("linear",), (0,))


def test_same_inputs_keep_the_folder_and_others_are_refused(make, table, records, tmp_path):
    first = make(table)
    written = (tmp_path / "task/task.json").stat().st_mtime_ns
    assert make(table).hash == first.hash
    assert (tmp_path / "task/task.json").stat().st_mtime_ns == written
    for other in ({"table": table, "seed": 1}, {"table": table, "records": records.assign(fold=1)}):
        with pytest.raises(InputError, match="task: made from other inputs"):
            make(**other)


def test_a_table_that_has_changed_or_is_another_is_refused_by_name(make, table):
    make(table)
    changed = table.assign(y=1 - table["y"])
    with pytest.raises(InputError, match=r"labels\.csv: has changed since .*task was made; remove"):
        make(changed)
    with pytest.raises(InputError, match=r"new\.csv: is not labels\.csv, of which .*task was made"):
        make(changed, file="new.csv")


def test_a_task_that_was_altered_is_refused(make, table, tmp_path):
    make(table)
    table.to_parquet(tmp_path / "task/labels.parquet")
    with pytest.raises(
        InputError, match=r"labels.parquet: not the file that was written; make one"
    ):
        OwnTask.open(tmp_path / "task")
    with pytest.raises(InputError, match="make one with `myocard task`"):
        OwnTask.open(tmp_path / "nowhere")


def test_the_hash_tells_labels_apart(make, table):
    other = table.assign(y=[1 - table["y"][0], *table["y"][1:]])
    hashes = {make(table).hash, make(table, "same").hash, make(other, "other").hash}
    assert len(hashes) == 2


def test_a_task_is_not_called_as_a_public_one_or_as_no_folder_may_be(make, table):
    with pytest.raises(InputError, match="ptbxl-all is a task of a public data set; choose"):
        make(table, "ptbxl-all")
    with pytest.raises(InputError, match="my task: the folder names the task"):
        make(table, "my task")
    assert make(table, "mine").name == "mine"


def test_each_kind_has_its_outcome(make, table, info):
    words = table["y"].map({0: "b", 1: "a"}).where(table.index != 3, "NA")
    one = make(table.assign(y=words), "one", kind="one")
    assert (one.outcome, one.classes) == ("one", ("a", "b"))
    assert one.table.filter(like="target:").sum(axis=1).unique().tolist() == [1]
    assert "4" not in set(one.table["id"])

    columns = table.assign(z="", k=table["y"]).replace({"z": {"": None}})
    columns.loc[5, "z"] = 1
    several = make(columns, "several", kind="several", target="y, z")
    assert (several.outcome, several.classes) == ("any", ("y", "z"))
    assert several.table["target:z"].notna().sum() == 1
    assert info("several").splits["train"].classes["z"]["negatives"] == 0

    lists = table.assign(y=["a|b", "b", "", "c | a"] * 30)
    listed = make(lists, "listed", kind="several", list_separator="|")
    assert listed.classes == ("a", "b", "c")
    assert listed.table.filter(like="target:").iloc[:3].to_numpy().tolist() == [
        [1, 1, 0],
        [0, 1, 0],
        [1, 0, 1],
    ]

    number = make(table.assign(y=np.arange(120) / 4), "number", kind="number", unit="%")
    assert (number.outcome, number.classes, info("number").unit) == ("number", ("y",), "%")
    assert number.table["target:y"].tolist() == [k / 4 for k in range(120)]


def test_times_carry_the_sign_of_their_event_and_only_those_above_0_are_in(make, table, left_out):
    table["y"] = [5, 3.5, 0, -2, "", 7] + [1] * 114
    table["died"] = ["yes", "no", "yes", "no", "yes", "NA"] + ["yes", "no"] * 57
    task = make(table, kind="time", event="died")
    assert task.outcome == "time"
    assert task.table["target:y"].tolist()[:4] == [5, -3.5, 1, -1]
    reasons = left_out().query("of == 'table'").set_index("id")["reason"].to_dict()
    assert reasons == {
        "3": "time not above 0", "4": "time not above 0", "5": "no label", "6": "no label",
    }  # fmt: skip


def test_a_label_that_is_missing_is_never_a_negative(make, table):
    with pytest.raises(InputError, match="column y is all '1', else unknown; a blank is no negati"):
        make(table.assign(y=["1", ""] * 60))
    with pytest.raises(InputError, match="no label is known in column y"):
        make(table.assign(y="?"))
    with pytest.raises(InputError, match="column y has one class alone, a"):
        make(table.assign(y=["a", ""] * 60), kind="one")


def test_classes_ids_and_sites_are_the_same_however_their_letters_are_composed(
    make, table, records
):
    composed, apart = ("fl\u00fcttern", "sinus"), ("flu\u0308ttern", "sinus")
    words = [(composed, apart)[row % 2][y] for row, y in enumerate(table["y"])]
    named = table.assign(id="\u00e4" + table["id"], y=words, ort=["k\u00f6ln", "ko\u0308ln"] * 60)
    far = named.assign(ort=named["ort"].where(table.index % 4 > 0, "bonn"))
    stored = records.assign(id="a\u0308" + records["id"], patient=records["id"])
    asked = {"records": stored, "kind": "one", "patient": "none", "site": "ort"}
    task = make(far, **asked, split="site", test_site=("ko\u0308ln",))
    assert task.classes == ("fl\u00fcttern", "sinus")
    assert (task.table["fold"] == 10).sum() == 90
    with pytest.raises(InputError, match=r"column y: .* differ in capitals, blanks or encoding"):
        make(far.assign(y=far["y"].replace("sinus", "sinus\u200b").where(far.index > 9, "sinus")),
             "other", **asked)  # fmt: skip
    with pytest.raises(InputError, match=r"column ort: 'Bonn' and 'bonn' differ in capitals"):
        make(far.assign(ort=far["ort"].where(far.index > 0, "Bonn")), "other", **asked)


def test_words_of_unknown_labels_can_be_named(make, table):
    grades = table.assign(y=["none", "mild", "NA"] * 40)
    assert make(grades, "usual", kind="several", list_separator=",").classes == ("mild",)
    task = make(grades, kind="one", missing=("NA",))
    assert task.classes == ("mild", "none")
    assert len(task.table) == 80


def test_too_many_ids_without_a_record_are_refused_with_examples(make, table):
    lost = table.assign(id=[*table["id"][:90], *(f"x{k}" for k in range(30))])
    told = (
        r"30 of 120 ids have no record \('x0', 'x1', 'x2', …\), and 30 of 120 records no row "
        r"\('91', '92', '93', …\); more than 0\.1 of all \(--unmatched\)"
    )
    with pytest.raises(InputError, match=told):
        make(lost)
    assert len(make(lost, unmatched=0.3).table) == 90
    with pytest.raises(InputError, match=r"120 of 120 ids have no record \('a1', .* \('1', '2'"):
        make(table.assign(id="a" + table["id"]), "none", unmatched=1)


def test_patients_are_the_stores_or_the_tables_or_said_to_be_none(make, table, records, left_out):
    named = table.assign(who=["nan", *(f"q{k // 2}" for k in range(1, 120))])
    task = make(named, "named", patient="who", split="made")
    assert task.table["patient"].tolist()[:2] == ["q0", "q1"]
    assert left_out("named").iloc[0][["id", "reason"]].tolist() == ["1", "no patient"]

    for unknown in (records.drop(columns="patient"), records.assign(patient=records["id"])):
        with pytest.raises(InputError, match="neither table nor store knows patients; .* none if"):
            make(table, "unknown", records=unknown)
    alone = make(table, "alone", records=records.assign(patient=records["id"]), patient="none")
    assert alone.table["patient"].tolist() == ("ours " + records["id"]).tolist()

    gaps = records.assign(patient=records["patient"].where(records["id"] != "1", "nan"))
    assert "1" not in set(make(table, "gaps", records=gaps).table["id"])


def test_folds_are_the_stores_if_it_has_them_else_made(make, table, records, info):
    assert make(table, "store").table["fold"].tolist() == records["fold"].tolist()
    assert "folds are the store's" in info("store").told
    for bare in (records.drop(columns="fold"), records.assign(fold=0)):
        with pytest.raises(InputError, match="the store has no folds from 1 to 10; say --split ma"):
            make(table, "asked", records=bare, split="store")
    made = make(table, "made", records=records.drop(columns="fold"))
    assert sorted(set(made.table["fold"])) == list(range(1, 11))
    assert (made.table.groupby("patient")["fold"].nunique() == 1).all()
    assert "folds are made at random, by patient" in info("made").told


def test_a_row_without_what_its_split_needs_is_left_out(make, table, records, left_out):
    table["on"] = pd.date_range("2020-01-01", periods=120).strftime("%Y-%m-%d").tolist()
    table["part"] = (["train"] * 8 + ["validation", "test"]) * 12
    table["part"] = table["part"].where(table.index > 0, "-")
    table.loc[1, "on"] = None
    make(table, "dated", split="date", date="on", patient="none")
    assert left_out("dated").iloc[0][["id", "reason"]].tolist() == ["2", "no date"]
    make(table, "column", split="part", patient="none")
    assert left_out("column").iloc[0][["id", "reason"]].tolist() == ["1", "no split"]
    sites = records.assign(site=records["site"].where(records["id"] != "5"))
    task = make(table, "site", split="site", test_site=("south",), records=sites)
    assert left_out("site").iloc[0][["id", "reason"]].tolist() == ["5", "no site"]
    assert set(task.table["id"][task.table["fold"] == 10]) == set(
        sites["id"][sites["site"] == "south"]
    )
    with pytest.raises(InputError, match="the store knows no site; name a column with --site"):
        make(table, "x", split="site", test_site=("a",), records=records.drop(columns="site"))


def test_a_patient_of_the_table_in_two_folds_of_the_store_is_refused(make, table):
    with pytest.raises(
        InputError, match=r"the store's folds: patient q is in two splits .*lines 2"
    ):
        make(table.assign(who="q"), patient="who")


def test_rows_of_an_id_that_differ_in_patient_contradict_each_other(make, table, left_out):
    twice = pd.concat([table, table[:1]]).assign(who=[*range(120), "b"])
    make(twice, patient="who", split="made")
    assert left_out().query("of == 'table'")["reason"].tolist() == ["contradictory"] * 2


def test_checks_are_in_the_file_and_device_follows_are_told(make, table, records, info):
    task = make(table.assign(y=(records["device"] == "Alpha").astype(int)))
    assert task.outcome == "any"
    found = info()
    assert found.follows[0].value == 1
    assert any("labels follow device" in warning for warning in found.warnings)
    assert any("rare in validation: y (" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kind": "times"}, "kind: input should be 'binary', 'one'"),
        ({"kind": "time"}, "kind time needs event"),
        ({"event": "e"}, "event is for the kind time"),
        ({"target": ["a", "b"]}, "several columns of target are for the kind several"),
        ({"kind": "several", "target": "a,B,A"}, "a is named twice; id, event and each target are"),
        ({"kind": "several", "target": "gr\u00f6\u00dfe, gro\u0308SSE"}, "is named twice"),
        ({"kind": "several", "target": ["a", "b", "a"]}, "a is named twice"),
        ({"kind": "several", "target": "a,,b"}, "target.1: is blank; give a word"),
        ({"target": "ID"}, "id is named twice"),
        ({"kind": "time", "event": " Y"}, "y is named twice"),
        (
            {"unit": "mmol/l"},
            "unit .--unit. is what a .* is counted in; leave it out for the kind bin",
        ),
        ({"decimal": ","}, "decimal is for the kinds number and time"),
        (
            {"kind": "several", "list_separator": "\n"},
            "list_separator: is blank, and cells are read with single blanks",
        ),
        ({"kind": "several"}, "kind several needs a column for each class, or list_separator"),
        ({"list_separator": "|"}, "list_separator is for the kind several"),
        ({"kind": "one", "positive": "x"}, "positive is for columns of two values"),
        ({"split": "date"}, "split date needs date"),
        ({"date_format": "%Y"}, "date_format needs date"),
        ({"split": "site"}, "split site needs test_site"),
        ({"test_site": ["a"]}, "test_site is for the split site"),
        ({"unmatched": 2}, "unmatched: "),
        ({"colour": 1}, "unknown key 'colour'; the keys are kind, id, target"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(tmp_path, given, told):
    with pytest.raises(InputError, match=told):
        read_settings(tmp_path / "t.csv", {"id": "id", "target": "y", "kind": "binary"} | given)


def test_settings_may_be_a_file_which_others_are_put_over(tmp_path):
    text = 'labels = "in/t.csv"\nid = "id"\ntarget = "y"\nkind = "one"\ntest_site = []\n'
    (tmp_path / "t.toml").write_text(text)
    table, found = read_settings(tmp_path / "t.toml", {"kind": "number"})
    assert table == tmp_path / "in/t.csv"
    assert found == OwnTaskSettings(id="id", target=("y",), kind="number")
    (tmp_path / "t.toml").write_text('id = "id"')
    with pytest.raises(InputError, match="t.toml: names no table; add labels ="):
        read_settings(tmp_path / "t.toml", {})


def test_what_task_json_says_is_plain_json(make, table, tmp_path):
    make(table)
    stated = json.loads((tmp_path / "task/task.json").read_text())
    assert stated["settings"]["kind"] == "binary"
    assert stated["labels"]["name"] == "labels.csv"
    assert stated["counts"]["labelled"] == 120
    assert stated["sha256"].keys() == {"task.json", "labels.parquet", "left_out.csv"}


CLEAN = pd.DataFrame({"Größe": [str(k) for k in range(1, 41)], "y": [k + 0.5 for k in range(40)]})


@pytest.fixture(scope="module")
def labels_of(tmp_path_factory) -> Callable[..., bytes]:
    """Make a task of a table as it is written to a file, and give its labels."""
    ids = CLEAN["Größe"].tolist()
    patients = np.arange(1, 41) // 2
    records = pd.DataFrame({"id": ids, "patient": patients.astype(str), "fold": patients % 10 + 1})
    asked = OwnTaskSettings(id="Größe", target="y", kind="number")

    def labels(table: pd.DataFrame, **form: str) -> bytes:
        place = tmp_path_factory.mktemp("clean")
        table.to_csv(place / "t.csv", index=False, **form)
        make_task(place / "t.csv", records, asked, place / "task")
        return (place / "task" / "labels.parquet").read_bytes()

    return labels


@pytest.fixture(scope="module")
def clean(labels_of) -> bytes:
    return labels_of(CLEAN)


@settings(max_examples=15)
@given(
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    mark=st.sampled_from([".", ","]),
    form=st.sampled_from(["{}", "000{}", "ecg/a/{}", "C:\\x\\0{}"]),
    ending=st.sampled_from(["", *ENDINGS]),
    seed=st.integers(0, 99),
)
def test_no_way_to_write_a_clean_table_changes_the_labels(
    labels_of, clean, separator, encoding, mark, form, ending, seed
):
    ids = [form.format(name) + ending for name in CLEAN["Größe"]]
    texts = [str(value).replace(".", mark) for value in CLEAN["y"]]
    table = pd.DataFrame({"Größe": ids, "y": texts}).sample(frac=1, random_state=seed)
    assert labels_of(table, sep=separator, encoding=encoding) == clean


def test_long_codes_stay_apart_and_copied_folders_are_the_task(make, table, tmp_path):
    codes = ["900000000000207008", "900000000000207009"]
    made = make(table.assign(y=[codes[k] for k in table["y"]]), "codes", kind="one")
    assert made.classes == tuple(codes)
    (tmp_path / "codes").rename(tmp_path / "moved")
    assert read_recipe(tmp_path / "moved", ProbeRecipe).task == str(tmp_path / "moved")


def test_a_list_with_a_word_for_unknown_is_refused_and_one_without_a_class_is_unknown(make, table):
    words = table["y"].map({0: "a|b", 1: "b"})
    lists = {"kind": "several", "list_separator": "|"}
    with pytest.raises(InputError, match=r"line 2 holds '\?' among its classes"):
        make(table.assign(y=["a|?", *words[1:]]), "silent", **lists)
    found = make(table.assign(y=["|", *words[1:]]), "empty", **lists)
    assert table["id"][0] not in set(found.table["id"])


def test_what_could_not_be_learned_is_no_task(make, table):
    with pytest.raises(InputError, match="column y holds one number alone"):
        make(table.assign(y=4.2), "constant", kind="number")
    times = table.assign(y=np.arange(1, len(table) + 1), seen=0)
    with pytest.raises(InputError, match="column seen has no event that was seen"):
        make(times, "censored", kind="time", event="seen")


def test_events_of_two_other_words_are_read_once_the_one_that_is_seen_is_named(make, table):
    coded = table.assign(seen=table["y"] + 1, y=np.arange(1, len(table) + 1))
    with pytest.raises(InputError, match="name the one that is positive with --positive"):
        make(coded, "unnamed", kind="time", event="seen")
    found = make(coded, "named", kind="time", event="seen", positive="2")
    assert ((found.table["target:y"] > 0) == (coded["seen"] == 2)).all()
