"""Waves of a lead: their labels, on other clocks, and apart from each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from myocard.waves import NONE, QRS, UNKNOWN, Delineation, P, T, apart, nothing_known


def delineation(*rows: tuple[int, float, float]) -> Delineation:
    kind, onset, offset = zip(*rows, strict=True)
    return Delineation(np.array(kind, np.int8), np.array(onset, float), np.array(offset, float))


LEAD = delineation((UNKNOWN, -np.inf, 0.05), (P, 0.05, 0.2), (QRS, 0.25, 0.35), (T, 0.35, 0.65))


def test_a_sample_has_the_label_of_the_wave_at_its_time():
    found = LEAD.labels(8, rate=10).tolist()
    assert found == [UNKNOWN, P, P, QRS, T, T, T, NONE]


def test_labels_on_an_earlier_clock_are_those_that_follow():
    later = LEAD.earlier(0.2).labels(5, rate=10)
    np.testing.assert_array_equal(later, LEAD.labels(7, rate=10)[2:])


def test_nothing_is_known_of_a_lead_that_nobody_looked_at():
    assert set(nothing_known().labels(50, 100).tolist()) == {UNKNOWN}


def test_boundaries_that_a_window_does_not_show_are_infinite():
    kind, onset, offset = LEAD.earlier(0.15).within(0.4)
    assert kind.tolist() == [P, QRS, T]
    np.testing.assert_allclose(onset, [-np.inf, 0.1, 0.2])
    np.testing.assert_allclose(offset, [0.05, 0.2, np.inf])


times = arrays(float, 12, elements=st.floats(0, 10))


@given(times, times, arrays(np.int8, 12, elements=st.integers(P, T)))
def test_waves_that_were_put_apart_overlap_no_more_and_none_is_longer(one, other, kind):
    onset, offset = np.minimum(one, other), np.maximum(one, other)
    found = apart(kind, onset, offset)
    assert (found.onset < found.offset).all()
    assert (found.offset[:-1] <= found.onset[1:]).all()
    for each, first, last in zip(*found, strict=True):
        assert ((kind == each) & (onset <= first) & (last <= offset)).any()


def test_t_begins_when_its_complex_has_ended_and_ends_where_p_begins():
    kind, onset, offset = apart(
        np.array([P, T, QRS], np.int8), np.array([0.5, 0.1, 0.0]), np.array([0.6, 0.55, 0.2])
    )
    assert kind.tolist() == [QRS, T, P]
    assert onset.tolist() == [0.0, 0.2, 0.5]
    assert offset.tolist() == [0.2, 0.5, 0.6]
