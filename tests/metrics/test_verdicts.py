"""The verdict on a claim: which side it falls on, and when there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.metrics.significance import holm
from myocard.metrics.summary import Difference
from myocard.metrics.verdicts import FEWEST, too_coarse, too_few, verdict

OPPOSITE = {"supported": "contradicted", "contradicted": "supported", "unresolved": "unresolved"}
ENDS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)
P = st.floats(0, 1)
SIGN = st.sampled_from([1, -1])


def found(low, high):
    return Difference((low + high) / 2, low, high, 0.01, 0.1)


@given(ends=ENDS, p=P, sign=SIGN)
def test_swapping_the_models_swaps_supported_and_contradicted(ends, p, sign):
    low, high = ends
    one, other = verdict(found(low, high), p, sign=sign), verdict(found(-high, -low), p, sign=sign)
    assert other == OPPOSITE[one]


@given(ends=ENDS, p=P)
def test_where_less_is_better_the_verdict_is_the_other(ends, p):
    more, less = verdict(found(*ends), p, sign=1), verdict(found(*ends), p, sign=-1)
    assert less == OPPOSITE[more]


@given(ends=ENDS, p=P, sign=SIGN)
def test_nothing_is_decided_where_the_interval_holds_0_or_p_is_large(ends, p, sign):
    decided = verdict(found(*ends), p, sign=sign) != "unresolved"
    assert decided == (p < 0.05 and not ends[0] <= 0 <= ends[1])


def test_no_difference_is_untestable():
    assert verdict(None, np.nan, sign=1) == "untestable"


def test_a_class_needs_patients_and_not_records_on_both_sides():
    owners = np.array([f"p{k // 3}" for k in range(90)])
    target = (np.arange(90) < 3 * FEWEST).astype(float)
    assert too_few(target, owners, "any") is None
    assert too_few(1 - target, owners, "any") is None
    target[3 * FEWEST - 1] = np.nan  # two records of the patient are left
    assert too_few(target, owners, "any") is None
    target[3 * (FEWEST - 1) : 3 * FEWEST] = np.nan
    assert too_few(target, owners, "any") == "9 patients with a positive, fewer than 10"
    assert too_few(1 - target, owners, "any") == "9 patients with a negative, fewer than 10"
    assert too_few(np.ones(90), owners, "any") == "0 patients with a negative, fewer than 10"


def test_a_number_needs_patients_who_differ_and_a_time_patients_with_an_event():
    owners, numbers = np.arange(12), np.arange(12.0)
    assert too_few(numbers, owners, "number") is None
    assert too_few(np.full(12, 5.0), owners, "number") == "the same number everywhere"
    numbers[9:] = np.nan
    assert too_few(numbers, owners, "number") == "9 patients with a number, fewer than 10"
    seen = np.where(owners < FEWEST, 3.0, -4.0)
    assert too_few(seen, owners, "time") is None
    assert too_few(seen, owners // 2, "time") == "5 patients with an event, fewer than 10"
    assert too_few(-seen, owners, "time") == "2 patients with an event, fewer than 10"


@pytest.mark.parametrize("tests", [1, 3, 50])
def test_a_bootstrap_is_too_coarse_when_its_smallest_p_cannot_pass_holm(tests):
    for resamples in range(20, 3000, 7):
        smallest = holm([2 / (resamples + 1)] * tests)[0]
        assert (too_coarse(resamples, tests) is None) == (smallest < 0.05)
    needed = int(too_coarse(20, tests).split()[-2].replace(",", ""))
    assert too_coarse(needed, tests) is None or too_coarse(needed + 1, tests) is None
    assert too_coarse(needed - 1, tests) is not None
