"""Lead names in any spelling, and what Einthoven's triangle fixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myocard.errors import InputError
from myocard.leads import LEADS, canonical, limb_leads, parse_leads

millivolts = arrays(np.float64, 5, elements=st.floats(-10, 10))


@given(millivolts, millivolts, millivolts)
def test_limb_leads_are_those_of_three_electrodes(right, left, foot) -> None:
    """Oracle: each lead's definition by the potentials of right arm, left arm and left foot."""
    derived = limb_leads(left - right, foot - right)
    expected = {
        "III": foot - left,
        "aVR": right - (left + foot) / 2,
        "aVL": left - (right + foot) / 2,
        "aVF": foot - (right + left) / 2,
    }
    assert derived.keys() == expected.keys()
    for name, lead in expected.items():
        np.testing.assert_allclose(derived[name], lead, atol=1e-12)


@given(millivolts, millivolts)
def test_einthovens_and_goldbergers_laws_hold(lead_i, lead_ii) -> None:
    derived = limb_leads(lead_i, lead_ii)
    np.testing.assert_allclose(lead_i + derived["III"], lead_ii, atol=1e-12)
    augmented = derived["aVR"] + derived["aVL"] + derived["aVF"]
    np.testing.assert_allclose(augmented, 0, atol=1e-12)


def test_limb_leads_stay_float32() -> None:
    lead = np.ones(3, dtype=np.float32)
    assert {row.dtype for row in limb_leads(lead, lead).values()} == {np.dtype(np.float32)}


@given(st.permutations(LEADS), st.sampled_from([str.lower, str.upper, str.title, str.swapcase]))
def test_names_are_read_in_any_case_and_keep_their_order(leads, spell) -> None:
    assert parse_leads([f" {spell(lead)} " for lead in leads]) == tuple(leads)


def test_brazilian_names_are_the_standard_leads() -> None:
    assert parse_leads(["DI", "dii", "DIII"]) == ("I", "II", "III")


def test_an_unknown_name_is_none_of_the_twelve() -> None:
    assert [canonical(name) for name in ("V7", "", "PLETH", "aV R")] == [None] * 4


def test_unknown_leads_are_named_with_the_choices() -> None:
    with pytest.raises(InputError, match=r"unknown lead 'V7', 'X'; the leads are I, II, .*V6"):
        parse_leads(["I", "V7", "X"])


@pytest.mark.parametrize("names", [["I", "II", "i"], ["DI", "I"]])
def test_a_lead_named_twice_is_refused(names: list[str]) -> None:
    with pytest.raises(InputError, match="named twice in " + ", ".join(names)):
        parse_leads(names)
