"""Philips Sierra XML: every version is undone to the step, and its tail is no ECG."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.sierra import PATIENT, sierra
from writing.signals import Counts, counts, random_counts

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS

VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sierra") / "ecg.XML"


@settings(max_examples=40)
@given(
    random_counts(LEADS, most=1500),
    st.sampled_from(VERSIONS),
    st.sampled_from([250, 500, 1000]),
    st.sampled_from(["5", "2.5", "4.88"]),
)
def test_samples_are_exact(path: Path, leads: Counts, version: str, rate: int, step: str) -> None:
    path.write_bytes(sierra(leads, version, rate, step))
    record = read(path)
    millivolts = np.stack(list(leads.values())) * float(Fraction(step) / 1000)
    assert (record.rate, record.leads) == (rate, LEADS)
    np.testing.assert_allclose(record.signal, millivolts, rtol=1e-7, atol=1e-12)


def test_a_table_of_codes_that_is_full_stays(path: Path) -> None:
    leads = counts(samples=4000, most=1500)
    path.write_bytes(sierra(leads))
    np.testing.assert_allclose(read(path).signal, np.stack(list(leads.values())) * 0.005, rtol=1e-7)


def test_leads_beyond_the_twelve_are_left_to_their_names(path: Path) -> None:
    leads = counts((*LEADS, "V3R", "V7"), most=1500)
    path.write_bytes(sierra(leads, "1.04"))
    assert read(path).leads == LEADS


def test_a_tail_of_zeros_and_a_pulse_is_cut_and_named(path: Path) -> None:
    leads = {lead: row.copy() for lead, row in counts(samples=5500, most=1500).items()}
    for row in leads.values():
        row[5264:] = 0
        row[5350:5450] = 200
    path.write_bytes(sierra(leads))
    record = read(path)
    assert record.signal.shape == (12, 5000)
    assert record.facts.assumed == ("last 1 s cut: a calibration pulse in each lead, no ECG",)


def test_a_pulse_in_some_leads_alone_is_not_cut(path: Path) -> None:
    leads = {lead: row.copy() for lead, row in counts(samples=5500, most=1500).items()}
    for lead in LEADS[:11]:
        leads[lead][5264:] = 0
        leads[lead][5350:5450] = 200
    path.write_bytes(sierra(leads))
    assert read(path).signal.shape == (12, 5500)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_tells_of_its_patient(path: Path, version: str) -> None:
    path.write_bytes(sierra(counts(), version))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.device) == (50, "F", "PageWriter")
    assert facts.date == "2000-01-02 12:00:00"
    assert facts.statements == ("Sinus rhythm",)
    assert facts.measurements == {"rate_bpm": 61, "pr_ms": 151}
    assert facts.identifiers == {"patientid": "4711", "lastname": "Doe", "firstname": "Jo"}


@pytest.mark.parametrize(
    ("field", "years"),
    [
        ("<age><years>0</years><months>6</months></age>", 0.5),
        ("<age><days>3</days></age>", 3 / 365.25),
        ('<age defaultage="50"><dateofbirth>1950-01-01</dateofbirth></age>', None),
    ],
)
def test_an_age_is_what_an_age_field_says(path: Path, field: str, years: float | None) -> None:
    patient = PATIENT.replace("<age><years>50</years></age>", field)
    path.write_bytes(sierra(counts(), patient=patient))
    assert read(path).facts.age == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("1.04<", "2.00<", "version '2.00'"),
        ('compression="XLI"', 'compression="Uncompressed"', "not compressed by XLI"),
        ('dataencoding="Base64"', 'dataencoding="Plain"', "dataencoding is 'Plain'"),
        ('signalsigned="True"', 'signalsigned="False"', "signalsigned"),
        ("<signaloffset>0", "<signaloffset>512", "signaloffset is '512'"),
        ("<bitspersample>16", "<bitspersample>24", "bitspersample"),
        ('samplespersecond="500"', 'samplespersecond="250"', "250 and 500"),
        ('resolution="5" ', 'resolution="2.5" ', "2.5 and 5"),
        ("<samplingrate>500", "<samplingrate>0", "0 and 500"),
        ('durationperchannel="80"', 'durationperchannel="82"', "not of 41 samples"),
        ('durationperchannel="80"', 'durationperchannel="78"', "not of 39 samples"),
        ('durationperchannel="80"', 'durationperchannel="1e99"', "promised by"),
        ('numberofleads="12"', 'numberofleads="13"', "names of leads"),
        ('numberofleads="12"', 'numberofleads="-1"', "names of leads"),
        ("V5 V6", "V5 V5", "names of leads"),
        ("I II III", "I X III", "need leads I, II and III"),
        ("<years>50", "<years>fifty", "the age is 'fifty'"),
        ("</parsedwaveforms>", "!</parsedwaveforms>", "base64"),
        ("</waveforms>", "<parsedwaveforms/></waveforms>", "2 parsedwaveforms"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, old: str, new: str, told: str
) -> None:
    content = sierra(counts(), "1.04").decode()
    assert old in content
    path.write_text(content.replace(old, new))
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_leads_without_names_are_read_from_a_standard_set_alone(path: Path) -> None:
    content = sierra(counts(), "1.03").decode()
    path.write_text(content.replace("STD-12", "FRANK"))
    with pytest.raises(InputError, match="0 names of leads"):
        read(path)
    path.write_text(content.replace("valid>12", "valid>15"))
    with pytest.raises(InputError, match="says 15, 12 are there"):
        read(path)


def test_samples_that_are_cut_off_are_refused(path: Path) -> None:
    content = sierra(counts(), "1.04").decode()
    start = content.index("\n", content.index("<parsedwaveforms")) + 1
    for kept in (0, 8, 12, 385):
        end = content.index("</parsedwaveforms>")
        path.write_text(content[: start + kept] + content[end:])
        with pytest.raises(InputError, match=r"leads before|are left|not of 40 samples|not base64"):
            read(path)
