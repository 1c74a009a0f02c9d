"""Raw stores: records as they are, for encoders that filter and resample themselves."""

from pathlib import Path

import numpy as np
import pytest

from myocard.data.preparation import prepare_folder
from myocard.data.signal import Band, Preprocessing
from myocard.data.steps import Resample, Window
from myocard.errors import InputError
from myocard.leads import LEADS

EIGHT = ("V6", "I", "II", "V1", "V2", "V3", "V4", "V5")
PUBLISHED = Preprocessing(250, 500, EIGHT, steps=(Resample(250, "linear"), Window(500)))


def write(folder: Path, rates: list[int], leads=LEADS[::-1]) -> Path:
    """A folder of records of 4 s each, in mV."""
    folder.mkdir()
    lines = ["file,patient,codes,rate,leads,unit"]
    for number, rate in enumerate(rates):
        signal = 0.1 * np.random.default_rng(number).normal(size=(len(leads), 4 * rate))
        np.save(folder / f"{number}.npy", signal.cumsum(axis=1).astype(np.float32))
        lines.append(f"{number}.npy,p{number},own:a,{rate},{' '.join(leads)},mV")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def make(folder: Path, expected: Preprocessing | None, **how: object):
    out = folder.with_name("store")
    return prepare_folder("folder", folder, out, expected, seconds=4.0, jobs=1, **how)


@pytest.mark.parametrize("expected", [None, PUBLISHED])
def test_records_keep_their_rate_values_and_all_leads(tmp_path, expected) -> None:
    store = make(write(tmp_path / "own", [400, 400]), expected)
    made = store.made
    assert (made.rate, made.samples, made.leads, made.band) == (400, 1600, LEADS, Band())
    given = np.load(tmp_path / "own" / "0.npy")[::-1]
    scale = store.records["scale"][0]
    np.testing.assert_allclose(store.signals[0] * scale, given, atol=0.51 * scale)
    store.require(PUBLISHED)


def test_the_first_record_that_can_be_read_gives_the_rate_of_all(tmp_path) -> None:
    folder = write(tmp_path / "own", [1000, 257, 1000])
    (folder / "0.npy").write_bytes(b"nothing")
    store = make(folder, None)
    assert store.made.rate == 257
    assert store.records["id"].tolist() == ["1.npy", "2.npy"]


def test_a_lead_that_the_encoder_needs_is_missed_by_its_name(tmp_path) -> None:
    with pytest.raises(InputError, match="no record can be used .1 missing_lead"):
        make(write(tmp_path / "own", [400], leads=("I", "II", "V1")), PUBLISHED)
    listed = (tmp_path / "store-quarantine.csv").read_text()
    assert "no lead V2, V3, V4, V5, V6" in listed


def test_rows_may_be_chosen(tmp_path) -> None:
    store = make(write(tmp_path / "own", [400]), None, leads=("ii", "V1"))
    assert store.made.leads == ("II", "V1")


@pytest.mark.parametrize("form", [{"filtered": True}, {"standardise": "lead"}])
def test_a_raw_store_is_neither_filtered_nor_standardised(tmp_path, form) -> None:
    with pytest.raises(InputError, match="a raw store holds records as they are; leave out"):
        make(write(tmp_path / "own", [400]), PUBLISHED, **form)


def test_records_none_of_which_can_be_read_are_told(tmp_path) -> None:
    folder = write(tmp_path / "own", [400])
    (folder / "0.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"no record can be read: .*0\.npy"):
        make(folder, None)


def test_an_input_without_steps_is_met_as_before(tmp_path) -> None:
    expected = Preprocessing(100, 200, ("II", "I"), Band(0.5, 40.0))
    store = make(write(tmp_path / "own", [400]), expected)
    assert (store.made.rate, store.made.leads) == (100, ("II", "I"))
    assert store.made.band == expected.band
