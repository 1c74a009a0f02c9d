"""Encoders that state steps take whole records in mV, at the records' own rate, from raw stores."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from myocard.data.batches import Part, Shuffled, Windows, in_order, shuffled
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Band, Preprocessing, conform, standardise
from myocard.data.steps import (
    Butterworth,
    Clip,
    Constants,
    DecimateJoined,
    HammingBand,
    LessMedian,
    MinMax,
    Notch,
    Ranks,
    Resample,
    Step,
    Window,
    ZScore,
)
from myocard.data.store import Store
from myocard.encoders.protocol import weights_hash
from myocard.errors import InputError
from myocard.files.manifest import parsed
from myocard.leads import LEADS
from myocard.simulation import entries

SHORT = (Window(30), ZScore("lead"))
FILTERED = (Butterworth((0.67, 40.0), "bandpass", 3), Resample(250, "fourier"))
INPUTS = {
    "mV": Preprocessing(250, 2000, LEADS, steps=(Resample(250, "linear"), Window(2000))),
    "z-score": Preprocessing(250, 2250, LEADS, steps=(*FILTERED, Window(2250), ZScore("record"))),
    "constants": Preprocessing(
        500, 5000, ("II", "V1"), steps=(Window(5000), Constants((0.1, 0.2), (0.3, 0.4)), Clip(5.0))
    ),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Store:
    """Twelve simulated records as they are: 10 s at 500 Hz."""
    out = tmp_path_factory.mktemp("stores") / "raw"
    return prepare(entries(12, 0), out, Wanted(500, 10.0, LEADS), source="sim", jobs=1)


def stated(samples: int = 30, rate: int = 100, *steps: Step, leads=("I", "II")) -> Preprocessing:
    return Preprocessing(rate, samples, leads, steps=steps or SHORT)


@pytest.mark.parametrize("name", INPUTS)
def test_windows_are_the_steps_of_the_whole_record_but_for_rounding(raw, name) -> None:
    wanted, records = INPUTS[name], [entry.read() for entry in entries(12, 0)]
    expected = np.stack([wanted(each.select(wanted.leads).signal, each.rate) for each in records])
    (found,) = in_order(Windows([Part(raw, np.arange(12))], wanted), batch=12)
    assert found.shape == (12, len(wanted.leads), wanted.samples)
    assert found.dtype == torch.float32
    assert np.abs(found.numpy() - expected).max() < 1e-3 * expected.std()
    np.testing.assert_array_equal(raw.windows(range(12), wanted), found)


def test_the_number_that_places_a_window_says_nothing(raw) -> None:
    windows = Windows([Part(raw, np.arange(12))], INPUTS["mV"])
    for draw in (0.0, 0.7):
        assert torch.equal(windows[[(3, draw), (1, draw)]], windows[[(3, None), (1, None)]])
    order = Shuffled(12, 12, seed=0)
    positions = [position for position, _ in order[0]]
    assert torch.equal(next(shuffled(windows, order, [0])), windows[[(p, None) for p in positions]])


def test_stores_of_other_rates_are_read_side_by_side(make_store) -> None:
    stores = [make_store("slow"), make_store("fast", rate=200, shape=(5, 2, 80))]
    wanted = stated(80, 200, Resample(200, "linear"), Window(80))
    parts = [Part(store, np.array([4, 1])) for store in stores]
    found = Windows(parts, wanted)[[(2, None), (0, None), (3, None)]]
    expected = [stores[1].windows([4], wanted), stores[0].windows([4], wanted)]
    expected.append(stores[1].windows([1], wanted))
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_a_raw_store_gives_any_encoder_its_steps(make_store) -> None:
    store = make_store()
    store.require(stated())
    store.require(stated(1000, 2500, Resample(2500, "linear"), Window(1000)))
    store.require(stated(20, 100, leads=("II",)))
    # Zeros are put behind what is too short.
    store.require(stated(500, 100, Window(500, padded=True)))


@pytest.mark.parametrize(
    ("changes", "wanted", "difference"),
    [
        ({"band": Band(0.67)}, stated(), "the filter is high-pass 0.67 Hz, order 5, not none"),
        ({}, stated(41), "records last 0.4 s, not 0.41 s"),
        ({}, stated(leads=("V1", "I", "aVR")), "leads V1, aVR are missing"),
    ],
)
def test_what_a_store_cannot_give_is_refused_with_the_fix(
    make_store, changes, wanted, difference
) -> None:
    store = make_store(**changes)
    of_leads = "all leads; where its records have I,II alone, `myocard extract --leads I,II`"
    how = of_leads if "leads" in difference else "`myocard prepare --raw`"
    fix = f"Prepare the source again with {how}"
    with pytest.raises(InputError, match=f"{store.folder}: .*: {difference}. {fix}"):
        store.require(wanted)
    with pytest.raises(InputError, match=difference):
        Windows([Part(store, np.arange(5))], wanted)


@pytest.mark.parametrize("over", ["lead", "record"])
def test_a_standardised_store_is_refused(make_store, over) -> None:
    store = replace(make_store(), info={"standardised": over})
    with pytest.raises(InputError, match=f"every {over} was standardised"):
        store.require(stated())


def test_signals_without_a_voltage_serve_where_the_unit_does_not_matter(make_store) -> None:
    store = make_store()
    unitless = replace(store, made=replace(store.made, unit="NU"))
    unitless.require(stated())
    with pytest.raises(InputError, match="signals have no voltage"):
        unitless.require(stated(30, 100, Window(30)))


EVERY_STEP: tuple[Step, ...] = (
    Resample(500, "kaiser"),
    Butterworth((0.67, 40.0), "bandpass", 3, sections=False),
    HammingBand(0.05, 47.0, 1.5),
    Notch(50.0, 30.0),
    LessMedian(201),
    Window(5000, start=0, padded=True),
    ZScore("record", 1e-5),
    MinMax("lead", -1.0, 1.0),
    Constants((0.1, 0.2), (0.3, 0.4)),
    Clip(5.0),
    DecimateJoined(5),
    Ranks(),
)


def test_every_step_comes_back_from_json() -> None:
    wanted = Preprocessing(100, 1000, ("I", "II"), steps=EVERY_STEP)
    found = parsed(Preprocessing, json.loads(json.dumps(asdict(wanted))))
    assert found == wanted
    assert [type(step) for step in found.steps] == [type(step) for step in EVERY_STEP]


@pytest.mark.parametrize("index", range(len(EVERY_STEP)))
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"step": "unheard"}, "'unheard' found using 'step' does not match any of"),
        ({"step": None}, "does not match any of"),
    ],
)
def test_a_step_that_is_not_as_stated_is_refused(index, change, message) -> None:
    content = json.loads(json.dumps(asdict(Preprocessing(100, 1000, steps=EVERY_STEP))))
    content["steps"][index] |= change
    with pytest.raises(ValueError, match=message):
        parsed(Preprocessing, content)


def test_the_hash_of_an_encoder_tells_steps_and_their_order_apart() -> None:
    given = [
        (),
        SHORT,
        SHORT[::-1],
        (Window(30, padded=True), ZScore("lead")),
        (Window(30), ZScore("record")),
    ]
    network = torch.nn.Linear(2, 2)
    inputs = [Preprocessing(100, 30, steps=steps) for steps in given]
    assert len({weights_hash(network, each, "linear") for each in inputs}) == len(given)
    again = parsed(Preprocessing, json.loads(json.dumps(asdict(inputs[1]))))
    assert weights_hash(network, again, "linear") == weights_hash(network, inputs[1], "linear")


def test_raw_records_serve_an_encoder_without_steps_too(make_store) -> None:
    """At a lower rate and behind a filter, each window is that of the whole record."""
    store = make_store()
    wanted = Preprocessing(50, 12, ("II", "I"), Band(0.67, 20.0), "record")
    scale = store.records["scale"].to_numpy(np.float32)[:, None, None]
    records = store.signals[:5][:, [1, 0]] * scale[:5]
    found = Windows([Part(store, np.arange(5))], wanted)[[(k, 0.9) for k in range(5)]]
    for record, window in zip(records, found.numpy(), strict=True):
        whole = conform(record.astype(np.float32), 100, 50, wanted.band)
        start = int(0.9 * (whole.shape[-1] - 12 + 1))
        expected = standardise(whole[:, start : start + 12], "record")
        np.testing.assert_allclose(window, expected, atol=1e-5)


def test_raw_records_at_a_lower_rate_do_not_serve_an_encoder_without_steps(make_store) -> None:
    with pytest.raises(InputError, match="the rate is 100 Hz, not 250 Hz"):
        make_store().require(Preprocessing(250, 40, ("I", "II")))
