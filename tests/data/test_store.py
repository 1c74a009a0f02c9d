"""A store: what goes in comes out, and what does not fit is refused with the fix."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myocard.data.signal import Band, Preprocessing, standardise
from myocard.data.store import FILES, Store, quantise
from myocard.errors import InputError
from myocard.files.manifest import STORE
from myocard.models.checkpoint import load_encoder

STMEM = Band(0.67, 40.0)


@given(arrays(np.float32, (3, 30), elements=st.floats(-100, 100, width=32)))
def test_a_quantised_record_is_half_a_step_off_at_most(signal) -> None:
    integers, scale = quantise(signal)
    assert integers.dtype == np.int16
    assert np.abs(integers * scale - signal).max() <= 0.502 * scale


@pytest.mark.parametrize("peak", [1e-6, 0.05, 5.0, 300.0])
def test_the_largest_value_fills_the_range_and_nothing_clips(peak: float) -> None:
    integers, scale = quantise(np.array([[-peak, 0, peak / 2]], dtype=np.float32))
    assert integers[0, 0] == -32767
    assert scale == pytest.approx(peak / 32767)


def test_silence_stays_silence() -> None:
    integers, scale = quantise(np.zeros((12, 10), dtype=np.float32))
    assert not integers.any()
    assert scale > 0


def test_a_store_opens_as_it_was_written(make_store) -> None:
    store = make_store(band=STMEM)
    assert store.signals.shape == (5, 2, 40)
    assert isinstance(store.signals, np.memmap)
    assert (store.made.rate, store.made.leads, store.made.band) == (100, ("I", "II"), STMEM)
    assert store.records["id"].tolist() == [f"store-{i}" for i in range(5)]


@pytest.mark.parametrize("lost", ["store.json", "records.parquet", "signals.npy"])
def test_a_store_without_one_of_its_files_is_refused(make_store, lost: str) -> None:
    folder = make_store().folder
    (folder / lost).unlink()
    with pytest.raises(InputError, match=rf"{folder}/{lost}: not a readable .*prepare"):
        Store.open(folder)


def test_nonsense_is_no_store_and_the_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{tmp_path}/store.json: .* make one with"):
        Store.open(tmp_path)
    with pytest.raises(InputError, match="nowhere: no such folder; make one with"):
        Store.open(tmp_path / "nowhere")


def test_a_folder_of_another_kind_is_told_by_its_name(make_store) -> None:
    folder = make_store().folder
    with pytest.raises(InputError, match="a store, not a checkpoint; fetch or make"):
        load_encoder(folder)


@pytest.mark.parametrize("file", ["store.json", "records.parquet", "signals.npy"])
@pytest.mark.parametrize("damage", ["emptied", "cut", "overwritten"])
def test_a_damaged_file_is_refused(make_store, file: str, damage: str) -> None:
    folder = make_store().folder
    path = folder / file
    content = path.read_bytes()
    kept = {"emptied": b"", "cut": content[:-7], "overwritten": b"\x93nonsense" + content[9:]}
    path.write_bytes(kept[damage])
    with pytest.raises(
        InputError, match=rf"{folder}/{file}: not (a readable|the file that was written)"
    ):
        Store.open(folder)


def test_signals_that_are_an_archive_are_refused(make_store) -> None:
    folder = make_store().folder
    np.savez(folder / "signals.npz", signals=np.zeros((5, 2, 40), dtype=np.int16))
    (folder / "signals.npz").replace(folder / "signals.npy")
    with pytest.raises(InputError, match=r"signals\.npy: not a readable array"):
        Store.open(folder)


@pytest.mark.parametrize(
    "signals",
    [np.zeros((4, 2, 40), "i2"), np.zeros((5, 2, 41), "i2"), np.zeros((5, 2, 40), "f4")],
)
def test_signals_that_do_not_fit_the_table_are_refused(make_store, signals) -> None:
    folder = make_store().folder
    np.save(folder / "signals.npy", signals)
    with pytest.raises(InputError, match=r"do not fit 5 records of 2 leads × 40 samples; prepare"):
        Store.open(folder)


def test_another_format_is_refused(make_store) -> None:
    folder = make_store().folder
    info = json.loads((folder / "store.json").read_text())
    (folder / "store.json").write_text(json.dumps(info | {"format": 99}))
    with pytest.raises(InputError, match=r"store\.json: store format 99; make one"):
        Store.open(folder)


def test_the_key_belongs_to_the_content_and_not_to_the_place(make_store, tmp_path) -> None:
    store = make_store()
    copy = Store.open(Path(shutil.copytree(store.folder, tmp_path / "copy")))
    assert copy.key == store.key == Store.open(store.folder).key


def write_records(store: Store, records: pd.DataFrame) -> None:
    records.to_parquet(store.folder / "records.parquet", index=False)
    STORE.write(store.folder, {"made": asdict(store.made)}, FILES)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "x"),
        ("patient", "x"),
        ("fold", 9),
        ("age", 51.0),
        ("sha256", "f" * 64),
        ("scale", np.nextafter(0.001, 1)),
        ("flags", "cropped"),
    ],
)
def test_a_changed_cell_changes_the_key(make_store, column: str, value: object) -> None:
    store = make_store()
    records = store.records.copy()
    records.loc[2, column] = value
    write_records(store, records)
    assert Store.open(store.folder).key != store.key


def test_changed_codes_change_the_key(make_store) -> None:
    store = make_store()
    codes = pd.Series([["scp:NORM"]] * 4 + [["scp:NORM", "scp:SR"]])
    write_records(store, store.records.assign(codes=codes))
    assert Store.open(store.folder).key != store.key


def test_other_settings_or_another_order_change_the_key(make_store) -> None:
    keys = {
        make_store().key,
        make_store("rate", rate=250).key,
        make_store("band", band=STMEM).key,
        make_store("leads", leads=("II", "I")).key,
        make_store("samples", shape=(5, 2, 39)).key,
    }
    assert len(keys) == 5
    store = make_store("order")
    write_records(store, store.records.iloc[::-1])
    assert Store.open(store.folder).key != store.key


def test_what_a_store_can_give_is_not_refused(make_store) -> None:
    store = make_store(band=STMEM)
    store.require(Preprocessing(100, 40, ("I", "II"), STMEM))
    store.require(Preprocessing(100, 25, ("II",), STMEM, "record"))


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [
        (Preprocessing(250, 40, ("I", "II")), "the rate is 100 Hz, not 250 Hz"),
        (Preprocessing(100, 41, ("I", "II")), "records have 40 samples, not 41 or more"),
        (Preprocessing(100, 40, ("V1", "I", "aVR")), "leads V1, aVR are missing"),
    ],
)
def test_what_it_cannot_give_is_refused_with_the_fix(make_store, wanted, difference) -> None:
    store = make_store()
    of_leads = "all leads; where its records have I,II alone, `myocard extract --leads I,II`"
    how = of_leads if "leads" in difference else "`myocard prepare --like CHECKPOINT`"
    fix = f"Prepare the source again with {how}"
    with pytest.raises(InputError, match=f"{store.folder}: .*: {difference}. {fix}"):
        store.require(wanted)


def test_all_that_differs_is_told_at_once(make_store) -> None:
    with pytest.raises(InputError, match=r"the rate .*; the filter .*; records have .*; leads V1"):
        make_store(band=Band(1.0)).require(Preprocessing(250, 99, ("V1",), STMEM))


@pytest.mark.parametrize("over", ["record", "lead"])
def test_a_window_is_the_standardised_cut_of_the_wanted_leads(make_store, over) -> None:
    store = make_store()
    wanted = Preprocessing(100, 16, ("II", "I"), standardise=over)
    # In the store's unit: the scale must not matter.
    voltages = 0.001 * store.signals[[3, 0, 3]][:, ::-1].astype(np.float32)
    expected = standardise(voltages[..., 7:23], over)
    found = store.windows([3, 0, 3], wanted, 7)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    middle = store.windows(np.array([3, 0, 3]), wanted)
    np.testing.assert_allclose(middle, standardise(voltages[..., 12:28], over), atol=1e-5)
