"""Folds: no patient in two, the same for any order, and shares alike."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.data.folds import assign_folds, split_hash

SHARES = {"NORM": 0.5, "STTC": 0.2, "LBBB": 0.05, "WPW": 0.01}


@pytest.fixture(scope="module")
def cohort() -> tuple[list[str], list[list[str]]]:
    """2,000 records of about 1,500 patients with four independent codes."""
    rng = np.random.default_rng(0)
    patients = [f"p{number}" for number in rng.integers(2500, size=2000)]
    codes = [[code for code, share in SHARES.items() if rng.random() < share] for _ in patients]
    return patients, codes


records = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("xyz"), max_size=3)),
    min_size=1,
    max_size=30,
)


@given(records, st.integers(2, 6), st.integers(0, 5))
def test_no_patient_is_in_two_folds_and_every_record_is_in_one(found, folds, seed) -> None:
    patients, codes = zip(*found, strict=True)
    assigned = assign_folds(patients, codes, folds, seed)
    of_patient = defaultdict(set)
    for patient, fold in zip(patients, assigned, strict=True):
        of_patient[patient].add(fold)
    assert {len(folds_of) for folds_of in of_patient.values()} == {1}
    assert set(assigned) <= set(range(1, folds + 1))


@given(records, st.randoms(use_true_random=False))
def test_the_order_of_records_does_not_matter(found, random) -> None:
    shuffled = random.sample(range(len(found)), len(found))
    assigned = assign_folds(*zip(*found, strict=True), folds=4)
    again = assign_folds(*zip(*(found[i] for i in shuffled), strict=True), folds=4)
    assert again == [assigned[i] for i in shuffled]


def test_folds_have_alike_sizes(cohort) -> None:
    sizes = Counter(assign_folds(*cohort))
    assert set(sizes) == set(range(1, 11))
    assert max(sizes.values()) - min(sizes.values()) <= 4


@pytest.mark.parametrize("code", SHARES)
def test_every_class_is_spread_evenly(cohort, code: str) -> None:
    patients, codes = cohort
    carriers = Counter(
        fold for fold, own in zip(assign_folds(patients, codes), codes, strict=True) if code in own
    )
    counts = [carriers[fold] for fold in range(1, 11)]
    assert max(counts) - min(counts) <= 3
    assert min(counts) > 0


def test_records_without_codes_fill_the_folds(cohort) -> None:
    sizes = Counter(assign_folds([str(i) for i in range(95)], [[]] * 95))
    assert sorted(sizes.values()) == [9] * 5 + [10] * 5


def test_another_seed_gives_another_split(cohort) -> None:
    patients, codes = cohort
    first, second = assign_folds(patients, codes, seed=0), assign_folds(patients, codes, seed=1)
    agreeing = np.mean(np.array(first) == second)
    assert agreeing < 0.2  # By chance, a tenth agree.
    assert assign_folds(patients, codes, seed=1) == second


def test_fewer_patients_than_folds_get_one_each() -> None:
    assert len(set(assign_folds(["a", "b", "c"], [["x"], ["x"], []]))) == 3


def test_the_split_of_one_small_cohort_is_a_contract() -> None:
    """These numbers are a promise: whoever changes the algorithm changes everyone's test sets."""
    patients = ["a", "a", "b", "c", "d", "e", "f", "g", "h", "h"]
    codes = [["x"], ["y"], ["x"], [], ["y"], ["z"], ["x", "z"], [], ["y"], ["y"]]
    folds = assign_folds(patients, codes, folds=3, seed=0)
    assert folds == [3, 3, 2, 1, 2, 2, 1, 3, 1, 1]
    assert split_hash([str(i) for i in range(10)], folds) == (
        "bd468f0628cd3cc873854afe61cb85bea19eaf900291cb96355825a931ce5c84"
    )


def test_the_hash_of_a_split_ignores_order_and_sees_every_move() -> None:
    ids, folds = ["1", "2", "3"], [1, 2, 3]
    original = split_hash(ids, folds)
    assert split_hash(ids[::-1], folds[::-1]) == original
    assert split_hash(ids, np.array(folds).tolist()) == original
    others = [split_hash(ids, [1, 3, 2]), split_hash(ids[:2], folds[:2]), split_hash("124", folds)]
    assert len({original, *others}) == 4
