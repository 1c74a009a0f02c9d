"""Boundaries that were found against true ones: laws of matching, counting and errors."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from myocard.metrics.boundaries import (
    BOUNDARIES,
    EVENTS,
    TOLERANCES,
    f1,
    matched,
    measures,
    runs,
    tally,
)
from myocard.waves import NONE, QRS, UNKNOWN, Delineation, P, T

RATE = 100


@st.composite
def leads(draw: st.DrawFn) -> Delineation:
    """A lead of 10 s with waves of 50 ms and more, 50 ms and more apart, none at its ends."""
    gaps = draw(st.lists(st.floats(0.05, 0.6), min_size=2, max_size=20))
    times = 0.05 + np.cumsum(gaps)
    onset, offset = times[0::2][: len(times) // 2], times[1::2]
    assume(offset[-1] < 9.9)
    kind = draw(st.lists(st.sampled_from([P, QRS, T]), min_size=len(offset), max_size=len(offset)))
    return Delineation(np.array(kind, np.int8), onset, offset)


def shifted(lead: Delineation, seconds: float) -> Delineation:
    return lead.earlier(-seconds)


@given(leads())
def test_a_perfect_prediction_scores_one_without_error(lead):
    found = measures(tally(lead, lead))
    present = np.array([_count(lead, event) > 0 for event in EVENTS])
    for name in ("f1", "sensitivity", "predictive_value"):
        assert (found[name][present] == 1).all()
        assert np.isnan(found[name][~present]).all()
    assert (found["error_mean"][present] == 0).all()
    assert (found["error_sd"][present] == 0).all()


def _count(lead: Delineation, event: str) -> int:
    kinds = {"P": P, "QRS": QRS, "T": T, "beat": QRS}
    return int((lead.kind == kinds[event.split()[0]]).sum())


@given(leads(), st.floats(-0.145, 0.145))
def test_a_shift_within_the_tolerance_scores_one_with_that_bias(lead, shift):
    found = measures(tally(lead, shifted(lead, shift)))
    within = np.array(TOLERANCES) / 1000 > abs(shift) + 1e-9
    for number, event in enumerate(EVENTS):
        if _count(lead, event):
            assert (found["f1"][number, within] == 1).all()
            np.testing.assert_allclose(found["error_mean"][number, within], 1000 * shift, atol=1e-6)
            np.testing.assert_allclose(found["error_sd"][number, within], 0, atol=1e-4)


@given(leads(), leads())
def test_f1_is_the_same_whoever_is_the_truth_and_errors_turn_round(one, other):
    there, back = tally(one, other), tally(other, one)
    np.testing.assert_array_equal(f1(there), f1(back))
    np.testing.assert_array_equal(there[..., [0, 1, 2]], back[..., [0, 2, 1]])
    np.testing.assert_allclose(there[..., 3], -back[..., 3], atol=1e-9)


@given(leads(), leads())
def test_more_is_found_within_a_wider_tolerance(one, other):
    counts = tally(one, other)[..., 0]
    assert (np.diff(counts, axis=1) >= 0).all()


points = st.lists(st.floats(0, 1), max_size=5).map(lambda x: np.sort(np.array(x, float)))


@given(points, points, st.floats(0.01, 0.5))
def test_matching_is_the_best_of_all_ways(truth, found, tolerance):
    pairs = matched(truth, found, tolerance)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)
    distances = np.abs(truth[pairs[:, 0]] - found[pairs[:, 1]])
    assert (distances <= tolerance).all()
    best = (0, 0.0)
    few, many = sorted((truth, found), key=len)
    for order in permutations(range(len(many)), len(few)):
        each = np.abs(few - many[list(order)])
        near = each[each <= tolerance]
        best = max(best, (len(near), -np.square(near).sum()))
    assert len(pairs) == best[0]
    assert np.square(distances).sum() == pytest.approx(-best[1], abs=1e-9)


@given(leads())
def test_the_waves_of_a_leads_labels_are_the_leads_to_half_a_sample(lead):
    found = runs(lead.labels(10 * RATE, RATE), RATE)
    assume(len(found.kind) == len(lead.kind))  # equal waves that a sample divides are one
    assert found.kind.tolist() == lead.kind.tolist()
    assert np.abs(found.onset - lead.onset).max() <= 0.5 / RATE + 1e-9
    assert np.abs(found.offset - lead.offset).max() <= 0.5 / RATE + 1e-9


@given(leads(), st.floats(0, 5), st.integers(20, 500))
def test_the_labels_of_any_window_score_one_within_20_ms(lead, start, samples):
    truth = lead.earlier(start).within((samples - 1) / RATE)
    assume(len(truth.kind))
    counts = tally(truth, runs(truth.labels(samples, RATE), RATE))
    assert not counts[..., 1:3].any()
    assert counts[:6, 0, 0].sum() == np.isfinite([truth.onset, truth.offset]).sum()


def test_short_runs_are_dropped_and_what_they_divided_is_whole():
    labels = np.repeat(np.array([NONE, P, QRS, P, NONE, T, NONE], np.int8), [5, 5, 2, 5, 5, 2, 5])
    kind, onset, offset = runs(labels, RATE)
    assert kind.tolist() == [P]
    assert (onset[0], offset[0]) == (0.045, 0.165)


def test_a_wave_that_reaches_the_end_has_no_boundary_there():
    labels = np.repeat(np.array([T, NONE, QRS], np.int8), 10)
    kind, onset, offset = runs(labels, RATE)
    assert kind.tolist() == [T, QRS]
    assert onset.tolist() == [-np.inf, 0.195]
    assert offset.tolist() == [0.095, np.inf]
    counts = tally(runs(labels, RATE), runs(labels, RATE))
    assert counts[..., 0].sum(axis=1).tolist() == [0, 0, 3, 0, 0, 3, 0]


def test_a_label_that_fills_the_window_has_no_boundary_at_all():
    counts = tally(runs(np.full(50, QRS, np.int8), RATE), runs(np.full(50, NONE, np.int8), RATE))
    assert not counts.any()


def test_what_is_found_where_nobody_looked_is_not_held_against_it():
    truth = Delineation(
        np.array([UNKNOWN, P], np.int8), np.array([-np.inf, 1.0]), np.array([1.0, 1.1])
    )
    before = Delineation(np.array([P, P], np.int8), np.array([0.4, 0.99]), np.array([0.5, 1.1]))
    counts = tally(truth, before)[: len(BOUNDARIES)]
    np.testing.assert_array_equal(counts[0, :, :3], [[1, 0, 0]] * len(TOLERANCES))
    np.testing.assert_array_equal(counts[1, :, :3], [[1, 0, 0]] * len(TOLERANCES))
    behind = Delineation(np.array([P], np.int8), np.array([2.0]), np.array([2.1]))
    assert tally(truth, behind)[0, 0, :3].tolist() == [0, 1, 1]


def test_errors_are_those_of_numpy():
    truth = Delineation(
        np.array([T] * 3, np.int8), np.array([1.0, 2, 3]), np.array([1.2, 2.2, 3.2])
    )
    errors = np.array([0.01, -0.02, 0.03])
    found = measures(tally(truth, truth._replace(onset=truth.onset + errors)))
    place = EVENTS.index("T onset"), TOLERANCES.index(150)
    assert found["error_mean"][place] == pytest.approx(1000 * errors.mean())
    assert found["error_sd"][place] == pytest.approx(1000 * errors.std())
