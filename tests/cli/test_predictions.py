"""``predict`` says by its exit code whether every record has scores."""

from pathlib import Path

import pandas as pd
import pytest

from myocard.simulation import write


@pytest.fixture
def place(decided, tmp_path, monkeypatch) -> Path:
    """A working folder with a model and two records."""
    monkeypatch.chdir(tmp_path)
    decided.save_pretrained(tmp_path / "model")
    write(tmp_path / "simulated", "ptbxl", count=2)
    (tmp_path / "simulated" / "records100").rename(tmp_path / "records")
    return tmp_path


def test_it_exits_with_0_if_every_record_was_read_and_keeps_its_table(myocard, place):
    code, out, err = myocard("predict", "model", "records", "--out", "scores.csv")
    assert (code, out) == (0, "scores.csv\n")
    assert err.startswith("myocard: 2 records\npredict tiny: 2 in ")
    assert pd.read_csv("scores.csv")["error"].isna().all()
    code, out, err = myocard("predict", "model", "records", "--out", "scores.csv")
    assert (code, out) == (0, "scores.csv\n")
    assert err == "myocard: scores.csv: is there, made from the same inputs; kept\n"


def test_it_exits_with_1_if_a_record_was_not_and_again_when_its_table_is_kept(myocard, place):
    (place / "records" / "empty.npy").touch()
    for _ in range(2):
        code, out, err = myocard("predict", "model", "records", "--out", "scores.parquet")
        assert (code, out) == (1, "scores.parquet\n")
        assert err.endswith("records without scores: 1; see the column error\n")
    assert len(pd.read_parquet("scores.parquet")) == 3


def test_with_a_step_every_window_is_a_row(myocard, place):
    (place / "records" / "empty.npy").touch()
    code, _, err = myocard("predict", "model", "records", "--step", "2.5", "--out", "scores.csv")
    assert code == 1
    assert err.endswith("windows without scores: 1; see the column error\n")
    starts = pd.read_csv("scores.csv").groupby("record")["start"].agg(list).to_dict()
    assert starts.pop("00001_lr") == starts.pop("00002_lr") == [0.0, 2.5, 5.0, 7.5]
    assert list(starts) == ["empty"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("predict model nowhere --out new.csv", "nowhere: no such file or folder"),
        ("predict nowhere records --out new.csv", "nowhere: no such folder; "),
        ("predict model records --out new.csv --unit kg", "unknown unit 'kg'; the units are mV, "),
        ("predict model records --out new.xlsx", "new.xlsx: end its name in .csv or .parquet"),
        ("predict ecg-nano records --out new.csv", "ecg-nano: has no thresholds; save it with its"),
        ("predict ecg-nano records --probe model --out new.csv", "model: no run.json there; give"),
        ("predict ecg-nano records --probe gone --out new.csv", "gone: no such folder; give"),
        ("save ecg-nano nowhere --out new", "nowhere: no such folder; give the folder of a run"),
        ("save ecg-nano records --out new", "records: no run.json there; give the folder of a run"),
    ],
)
def test_what_cannot_be_done_exits_with_2_and_writes_nothing(myocard, place, words, message):
    before = sorted(place.rglob("*"))
    code, out, err = myocard(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith(f"myocard: {message}")
    assert sorted(place.rglob("*")) == before


def test_its_help_states_the_exit_codes(myocard):
    code, out, _ = myocard("predict", "--help")
    assert code == 0
    assert "0 if every record has scores, 1 if one has not" in " ".join(out.split())
