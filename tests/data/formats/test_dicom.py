"""DICOM waveforms: the recorded group is read to the step, and nothing is joined or guessed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from writing.dicom import PATIENT, channel, coded, dicom, group, item
from writing.signals import EIGHT, Counts, counts, random_counts, whole

from myocard.data.formats.dicom import read_dicom
from myocard.data.formats.reading import FORMATS, read
from myocard.errors import InputError
from myocard.leads import LEADS, limb_leads

# Files that DICOM forbids are written on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")
UNITS = {"uV": 1e-3, "mV": 1.0, "V": 1e3, "nV": 1e-6}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dicom") / "ecg.DCM"


# pydicom takes 20 ms to write a file.
@settings(max_examples=40)
@given(
    random_counts(EIGHT) | random_counts(LEADS, most=127),
    st.sampled_from(["500", "1000", "249.97"]),
    st.sampled_from(["2.5", "1.25", "4.88", "1"]),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["SS", "SL"]),
    st.sampled_from(["5.6.3-9-", "2:"]),
    st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
    st.booleans(),
)
def test_samples_are_exact(
    path: Path,
    leads: Counts,
    rate: str,
    step: str,
    unit: str,
    kind: str,
    scheme: str,
    syntax: str,
    undefined: bool,
) -> None:
    recorded = group(leads, rate, step, unit, kind, scheme=scheme)
    path.write_bytes(dicom([recorded], syntax=syntax, undefined=undefined))
    found = read_dicom(path)
    factor = float(step) * UNITS[unit]
    millivolts = {name: values * factor for name, values in leads.items()}
    millivolts |= limb_leads(millivolts["I"], millivolts["II"]) if len(leads) == 8 else {}
    assert (found.rate, found.unit) == (float(rate), "mV")
    assert found.leads is not None
    assert set(found.leads) == set(LEADS)
    for lead, row in zip(found.leads, whole(found), strict=True):
        np.testing.assert_allclose(row, millivolts[lead], rtol=1e-12, atol=1e-9 * factor)


def test_an_odd_number_of_bytes_has_one_more(path: Path) -> None:
    leads = counts(("I", "II", "V1"), samples=7, most=127)
    path.write_bytes(dicom([group(leads, kind="SB")]))
    np.testing.assert_allclose(whole(read_dicom(path))[0], leads["I"] * 0.0025)


def test_a_baseline_is_added_in_the_sensitivitys_unit(path: Path) -> None:
    leads = counts(("I",))
    channels = [channel("I", ChannelBaseline="100", ChannelSensitivityCorrectionFactor="2")]
    path.write_bytes(dicom([group(leads, ChannelDefinitionSequence=channels)]))
    np.testing.assert_allclose(whole(read_dicom(path))[0], leads["I"] * 0.005 + 0.1)


def test_it_is_read_as_pydicom_reads_it(path: Path) -> None:
    path.write_bytes(dicom([group(counts(LEADS))]))
    oracle = pydicom.dcmread(path).waveform_array(0).T / 1000
    np.testing.assert_allclose(whole(read_dicom(path)), oracle, rtol=1e-12, atol=1e-15)


def test_a_median_beat_is_never_taken_for_the_rhythm(path: Path) -> None:
    median = group(counts(LEADS, samples=20, seed=1), originality="DERIVED")
    path.write_bytes(dicom([median, group(counts(LEADS))]))
    np.testing.assert_allclose(whole(read_dicom(path))[0], counts(LEADS)["I"] * 0.0025)
    path.write_bytes(dicom([median]))
    with pytest.raises(InputError, match="no recorded ECG among its 1 groups"):
        read_dicom(path)


def test_of_several_groups_the_one_of_twelve_leads_is_taken_and_named(path: Path) -> None:
    path.write_bytes(dicom([group(counts(("II",), samples=90)), group(counts(EIGHT))]))
    found = read_dicom(path)
    assert found.signal.shape == (12, 40)
    assert "the one of 2 groups that holds the twelve leads" in found.facts.assumed


@pytest.mark.parametrize("groups", [[LEADS, LEADS], [LEADS[:3], LEADS[3:6]]])
def test_groups_are_not_joined(path: Path, groups) -> None:
    path.write_bytes(dicom([group(counts(leads)) for leads in groups]))
    with pytest.raises(InputError, match="2 groups of recorded waveforms .*not joined"):
        read_dicom(path)


@pytest.mark.parametrize(
    ("padding", "lost"), [(0, False), (7, False), (-32768, True), (32767, True)]
)
def test_a_padding_value_marks_missing_samples_at_a_limit_alone(
    path: Path, padding: int, lost: bool
) -> None:
    values = np.array([0, 7, -32768, 32767, 5])
    value = padding.to_bytes(2, "little", signed=True)
    path.write_bytes(dicom([group({"I": values}, WaveformPaddingValue=value)]))
    missing = np.isnan(whole(read_dicom(path))[0])
    np.testing.assert_array_equal(missing, (values == padding) & lost)


def test_a_file_tells_of_its_patient(path: Path) -> None:
    notes = [
        item(UnformattedTextValue=text)
        for text in ("Sinus rhythm", "XX", "Confirmed by Dr. Roe", "Arythmie complète")
    ]
    for code, value, unit in (("5.13.5-7", "148", "ms"), ("5.10.3-11", "44", "ms")):
        concept, units = coded(code), coded(unit, scheme="UCUM")
        said = {"ConceptNameCodeSequence": concept, "MeasurementUnitsCodeSequence": units}
        notes.append(item(NumericValue=value, **said))
    patient = PATIENT | {"SpecificCharacterSet": "ISO_IR 100"}
    path.write_bytes(dicom([group(counts(EIGHT))], notes, patient=patient))
    facts = read_dicom(path).facts
    assert (facts.age, facts.sex, facts.device) == (60, "F", "Acme M1")
    assert facts.date == "2000-02-01 12:00:00"
    assert facts.statements == ("Sinus rhythm", "Arythmie complète")
    # An axis in milliseconds is none.
    assert facts.measurements == {"pr_ms": 148}
    assert facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)
    assert set(facts.identifiers.values()) >= {"Doe^Jo", "4711", "19400302", "Confirmed by Dr. Roe"}
    rest = repr(replace(facts, identifiers={}))
    assert not any(text in rest for text in facts.identifiers.values())


@pytest.mark.parametrize(
    ("age", "years"), [("042Y", 42), ("018M", 1.5), ("007D", 0.019), ("042", None), ("", None)]
)
def test_an_age_has_its_unit(path: Path, age: str, years: float | None) -> None:
    path.write_bytes(dicom([group(counts(EIGHT))], patient=PATIENT | {"PatientAge": age}))
    expected = years if years is None else pytest.approx(years, rel=0.02)
    assert read_dicom(path).facts.age == expected


def test_hours_of_three_leads_are_read(path: Path) -> None:
    path.write_bytes(dicom([group(counts(("I", "II", "V1"), samples=720_000), rate="200")]))
    record = read(path)
    assert (record.seconds, record.signal.shape[0]) == (3600, 7)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ChannelSourceSequence": coded("5.6.3-9-2", "Lead V1")}, "the code of II and the name"),
        ({"ChannelSensitivity": None}, "no voltage"),
        ({"ChannelSensitivityUnitsSequence": coded("mm[Hg]")}, "no voltage"),
        ({"ChannelSampleSkew": "1"}, "different times"),
        ({"ChannelTimeSkew": "0.5"}, "different times"),
    ],
)
def test_a_channel_that_is_not_certain_is_refused(path: Path, change, told: str) -> None:
    channels = [channel("I"), channel("II", **change)]
    path.write_bytes(dicom([group(counts(("I", "II")), ChannelDefinitionSequence=channels)]))
    with pytest.raises(InputError, match=told) as refused:
        read_dicom(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"NumberOfWaveformSamples": 41}, "promised"),
        ({"NumberOfWaveformSamples": 2**32 - 1}, "promised"),
        ({"NumberOfWaveformSamples": 0}, "promised"),
        ({"NumberOfWaveformChannels": 11}, "promised"),
        ({"WaveformBitsAllocated": 8}, "promised"),
        ({"WaveformSampleInterpretation": "MB"}, "stored as MB"),
        ({"SamplingFrequency": "0"}, "rate of 0"),
        ({"SamplingFrequency": "nan"}, "element 003a001a is 'nan', not a number"),
        ({"SamplingFrequency": "5_00"}, "element 003a001a is '5_00', not a number"),
        ({"ChannelDefinitionSequence": []}, "no recorded ECG"),
        ({"WaveformOriginality": ""}, "no recorded ECG"),
    ],
)
def test_a_group_that_contradicts_its_bytes_is_refused(path: Path, change, told: str) -> None:
    path.write_bytes(dicom([group(counts(LEADS), **change)]))
    with pytest.raises(InputError, match=told):
        read_dicom(path)


def test_leads_of_unknown_codes_are_called_by_their_words(path: Path) -> None:
    sources = (coded("X-1", "Lead V2"), coded("X-2", "Patch"), coded("X-3"))
    channels = [channel("I", ChannelSourceSequence=source) for source in sources]
    path.write_bytes(dicom([group(counts(("I", "II", "V1")), ChannelDefinitionSequence=channels)]))
    assert read_dicom(path).leads == ("V2", "Patch", "lead of code X-3")


def test_a_compressed_file_is_refused_by_name(path: Path) -> None:
    path.write_bytes(dicom([group(counts(LEADS))], syntax=DeflatedExplicitVRLittleEndian))
    with pytest.raises(InputError, match=r"transfer syntax 1\.2\.840\.10008\.1\.2\.1\.99"):
        read_dicom(path)


def test_sequences_nested_without_end_are_refused(path: Path) -> None:
    content = dicom([group(counts(LEADS))])
    deep = (b"\x00\x54\x00\x01SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 5000
    start = content.index(b"\x00\x54\x00\x01SQ")
    path.write_bytes(content[:start] + deep)
    with pytest.raises(InputError, match="nested deeper"):
        read_dicom(path)


def test_its_first_bytes_tell_it_and_no_other() -> None:
    head = dicom([group(counts(LEADS))])
    assert [each.name for each in FORMATS if each.starts(head)] == ["DICOM waveform"]
