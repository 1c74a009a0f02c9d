"""A record's border: units, shape, names, and the hash that knows a waveform again."""

import numpy as np
import pytest

from myocard.errors import InputError
from myocard.leads import LEADS
from myocard.record import Record


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(12, 50)).astype(np.float32)


@pytest.mark.parametrize(
    ("unit", "one_millivolt"),
    [("mV", 1), ("MV", 1), ("uV", 1000), ("µV", 1000), ("\u03bcV", 1000), ("V", 0.001)],
)
def test_every_voltage_becomes_millivolts(unit: str, one_millivolt: float) -> None:
    record = Record.from_array([[0, one_millivolt, -2 * one_millivolt]], 500, ["I"], unit)
    np.testing.assert_allclose(record.signal, [[0, 1, -2]], rtol=1e-7)
    assert (record.unit, record.signal.dtype) == ("mV", np.float32)


def test_a_standardised_signal_claims_no_voltage() -> None:
    record = Record.from_array([[0.0, 2.5]], 500, ["I"], "nu")
    assert record.unit == "NU"
    assert record.signal.tolist() == [[0, 2.5]]


def test_integers_are_scaled_before_they_are_rounded() -> None:
    record = Record.from_array(np.array([[1, 32767]], dtype=np.int16), 500, ["I"], "uV")
    np.testing.assert_allclose(record.signal, [[0.001, 32.767]], rtol=1e-6)


def test_a_record_does_not_change_with_the_array_it_was_made_of(values) -> None:
    record = Record.from_array(values, 500, LEADS, "mV")
    before = record.sha256
    values[:] = 0
    assert record.sha256 == before


def test_seconds_are_samples_by_rate(values) -> None:
    assert Record.from_array(values, 400, LEADS, "mV").seconds == 0.125


@pytest.mark.parametrize("shape", [(50,), (50, 12), (1, 12, 50), (11, 50), (12, 0), ()])
def test_a_shape_that_does_not_fit_its_leads_is_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as error:
        Record.from_array(np.zeros(shape), 500, LEADS, "mV")
    assert f"shape {shape} does not fit 12 leads; give (leads, samples)" in str(error.value)


@pytest.mark.parametrize("rate", [0, -500, np.nan, np.inf])
def test_an_impossible_rate_is_told(values, rate: float) -> None:
    with pytest.raises(InputError, match=f"a rate of {rate} Hz"):
        Record.from_array(values, rate, LEADS, "mV")


def test_an_unknown_unit_is_told_with_the_choices(values) -> None:
    with pytest.raises(InputError, match="unknown unit 'mmHg'; the units are mV, uV, V and NU"):
        Record.from_array(values, 500, LEADS, "mmHg")


def test_an_unknown_lead_is_told(values) -> None:
    with pytest.raises(InputError, match="unknown lead 'V7'"):
        Record.from_array(values, 500, [*LEADS[:11], "V7"], "mV")


def test_values_are_not_judged_at_the_border() -> None:
    assert np.isnan(Record.from_array([[np.nan, 0]], 500, ["I"], "mV").signal[0, 0])


def test_the_hash_does_not_see_how_an_array_lies_in_memory(values) -> None:
    record = Record.from_array(values, 500, LEADS, "mV")
    transposed = Record.from_array(np.asfortranarray(values), 500.0, LEADS, "mV")
    swapped = Record.from_array(values.astype(">f4"), 500, [lead.lower() for lead in LEADS], "mV")
    strided = Record(np.repeat(values, 2, axis=1)[:, ::2], 500.0, LEADS)
    wide = Record.from_array(values.astype(np.float64), 500, LEADS, "mV")
    assert len({r.sha256 for r in (record, transposed, swapped, strided, wide)}) == 1


def test_the_hash_sees_waveform_rate_and_names(values) -> None:
    record = Record.from_array(values, 500, LEADS, "mV")
    touched = values.copy()
    touched[7, 31] = np.nextafter(touched[7, 31], np.float32(9))
    others = [
        Record.from_array(touched, 500, LEADS, "mV"),
        Record.from_array(values, 250, LEADS, "mV"),
        Record.from_array(values, 500, LEADS[::-1], "mV"),
        Record.from_array(values[:, :-1], 500, LEADS, "mV"),
        record.select(LEADS[:6]),
    ]
    assert len({r.sha256 for r in (record, *others)}) == 6


def test_leads_are_chosen_by_name_not_by_place(values) -> None:
    """MIMIC-IV's records come as I II III aVR aVF aVL, in which row 4 is aVF."""
    mimic = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
    record = Record.from_array(values, 500, mimic, "mV").select(LEADS)
    assert record.leads == LEADS
    np.testing.assert_array_equal(record.signal[LEADS.index("aVL")], values[5])
    np.testing.assert_array_equal(record.signal[LEADS.index("aVF")], values[4])
    np.testing.assert_array_equal(record.signal[6:], values[6:])


def test_a_selection_keeps_rate_and_unit(values) -> None:
    record = Record.from_array(values, 257.5, LEADS, "NU").select(("V2", "I"))
    assert (record.rate, record.unit, record.leads) == (257.5, "NU", ("V2", "I"))


def test_a_lead_that_is_missing_is_named(values) -> None:
    record = Record.from_array(values[:2], 500, ["I", "II"], "mV")
    with pytest.raises(InputError, match="has no lead V1, V2; it has I, II"):
        record.select(("I", "V1", "V2"))


@pytest.mark.parametrize("rate", [0, -1, 0.001, float("nan"), float("inf")])
def test_a_rate_that_no_ecg_has_is_refused_however_the_record_is_made(values, rate) -> None:
    with pytest.raises(InputError, match="Hz; give the samples per second"):
        Record(values, rate, LEADS)


def test_values_that_are_not_real_or_masked_are_refused() -> None:
    with pytest.raises(InputError, match="a signal of complex128; give real numbers"):
        Record.from_array(np.zeros((1, 9), complex), 500, ["I"], "mV")
    with pytest.raises(InputError, match="masked values; give NaN"):
        Record.from_array(np.ma.masked_less(np.arange(-2, 3)[None], 0), 500, ["I"], "mV")
