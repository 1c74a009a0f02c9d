"""Schiller XML: rhythms and not averages, with a rate that has no power of ten."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.schiller import schiller
from writing.signals import Counts, counts, random_counts

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("schiller") / "ecg.xml"


@settings(max_examples=40)
@given(
    random_counts(LEADS),
    st.sampled_from(["500", "1000"]),
    st.sampled_from([("1.0", "UV", 1000), ("2.5", "UV", 1000), ("0.005", "MV", 1)]),
)
def test_samples_are_exact(
    path: Path, leads: Counts, rate: str, step: tuple[str, str, int]
) -> None:
    value, unit, per_millivolt = step
    path.write_bytes(schiller(leads, rate, value, unit))
    record = read(path)
    expected = np.stack(list(leads.values())) * float(Fraction(value) / per_millivolt)
    assert (record.rate, record.leads) == (float(rate), LEADS)
    np.testing.assert_allclose(record.signal, expected, rtol=1e-7, atol=1e-12)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(schiller(counts()))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.device) == (None, "F", "Schiller AT-110")
    assert facts.date == "2000-01-02 12:00:00"
    assert facts.statements == ("Sinus rhythm", "Normal ECG")
    assert facts.measurements == {"rate_bpm": 59}
    assert facts.identifiers == {"id": "4711", "lastname": "Doe", "birthdate": "19400302"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"ECG_AVERAGES", b"ECG_RHYTHMS", "2 ECG_RHYTHMS"),
        (b"ECG_RHYTHMS", b"ECG_AVERAGES", "0 ECG_RHYTHMS"),
        (b"ECG_STANDARD", b"ECG_CABRERA", "ECG_CABRERA"),
        (b"<exponent>1", b"<exponent>2", "exponent is '2'"),
        (b"COMMASEPARATE", b"BASE64", "BASE64"),
        (b"samplecount>40", b"samplecount>41", "says 41, 40 are there"),
        (b">UV<", b">LSB<", "unknown unit 'LSB'"),
        (b"<name>V6", b"<name>V5", "named twice"),
        (b"<data>", b"<data>0,", "says 40, 41 are there"),
        (b"<data>", b"<data>--", "no whole numbers"),
        (b"<data>", b"<data></data><data>", "no whole numbers"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, old: bytes, new: bytes, told: str
) -> None:
    content = schiller(counts())
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert str(path) in str(refused.value)
