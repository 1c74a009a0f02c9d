"""Empty and clipped leads, wrong units and exchanged leads are found, and sound records are not."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.data.electrodes import INDEPENDENT, exchanged_leads, exchanges
from myocard.data.quality import Excerpt, faults_of
from myocard.leads import LEADS, limb_leads
from myocard.record import Record
from myocard.simulation import simulate

CHEST = LEADS[6:]
PLACES = [LEADS.index(lead) for lead in INDEPENDENT]


@cache
def simulated(count: int = 30) -> tuple[Record, ...]:
    return tuple(simulate(5, number, rate=100).record for number in range(count))


def faults(record: Record) -> dict[str, str]:
    excerpt = Excerpt.of(record)
    found = dict(faults_of(excerpt))
    return found | ({"flat_lead": ", ".join(excerpt.empty)} if excerpt.empty else {})


def with_signal(record: Record, signal: np.ndarray) -> Record:
    return replace(record, signal=signal.astype(np.float32))


def with_lead(record: Record, lead: str, values: np.ndarray) -> Record:
    signal = record.signal.copy()
    signal[record.leads.index(lead)] = values
    return with_signal(record, signal)


def with_electrodes(record: Record, exchange: np.ndarray) -> Record:
    rows = dict(zip(INDEPENDENT, exchange @ record.signal[PLACES], strict=True))
    rows |= limb_leads(rows["I"], rows["II"])
    return with_signal(record, np.stack([rows[lead] for lead in LEADS]))


def exchanged(record: Record, one: str, other: str) -> Record:
    order = [{one: other, other: one}.get(lead, lead) for lead in LEADS]
    return with_signal(record, record.select(order).signal)


@pytest.mark.parametrize("rate", [100, 500])
def test_of_two_hundred_simulated_records_none_is_suspected(rate: int) -> None:
    for number in range(200 if rate == 100 else 20):
        assert faults(simulate(0, number, rate=rate).record) == {}, number


def test_exchanging_twice_gives_the_leads_back() -> None:
    for name, exchange in exchanges().items():
        np.testing.assert_allclose(exchange @ exchange, np.eye(8), atol=1e-12, err_msg=name)


def test_electrodes_that_were_exchanged_make_the_leads_that_textbooks_say() -> None:
    (record,) = simulated(1)
    leads = dict(zip(LEADS, record.signal, strict=True))
    expected = {
        "RA and LA": {"I": -leads["I"], "II": leads["III"], "aVR": leads["aVL"]},
        "RA and LL": {"II": -leads["II"], "III": -leads["I"], "aVF": leads["aVR"]},
        "LA and LL": {"I": leads["II"], "III": -leads["III"], "aVL": leads["aVF"]},
        "V3 and V5": {"V3": leads["V5"], "V5": leads["V3"], "I": leads["I"]},
    }
    for pair, rows in expected.items():
        made = with_electrodes(record, exchanges()[f"{pair} were exchanged"])
        for lead, row in rows.items():
            np.testing.assert_allclose(made.signal[LEADS.index(lead)], row, atol=1e-5)
        np.testing.assert_allclose(made.signal[8], leads["V5" if "V3" in pair else "V3"], atol=1e-5)


@given(st.integers(0, 2**32), st.sampled_from([0.001, 0.00488, 0.005, 0.04, 0.3]))
def test_limb_leads_that_were_computed_and_stored_add_up(seed: int, step: float) -> None:
    drawn = np.random.default_rng(seed).normal(size=(2, 300))
    leads = {"I": drawn[0], "II": drawn[1], **limb_leads(*drawn)}
    for stored in (np.rint, np.floor):
        rows = np.float32(step * stored(np.stack([*leads.values()]) / step))
        assert exchanged_leads(rows, tuple(leads)) is None


@pytest.mark.parametrize(("one", "other"), [*combinations(LEADS, 2)])
def test_a_limb_lead_that_was_exchanged_is_named(one: str, other: str) -> None:
    for record in simulated()[:3]:
        found = faults(exchanged(record, one, other))
        if {one, other} <= set(CHEST):
            assert "limb_leads" not in found
        else:
            assert f"as if {one} and {other} were exchanged" in found["limb_leads"]


@pytest.mark.parametrize("lead", LEADS[:6])
def test_a_limb_lead_that_was_inverted_is_named(lead: str) -> None:
    for record in simulated()[:3]:
        inverted = with_lead(record, lead, -record.signal[LEADS.index(lead)])
        assert f"{lead} were inverted" in faults(inverted)["limb_leads"]


def test_leads_that_no_exchange_explains_are_told_as_such() -> None:
    (record,) = simulated(1)
    found = faults(with_lead(record, "aVL", np.random.default_rng(0).normal(size=1000)))
    assert found["limb_leads"] == (
        "aVL not the sum of I and II that it is; no exchange of two leads explains it"
    )


def test_a_few_spoilt_samples_do_not_make_another_lead() -> None:
    (record,) = simulated(1)
    spoilt = record.signal[3].copy()
    spoilt[300:309] += 2.0
    assert "limb_leads" not in faults(with_lead(record, "aVR", spoilt))


@pytest.mark.parametrize(
    "told",
    ["RA and LA were exchanged", "RA and LL were exchanged", "V1 and V6 were exchanged",
     "RA and V4 were exchanged", "V4 were inverted"],
)  # fmt: skip
def test_many_exchanges_of_electrodes_are_named(told: str) -> None:
    made = [faults(with_electrodes(record, exchanges()[told])) for record in simulated()]
    named = [f"as if {told}" in found.get("electrodes", "") for found in made]
    assert np.mean(named) > 0.4
    assert not any("limb_leads" in found for found in made)


def test_most_records_that_are_upside_down_are_told() -> None:
    made = [faults(with_signal(record, -record.signal)) for record in simulated()]
    told = [found.get("electrodes", "") for found in made]
    assert np.mean(["as if all leads were inverted" in each for each in told]) > 0.5


@pytest.mark.parametrize(("factor", "usual"), [(1e3, "0.001 (uV called mV"), (1e2, "0.01")])
def test_values_that_are_far_too_large_are_of_another_unit(factor: float, usual: str) -> None:
    found = [faults(with_signal(record, factor * record.signal)) for record in simulated()]
    assert np.mean([usual in each.get("wrong_unit", "") for each in found]) > 0.9
    assert not any({"limb_leads", "electrodes"} & each.keys() for each in found)


def test_the_largest_values_are_told_without_a_warning() -> None:
    (record,) = simulated(1)
    largest = record.signal / np.abs(record.signal).max() * np.finfo(np.float32).max
    assert "wrong_unit" in faults(with_signal(record, largest))


@pytest.mark.parametrize(("factor", "usual"), [(1e-3, "1000 (mV called uV"), (1e-2, "times 100")])
def test_values_that_are_far_too_small_are_flagged(factor: float, usual: str) -> None:
    for record in simulated():
        assert usual in faults(with_signal(record, factor * record.signal))["amplitude"]


def test_without_a_voltage_nothing_is_said_of_sizes_and_sums() -> None:
    (record,) = simulated(1)
    standardised = record.signal / record.signal.std(axis=1, keepdims=True)
    assert faults(replace(record, signal=20 * standardised, unit="NU")) == {}


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_converters_last_bits_are_an_empty_lead(bits: int) -> None:
    (record,) = simulated(1)
    noise = 0.005 * np.random.default_rng(0).integers(2**bits, size=1000)
    assert faults(with_lead(record, "V2", noise)) == {"flat_lead": "V2"}


def test_a_small_lead_in_coarse_steps_is_not_empty() -> None:
    for record in simulated():
        small = record.signal[7] * (0.1 / np.ptp(record.signal[7]))
        assert "flat_lead" not in faults(with_lead(record, "V2", np.rint(small / 0.005) * 0.005))


@pytest.mark.parametrize("lead", ["V3", "V5"])
def test_a_clipped_lead_is_told(lead: str) -> None:
    (record,) = simulated(1)
    row = record.signal[LEADS.index(lead)]
    limit = np.quantile(np.abs(row), 0.93)
    assert faults(with_lead(record, lead, np.clip(row, -limit, limit)))["saturated"] == f"in {lead}"


def test_an_hour_is_judged_by_as_many_samples_as_ten_seconds() -> None:
    (record,) = simulated(1)
    hour = with_signal(record, np.tile(record.signal, 360))
    assert Excerpt.of(hour).values.shape == (12, 256)
    assert faults(hour) == {}


@pytest.mark.parametrize("samples", [1, 3, 5, 30])
def test_records_too_short_to_tell_are_left_alone(samples: int) -> None:
    (record,) = simulated(1)
    assert "flat_lead" not in faults(with_signal(record, record.signal[:, 100 : 100 + samples + 1]))
