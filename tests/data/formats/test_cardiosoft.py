"""GE CardioSoft XML: one strip is read, several are not joined."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.cardiosoft import PATIENT, cardiosoft
from writing.signals import Counts, counts, random_counts

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cardiosoft") / "ecg.xml"


@settings(max_examples=40)
@given(
    random_counts(LEADS),
    st.sampled_from(["100", "500", "1000"]),
    st.sampled_from(["5", "2.5", "4.88"]),
    st.sampled_from(["", "Strip"]),
)
def test_samples_are_exact(path: Path, leads: Counts, rate: str, step: str, within: str) -> None:
    path.write_bytes(cardiosoft(leads, rate, step, within=within))
    record = read(path)
    expected = np.stack(list(leads.values())) * float(Fraction(step) / 1000)
    assert (record.rate, record.leads) == (float(rate), LEADS)
    np.testing.assert_allclose(record.signal, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("within", ["", "Strip"])
def test_strips_of_an_exercise_test_are_not_joined(path: Path, within: str) -> None:
    path.write_bytes(cardiosoft(counts(), within=within, strips=3))
    with pytest.raises(InputError, match="3 strips"):
        read(path)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(cardiosoft(counts()))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.device) == (18, "F", "CardioSoft")
    assert facts.date == "2000-05-04 01:02:03"
    assert facts.statements == ("Sinus rhythm: größer",)
    assert facts.measurements == {"rate_bpm": 42, "pr_ms": 250}
    assert set(facts.identifiers.values()) == {"4711", "Doe", "Jo", "1940-3-2"}


def test_a_full_disclosure_that_is_left_out_is_named(path: Path) -> None:
    path.write_bytes(cardiosoft(counts()))
    assert [told[:24] for told in read(path).facts.assumed] == ["full disclosure left out"]


def test_a_comma_may_follow_the_last_number(path: Path) -> None:
    leads = counts()
    path.write_bytes(cardiosoft(leads).replace(b"</WaveformData>", b",</WaveformData>"))
    expected = np.stack(list(leads.values())) * 0.005
    np.testing.assert_allclose(read(path).signal, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"StripData>", b"StripDatum>", "0 strips"),
        (b"OfLeads>12", b"OfLeads>8", "says 8, 12 are there"),
        (b"Total>40<", b"Total>39<", "says 39, 40 are there"),
        (b"uVperLsb", b"mmHg", "Resolution in 'mmHg'"),
        (b'"Hz"', b'"kHz"', "SampleRate in 'kHz'"),
        (b">500<", b">fast<", "not a number"),
        (b'lead="V6"', b'lead="V5"', "named twice"),
        (b'lead="', b'channel="', "none of the twelve leads"),
        (b"</WaveformData>", b",,1</WaveformData>", "commas"),
        (b"</WaveformData>", b" 1</WaveformData>", "commas"),
        (b"</WaveformData>", b",x</WaveformData>", "no whole numbers"),
        (b"YEARS", b"moons", "moons"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, old: bytes, new: bytes, told: str
) -> None:
    content = cardiosoft(counts())
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_a_file_without_a_patient_is_read(path: Path) -> None:
    path.write_bytes(cardiosoft(counts()).replace(PATIENT.encode(), b""))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.identifiers) == (None, None, {})
