"""SCP-ECG: what the standard says is read to the step, and what is not certain is refused."""

from dataclasses import replace
from pathlib import Path
from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing.scp import scp, scp_sections, sealed, statements
from writing.signals import EIGHT, Counts, counts, random_counts

from myocard.data.formats.reading import FORMATS, read
from myocard.data.formats.scp import begins_scp, read_scp
from myocard.errors import InputError
from myocard.leads import LEADS, limb_leads

LEADS_OF_SIX = LEADS[:6]
DEVICE = bytes(8) + b"MDW14\0" + bytes(22) + b"1\0" + b"serial\0" + b"2\0" + b"3\0" + b"Acme\0"
PATIENT = {
    0: b"Doe\0",
    1: b"Jo\0",
    2: b"4711\0",
    4: pack("<HB", 39, 1),
    5: pack("<HBB", 1940, 3, 2),
    8: b"\2",
    14: DEVICE,
    25: pack("<HBB", 2000, 2, 1),
    26: bytes([12, 5, 0]),
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scp") / "ecg.SCP"


@given(
    random_counts(LEADS, most=8000) | random_counts(EIGHT, most=8000),
    st.sampled_from(
        [(2000, 500), (1667, 600), (4000, 250), (1000, 1000), (1953, 512), (65, 15385)]
    ),
    st.integers(1, 65535),
    st.integers(0, 2),
    st.booleans(),
)
def test_samples_are_exact(
    path: Path, leads: Counts, rate: tuple[int, int], nanovolts: int, order: int, huffman: bool
) -> None:
    sections = scp_sections(
        leads, microseconds=rate[0], nanovolts=nanovolts, order=order, huffman=huffman
    )
    path.write_bytes(scp(sections))
    found = read_scp(path)
    millivolts = {name: values * nanovolts / 1e6 for name, values in leads.items()}
    millivolts |= limb_leads(millivolts["I"], millivolts["II"]) if len(leads) == 8 else {}
    assert (found.rate, found.unit) == (rate[1], "mV")
    assert found.leads is not None
    assert set(found.leads) == set(LEADS)
    for lead, row in zip(found.leads, found.signal, strict=True):
        np.testing.assert_allclose(row, millivolts[lead], rtol=1e-12, atol=1e-12)


def test_a_rate_that_is_no_whole_number_stays_as_it_is(path: Path) -> None:
    path.write_bytes(scp(scp_sections(counts(EIGHT), microseconds=3000)))
    assert read_scp(path).rate == 1e6 / 3000


def test_a_file_tells_of_its_patient(path: Path) -> None:
    sections = scp_sections(counts(EIGHT), tags=PATIENT)
    path.write_bytes(
        scp(sections | {8: statements("Sinus rhythm", "XXXX", "Confirmed by Dr. Roe")})
    )
    facts = read_scp(path).facts
    assert (facts.age, facts.sex, facts.device) == (39, "F", "Acme MDW14")
    assert facts.date == "2000-02-01 12:05:00"
    assert facts.statements == ("Sinus rhythm",)
    assert facts.measurements == {
        "rr_ms": 800,
        "pr_ms": 157,
        "qrs_ms": 88,
        "qt_ms": 360,
        "p_axis_deg": 29,
        "qrs_axis_deg": 53,
    }
    assert facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)
    assert facts.identifiers == {
        "last_name": "Doe",
        "first_name": "Jo",
        "patient_id": "4711",
        "birth_date": "1940-03-02",
        "signature": "Confirmed by Dr. Roe",
    }
    rest = repr(replace(facts, identifiers={}))
    assert not any(text in rest for text in facts.identifiers.values())


@pytest.mark.parametrize(
    ("unit", "years"), [(0, None), (1, 36.0), (2, 3.0), (3, 0.69), (4, 0.0986), (9, None)]
)
def test_an_age_has_its_unit(path: Path, unit: int, years: float | None) -> None:
    path.write_bytes(scp(scp_sections(counts(EIGHT), tags={4: pack("<HB", 36, unit)})))
    expected = years if years is None else pytest.approx(years, rel=0.01)
    assert read_scp(path).facts.age == expected


@pytest.mark.parametrize("last", [39, 40])
@pytest.mark.parametrize("order", [0, 2])
def test_samples_counted_from_zero_are_those_that_the_bytes_hold(
    path: Path, last: int, order: int
) -> None:
    leads = counts(EIGHT, samples=40)
    path.write_bytes(scp(scp_sections(leads, order=order, huffman=order > 0, numbers=(0, last))))
    found = read_scp(path)
    assert found.signal.shape == (12, 40)
    assert f"samples counted from 0 to {last}; 40 of them, as the bytes hold" in found.facts.assumed


def test_a_lead_of_an_unknown_code_is_kept_and_is_none_of_the_twelve(path: Path) -> None:
    path.write_bytes(scp(scp_sections(counts((*EIGHT, "nothing")))))
    assert "lead of code 0" in (read_scp(path).leads or ())
    assert len(read(path).leads) == 12


def test_leads_that_the_flag_does_not_call_simultaneous_are_named(path: Path) -> None:
    path.write_bytes(scp(scp_sections(counts(EIGHT), flags=0)))
    assert any("recorded together" in told for told in read_scp(path).facts.assumed)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"flags": 65}, "reference beat"),
        ({"flags": 3 << 3}, "not recorded together"),
        ({"numbers": (1, 41)}, "do not hold the samples 1 to 41"),
        ({"numbers": (1, 20)}, "do not hold the samples 1 to 20"),
        ({"numbers": (7, 5)}, "do not hold"),
        ({"numbers": (0, 0)}, "do not hold"),
        ({"numbers": (1, 2**32 - 1)}, "do not hold"),
        ({"microseconds": 0}, "no rate"),
        ({"nanovolts": 0}, "no step"),
    ],
)
def test_numbers_that_contradict_the_bytes_are_refused(path: Path, change, told: str) -> None:
    path.write_bytes(scp(scp_sections(counts(EIGHT), **change)))
    with pytest.raises(InputError, match=told) as refused:
        read_scp(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("section", "place", "byte", "told"),
    [
        (2, 0, 1, "Huffman tables of its own"),
        (3, 0, 0, "no leads"),
        (3, 0, 200, "fewer than it says"),
        (3, 2, 2, "not recorded together"),
        (6, 4, 3, "unknown coding"),
        (6, 5, 1, "bimodal"),
        (6, 7, 255, "longer than their section"),
    ],
)
def test_what_is_not_read_is_refused_by_name(
    path: Path, section: int, place: int, byte: int, told: str
) -> None:
    sections = scp_sections(counts(EIGHT))
    body = bytearray(sections[section])
    body[place] = byte
    path.write_bytes(scp(sections | {section: bytes(body)}))
    with pytest.raises(InputError, match=told):
        read_scp(path)


def test_a_section_that_is_not_there_is_named(path: Path) -> None:
    sections = scp_sections(counts(EIGHT))
    for number, told in ((3, "section 3"), (6, "section 6")):
        path.write_bytes(scp({key: body for key, body in sections.items() if key != number}))
        with pytest.raises(InputError, match=told):
            read_scp(path)


@pytest.mark.parametrize(
    ("number", "field", "told"),
    [
        (6, pack("<HII", 6, 100, 150), "overlaps"),
        (6, pack("<HII", 6, 2**31, 200), "ends beyond the file"),
        (6, pack("<HII", 6, 100, 2**32 - 1), "ends beyond the file"),
        (9, pack("<HII", 9, 16, 143), "section"),
        (8, pack("<HII", 1, 100, 143), "section 1"),
    ],
)
def test_pointers_that_lead_astray_are_refused(
    path: Path, number: int, field: bytes, told: str
) -> None:
    content = scp(scp_sections(counts(EIGHT), tags=PATIENT))
    place = 22 + 10 * number
    path.write_bytes(sealed(content[:place] + field + content[place + 10 :]))
    with pytest.raises(InputError, match=told):
        read_scp(path)


def test_a_file_that_is_cut_off_or_altered_is_refused(path: Path) -> None:
    content = scp(scp_sections(counts(EIGHT)))
    path.write_bytes(content[:-2])
    with pytest.raises(InputError, match="its header says"):
        read_scp(path)
    path.write_bytes(content[:-2] + b"\xff\xff")
    with pytest.raises(InputError, match="checksum"):
        read_scp(path)


def test_differences_that_leave_16_bits_are_refused(path: Path) -> None:
    leads = {lead: np.full(40, 30000) for lead in EIGHT}
    sections = scp_sections(leads, order=0)
    body = bytearray(sections[6])
    body[4] = 1
    path.write_bytes(scp(sections | {6: bytes(body)}))
    with pytest.raises(InputError, match="16 bits"):
        read_scp(path)


def test_its_first_bytes_tell_it_and_no_other(path: Path) -> None:
    head = scp(scp_sections(counts(EIGHT)))
    assert [each.name for each in FORMATS if each.starts(head)] == ["SCP-ECG"]
    assert not begins_scp(b"")
    assert not begins_scp(bytes(8192))
