"""ISHNE: a day's samples are read to the step, and headers that lie are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing.ishne import CODES, ishne
from writing.signals import EIGHT, Counts, counts, random_counts, whole

from myocard.data.formats.ishne import read_ishne
from myocard.data.formats.reading import FORMATS, read
from myocard.errors import InputError
from myocard.leads import LEADS, limb_leads

HOLTER = ("V1", "aVF", "V5")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ishne") / "night.ECG"


@given(
    st.lists(st.sampled_from(sorted(CODES)), min_size=1, max_size=12, unique=True).flatmap(
        random_counts
    ),
    st.integers(1, 32767),
    st.integers(1, 32767),
    st.binary(max_size=40),
    st.booleans(),
)
def test_samples_are_exact(
    path: Path, leads: Counts, rate: int, nanovolts: int, extra: bytes, of_all: bool
) -> None:
    samples = len(next(iter(leads.values()))) * (len(leads) if of_all else 1)
    path.write_bytes(ishne(leads, rate, nanovolts, extra, {"samples": samples}))
    found = read_ishne(path)
    millivolts = {name: values * (nanovolts / 1e6) for name, values in leads.items()}
    if {"I", "II"} <= leads.keys():
        millivolts = limb_leads(millivolts["I"], millivolts["II"]) | millivolts
    signal = whole(found)
    assert (found.rate, found.unit, signal.dtype) == (rate, "mV", np.float32)
    assert found.leads is not None
    assert set(found.leads) == set(millivolts)
    for lead, row in zip(found.leads, signal, strict=True):
        np.testing.assert_allclose(row, millivolts[lead], rtol=1e-7, atol=1e-7)


def test_blocks_join_without_a_seam(path: Path) -> None:
    leads = counts(HOLTER, samples=3 * 65536 + 7)
    path.write_bytes(ishne(leads))
    steps = np.stack([*leads.values()]) * 0.005
    np.testing.assert_array_equal(read(path).signal, steps.astype(np.float32))


def test_a_file_tells_of_its_patient(path: Path) -> None:
    path.write_bytes(ishne(counts(EIGHT)))
    facts = read_ishne(path).facts
    assert (facts.age, facts.sex, facts.device) == (None, "F", "digital")
    assert facts.date == "2000-02-01 12:05:00"
    assert facts.assumed == ("III, aVR, aVL and aVF computed from I and II",)
    assert set(facts.identifiers.values()) == {"Jo", "Doe", "4711", "1940-03-02"}
    rest = repr(replace(facts, identifiers={}))
    assert not any(text in rest for text in facts.identifiers.values())
    assert set(read(path).leads) == set(LEADS)


def test_a_lead_of_an_unknown_code_is_kept(path: Path) -> None:
    path.write_bytes(ishne(counts(("V1", "patch"))))
    assert read_ishne(path).leads == ("V1", "lead of code 0")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"samples": 41}, "says 41 samples"),
        ({"samples": 0}, "says 0 samples"),
        ({"samples": -1}, "says -1 samples"),
        ({"leads": 0}, "0 leads"),
        ({"leads": 13}, "13 leads"),
        ({"leads": -1}, "-1 leads"),
        ({"rate": 0}, "at 0 Hz"),
        ({"steps": [5000, 0, 5000]}, "without a resolution"),
        ({"signal": 521}, "blocks overlap"),
        ({"signal": 2**31 - 1}, "outside the file"),
        ({"signal": 523}, "says 40 samples"),
        ({"extra": -1}, "blocks overlap"),
        ({"extra": 2**31 - 1}, "outside the file"),
    ],
)
def test_a_header_that_lies_is_refused(path: Path, header, told: str) -> None:
    path.write_bytes(ishne(counts(HOLTER), header=header))
    with pytest.raises(InputError, match=told) as refused:
        read_ishne(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_cut_off_or_altered_is_refused(path: Path) -> None:
    content = ishne(counts(HOLTER))
    for cut, told in ((-2, "says 40 samples"), (-1, "says 40 samples"), (300, "inside its header")):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match=told):
            read_ishne(path)
    path.write_bytes(content[:30] + b"!" + content[31:])
    with pytest.raises(InputError, match="checksum"):
        read_ishne(path)


def test_its_first_bytes_tell_it_and_no_other() -> None:
    head = ishne(counts(HOLTER))
    assert [each.name for each in FORMATS if each.starts(head)] == ["ISHNE Holter"]
