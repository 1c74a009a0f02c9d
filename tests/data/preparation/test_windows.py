"""Long records in windows: each a record of the store, as if the whole had been filtered."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.formats.reading import read
from myocard.data.preparation import Wanted, parts, prepare, prepare_folder
from myocard.data.signal import Band, conform
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.simulation import simulate

WANTED = Wanted(100, 10.0, LEADS, Band(0.67, 40.0), step=5.0)


def long_signal(seed: int = 0) -> np.ndarray:
    """Half a minute at 250 Hz."""
    return np.hstack([simulate(seed, k, rate=250).record.signal for k in range(3)])


def run(entries: list[Entry], out: Path, wanted: Wanted = WANTED, **how: object) -> Store:
    return prepare(entries, out, wanted, source="test", jobs=1, **how)


def quarantined(store: Store) -> dict[str, str]:
    found = pd.read_csv(store.folder / "quarantine.csv")
    return dict(zip(found["id"], found["reason"], strict=True))


def test_every_window_is_a_record_of_its_patient_as_if_the_whole_were_filtered(
    make_entry, tmp_path
) -> None:
    about = {"codes": ("scp:NORM",), "fold": 3, "age": 61.0}
    signal = long_signal()
    store = run([make_entry("a", signal, rate=250, patient="p", **about)], tmp_path / "store")
    records = store.records
    assert records["id"].tolist() == ["a@0", "a@5", "a@10", "a@15", "a@20"]
    assert records["start"].tolist() == [0.0, 5.0, 10.0, 15.0, 20.0]
    assert set(records["patient"]) == {"p"}
    assert set(records["fold"]) == {3}
    assert set(records["age"]) == {61.0}
    assert all(codes.tolist() == ["scp:NORM"] for codes in records["codes"])
    assert not records["flags"].str.contains("cropped").any()
    whole = conform(signal.astype(np.float32), 250, 100, WANTED.band)
    for row, record in enumerate(records.itertuples()):
        expected = whole[:, round(100 * record.start) :][:, :1000]
        off = 1e-2 if row in (0, 4) else 1e-4
        found = store.signals[row] * record.scale
        np.testing.assert_allclose(found, expected, rtol=0, atol=off + record.scale)


def test_what_is_wrong_with_a_window_bars_it_alone(make_entry, tmp_path) -> None:
    signal = long_signal()
    signal[3, 2600] = np.nan  # within 10.4 s
    signal[5, 5000:] = 0.25  # from 20 s on
    store = run([make_entry("a", signal, rate=250)], tmp_path / "store")
    assert store.records["id"].tolist() == ["a@0", "a@15"]
    assert quarantined(store) == {"a@5": "not_finite", "a@10": "not_finite", "a@20": "flat_lead"}


def test_a_record_that_has_no_windows_is_in_quarantine_once(make_entry, tmp_path) -> None:
    good, signal = make_entry("good", long_signal(), rate=250), long_signal(1)
    unreadable = make_entry("unreadable")
    unreadable.path.write_text("no array")
    lacking = make_entry("lacking", signal[:2], rate=250, leads=LEADS[:2])
    short = make_entry("short", signal[:, :2400], rate=250)
    failing = replace(make_entry("failing"), read=partial(divmod, 1, 0))
    store = run([good, unreadable, lacking, short, failing], tmp_path / "store")
    assert len(store.records) == 5
    assert quarantined(store) == {
        "unreadable": "unreadable",
        "lacking": "missing_lead",
        "short": "too_short",
        "failing": "unreadable",
    }


def test_a_long_record_with_a_wrong_checksum_is_in_quarantine_once(make_entry, tmp_path) -> None:
    counts = np.rint(long_signal() * 1000).astype("<i2")
    header = tmp_path / "a.hea"
    counts.T.tofile(header.with_suffix(".dat"))
    lines = [f"a.dat 16 1000/mV 16 0 0 {counts[k].sum() + 1} 0 {LEADS[k]}" for k in range(12)]
    header.write_text("\n".join([f"a 12 250 {counts.shape[1]}", *lines, ""]))
    wrong = Entry(id="a", path=header, read=partial(read, header), patient="a")
    store = run([wrong, make_entry("good", long_signal(1), rate=250)], tmp_path / "store")
    assert quarantined(store) == {"a": "wrong_checksum"}


def test_a_window_that_comes_again_is_a_duplicate(make_entry, tmp_path) -> None:
    signal = np.hstack([long_signal()[:, :2500]] * 2)
    store = run([make_entry("a", signal, rate=250)], tmp_path / "store", replace(WANTED, step=10.0))
    assert store.records["id"].tolist() == ["a@0"]
    assert quarantined(store) == {"a@10": "duplicate"}


def test_a_raw_store_holds_windows_as_they_were_recorded(make_entry, tmp_path) -> None:
    signal = long_signal()
    entry = make_entry("a", signal, rate=250)
    store = run([entry], tmp_path / "store", Wanted(250, 4.0, LEADS, step=2.5))
    assert len(store.records) == 11
    for row, record in enumerate(store.records.itertuples()):
        first = round(250 * record.start)
        found = store.signals[row] * record.scale
        expected = signal[:, first : first + 1000]
        np.testing.assert_allclose(found, expected, rtol=0, atol=0.51 * record.scale)


def test_parts_and_a_stop_change_no_byte(make_entry, tmp_path, monkeypatch) -> None:
    entries = [make_entry(str(k), long_signal(k), rate=250) for k in range(2)]
    run(entries, tmp_path / "whole")
    monkeypatch.setattr(parts, "PART", 3)

    def stop(what: str, done: int, total: int) -> None:
        assert total == 10
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(entries, tmp_path / "cut", progress=stop)
    told: list[int] = []
    run(entries, tmp_path / "cut", progress=lambda what, done, total: told.append(done))
    assert told == [6, 9, 10]
    for name in ("signals.npy", "quarantine.csv", "records.parquet"):
        contents = [(tmp_path / each / name).read_bytes() for each in ("whole", "cut")]
        assert contents[0] == contents[1]


def test_another_step_is_another_store(make_entry, tmp_path) -> None:
    entries = [make_entry("a", long_signal(), rate=250)]
    run(entries, tmp_path / "store")
    with pytest.raises(InputError, match=r"step is 5\.0, not 10\.0"):
        run(entries, tmp_path / "store", replace(WANTED, step=10.0))
    with pytest.raises(InputError, match="step is 5.0, not null"):
        run(entries, tmp_path / "store", replace(WANTED, step=None))


@pytest.mark.parametrize("step", [0.0, -10.0, 0.009, np.nan, np.inf])
def test_a_step_below_a_sample_is_refused(step: float) -> None:
    with pytest.raises(InputError, match="give a sample at"):
        replace(WANTED, step=step)


def test_a_folder_is_prepared_in_windows_raw_and_with_a_step(tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "a.npy", long_signal())
    row = f'a.npy,p,own:x,250,"{",".join(LEADS)}",mV'
    (folder / "labels.csv").write_text(f"file,patient,codes,rate,leads,unit\n{row}\n")
    store = prepare_folder("folder", folder, tmp_path / "store", step=10.0, jobs=1)
    assert store.records["id"].tolist() == ["a.npy@0", "a.npy@10", "a.npy@20"]
    assert store.made.rate == 250
