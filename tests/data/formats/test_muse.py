"""GE MUSE XML: what MUSE writes is read to the step, and what contradicts itself is refused."""

import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.muse import PATIENT, muse
from writing.signals import EIGHT, Counts, counts, random_counts

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS, limb_leads


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("muse") / "ecg.XML"


@settings(max_examples=40)
@given(
    random_counts(EIGHT),
    st.sampled_from([("500", "0"), ("5", "2"), ("2500", "-1"), ("1000", "0")]),
    st.sampled_from(["4.88", "5", "1.25", "2.44140625"]),
)
def test_samples_are_exact(path: Path, leads: Counts, rate: tuple[str, str], step: str) -> None:
    path.write_bytes(muse(leads, rate, step))
    record = read(path)
    millivolts = {name: values * float(Fraction(step) / 1000) for name, values in leads.items()}
    millivolts |= limb_leads(millivolts["I"], millivolts["II"])
    assert record.rate == int(rate[0]) * 10 ** int(rate[1])
    for lead, row in zip(record.leads, record.signal, strict=True):
        np.testing.assert_allclose(row, millivolts[lead], rtol=1e-7, atol=1e-12)
    assert set(record.leads) == set(LEADS)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(muse(counts(EIGHT)))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.device) == (60, "M", "MAC55")
    assert facts.date == "2000-01-02 12:00:00"
    assert facts.statements == ("Cannot rule out old infarct",)
    assert facts.measurements == {"rate_bpm": 61, "pr_ms": 158, "qrs_axis_deg": -5}
    assert facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)


def test_who_the_patient_is_stands_among_the_identifiers_alone(path: Path) -> None:
    path.write_bytes(muse(counts(EIGHT)))
    facts = read(path).facts
    assert set(facts.identifiers.values()) >= {"4711", "Doe", "Jo", "02-03-1940"}
    assert facts.identifiers["signature"] == "Confirmed by Dr. Roe"
    rest = repr(replace(facts, identifiers={}))
    assert not any(text in rest for text in facts.identifiers.values())


@pytest.mark.parametrize(
    ("unit", "years"),
    [("YEARS", 24), ("MONTHS", 2), ("WEEKS", 24 * 7 / 365.25), ("DAYS", 24 / 365.25)],
)
def test_an_age_has_its_unit(path: Path, unit: str, years: float) -> None:
    patient = f"<PatientAge>24</PatientAge><AgeUnits>{unit}</AgeUnits>"
    path.write_bytes(muse(counts(EIGHT), patient=patient))
    assert read(path).facts.age == pytest.approx(years)


def test_an_age_without_a_unit_is_left_out_and_named(path: Path) -> None:
    path.write_bytes(muse(counts(EIGHT), patient="<PatientAge>24</PatientAge>"))
    facts = read(path).facts
    assert facts.age is None
    assert "age of 24 left out: it has no unit" in facts.assumed


def test_a_lead_that_was_off_is_named(path: Path) -> None:
    path.write_bytes(muse(counts(EIGHT)).replace(b"<LeadOff>FALSE", b"<LeadOff>TRUE"))
    assert any("electrodes were off: I, II, V1" in told for told in read(path).facts.assumed)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"<WaveformType>Median", b"<WaveformType>Rhythm", "2 waveforms of type Rhythm"),
        (b"<WaveformType>Rhythm", b"<WaveformType>Median", "0 waveforms of type Rhythm"),
        (b"CONTINUOUS_SAMPLES", b"DIFFERENCES", "DIFFERENCES"),
        (b"<NumberofLeads>8", b"<NumberofLeads>12", "says 12, 8 are there"),
        (b"<LeadID>V6", b"<LeadID>V5", "named twice"),
        (b"<LeadTimeOffset>0", b"<LeadTimeOffset>2500", "LeadTimeOffset"),
        (b"<FirstSampleBaseline>0", b"<FirstSampleBaseline>7", "FirstSampleBaseline"),
        (b"<LeadSampleSize>2", b"<LeadSampleSize>4", "LeadSampleSize"),
        (b"CountTotal>80<", b"CountTotal>82<", "says 82, 80 are there"),
        (b"CountTotal>40<", b"CountTotal>39<", "says 39, 40 are there"),
        (b"<LeadDataCRC32>", b"<LeadDataCRC32>1", "checksum"),
        (b"MICROVOLTS", b"FURLONGS", "FURLONGS"),
        (b">4.88<", b">4,88<", "not a number"),
        (b">4.88<", b">nan<", "not a number"),
        (b">500<", b">0<", "rate of 0 Hz"),
        (b"<SampleExponent>0", b"<SampleExponent>99", "rate of"),
        (b"YEARS", b"FORTNIGHTS", "FORTNIGHTS"),
        (b"<PatientAge>60", b"<PatientAge>6O", "the age is '6O'"),
        (b"</WaveFormData>", b"=</WaveFormData>", "base64"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, old: bytes, new: bytes, told: str
) -> None:
    content = muse(counts(EIGHT))
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_half_a_sample_is_refused(path: Path) -> None:
    content = muse(counts(EIGHT)).decode()
    for field in ("LeadByteCountTotal", "LeadSampleCountTotal", "LeadDataCRC32"):
        content = re.sub(f"<{field}>.*?</{field}>", "", content)
    path.write_text(re.sub(r"(?s)<WaveFormData>.*?<", "<WaveFormData>AAAA<", content))
    with pytest.raises(InputError, match="of 3 bytes"):
        read(path)
    path.write_text(re.sub(r"(?s)<WaveFormData>.*?<", "<WaveFormData><", content))
    with pytest.raises(InputError, match="leads of 0 samples"):
        read(path)


def test_leads_of_different_lengths_are_refused(path: Path) -> None:
    leads = dict(counts(EIGHT))
    path.write_bytes(muse(leads | {"V6": leads["V6"][:-1]}))
    with pytest.raises(InputError, match="leads of 39, 40 samples"):
        read(path)


def test_a_file_without_demographics_is_read(path: Path) -> None:
    path.write_bytes(muse(counts(EIGHT)).replace(PATIENT.encode(), b""))
    assert read(path).facts.age is None
