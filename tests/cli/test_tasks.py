"""`myocard task` prints an account, and tells of faults in one line."""

from pathlib import Path

import pandas as pd
import pytest

from myocard.tasks.own import OwnTask


@pytest.fixture
def place(store, tmp_path, monkeypatch) -> Path:
    """A working folder with a store and a table that its every record is in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store.folder)
    table = pd.DataFrame({"Record": store.records["id"] + ".hea", "Sick": ["ja", "nein"] * 30})
    table.assign(age=store.records["age"]).to_csv("labels.csv", sep=";", decimal=",", index=False)
    return tmp_path


def test_a_table_becomes_a_task_and_is_accounted_for(myocard, place, store):
    asked = ["--id", "record", "--target", "sick", "--kind", "binary", "--positive", "ja"]
    words = ["task", "labels.csv", "store", *asked, "--out", "sick"]
    code, out, err = myocard(*words)
    assert code == 0, err
    assert "labels.csv: 60 rows and 0 blank ones, 60 ids" in out
    assert "matched: 60 of 60 records (60 ending)" in out
    assert "sick (binary): 60 records" in out
    assert "columns are divided by semicolons" in out
    assert out.endswith("\nsick\n")
    assert "warning: rare in test: sick (" in out
    task = OwnTask.open(place / "sick")
    assert task.label(store.records).targets[:, 0].tolist() == [1, 0] * 30

    code, again, err = myocard(*words)
    assert (code, again) == (0, out)
    assert err == "myocard: sick: is there, made from the same inputs; kept\n"


def test_the_settings_may_be_a_file_with_options_over_it(myocard, place):
    text = 'labels = "labels.csv"\nid = "record"\nkind = "one"\ntarget = "age"\n'
    (place / "age.toml").write_text(text)
    code, out, err = myocard("task", "age.toml", "store", "--kind", "number", "--out", "age")
    assert code == 0, err
    assert "column 'age': commas are decimal" in out
    assert OwnTask.open(place / "age").outcome == "number"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("labels.csv store --id record --target sick", "labels.csv: kind: field required"),
        ("labels.csv store --id nr --target sick --kind one", "labels.csv: no column nr; it has R"),
        ("lost.csv store --id a --target b --kind one", "lost.csv: no such file"),
        ("lost.toml store", "lost.toml: no such file"),
        ("labels.csv nowhere --id record --target sick --kind one", "nowhere: no such folder"),
        ("labels.csv store --id record --target sick --kind binary", "'ja' (30), 'nein' (30), not"),
        ("labels.csv store --id sick --target record --kind one", "2 of 2 ids have no record"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(myocard, place, words, told):
    before = sorted(place.rglob("*"))
    code, out, err = myocard("task", *words.split(), "--out", "new")
    assert (code, out) == (2, "")
    assert err.startswith("myocard: ")
    assert err.count("\n") == 1
    assert told in err
    assert sorted(place.rglob("*")) == before
