"""HL7 annotated ECG: scale and origin in their own units, one rhythm, one axis of time."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.aecg import PERSON, aecg
from writing.signals import EIGHT, Counts, counts, random_counts

from myocard.data.formats.reading import read
from myocard.errors import InputError
from myocard.leads import LEADS

_MILLIVOLTS = {"nV": Fraction(1, 10**6), "uV": Fraction(1, 1000), "mV": Fraction(1)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("aecg") / "ecg.xml"


@settings(max_examples=40)
@given(
    random_counts(LEADS),
    st.sampled_from([("5", "uV"), ("2.5", "uV"), ("0.005", "mV"), ("4880", "nV")]),
    st.sampled_from([("0", "uV"), ("-0.3", "mV"), ("1000", "nV")]),
    st.sampled_from(["TIME_ABSOLUTE", "TIME_RELATIVE"]),
    st.sampled_from(["", "voc"]),
)
def test_samples_are_exact(
    path: Path,
    leads: Counts,
    scale: tuple[str, str],
    origin: tuple[str, str],
    times: str,
    prefix: str,
) -> None:
    path.write_bytes(aecg(leads, scale=scale, origin=origin, times=times, prefix=prefix))
    record = read(path)
    step, start = (float(Fraction(value) * _MILLIVOLTS[unit]) for value, unit in (scale, origin))
    assert (record.rate, record.leads) == (500, LEADS)
    expected = start + step * np.stack(list(leads.values()))
    np.testing.assert_allclose(record.signal, expected, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(
    ("value", "unit", "rate"),
    [
        ("0.002", "s", 500),
        ("0.01", "s", 100),
        ("4", "ms", 250),
        ("2000", "us", 500),
        ("0.001953125", "s", 512),
    ],
)
def test_the_rate_is_one_by_the_increment(path: Path, value: str, unit: str, rate: int) -> None:
    path.write_bytes(aecg(counts(), increment=(value, unit)))
    record = read(path)
    assert record.rate == rate
    assert not record.facts.assumed


def test_an_increment_that_one_whole_rate_rounds_to_means_that_rate(path: Path) -> None:
    path.write_bytes(aecg(counts(), increment=("1667", "us")))
    record = read(path)
    assert record.rate == 600
    assert record.facts.assumed == ("600 Hz taken for samples 1667 us apart",)


@pytest.mark.parametrize("increment", ["0.00801", "0.003", "0.0039"])
def test_an_increment_of_no_or_several_whole_rates_is_taken_as_it_is(
    path: Path, increment: str
) -> None:
    path.write_bytes(aecg(counts(), increment=(increment, "s")))
    record = read(path)
    assert record.rate == pytest.approx(1 / float(increment))
    assert not record.facts.assumed


def test_missing_limb_leads_are_computed(path: Path) -> None:
    path.write_bytes(aecg(counts(EIGHT)))
    record = read(path)
    assert set(record.leads) == set(LEADS)
    assert record.facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(aecg(counts()))
    facts = read(path).facts
    assert (facts.age, facts.sex, facts.device) == (None, "F", "ELI250")
    assert facts.date == "2000-01-02 12:00:00"
    assert facts.statements == ("Rythme régulier",)
    assert facts.identifiers == {"id": "4711", "name": "Doe", "birthTime": "19400302"}


def test_intervals_of_single_beats_are_no_measurements_of_the_record(path: Path) -> None:
    path.write_bytes(aecg(counts()))
    assert read(path).facts.measurements == {"rate_bpm": 61, "reported_age_years": 46}


def test_an_age_of_the_person_has_its_unit(path: Path) -> None:
    path.write_bytes(aecg(counts(), person=PERSON + '<Age unit="mo">18</Age>'))
    assert read(path).facts.age == 1.5


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("REPRESENTATIVE_BEAT", "RHYTHM", None),
        ('"RHYTHM"', '"REPRESENTATIVE_BEAT"', "0 series of code RHYTHM"),
        ("</series>", '</series><series><code code="RHYTHM"/></series>', "2 series of code RHYTHM"),
        ("<derivation>", "<component><sequenceSet/></component><derivation>", "2 sets of sequ"),
        ("TIME_ABSOLUTE", "OTHER", "0 sequences of time"),
        ("LEAD_V6", "LEAD_V5", "two sequences of code"),
        ("SLIST_PQ", "SLIST_TS", "SLIST_TS"),
        ('unit="uV"', 'unit="V/s"', "unknown unit 'V/s'"),
        ('unit="uV"', 'unit=""', "unknown unit ''"),
        ('<scale value="5"', '<scale value="five"', "not a number"),
        ('<scale value="5"', '<scale value="1e30"', "beyond any electrode"),
        ("<origin", "<offset", "origin is ''"),
        ('increment value="0.002"', 'increment value="0"', "samples 0 's' apart"),
        ('increment value="0.002"', 'increment value="-1"', "apart"),
        ('unit="s"', 'unit="min"', "apart"),
        ("\n</digits>", " 1e3</digits>", "no whole numbers"),
        ("\n</digits>", " 5.5</digits>", "no whole numbers"),
        ("\n</digits>", " -</digits>", "no whole numbers"),
        ("\n</digits>", "-5</digits>", "no whole numbers"),
        ("\n</digits>", " 99999999999</digits>", "beyond 32 bits"),
        ("\n</digits>", " 99999999999999999999999</digits>", "beyond 32 bits"),
        ("<digits>", "<numbers>", "mismatched tag"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, old: str, new: str, told: str | None
) -> None:
    content = aecg(counts()).decode()
    assert old in content
    path.write_text(content.replace(old, new))
    if told is None:
        assert read(path).signal.shape == (12, 40)
        return
    with pytest.raises(InputError, match=told) as refused:
        read(path)
    assert str(path) in str(refused.value)


def test_one_lead_that_lost_a_number_is_refused(path: Path) -> None:
    leads = dict(counts())
    path.write_bytes(aecg(leads | {"V6": leads["V6"][:-1]}))
    with pytest.raises(InputError, match="leads of 39, 40 samples"):
        read(path)
