"""Every file is a row: scores where the record can be read, and the reason where it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch

from myocard import Model, from_pretrained, read
from myocard.data import window
from myocard.data.formats.reading import opened
from myocard.data.formats.recording import Recording
from myocard.data.window import Stated
from myocard.errors import InputError
from myocard.evaluation import prediction
from myocard.evaluation.prediction import predict
from myocard.simulation import write


@pytest.fixture
def records(tmp_path) -> Path:
    """Six records of 10 s at 100 Hz."""
    write(tmp_path / "simulated", "ptbxl", count=6)
    return (tmp_path / "simulated" / "records100").rename(tmp_path / "records")


@pytest.fixture
def saved(decided, tmp_path) -> Path:
    decided.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def table(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out)


def flatten(record: Path, lead: int) -> None:
    """Let a lead of a WFDB record in format 16 be constant."""
    samples = np.fromfile(record, "<i2").reshape(-1, 12)
    samples[:, lead] = 0
    samples.tofile(record)


def test_rows_are_what_the_model_says_of_each_record_in_the_order_of_paths(
    saved, decided, records, tmp_path
):
    assert predict(saved, [records], tmp_path / "out.parquet", jobs=1) == 0
    found = table(tmp_path / "out.parquet")
    files = sorted(records.rglob("*.hea"))
    assert found["file"].tolist() == [path.as_posix() for path in files]
    assert found["record"].tolist() == [path.stem for path in files]
    model, asked = from_pretrained(saved), [read(path) for path in files]
    for name, values in decided.decision.columns(model.predict_proba(asked)).items():
        same = np.allclose if name.startswith("score") else np.array_equal
        assert same(found[name], values), name
    assert np.allclose(found.filter(like="layer:"), model.layer_weights(asked), atol=1e-6)
    assert found["error"].isna().all()
    assert found["flags"].tolist() == ["cropped"] * 6  # ten seconds, of which one is read


def unseal(header: Path) -> None:
    """Take first values and checksums out of a header's lines of signals."""
    first, *lines = header.read_text().splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    signals = [" ".join([*row[:5], "0", "0", *row[7:]]) for row in rows]
    header.write_text("\n".join([first, *signals]))


@pytest.fixture
def hostile(records) -> Path:
    """A folder with everything that goes wrong, and two good records of one name."""
    first, second, third, fourth, fifth, sixth = sorted(records.rglob("*.hea"))
    (records / "again").mkdir()
    for suffix in (".hea", ".dat"):
        shutil.copy(first.with_suffix(suffix), records / "again")
    content = second.with_suffix(".dat").read_bytes()
    second.with_suffix(".dat").write_bytes(content[:-100])
    flatten(third.with_suffix(".dat"), 4)
    unseal(third)
    fourth.write_text(fourth.read_text().replace(" V6\n", " X6\n"))
    lines = [line.replace(" 1000", " 50") for line in fifth.read_text().splitlines()]
    fifth.write_text("\n".join(lines))
    unseal(fifth)
    fifth.with_suffix(".dat").write_bytes(fifth.with_suffix(".dat").read_bytes()[: 50 * 24])
    sixth.with_suffix(".dat").unlink()
    (records / "empty.csv").touch()
    (records / "notes.csv").write_text("patient\nsecret, and more\n")
    (records / "lone.dat").write_bytes(b"\0" * 240)
    (records / "README.txt").write_text("no record")
    (records / ".hidden.npy").write_bytes(b"")
    return records


def test_what_cannot_be_used_is_a_row_with_its_reason(saved, hostile, tmp_path):
    assert predict(saved, [hostile], tmp_path / "out.parquet", jobs=1) == 8
    found = table(tmp_path / "out.parquet")
    assert found["file"].tolist() == sorted(found["file"], key=Path)
    assert found["flags"].tolist() == [
        "cropped", "wrong_length", "flat_lead", "missing_lead", "too_short", "unreadable",
        "cropped", "unreadable", "unreadable", "unreadable",
    ]  # fmt: skip
    errors = found["error"].dropna().tolist()
    wanted = (
        "wrong length: the header promises 1000 samples", "lead aVL is constant",
        "the record has no lead V6; it has", "a record of 0.5 s is shorter than the encoder's",
        "its signal file 00006_lr.dat is missing", "empty.csv: not a table of numbers",
        "lone.dat: a signal file without its WFDB header lone.hea",
        "notes.csv: not a table of numbers",
    )  # fmt: skip
    assert all(part in error for part, error in zip(wanted, errors, strict=True)), errors
    values = found.drop(columns=["file", "record", "flags", "error"])
    usable = found["error"].isna()
    assert values[usable].notna().all().all()
    assert values[~usable].isna().all().all()
    same = found[found["record"] == "00001_lr"]
    assert len(same) == 2
    assert same.drop(columns="file").nunique().eq(1).drop("error").all()


def test_other_files_of_a_folder_are_counted_and_a_named_one_is_a_row(
    saved, hostile, tmp_path, caplog
):
    with caplog.at_level("INFO"):
        predict(saved, [hostile], tmp_path / "out.csv", jobs=1)
    assert "passed over 1 files that hold no record: 1 .txt" in caplog.text
    named = [hostile / "README.txt", *sorted(hostile.rglob("00001_lr.dat"))]
    assert predict(saved, [*named, *named], tmp_path / "named.parquet", jobs=1) == 1
    found = table(tmp_path / "named.parquet")
    assert [Path(file).name for file in found["file"]] == [
        "00001_lr.hea", "README.txt", "00001_lr.hea",
    ]  # fmt: skip
    assert found["error"].str.contains("unknown format").sum() == 1


def test_csv_and_parquet_hold_the_same(saved, hostile, tmp_path):
    for suffix in ("csv", "parquet"):
        predict(saved, [hostile], tmp_path / f"out.{suffix}", jobs=1)
    expected = pyarrow.parquet.read_table(tmp_path / "out.parquet")
    types = pyarrow.csv.ConvertOptions(
        column_types=expected.schema, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    found = pyarrow.csv.read_csv(tmp_path / "out.csv", convert_options=types)
    assert found.equals(expected)
    assert pd.read_csv(tmp_path / "out.csv")["error"].isna().sum() == 2


def test_parts_and_processes_change_no_digit(saved, hostile, tmp_path, monkeypatch, caplog):
    predict(saved, [hostile], tmp_path / "whole.csv", jobs=1)
    monkeypatch.setattr(prediction, "PART", 2)
    predict(saved, [hostile], tmp_path / "one.csv", jobs=1)
    monkeypatch.setattr(prediction, "WORTH_A_PROCESS", 2)
    with caplog.at_level("INFO"):
        predict(saved, [hostile], tmp_path / "two.csv", jobs=2)
    assert "10 records; 2 processes start" in caplog.messages
    contents = {name: (tmp_path / f"{name}.csv").read_bytes() for name in ("whole", "one", "two")}
    assert contents["one"] == contents["two"]
    whole, one = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("whole", "one"))
    pd.testing.assert_frame_equal(whole, one, atol=1e-5)


def test_a_table_that_is_there_is_kept_and_refused_for_another_model_or_files(
    saved, decided, records, tmp_path, caplog
):
    out = tmp_path / "out.csv"
    assert predict(saved, [records], out, jobs=1) == 0
    made = out.read_bytes(), out.stat().st_mtime_ns
    with caplog.at_level("INFO"):
        assert predict(saved, [records], out, jobs=1) == 0
    assert f"{out}: is there, made from the same inputs; kept" in caplog.text
    with pytest.raises(InputError, match=r"out\.csv: made from other inputs: unit is null, not"):
        predict(saved, [records], out, stated=Stated(unit="mV"), jobs=1)
    first = min(records.rglob("*.dat"))
    os.utime(first)
    with pytest.raises(InputError, match=r"made from other inputs: listing is .*; choose another"):
        predict(saved, [records], out, jobs=1)
    other = decided.decision.model_copy(update={"thresholds": (0.1, 0.1, 0.1)})
    Model(decided.encoder, decided.classifier, decided.shape, other).save_pretrained(saved)
    with pytest.raises(InputError, match=r"made from other inputs: model\.decision\.thresholds is"):
        predict(saved, [records], out, jobs=1)
    assert (out.read_bytes(), out.stat().st_mtime_ns) == made
    left = sorted(path.name for path in tmp_path.glob("*out*"))
    assert left == ["out.csv", "out.csv.inputs.json"]


def test_a_list_that_changes_between_a_stop_and_the_next_start_is_noticed(
    saved, records, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(prediction, "PART", 2)
    out, asked = tmp_path / "out.csv", []

    def stop(what: str, done: int, total: int) -> None:
        asked.append(done)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(saved, [records], out, jobs=1, progress=stop)
    shutil.copy(min(records.rglob("*.hea")), records / "new.hea")
    with pytest.raises(InputError, match="files is 6, not 7; .* what a stopped job left; remove"):
        predict(saved, [records], out, jobs=1)
    (records / "new.hea").unlink()
    told = []
    with caplog.at_level("INFO"):
        predict(saved, [records], out, jobs=1, progress=lambda *said: told.append(said[1]))
    assert (asked, told) == ([0, 2, 4], [4, 6])
    assert "6 records, 4 of them done before" in caplog.messages


def test_the_table_itself_is_no_record(saved, records, monkeypatch):
    monkeypatch.chdir(records)
    assert predict(saved, ["."], "out.csv", jobs=1) == 0
    assert predict(saved, ["."], "out.csv", jobs=1) == 0
    assert len(pd.read_csv("out.csv")) == 6


def test_files_that_do_not_say_what_they_are_are_told(saved, tmp_path):
    signal = np.random.default_rng(0).normal(size=(12, 300)).astype(np.float32)
    (tmp_path / "arrays").mkdir()
    np.save(tmp_path / "arrays" / "a.npy", signal)
    leads = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    assert predict(saved, [tmp_path / "arrays"], tmp_path / "untold.csv", jobs=1) == 1
    assert "does not say its rate, leads, unit" in (tmp_path / "untold.csv").read_text()
    stated = Stated(100.0, leads, "mV")
    assert predict(saved, [tmp_path / "arrays"], tmp_path / "told.csv", stated=stated) == 0


@pytest.mark.parametrize(
    ("places", "out", "message"),
    [
        (["nowhere"], "out.csv", "nowhere: no such file or folder"),
        (["model"], "out.csv", r"model: no file of a record there"),
        (["records"], "out.xlsx", r"out\.xlsx: end its name in \.csv or \.parquet"),
    ],
)
def test_what_cannot_be_begun_is_refused(
    saved, records, tmp_path, monkeypatch, places, out, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        predict(saved, places, out, jobs=1)
    assert not Path(out).exists()


def test_a_model_without_decisions_is_refused(encoder, decided, records, tmp_path):
    Model(encoder, decided.classifier, decided.shape).save_pretrained(tmp_path / "plain")
    with pytest.raises(InputError, match=r"plain: has no thresholds; save it with its run"):
        predict(tmp_path / "plain", [records], tmp_path / "out.csv")


def test_a_file_that_a_reader_fails_on_is_a_row_as_well(saved, records, tmp_path, monkeypatch):
    def fail(file: Path, **how: object) -> Recording:
        if file.stem == "00002_lr":
            raise ZeroDivisionError("once\nmore")
        return opened(file)

    monkeypatch.setattr(window, "opened", fail)
    assert predict(saved, [records], tmp_path / "out.parquet", jobs=1) == 1
    errors = table(tmp_path / "out.parquet")["error"]
    assert errors.dropna().index.tolist() == [1]
    assert errors[1].endswith("00002_lr.hea: not readable (ZeroDivisionError: once more)")


def test_names_that_are_no_utf_8_are_written_out(saved, records, tmp_path):
    strange = os.fsdecode(os.fsencode(records) + b"/caf\xe9.csv")
    Path(strange).touch()
    assert predict(saved, [records], tmp_path / "out.csv", jobs=1) == 1
    assert (tmp_path / "out.csv").read_text().count(r"caf\udce9.csv") == 2


def test_a_copied_model_gives_the_same_bytes_in_another_process_and_folder(
    saved, records, tmp_path
):
    predict(saved, [records], tmp_path / "here.csv", jobs=1)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(saved, elsewhere / "copy")
    shutil.rmtree(saved)
    code = (
        "from myocard.evaluation.prediction import predict;"
        f"predict('copy', [{str(records)!r}], 'there.csv', jobs=1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=elsewhere, check=True)
    assert (elsewhere / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_threads_are_left_as_they_were(saved, records, tmp_path):
    before = torch.get_num_threads()
    predict(saved, [records], tmp_path / "out.csv", jobs=1)
    assert torch.get_num_threads() == before
