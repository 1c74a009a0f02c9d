"""Quantities that are read from layers, and erased from them."""

import numpy as np
import pytest

from myocard.evaluation.layers.knowledge import eraser, explained, fitted, identity


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_quantity_that_a_layer_holds_is_explained_and_another_is_not(rng):
    states = rng.normal(size=(400, 12))
    held = states @ rng.normal(size=(12, 1)) + 0.1 * rng.normal(size=(400, 1))
    targets = np.hstack([held, rng.normal(size=(400, 1))])
    patients = np.arange(400).astype(object)
    predictions = fitted(states, targets, patients)
    (found,) = explained(targets, predictions, np.ones((1, 400)))
    assert found[0] > 0.95
    assert found[1] < 0.05


def test_a_patient_is_never_predicted_from_their_own_record(rng):
    """Targets are a patient's own noise, which both records share: chance is no R² above 0."""
    patients = np.repeat(np.arange(100), 2).astype(object)
    states = np.repeat(rng.normal(size=(100, 40)), 2, axis=0)
    targets = np.repeat(rng.normal(size=(100, 1)), 2, axis=0)
    (found,) = explained(targets, fitted(states, targets, patients), np.ones((1, 200)))
    assert found[0] < 0.05


def test_r2_is_scikit_learns(rng):
    from sklearn.metrics import r2_score

    targets, predictions = rng.normal(size=(2, 50, 3))
    counts = np.vstack([np.ones(50), rng.integers(1, 4, 50)])
    found = explained(targets, predictions, counts)
    for row, weights in zip(found, counts, strict=True):
        wanted = r2_score(targets, predictions, sample_weight=weights, multioutput="raw_values")
        np.testing.assert_allclose(row, wanted)


def test_what_is_erased_covaries_with_nothing_and_the_rest_stays(rng):
    mixing = rng.normal(size=(6, 6))
    states = rng.normal(size=(300, 6)) @ mixing
    quantities = states @ rng.normal(size=(6, 2)) + rng.normal(size=(300, 2))
    erased = eraser(states, quantities)(states)
    around = quantities - quantities.mean(axis=0)
    np.testing.assert_allclose((erased - erased.mean(axis=0)).T @ around / 300, 0, atol=1e-9)
    assert np.linalg.matrix_rank(erased - erased.mean(axis=0)) == 4
    np.testing.assert_allclose(erased.mean(axis=0), states.mean(axis=0))


def test_erasing_a_quantity_twice_changes_nothing_more(rng):
    states = rng.normal(size=(200, 5))
    erase = eraser(states, states[:, :1] + rng.normal(size=(200, 1)))
    np.testing.assert_allclose(erase(erase(states)), erase(states), atol=1e-9)


def test_records_of_one_patient_are_found_and_strangers_are_at_chance(rng):
    people = rng.normal(size=(60, 30))
    patients = np.repeat(np.arange(60), 2).astype(object)
    alike = np.repeat(people, 2, axis=0) + 0.3 * rng.normal(size=(120, 30))
    assert np.nanmean(identity(alike, patients)) > 0.99
    strangers = identity(rng.normal(size=(120, 30)), patients)
    assert abs(strangers.mean() - 0.5) < 0.08


def test_a_patient_with_one_record_has_no_identity_to_find(rng):
    found = identity(rng.normal(size=(3, 4)), np.array(["a", "a", "b"], object))
    assert np.isnan(found).tolist() == [False, False, True]
