"""Predictions over time: a row for each window of a record, with the second at which it starts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard import read
from myocard.data.signal import standardise
from myocard.data.window import Stated
from myocard.errors import InputError
from myocard.evaluation import prediction
from myocard.evaluation.prediction import predict
from myocard.leads import LEADS
from myocard.simulation import simulate

STATED = Stated(100.0, LEADS, "mV")


@pytest.fixture
def saved(decided, tmp_path) -> Path:
    decided.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def night(tmp_path) -> Path:
    """Half a minute at 100 Hz."""
    signals = [simulate(0, k, rate=100).record.signal for k in range(3)]
    np.save(tmp_path / "night.npy", np.hstack(signals))
    return tmp_path / "night.npy"


def test_a_row_for_each_window_says_what_the_model_says_of_it(saved, decided, night, tmp_path):
    out = tmp_path / "out.parquet"
    assert predict(saved, [night], out, step=1.5, stated=STATED, jobs=1) == 0
    found = pd.read_parquet(out)
    expected = decided.encoder.input
    assert found["start"].tolist() == [1.5 * number for number in range(20)]
    assert set(found["record"]) == {"night"}
    assert found["flags"].isna().all()
    signal = read(night, **STATED._asdict()).select(expected.leads).signal
    windows = [signal[:, round(100 * start) :][:, :100] for start in found["start"]]
    scores = decided.read(standardise(np.stack(windows), expected.standardise)).scores
    for name, values in decided.decision.columns(scores).items():
        same = np.allclose if name.startswith("score") else np.array_equal
        assert same(found[name], values), name


def test_what_cannot_be_read_is_a_row_and_a_bad_window_one_of_many(saved, night, tmp_path):
    signal = np.load(night)
    signal[3, 1040:1080] = np.nan  # from 10.4 to 10.8 s
    np.save(night, signal)
    np.save(tmp_path / "short.npy", signal[:, :50])
    np.save(tmp_path / "two.npy", signal[:, :2])
    (tmp_path / "bad.csv").write_text("no, numbers\n")
    files = [night, *(tmp_path / name for name in ("bad.csv", "short.npy", "two.npy"))]
    out = tmp_path / "out.csv"
    assert predict(saved, files, out, step=1.0, stated=STATED, jobs=1) == 4
    found = pd.read_csv(out).set_index("record")
    bad = found[found["error"].notna()]
    assert bad["flags"].to_dict() == {
        "bad": "unreadable",
        "night": "not_finite",
        "short": "too_short",
        "two": "too_short",
    }
    assert bad["start"].fillna(-1).to_dict() == {"bad": -1, "night": 10, "short": -1, "two": -1}
    assert len(found) == 33


def test_a_record_without_a_lead_is_one_row(saved, night, tmp_path):
    np.save(night, np.load(night)[:2])
    out, stated = tmp_path / "out.csv", Stated(250.0, ("I", "II"), "mV")
    assert predict(saved, [night], out, step=1.0, stated=stated, jobs=1) == 1
    assert pd.read_csv(out)["flags"].tolist() == ["missing_lead"]


def test_parts_processes_and_a_stop_change_no_digit(saved, night, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "PART", 7)

    def stop(what: str, done: int, total: int) -> None:
        assert total == 30
        if done == 14:
            raise KeyboardInterrupt

    how = {"step": 1.0, "stated": STATED}
    predict(saved, [night], tmp_path / "one.csv", jobs=1, **how)
    predict(saved, [night], tmp_path / "two.csv", jobs=2, **how)
    with pytest.raises(KeyboardInterrupt):
        predict(saved, [night], tmp_path / "cut.csv", jobs=1, progress=stop, **how)
    predict(saved, [night], tmp_path / "cut.csv", jobs=1, **how)
    contents = {(tmp_path / f"{name}.csv").read_bytes() for name in ("one", "two", "cut")}
    assert len(contents) == 1


def test_another_step_is_refused_and_so_is_one_below_a_sample(saved, night, tmp_path):
    out = tmp_path / "out.csv"
    predict(saved, [night], out, step=10.0, stated=STATED, jobs=1)
    with pytest.raises(InputError, match=r"made from other inputs: step is 10\.0, not 5\.0"):
        predict(saved, [night], out, step=5.0, stated=STATED, jobs=1)
    with pytest.raises(InputError, match=r"step is 10\.0, not null"):
        predict(saved, [night], out, stated=STATED, jobs=1)
    with pytest.raises(InputError, match="steps of 0 s; give a sample at 100 Hz"):
        predict(saved, [night], tmp_path / "other.csv", step=0.0, stated=STATED, jobs=1)
