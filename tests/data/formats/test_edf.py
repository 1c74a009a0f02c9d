"""EDF, EDF+ and BDF: integers become millivolts by each signal's own scale, or are refused."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing.edf import Signal, ecg, edf
from writing.signals import EIGHT, Counts, counts, random_counts, whole

from myocard.data.formats.edf import read_edf
from myocard.data.formats.reading import FORMATS, read
from myocard.errors import InputError
from myocard.leads import LEADS, limb_leads

TWO = ("I", "V1")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edf") / "night.EDF"


@given(
    random_counts(EIGHT, most=999) | random_counts(LEADS, most=999),
    st.sampled_from([("uV", 1e-3), ("mV", 1.0), ("V", 1e3), ("µV", 1e-3), ("nV", 1e-6)]),
    st.sampled_from([("-5", "5"), ("5", "-5"), ("0", "3.3"), ("-1.25", "2.5")]),
    st.sampled_from([(-1000, 1000), (-2048, 2047), (-999, 4095)]),
    st.sampled_from([2, 3]),
)
def test_samples_are_exact(
    path: Path,
    leads: Counts,
    unit: tuple[str, float],
    millivolts: tuple[str, str],
    digital: tuple[int, int],
    width: int,
) -> None:
    low, high = (float(each) / unit[1] for each in millivolts)
    physical = f"{low:.8g}"[:8], f"{high:.8g}"[:8]
    signals = [
        Signal(f"ECG {lead}", values, unit[0], physical, digital) for lead, values in leads.items()
    ]
    path.write_bytes(edf(signals, width=width))
    found = read_edf(path)
    step = (high - low) / (digital[1] - digital[0])
    expected = {
        lead: ((values - digital[0]) * step + low) * unit[1] for lead, values in leads.items()
    }
    expected |= limb_leads(expected["I"], expected["II"]) if len(leads) == 8 else {}
    samples = len(leads["I"])
    assert (found.rate, found.unit) == (samples, "mV")
    assert found.leads is not None
    assert set(found.leads) == set(LEADS)
    for lead, row in zip(found.leads, whole(found), strict=True):
        np.testing.assert_allclose(row, expected[lead], rtol=1e-6, atol=1e-6)


@given(
    st.integers(1, 6),
    st.integers(1, 30),
    st.sampled_from([("1", 1.0), ("0.00125", 800.0), ("10", 0.1)]),
)
def test_records_follow_each_other(
    path: Path, records: int, each: int, duration: tuple[str, float]
) -> None:
    leads = counts(TWO, samples=records * each)
    path.write_bytes(edf(ecg(leads), records=records, duration=duration[0]))
    found = read_edf(path)
    assert found.rate == pytest.approx(each * duration[1])
    np.testing.assert_allclose(whole(found), np.stack([*leads.values()]) / 1e4, atol=1e-8)


@pytest.mark.parametrize("label", ["I", "ECG I", "EKG-I", "ecg: I", "Lead I", "ECG Lead I"])
def test_a_lead_is_found_in_its_label(path: Path, label: str) -> None:
    path.write_bytes(edf([Signal(label, counts(TWO)["I"])]))
    assert read_edf(path).leads == ("I",)


def test_a_label_that_names_no_lead_is_kept(path: Path) -> None:
    path.write_bytes(edf([Signal("EKG1", counts(TWO)["I"])]))
    assert read_edf(path).leads == ("EKG1",)


def test_signals_that_are_no_ecg_are_left_aside_whatever_their_rate(path: Path) -> None:
    others = [Signal("Resp", np.arange(7), "%"), Signal("Fp1", np.arange(11))]
    path.write_bytes(edf([others[0], *ecg(counts(TWO)), others[1]]))
    found = read_edf(path)
    assert (found.leads, found.rate) == (TWO, 40)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(edf(ecg(counts(EIGHT)), texts={"reserved": "EDF+C"}))
    facts = read_edf(path).facts
    assert (facts.age, facts.sex, facts.device) == (None, "F", "BeatBox")
    assert facts.date == "2000-02-01 12:00:00"
    assert facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)
    assert facts.patient == "4711"
    rest = repr(replace(facts, patient=None, identifiers={}))
    assert not any(text in rest for text in ("4711", "Doe", "1940", "Roe"))
    assert "Doe" in facts.identifiers["patient"]


def test_annotations_are_no_lead(path: Path) -> None:
    notes = Signal("EDF Annotations", np.full(20, 0x1414))
    path.write_bytes(edf([*ecg(counts(TWO)), notes], texts={"reserved": "EDF+C"}))
    assert read_edf(path).leads == TWO
    path.write_bytes(edf([notes], texts={"reserved": "EDF+C"}))
    with pytest.raises(InputError, match="annotations alone"):
        read_edf(path)


def test_a_file_without_a_unit_asks_for_one(path: Path) -> None:
    path.write_bytes(edf([replace(each, unit="") for each in ecg(counts(TWO))]))
    assert read_edf(path).unit is None
    with pytest.raises(InputError, match="does not say its unit"):
        read(path)
    np.testing.assert_allclose(read(path, unit="uV").signal[0], counts(TWO)["I"] / 1e4, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"physical": ("-1000", "1000"), "unit": "mV"}, "range of 2000 mV"),
        ({"unit": "mV"}, "range of 6553"),
        ({"unit": "mmHg"}, "'mmHg', which is no voltage"),
        ({"physical": ("5", "5")}, "without a scale"),
        ({"digital": (7, 7)}, "without a scale"),
        ({"digital": (7, -7)}, "without a scale"),
        ({"physical": ("nan", "5")}, "without a scale"),
        ({"physical": ("x", "5")}, "broken"),
    ],
)
def test_a_scale_that_no_ecg_has_is_refused(path: Path, change, told: str) -> None:
    path.write_bytes(edf([replace(each, **change) for each in ecg(counts(TWO))]))
    with pytest.raises(InputError, match=told) as refused:
        read_edf(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ({"reserved": "EDF+D"}, "gaps"),
        ({"records": "2"}, "promises"),
        ({"records": "99999999"}, "promises"),
        ({"records": "-1"}, "wrong length"),
        ({"records": "0"}, "wrong length"),
        ({"size": "256"}, "wrong length"),
        ({"signals": "0", "size": "256"}, "wrong length"),
        ({"signals": "9999"}, "broken"),
    ],
)
def test_a_header_that_lies_is_refused(path: Path, texts, told: str) -> None:
    path.write_bytes(edf(ecg(counts(TWO)), texts=texts))
    with pytest.raises(InputError, match=told):
        read_edf(path)


def test_a_file_that_is_cut_off_is_refused(path: Path) -> None:
    path.write_bytes(edf(ecg(counts(TWO)))[:-2])
    with pytest.raises(InputError, match="promises"):
        read_edf(path)


def test_leads_of_several_rates_are_refused(path: Path) -> None:
    path.write_bytes(edf([*ecg(counts(TWO)), Signal("ECG II", np.arange(20))]))
    with pytest.raises(InputError, match="20, 40 Hz"):
        read_edf(path)


def test_without_its_package_it_says_what_to_install(path: Path, monkeypatch) -> None:
    path.write_bytes(edf(ecg(counts(TWO))))
    monkeypatch.setitem(sys.modules, "edfio", None)
    with pytest.raises(InputError, match=r"pip install 'myocard\[clinical\]'"):
        read_edf(path)


@pytest.mark.parametrize("width", [2, 3])
def test_its_first_bytes_tell_it_and_no_other(width: int) -> None:
    head = edf(ecg(counts(TWO)), width=width)
    assert [each.name for each in FORMATS if each.starts(head)] == ["EDF, EDF+ or BDF"]
    assert not any(each.starts(b"0       of a text") for each in FORMATS)
